#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "element.h"
#include "text.h"

static const char *const kind_names[] = {"a tensor", "a sequence", "an optional", "a map",
                                         "a sparse tensor"};

static bool strings_equal(const corten_string *a, const corten_string *b)
{
    return a->size_bytes == b->size_bytes &&
           (a->size_bytes == 0 || memcmp(a->data, b->data, a->size_bytes) == 0);
}

static bool is_exact(corten_dtype dtype)
{
    enum ct_cli_class class = ct_cli_class_of(dtype);
    return class != CT_CLI_CLASS_FLOAT && class != CT_CLI_CLASS_COMPLEX;
}

static bool exact_equal(corten_dtype dtype, const void *a, const void *b, size_t index)
{
    if (dtype == CORTEN_STRING)
        return strings_equal((const corten_string *)a + index, (const corten_string *)b + index);
    return ct_cli_element_bits(dtype, a, index) == ct_cli_element_bits(dtype, b, index);
}

static bool numbers_close(double expected, double found, struct ct_cli_tolerance tolerance)
{
    if (isnan(expected) || isnan(found))
        return isnan(expected) && isnan(found);
    if (isinf(expected) || isinf(found))
        return expected == found;
    return fabs(found - expected) <= tolerance.atol + tolerance.rtol * fabs(expected);
}

static bool complex_close(corten_dtype dtype, const void *expected, const void *found, size_t index,
                          struct ct_cli_tolerance tolerance)
{
    double er = ct_cli_element_real(dtype, expected, index);
    double ei = ct_cli_element_imaginary(dtype, expected, index);
    double fr = ct_cli_element_real(dtype, found, index);
    double fi = ct_cli_element_imaginary(dtype, found, index);
    if (isfinite(er) && isfinite(ei) && isfinite(fr) && isfinite(fi))
        return hypot(fr - er, fi - ei) <= tolerance.atol + tolerance.rtol * hypot(er, ei);
    /* NumPy calls a complex number NaN as soon as one part is. */
    bool expected_nan = isnan(er) || isnan(ei);
    bool found_nan = isnan(fr) || isnan(fi);
    if (expected_nan || found_nan)
        return expected_nan && found_nan;
    return er == fr && ei == fi;
}

static bool element_close(corten_dtype dtype, const void *expected, const void *found, size_t index,
                          struct ct_cli_tolerance tolerance)
{
    if (is_exact(dtype))
        return exact_equal(dtype, expected, found, index);
    if (ct_cli_class_of(dtype) == CT_CLI_CLASS_COMPLEX)
        return complex_close(dtype, expected, found, index, tolerance);
    return numbers_close(ct_cli_element_real(dtype, expected, index),
                         ct_cli_element_real(dtype, found, index), tolerance);
}

static bool types_equal(const corten_value *expected, const corten_value *found, char *text,
                        size_t text_size)
{
    char expected_shape[CT_CLI_SHAPE_TEXT_SIZE];
    char found_shape[CT_CLI_SHAPE_TEXT_SIZE];
    int rank = corten_tensor_rank(expected);
    bool same = corten_value_dtype(expected) == corten_value_dtype(found) &&
                rank == corten_tensor_rank(found);
    for (int i = 0; i < rank && same; i++)
        same = corten_tensor_dims(expected)[i] == corten_tensor_dims(found)[i];
    if (!same)
        snprintf(text, text_size, "found %s%s, expected %s%s",
                 corten_dtype_name(corten_value_dtype(found)),
                 ct_cli_shape_text(found_shape, corten_tensor_rank(found),
                                   corten_tensor_dims(found), NULL),
                 corten_dtype_name(corten_value_dtype(expected)),
                 ct_cli_shape_text(expected_shape, rank, corten_tensor_dims(expected), NULL));
    return same;
}

