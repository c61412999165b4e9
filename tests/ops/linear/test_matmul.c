/* MatMul and Gemm: shapes that are easy to get wrong, and shapes that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

static void vectors_lose_their_dimension(void **state)
{
    (void)state;
    struct one_node one;
    static const float a[3] = {1, 2, 3}, b[6] = {1, 0, 0, 1, 1, 1};
    one_node_init(&one, "", "MatMul", 13, 2, 1);
    one_node_input(&one, 0, CORTEN_F32, 1, (int64_t[]){3}, a);
    one_node_input(&one, 1, CORTEN_F32, 2, (int64_t[]){3, 2}, b);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_int_equal(one.out[0].rank, 1);
    assert_true(CT_DATA(float, &one.out[0])[0] == 4 && CT_DATA(float, &one.out[0])[1] == 5);
    one_node_deinit(&one);
}

static void an_empty_inner_dimension_gives_zeros(void **state)
{
    (void)state;
    struct one_node one;
    float nothing;
    one_node_init(&one, "", "MatMul", 13, 2, 1);
    one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){2, 0}, &nothing);
    one_node_input(&one, 1, CORTEN_F32, 2, (int64_t[]){0, 3}, &nothing);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (int i = 0; i < 6; i++)
        assert_true(CT_DATA(float, &one.out[0])[i] == 0);
    one_node_deinit(&one);
}

static void refused(const char *op, int rank_a, const int64_t *a, int rank_b, const int64_t *b)
{
    struct one_node one;
    struct ct_fact out;
    one_node_init(&one, "", op, 13, 2, 1);
    one_node_input(&one, 0, CORTEN_F32, rank_a, a, NULL);
    one_node_input(&one, 1, CORTEN_F32, rank_b, b, NULL);
    assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
    assert_non_null(strstr(one.error.text, op));
    one_node_deinit(&one);
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    refused("MatMul", 2, (int64_t[]){2, 3}, 2, (int64_t[]){4, 5});
    refused("MatMul", 0, NULL, 2, (int64_t[]){4, 5});
    refused("MatMul", 3, (int64_t[]){2, 3, 4}, 3, (int64_t[]){3, 4, 5});
    refused("Gemm", 3, (int64_t[]){2, 3, 4}, 2, (int64_t[]){4, 5});
}

static void integers_wrap(void **state)
{
    (void)state;
    struct one_node one;
    static const int32_t a[2] = {INT32_MAX, INT32_MAX}, b[2] = {2, 1};
    one_node_init(&one, "", "MatMul", 13, 2, 1);
    one_node_input(&one, 0, CORTEN_I32, 1, (int64_t[]){2}, a);
    one_node_input(&one, 1, CORTEN_I32, 1, (int64_t[]){2}, b);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_int_equal(one.out[0].rank, 0);
    assert_int_equal(CT_DATA(int32_t, &one.out[0])[0], INT32_MAX - 2);
    one_node_deinit(&one);
}

static void unknown_dimensions_pass_through(void **state)
{
    (void)state;
    struct one_node one;
    struct ct_fact out;
    one_node_init(&one, "", "MatMul", 13, 2, 1);
    one_node_input(&one, 0, CORTEN_F32, 3, (int64_t[]){CT_DIM_UNKNOWN, 4, CT_DIM_UNKNOWN}, NULL);
    one_node_input(&one, 1, CORTEN_F32, 2, (int64_t[]){7, 5}, NULL);
    assert_int_equal(one_node_infer(&one, &out), CORTEN_OK);
    assert_int_equal(out.rank, 3);
    assert_false(ct_dim_known(out.dims[0]));
    assert_int_equal(out.dims[1], 4);
    assert_int_equal(out.dims[2], 5);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_lose_their_dimension),
        cmocka_unit_test(an_empty_inner_dimension_gives_zeros),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(integers_wrap),
        cmocka_unit_test(unknown_dimensions_pass_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
