/* Attention: the tiled f32 form against the plain f64 one, and what must be refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

enum { HEADS = 4, KV_HEADS = 2, Q_LEN = 61, KV_LEN = 700, SIZE = 24 };

static float q[HEADS * Q_LEN * SIZE], k[KV_HEADS * KV_LEN * SIZE], v[KV_HEADS * KV_LEN * SIZE];
static float mask[Q_LEN * KV_LEN];
static double q64[HEADS * Q_LEN * SIZE], k64[KV_HEADS * KV_LEN * SIZE],
    v64[KV_HEADS * KV_LEN * SIZE];
static double mask64[Q_LEN * KV_LEN];

static void fill(float *x, double *wide, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1;
        wide[i] = (double)x[i];
    }
}

/* Bits of `options`: causal, mask, softcap, window. */
static void attend(struct one_node *one, ct_dtype dtype, int64_t q_len, int options, int threads)
{
    bool wide = dtype == CORTEN_F64;
    one_node_init(one, "", "Attention", 25, 4, 1);
    one_node_input(one, 0, dtype, 4, (int64_t[]){1, HEADS, q_len, SIZE}, wide ? (void *)q64 : q);
    one_node_input(one, 1, dtype, 4, (int64_t[]){1, KV_HEADS, KV_LEN, SIZE},
                   wide ? (void *)k64 : k);
    one_node_input(one, 2, dtype, 4, (int64_t[]){1, KV_HEADS, KV_LEN, SIZE},
                   wide ? (void *)v64 : v);
    if (options & 1)
        one_node_int(one, "is_causal", 1);
    if (options & 2)
        one_node_input(one, 3, dtype, 2, (int64_t[]){q_len, KV_LEN}, wide ? (void *)mask64 : mask);
    if (options & 4)
        one_node_float(one, "softcap", 2);
    if (options & 8) {
        one_node_int(one, "left_window_size", 30);
        one_node_int(one, "right_window_size", 5);
    }
    if (threads > 1)
        one_node_threads(one, threads);
    assert_int_equal(one_node_run(one), CORTEN_OK);
}

static void tiles_agree_with_rows(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 3, 20, Q_LEN};
    fill(q, q64, sizeof q / sizeof *q, 1);
    fill(k, k64, sizeof k / sizeof *k, 2);
    fill(v, v64, sizeof v / sizeof *v, 3);
    fill(mask, mask64, sizeof mask / sizeof *mask, 4);
    for (int options = 0; options < 16; options++) {
        for (int i = 0; i < 4; i++) {
            struct one_node tiled, plain, threaded;
            attend(&tiled, CORTEN_F32, lengths[i], options, 1);
            attend(&threaded, CORTEN_F32, lengths[i], options, 3);
            attend(&plain, CORTEN_F64, lengths[i], options, 1);
            size_t n = ct_count(&tiled.out[0]);
            for (size_t j = 0; j < n; j++)
                assert_true(fabs((double)CT_DATA(float, &tiled.out[0])[j] -
                                 CT_DATA(double, &plain.out[0])[j]) < 1e-5);
            assert_memory_equal(tiled.out[0].data, threaded.out[0].data, n * sizeof(float));
            one_node_deinit(&tiled);
            one_node_deinit(&threaded);
            one_node_deinit(&plain);
        }
    }
}

static void a_row_without_keys_is_zero(void **state)
{
    (void)state;
    struct one_node one;
    static const bool none[KV_LEN] = {false};
    attend(&one, CORTEN_F32, 20, 0, 1);
    one_node_input(&one, 3, CORTEN_BOOL, 2, (int64_t[]){1, KV_LEN}, none);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (size_t i = 0; i < ct_count(&one.out[0]); i++)
        assert_true(CT_DATA(float, &one.out[0])[i] == 0);
    one_node_deinit(&one);
}

static void impossible_heads_are_refused(void **state)
{
    (void)state;
    static const int64_t heads[][2] = {{0, 1}, {-4, 2}, {4, 0}, {4, 3}, {5, 5}, {INT64_MAX, 1}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct one_node one;
        struct ct_fact out;
        one_node_init(&one, "", "Attention", 23, 3, 1);
        one_node_int(&one, "q_num_heads", heads[i][0]);
        one_node_int(&one, "kv_num_heads", heads[i][1]);
        for (int in = 0; in < 3; in++)
            one_node_input(&one, in, CORTEN_F32, 3, (int64_t[]){1, 2, 24}, NULL);
        assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_agree_with_rows),
        cmocka_unit_test(a_row_without_keys_is_zero),
        cmocka_unit_test(impossible_heads_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
