/* Sums over runs of elements, and y = a * (x - mean) + b over them, for the normalisations by channel. */
#ifndef CT_OPS_NN_MOMENTS_H
#define CT_OPS_NN_MOMENTS_H

#include "base/dtype.h"

/** Adds the sum of (x - shift) and of its square over n elements, either of which may be NULL.
 *  dtype: f32 or f64. The order of the sums depends on n alone. */
void ct_moments_add(ct_dtype dtype, const void *x, int64_t n, double shift, double *sum,
                    double *squares);
/** Mean, and mean of the squares of the differences from it, of n > 0 elements. */
void ct_moments_of(ct_dtype dtype, const void *x, int64_t n, double *mean, double *variance);
/** y[i] = a * (x[i] - mean) + b; x and y may be equal. (With -a * mean in b, large numbers would
 *  cancel in y.) */
void ct_scale_shift(ct_dtype dtype, const void *x, int64_t n, double mean, double a, double b,
                    void *y);

#endif
