/* Comparing values with expected ones. */
#ifndef CT_CLI_COMPARE_H
#define CT_CLI_COMPARE_H

#include <corten/corten.h>

struct ct_cli_tolerance {
    double rtol, atol;
};

/** True if `found` is close to `expected` the way numpy.testing.assert_allclose means it: numbers
 *  with |found - expected| <= atol + rtol * |expected|, NaN equal to NaN, infinities equal to
 *  themselves; integers, bools and strings exact; kind, dtype and shape the same. bfloat16 has an
 *  rtol of at least 2^-6, two of its units in the last place, as in ONNX's own runner.
 *  Else `text` says where the first difference is and how many there are. */
bool ct_cli_values_close(const corten_value *expected, const corten_value *found,
                         struct ct_cli_tolerance tolerance, char *text, size_t text_size);

/** How far a tensor is from an expected one. */
struct ct_cli_difference {
    double largest_error;     /* of the elements that are finite in both */
    double largest_magnitude; /* of the expected finite elements */
    size_t n_mismatches;      /* NaN or infinity on one side only; exact types: unequal elements */
    size_t first_mismatch;    /* index of the first of those */
    bool exact;               /* the dtype allows no error */
};

/** INVALID_ARGUMENT if kind, dtype or shape differ. */
corten_status ct_cli_difference(const corten_value *expected, const corten_value *found,
                                struct ct_cli_difference *difference, corten_error *error);
/** largest_error over largest_magnitude; over 1 where all expected elements are 0. */
double ct_cli_relative_error(const struct ct_cli_difference *difference);

#endif
