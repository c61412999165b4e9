/* RNN, GRU and LSTM: f32 against f64, threads, and inputs that must be refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

enum { SEQ = 5, BATCH = 7, IN = 9, HIDDEN = 11 };
static const char *const cells[] = {"RNN", "GRU", "LSTM"};
static const int64_t gates[] = {1, 3, 4};
static float x[SEQ * BATCH * IN], w[2 * 4 * HIDDEN * IN], r[2 * 4 * HIDDEN * HIDDEN];
static double x64[SEQ * BATCH * IN], w64[2 * 4 * HIDDEN * IN], r64[2 * 4 * HIDDEN * HIDDEN];

static void fill(float *to, double *wide, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        to[i] = ((float)(seed >> 8) / 8388608.0f - 1) * 0.4f;
        wide[i] = (double)to[i];
    }
}

static ct_status run_cell(struct one_node *one, int cell, ct_dtype dtype, const int32_t *lens)
{
    bool wide = dtype == CORTEN_F64;
    one_node_init(one, "", cells[cell], 14, 5, 2);
    one_node_text(one, "direction", "bidirectional");
    one_node_int(one, "hidden_size", HIDDEN);
    one_node_input(one, 0, dtype, 3, (int64_t[]){SEQ, BATCH, IN}, wide ? (void *)x64 : x);
    one_node_input(one, 1, dtype, 3, (int64_t[]){2, gates[cell] * HIDDEN, IN},
                   wide ? (void *)w64 : w);
    one_node_input(one, 2, dtype, 3, (int64_t[]){2, gates[cell] * HIDDEN, HIDDEN},
                   wide ? (void *)r64 : r);
    one_node_input(one, 4, CORTEN_I32, 1, (int64_t[]){BATCH}, lens);
    return one_node_run(one);
}

static void floats_agree_with_doubles(void **state)
{
    (void)state;
    static const int32_t lens[BATCH] = {5, 1, 3, 0, 5, 2, 4};
    fill(x, x64, sizeof x / sizeof *x, 1);
    fill(w, w64, sizeof w / sizeof *w, 2);
    fill(r, r64, sizeof r / sizeof *r, 3);
    for (int cell = 0; cell < 3; cell++) {
        struct one_node narrow, wide;
        assert_int_equal(run_cell(&narrow, cell, CORTEN_F32, lens), CORTEN_OK);
        assert_int_equal(run_cell(&wide, cell, CORTEN_F64, lens), CORTEN_OK);
        for (int out = 0; out < 2; out++)
            for (size_t i = 0; i < ct_count(&narrow.out[out]); i++)
                assert_true(fabs((double)CT_DATA(float, &narrow.out[out])[i] -
                                 CT_DATA(double, &wide.out[out])[i]) < 1e-5);
        /* Row 3 has no steps: its outputs and its last state are zero. */
        for (int i = 0; i < HIDDEN; i++)
            assert_true(CT_DATA(float, &narrow.out[1])[3 * HIDDEN + i] == 0);
        one_node_deinit(&narrow);
        one_node_deinit(&wide);
    }
}

static void lengths_past_the_end_are_refused(void **state)
{
    (void)state;
    static const int32_t bad[2][BATCH] = {{5, 5, 5, 5, 5, 5, 6}, {5, -1, 5, 5, 5, 5, 5}};
    for (int i = 0; i < 2; i++) {
        struct one_node one;
        assert_int_equal(run_cell(&one, 1, CORTEN_F32, bad[i]), CORTEN_RUN_FAILED);
        one_node_deinit(&one);
    }
}

static void weights_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 5, 3}, {2, 4, 3}, {1, 4, 2}, {1, 0, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct one_node one;
        struct ct_fact out[3];
        one_node_init(&one, "", "LSTM", 14, 3, 3);
        one_node_input(&one, 0, CORTEN_F32, 3, (int64_t[]){2, 2, 3}, NULL);
        one_node_input(&one, 1, CORTEN_F32, 3, shapes[i], NULL);
        one_node_input(&one, 2, CORTEN_F32, 3, (int64_t[]){1, 4, 1}, NULL);
        assert_int_equal(one_node_infer(&one, out), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_agree_with_doubles),
        cmocka_unit_test(lengths_past_the_end_are_refused),
        cmocka_unit_test(weights_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
