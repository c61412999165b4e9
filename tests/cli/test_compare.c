/* Comparing follows numpy.testing.assert_allclose: what is close, what is not, and what the text
 * says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "compare.h"
#include "element.h"
#include "text.h"

static corten_value *make(corten_dtype dtype, const double *numbers, size_t count)
{
    const int64_t dims[] = {(int64_t)count};
    corten_value *tensor = NULL;
    assert_int_equal(corten_tensor_create(NULL, dtype, 1, dims, &tensor, NULL), CORTEN_OK);
    for (size_t i = 0; i < count; i++) {
        if (dtype == CORTEN_F32)
            ((float *)corten_tensor_data(tensor))[i] = (float)numbers[i];
        else
            ct_cli_element_set_real(dtype, corten_tensor_data(tensor), i, numbers[i]);
    }
    return tensor;
}

static bool close_numbers(corten_dtype dtype, double expected, double found, double rtol,
                          double atol)
{
    char text[256] = "";
    corten_value *a = make(dtype, &expected, 1);
    corten_value *b = make(dtype, &found, 1);
    bool close =
        ct_cli_values_close(a, b, (struct ct_cli_tolerance){rtol, atol}, text, sizeof text);
    assert_int_equal(close, text[0] == '\0');
    corten_value_destroy(a);
    corten_value_destroy(b);
    return close;
}

static void tolerance_is_relative_to_the_expected(void **state)
{
    (void)state;
    assert_true(close_numbers(CORTEN_F64, 100.0, 110.0, 0.1, 0.0));
    assert_false(close_numbers(CORTEN_F64, 100.0, 110.1, 0.1, 0.0));
    assert_true(close_numbers(CORTEN_F64, 111.0, 100.0, 0.1, 0.0));
    assert_false(close_numbers(CORTEN_F64, 100.0, 111.0, 0.1, 0.0));
    assert_true(close_numbers(CORTEN_F64, 0.0, 1e-7, 0.1, 1e-7));
    assert_false(close_numbers(CORTEN_F64, 0.0, 2e-7, 0.1, 1e-7));
}

static void specials_equal_themselves_only(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    const double nan = (double)NAN;
    assert_true(close_numbers(CORTEN_F32, nan, nan, 0.0, 0.0));
    assert_false(close_numbers(CORTEN_F32, nan, 0.0, 1.0, 1.0));
    assert_false(close_numbers(CORTEN_F32, 0.0, nan, 1.0, 1.0));
    assert_true(close_numbers(CORTEN_F32, inf, inf, 0.0, 0.0));
    assert_false(close_numbers(CORTEN_F32, inf, -inf, 1.0, 1.0));
    assert_false(close_numbers(CORTEN_F32, inf, 1e30, 1.0, 1.0));
    assert_false(close_numbers(CORTEN_F32, 1e30, inf, 1.0, 1.0));
}

static void integers_are_exact(void **state)
{
    (void)state;
    assert_true(close_numbers(CORTEN_I64, 1e6, 1e6, 0.0, 0.0));
    assert_false(close_numbers(CORTEN_I64, 1e6, 1e6 + 1.0, 0.1, 10.0));
    assert_false(close_numbers(CORTEN_BOOL, 0.0, 1.0, 1.0, 1.0));
    assert_false(close_numbers(CORTEN_I4, -1.0, -2.0, 1.0, 1.0));
}

static void narrow_floats_have_the_tolerance_too(void **state)
{
    (void)state;
    assert_true(close_numbers(CORTEN_F16, 1.0, 1.0 + 0x1p-10, 1e-3, 0.0));
    assert_false(close_numbers(CORTEN_F16, 1.0, 1.0 + 0x1p-9, 1e-3, 0.0));
    /* Two units in the last place of bfloat16, not three. */
    assert_true(close_numbers(CORTEN_BF16, 1.0, 1.0 + 0x1p-6, 1e-3, 0.0));
    assert_false(close_numbers(CORTEN_BF16, 1.0, 1.0 + 0x1.8p-6, 1e-3, 0.0));
    assert_true(close_numbers(CORTEN_F8E4M3FN, 448.0, 448.0, 0.0, 0.0));
    assert_false(close_numbers(CORTEN_F4E2M1, 1.0, 1.5, 1e-3, 0.0));
}

