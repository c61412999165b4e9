/* Elements of tensors as numbers. All dtypes go through the few functions here: bits in and out of
 * packed arrays, narrow floats from and to double (IEEE 754 half; bfloat16; FP8 of arXiv:2209.05433
 * and arXiv:2206.02915; FP4 and E8M0 of OCP Microscaling Formats 1.0). */
#ifndef CT_CLI_ELEMENT_H
#define CT_CLI_ELEMENT_H

#include <corten/corten.h>

/** How the elements of a dtype are to be understood. */
enum ct_cli_class {
    CT_CLI_CLASS_FLOAT,
    CT_CLI_CLASS_SIGNED,
    CT_CLI_CLASS_UNSIGNED, /* bool too */
    CT_CLI_CLASS_COMPLEX,
    CT_CLI_CLASS_STRING,
    CT_CLI_CLASS_NONE
};

/** Longest text that ct_cli_element_text writes, with its end. */
enum { CT_CLI_ELEMENT_TEXT_SIZE = 96 };

enum ct_cli_class ct_cli_class_of(corten_dtype dtype);
/** Smallest and largest value of an integer dtype, as far as int64 goes. */
void ct_cli_integer_range(corten_dtype dtype, int64_t *least, int64_t *most);

/** Bits of element `index`, for types of at most 64 bits. */
uint64_t ct_cli_element_bits(corten_dtype dtype, const void *data, size_t index);
/** Stores the low bits of `bits`. */
void ct_cli_element_set_bits(corten_dtype dtype, void *data, size_t index, uint64_t bits);

/** Element `index` as a number; the real part of a complex one, 0 for a string. */
double ct_cli_element_real(corten_dtype dtype, const void *data, size_t index);
/** The imaginary part of a complex element, else 0. */
double ct_cli_element_imaginary(corten_dtype dtype, const void *data, size_t index);
/** Stores a number: floats rounded to nearest even and kept finite, integers cut to their
 *  range, complex with imaginary part 0. Not for strings. */
void ct_cli_element_set_real(corten_dtype dtype, void *data, size_t index, double value);
/** Sets the imaginary part of a complex element. */
void ct_cli_element_set_imaginary(corten_dtype dtype, void *data, size_t index, double value);

/** Element as text: shortest digits that tell a float from its neighbours, quoted strings.
 *  `out` holds CT_CLI_ELEMENT_TEXT_SIZE. Returns `out`. */
const char *ct_cli_element_text(corten_dtype dtype, const void *data, size_t index, char *out);
/** "[0,2,1]", the place of element `index` in a tensor; `out` holds CT_CLI_SHAPE_TEXT_SIZE. */
const char *ct_cli_index_text(const corten_value *tensor, size_t index, char *out);

#endif
