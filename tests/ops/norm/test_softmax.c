/* Softmax and layer normalisation: edges of shapes and axes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

static void an_axis_out_of_range_is_refused(void **state)
{
    (void)state;
    static const int64_t axes[] = {2, -3, INT64_MAX, INT64_MIN};
    static const char *const ops[] = {"Softmax", "LogSoftmax", "Hardmax"};
    for (int op = 0; op < 3; op++) {
        for (int i = 0; i < 4; i++) {
            struct one_node one;
            struct ct_fact out;
            one_node_init(&one, "", ops[op], 13, 1, 1);
            one_node_int(&one, "axis", axes[i]);
            one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){2, 3}, NULL);
            assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
            one_node_deinit(&one);
        }
    }
}

static void old_versions_see_a_matrix(void **state)
{
    (void)state;
    struct one_node one;
    static const float x[8] = {0};
    one_node_init(&one, "", "Softmax", 11, 1, 1);
    one_node_input(&one, 0, CORTEN_F32, 3, (int64_t[]){2, 2, 2}, x);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (int i = 0; i < 8; i++)
        assert_true(CT_DATA(float, &one.out[0])[i] == 0.25f);
    one_node_deinit(&one);
}

static void numbers_and_empty_tensors_work(void **state)
{
    (void)state;
    struct one_node one;
    static const float x[1] = {3};
    one_node_init(&one, "", "Softmax", 13, 1, 1);
    one_node_input(&one, 0, CORTEN_F32, 0, NULL, x);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_true(CT_DATA(float, &one.out[0])[0] == 1);
    one_node_input(&one, 0, CORTEN_F32, 3, (int64_t[]){2, 0, 3}, x);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_int_equal(ct_count(&one.out[0]), 0);
    one_node_deinit(&one);
}

static void huge_scores_do_not_overflow(void **state)
{
    (void)state;
    struct one_node one;
    static const float x[3] = {3e38f, 3e38f, -3e38f};
    one_node_init(&one, "", "Softmax", 13, 1, 1);
    one_node_input(&one, 0, CORTEN_F32, 1, (int64_t[]){3}, x);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_true(CT_DATA(float, &one.out[0])[0] == 0.5f);
    assert_true(CT_DATA(float, &one.out[0])[2] == 0);
    one_node_deinit(&one);
}

static void a_scale_may_differ_between_rows(void **state)
{
    (void)state;
    struct one_node one;
    static const float x[4] = {-1, 1, -1, 1}, scale[2] = {1, 10}, bias[1] = {5};
    one_node_init(&one, "", "LayerNormalization", 17, 3, 1);
    one_node_float(&one, "epsilon", 0);
    one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){2, 2}, x);
    one_node_input(&one, 1, CORTEN_F32, 2, (int64_t[]){2, 1}, scale);
    one_node_input(&one, 2, CORTEN_F32, 1, (int64_t[]){1}, bias);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    static const float want[4] = {4, 6, -5, 15};
    for (int i = 0; i < 4; i++)
        assert_true(fabsf(CT_DATA(float, &one.out[0])[i] - want[i]) < 1e-5f);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_axis_out_of_range_is_refused),
        cmocka_unit_test(old_versions_see_a_matrix),
        cmocka_unit_test(numbers_and_empty_tensors_work),
        cmocka_unit_test(huge_scores_do_not_overflow),
        cmocka_unit_test(a_scale_may_differ_between_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
