/* NumPy broadcasting of up to CT_BROADCAST_MAX tensors to the shape of an output: axes are merged
 * and strides computed once, in prepare; run walks over rows. */
#ifndef CT_OPS_BROADCAST_H
#define CT_OPS_BROADCAST_H

#include "graph/op.h"

enum { CT_BROADCAST_MAX = 6, CT_BROADCAST_MAX_PERIOD = 128 };

struct ct_broadcast {
    int n_in, rank; /* after merging; at least 1 */
    int64_t dims[CT_MAX_RANK];
    int64_t stride[CT_BROADCAST_MAX][CT_MAX_RANK]; /* in elements; 0: broadcast */
    int64_t n_rows;                                /* product of all but the last dim */
    int64_t piece, pieces;                         /* rows are cut into pieces */
    size_t step[CT_BROADCAST_MAX];                 /* last stride: 0 or 1 */
    int64_t period;                                /* see ct_broadcast_merge_short; 0: none */
    bool is_periodic[CT_BROADCAST_MAX];
};

/** The tensors' shapes must broadcast to that of `out` (infer has checked it). In blocked layouts
 *  all have one layout and rank, or one element. */
void ct_broadcast_init(struct ct_broadcast *broadcast, const struct ct_tensor *out, int n_in,
                       const struct ct_tensor *const *in);

/** Makes long rows of many short ones, where an input has the same short row again and again: its
 *  elements repeat with `period` then, and pieces begin with the first one of them. For callers
 *  whose row function knows of that. */
void ct_broadcast_merge_short(struct ct_broadcast *broadcast);

/** n elements of a row: first element of the output and of each input. */
typedef void (*ct_row_fn)(void *arg, int64_t out_first, const int64_t *in_first, int64_t n);
/** Calls fn for all rows, in parallel when there is enough work; elem_ns is the estimated cost of
 *  one output element. */
void ct_broadcast_run(const struct ct_broadcast *broadcast, struct ct_pool *pool, double elem_ns,
                      ct_row_fn fn, void *arg);

/** Shape of a tensor in memory: dims for the plain layout, permuted or split ones for the others.
 *  Returns the rank. */
int ct_memory_dims(const struct ct_tensor *t, int64_t *dims);

#endif