static void complex_numbers_are_close_in_the_plane(void **state)
{
    (void)state;
    char text[256];
    const double expected[] = {3.0};
    corten_value *a = make(CORTEN_C64, expected, 1);
    corten_value *b = make(CORTEN_C64, expected, 1);
    ct_cli_element_set_imaginary(CORTEN_C64, corten_tensor_data(a), 0, 4.0);
    ct_cli_element_set_imaginary(CORTEN_C64, corten_tensor_data(b), 0, 4.25);
    assert_true(ct_cli_values_close(a, b, (struct ct_cli_tolerance){0.05, 0.0}, text, sizeof text));
    assert_false(
        ct_cli_values_close(a, b, (struct ct_cli_tolerance){0.04, 0.0}, text, sizeof text));
    assert_non_null(strstr(text, "found 3+4.25j, expected 3+4j"));
    corten_value_destroy(a);
    corten_value_destroy(b);
}

static void the_text_names_the_first_difference(void **state)
{
    (void)state;
    char text[256];
    const double numbers[] = {1.0, 2.0, 3.0, 4.0};
    const double others[] = {1.0, 2.5, 3.0, 5.0};
    corten_value *a = make(CORTEN_F32, numbers, 4);
    corten_value *b = make(CORTEN_F32, others, 4);
    corten_value *c = make(CORTEN_F64, others, 4);
    const struct ct_cli_tolerance tolerance = {1e-3, 0.0};
    assert_false(ct_cli_values_close(a, b, tolerance, text, sizeof text));
    assert_string_equal(text, "at [1] found 2.5, expected 2 (2 of 4 elements differ)");
    assert_false(ct_cli_values_close(a, c, tolerance, text, sizeof text));
    assert_string_equal(text, "found float64[4], expected float32[4]");
    corten_value_destroy(a);
    corten_value_destroy(b);
    corten_value_destroy(c);
}

static void strings_and_sequences_compare_by_item(void **state)
{
    (void)state;
    char text[256];
    const int64_t dims[] = {1};
    const corten_string words[] = {{"one", 3}, {"two", 3}};
    corten_value *items[2] = {NULL, NULL};
    corten_value *sequences[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(corten_tensor_create(NULL, CORTEN_STRING, 1, dims, &items[i], NULL),
                         CORTEN_OK);
        assert_int_equal(corten_tensor_set_strings(items[i], &words[i], 1, NULL), CORTEN_OK);
    }
    const corten_value *orders[3][2] = {
        {items[0], items[1]}, {items[0], items[0]}, {items[0], NULL}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            corten_sequence_create(CORTEN_STRING, orders[i], i == 2 ? 1 : 2, &sequences[i], NULL),
            CORTEN_OK);
    const struct ct_cli_tolerance tolerance = {0.0, 0.0};
    assert_true(ct_cli_values_close(sequences[0], sequences[0], tolerance, text, sizeof text));
    assert_false(ct_cli_values_close(sequences[0], sequences[1], tolerance, text, sizeof text));
    assert_string_equal(text, "item 1: at [0] found \"one\", expected \"two\" (1 of 1 elements "
                              "differ)");
    assert_false(ct_cli_values_close(sequences[0], sequences[2], tolerance, text, sizeof text));
    assert_string_equal(text, "found a sequence of 1 items, expected 2");
    assert_false(ct_cli_values_close(sequences[0], items[0], tolerance, text, sizeof text));
    assert_string_equal(text, "found a tensor, expected a sequence");
    for (int i = 0; i < 3; i++)
        corten_value_destroy(sequences[i]);
    for (int i = 0; i < 2; i++)
        corten_value_destroy(items[i]);
}

static void difference_is_relative_to_the_largest(void **state)
{
    (void)state;
    const double expected[] = {-50.0, 1.0, (double)NAN, (double)INFINITY};
    const double found[] = {-49.0, 1.5, (double)NAN, 3.0};
    struct ct_cli_difference difference;
    corten_value *a = make(CORTEN_F32, expected, 4);
    corten_value *b = make(CORTEN_F32, found, 4);
    assert_int_equal(ct_cli_difference(a, b, &difference, NULL), CORTEN_OK);
    assert_true(ct_cli_relative_error(&difference) == 1.0 / 50.0);
    assert_int_equal(difference.n_mismatches, 1);
    assert_int_equal(difference.first_mismatch, 3);
    corten_value_destroy(a);
    corten_value_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tolerance_is_relative_to_the_expected),
        cmocka_unit_test(specials_equal_themselves_only),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(narrow_floats_have_the_tolerance_too),
        cmocka_unit_test(complex_numbers_are_close_in_the_plane),
        cmocka_unit_test(the_text_names_the_first_difference),
        cmocka_unit_test(strings_and_sequences_compare_by_item),
        cmocka_unit_test(difference_is_relative_to_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