static bool tensors_close(const corten_value *expected, const corten_value *found,
                          struct ct_cli_tolerance tolerance, char *text, size_t text_size)
{
    if (!types_equal(expected, found, text, text_size))
        return false;
    corten_dtype dtype = corten_value_dtype(expected);
    const void *expected_data = corten_tensor_const_data(expected);
    const void *found_data = corten_tensor_const_data(found);
    size_t count = corten_tensor_element_count(expected);
    size_t n_bad = 0;
    size_t first = 0;
    if (dtype == CORTEN_BF16)
        tolerance.rtol = fmax(tolerance.rtol, 0x1p-6);
    for (size_t i = 0; i < count; i++) {
        if (element_close(dtype, expected_data, found_data, i, tolerance))
            continue;
        if (n_bad++ == 0)
            first = i;
    }
    if (n_bad == 0)
        return true;
    char place[CT_CLI_SHAPE_TEXT_SIZE];
    char expected_text[CT_CLI_ELEMENT_TEXT_SIZE];
    char found_text[CT_CLI_ELEMENT_TEXT_SIZE];
    snprintf(text, text_size, "at %s found %s, expected %s (%zu of %zu elements differ)",
             ct_cli_index_text(expected, first, place),
             ct_cli_element_text(dtype, found_data, first, found_text),
             ct_cli_element_text(dtype, expected_data, first, expected_text), n_bad, count);
    return false;
}

bool ct_cli_values_close(const corten_value *expected, const corten_value *found,
                         struct ct_cli_tolerance tolerance, char *text, size_t text_size)
{
    corten_kind kind = corten_value_kind(expected);
    if (kind != corten_value_kind(found)) {
        snprintf(text, text_size, "found %s, expected %s", kind_names[corten_value_kind(found)],
                 kind_names[kind]);
        return false;
    }
    if (kind == CORTEN_TENSOR)
        return tensors_close(expected, found, tolerance, text, text_size);
    size_t count = corten_value_item_count(expected);
    if (count != corten_value_item_count(found)) {
        snprintf(text, text_size, "found %s of %zu items, expected %zu", kind_names[kind],
                 corten_value_item_count(found), count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char item[512];
        if (ct_cli_values_close(corten_value_item(expected, i), corten_value_item(found, i),
                                tolerance, item, sizeof item))
            continue;
        snprintf(text, text_size, "item %zu: %s", i, item);
        return false;
    }
    return true;
}

static void add_number(struct ct_cli_difference *difference, double expected, double found,
                       size_t index)
{
    if (isfinite(expected) && isfinite(found)) {
        difference->largest_error = fmax(difference->largest_error, fabs(found - expected));
        difference->largest_magnitude = fmax(difference->largest_magnitude, fabs(expected));
    } else if (!numbers_close(expected, found, (struct ct_cli_tolerance){0.0, 0.0})) {
        if (difference->n_mismatches++ == 0)
            difference->first_mismatch = index;
    }
}

corten_status ct_cli_difference(const corten_value *expected, const corten_value *found,
                                struct ct_cli_difference *difference, corten_error *error)
{
    char text[2 * CT_CLI_SHAPE_TEXT_SIZE];
    struct ct_cli_difference result = {.largest_error = 0.0};
    if (corten_value_kind(found) != CORTEN_TENSOR)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "found %s, expected a tensor",
                           kind_names[corten_value_kind(found)]);
    if (!types_equal(expected, found, text, sizeof text))
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "%s", text);
    corten_dtype dtype = corten_value_dtype(expected);
    const void *expected_data = corten_tensor_const_data(expected);
    const void *found_data = corten_tensor_const_data(found);
    size_t count = corten_tensor_element_count(expected);
    bool is_complex = ct_cli_class_of(dtype) == CT_CLI_CLASS_COMPLEX;
    result.exact = is_exact(dtype);
    for (size_t i = 0; i < count; i++) {
        if (result.exact) {
            if (!exact_equal(dtype, expected_data, found_data, i) && result.n_mismatches++ == 0)
                result.first_mismatch = i;
            continue;
        }
        add_number(&result, ct_cli_element_real(dtype, expected_data, i),
                   ct_cli_element_real(dtype, found_data, i), i);
        if (is_complex)
            add_number(&result, ct_cli_element_imaginary(dtype, expected_data, i),
                       ct_cli_element_imaginary(dtype, found_data, i), i);
    }
    *difference = result;
    return CORTEN_OK;
}

double ct_cli_relative_error(const struct ct_cli_difference *difference)
{
    double magnitude = difference->largest_magnitude;
    return difference->largest_error / (magnitude > 0.0 ? magnitude : 1.0);
}
