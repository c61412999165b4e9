/* TopK: order of equal elements, NaN, and values of k that do not fit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

static void order(bool largest, const int64_t *want)
{
    struct one_node one;
    static const float x[7] = {1, -0.0f, 2, NAN, 0.0f, 2, -5};
    static const int64_t k[1] = {7};
    one_node_init(&one, "", "TopK", 11, 2, 2);
    one_node_int(&one, "largest", largest);
    one_node_input(&one, 0, CORTEN_F32, 1, (int64_t[]){7}, x);
    one_node_input(&one, 1, CORTEN_I64, 1, (int64_t[]){1}, k);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_memory_equal(one.out[1].data, want, 7 * sizeof *want);
    one_node_deinit(&one);
}

static void equal_elements_keep_their_order(void **state)
{
    (void)state;
    order(true, (int64_t[]){3, 2, 5, 0, 1, 4, 6});
    order(false, (int64_t[]){6, 1, 4, 0, 2, 5, 3});
}

static void a_k_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const int64_t bad[] = {-1, 4, INT64_MAX, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        struct one_node one;
        struct ct_fact out[2];
        one_node_init(&one, "", "TopK", 11, 2, 2);
        one_node_input(&one, 0, CORTEN_F32, 1, (int64_t[]){3}, NULL);
        one_node_input(&one, 1, CORTEN_I64, 1, (int64_t[]){1}, &bad[i]);
        assert_int_equal(one_node_infer(&one, out), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
}

static void unsigned_numbers_are_compared_as_such(void **state)
{
    (void)state;
    struct one_node one;
    static const uint64_t x[3] = {1, UINT64_MAX, 5};
    static const int64_t k[1] = {1};
    one_node_init(&one, "", "TopK", 11, 2, 2);
    one_node_input(&one, 0, CORTEN_U64, 1, (int64_t[]){3}, x);
    one_node_input(&one, 1, CORTEN_I64, 1, (int64_t[]){1}, k);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_true(CT_DATA(uint64_t, &one.out[0])[0] == UINT64_MAX);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_elements_keep_their_order),
        cmocka_unit_test(a_k_that_does_not_fit_is_refused),
        cmocka_unit_test(unsigned_numbers_are_compared_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
