/* Running a function over every row of one axis of a tensor, for any float dtype and any axis.
 *
 * A tensor is seen as [outer, n, inner]; a row is the n elements of one (outer, inner). The row
 * functions see contiguous floats or doubles: rows of other layouts and dtypes are gathered into
 * scratch memory, some at a time, and scattered back. x and y may be the same memory. */
#ifndef CT_OPS_NORM_ROWS_H
#define CT_OPS_NORM_ROWS_H

#include "graph/op.h"

/** Handles one row of n > 0 elements; x and y may be equal. */
typedef void (*ct_row_f32_fn)(const void *arg, const float *x, float *y, size_t n);
typedef void (*ct_row_f64_fn)(const void *arg, const double *x, double *y, size_t n);

struct ct_rows {
    ct_dtype dtype; /* of x and y */
    size_t outer, n, inner;
    ct_row_f32_fn f32; /* every float dtype but f64 */
    ct_row_f64_fn f64;
    const void *arg;
    double elem_ns;      /* cost of an element */
    size_t worker_bytes; /* scratch of one worker; set by ct_rows_init */
};

/** Sets shape and scratch; the other members are the caller's. Axes [first, last] together are
 *  the row. LIMIT_EXCEEDED when the scratch memory would overflow. */
ct_status ct_rows_init(struct ct_rows *rows, const struct ct_tensor *x, int first, int last,
                       struct ct_prepare *prepare);
void ct_rows_run(const struct ct_rows *rows, const struct ct_run *run, const void *x, void *y);

#endif
