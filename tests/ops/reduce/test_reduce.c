/* Reductions: nothing to reduce, many dimensions, NaN, and the same bits on any number of
 * threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

static int64_t reduce_nothing(const char *op, ct_dtype dtype)
{
    struct one_node one;
    int64_t result;
    char nothing;
    one_node_init(&one, "", op, 20, 1, 1);
    one_node_input(&one, 0, dtype, 2, (int64_t[]){2, 0}, &nothing);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    ct_load_i64(dtype, one.out[0].data, 0, 1, &result);
    one_node_deinit(&one);
    return result;
}

static void nothing_reduces_to_the_identity(void **state)
{
    (void)state;
    assert_int_equal(reduce_nothing("ReduceMax", CORTEN_I8), INT8_MIN);
    assert_int_equal(reduce_nothing("ReduceMin", CORTEN_I8), INT8_MAX);
    assert_int_equal(reduce_nothing("ReduceMin", CORTEN_U8), UINT8_MAX);
    assert_int_equal(reduce_nothing("ReduceMax", CORTEN_U64), 0);
    assert_int_equal(reduce_nothing("ReduceMin", CORTEN_U64), -1);
    assert_int_equal(reduce_nothing("ReduceMax", CORTEN_BOOL), 0);
    assert_int_equal(reduce_nothing("ReduceMin", CORTEN_BOOL), 1);
    assert_int_equal(reduce_nothing("ReduceProd", CORTEN_I32), 1);
    assert_int_equal(reduce_nothing("ReduceMean", CORTEN_I64), 0);
}

static void eight_dimensions_work(void **state)
{
    (void)state;
    struct one_node one;
    static float x[256];
    static const int64_t axes[3] = {0, -6, 5};
    for (int i = 0; i < 256; i++)
        x[i] = (float)i;
    one_node_init(&one, "", "ReduceSum", 13, 2, 1);
    one_node_int(&one, "keepdims", 0);
    one_node_input(&one, 0, CORTEN_F32, 8, (int64_t[]){2, 2, 2, 2, 2, 2, 2, 2}, x);
    one_node_input(&one, 1, CORTEN_I64, 1, (int64_t[]){3}, axes);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_int_equal(one.out[0].rank, 5);
    /* Elements whose bits 7, 5 and 2 are anything, the others 0. */
    assert_true(CT_DATA(float, &one.out[0])[0] == (128 + 32 + 4) * 4);
    one_node_deinit(&one);
}

static void a_nan_is_never_lost(void **state)
{
    (void)state;
    static float x[100];
    for (int at = 0; at < 100; at += 9) {
        struct one_node one;
        x[at] = NAN;
        one_node_init(&one, "", at % 2 ? "ReduceMax" : "ReduceMin", 13, 1, 1);
        one_node_input(&one, 0, CORTEN_F32, 1, (int64_t[]){100}, x);
        assert_int_equal(one_node_run(&one), CORTEN_OK);
        assert_true(isnan(CT_DATA(float, &one.out[0])[0]));
        one_node_deinit(&one);
        x[at] = 0;
    }
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    enum { ROWS = 300, COLS = 1000 };
    static float x[ROWS * COLS];
    static const int64_t sets[3][2] = {{0, 1}, {0, 0}, {1, 1}};
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = (float)(((unsigned)i * 2654435761u) >> 8) * 1e-7f;
    for (int set = 0; set < 3; set++) {
        struct one_node one, many;
        struct one_node *both[] = {&one, &many};
        for (int i = 0; i < 2; i++) {
            one_node_init(both[i], "", "ReduceMean", 13, 1, 1);
            one_node_ints(both[i], "axes", set ? 1 : 2, sets[set]);
            one_node_input(both[i], 0, CORTEN_F32, 2, (int64_t[]){ROWS, COLS}, x);
        }
        one_node_threads(&many, 4);
        assert_int_equal(one_node_run(&one), CORTEN_OK);
        assert_int_equal(one_node_run(&many), CORTEN_OK);
        assert_memory_equal(one.out[0].data, many.out[0].data, ct_tensor_bytes(&one.out[0]));
        one_node_deinit(&one);
        one_node_deinit(&many);
    }
}

static void bad_axes_are_refused(void **state)
{
    (void)state;
    static const int64_t axes[] = {2, -3, INT64_MAX, INT64_MIN, 64};
    for (int i = 0; i < 5; i++) {
        struct one_node one;
        struct ct_fact out;
        one_node_init(&one, "", "ReduceMax", 18, 2, 1);
        one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){2, 3}, NULL);
        one_node_input(&one, 1, CORTEN_I64, 1, (int64_t[]){1}, &axes[i]);
        assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_reduces_to_the_identity),
        cmocka_unit_test(eight_dimensions_work),
        cmocka_unit_test(a_nan_is_never_lost),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(bad_axes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
