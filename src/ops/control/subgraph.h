/* What If, Loop and Scan share: results of subgraphs, collected over iterations. */
#ifndef CT_OPS_CONTROL_SUBGRAPH_H
#define CT_OPS_CONTROL_SUBGRAPH_H

#include "graph/op.h"

/** Moves `from` to output `index` of the step, or drops it when it is not wanted. */
void ct_control_give(const struct ct_run *run, int index, struct ct_tensor *from);

/** An array of cleared tensors; free with ct_control_free. NULL: no memory (error is set). */
struct ct_tensor *ct_control_tensors(const struct ct_run *run, size_t count);
void ct_control_free(const struct ct_run *run, struct ct_tensor *tensors, size_t count);

/** Tensors of one scan output, one for each iteration. */
struct ct_collected {
    struct ct_tensor *items;
    size_t count, capacity;
};
/** Takes over `item`. */
ct_status ct_collected_add(const struct ct_run *run, struct ct_collected *collected,
                           struct ct_tensor *item);
void ct_collected_clear(const struct ct_run *run, struct ct_collected *collected);
/** Output `index` := the items stacked along a new axis, in order or in reverse. Without items its
 *  shape is that of `fact` (unknown dims: 0) with a 0 for the new axis. */
ct_status ct_collected_stack(const struct ct_run *run, const struct ct_collected *collected,
                             const struct ct_fact *fact, int64_t axis, bool reverse, int index);

/** Copies slice `position` of `axis` (non-negative) out of `from` into `to`, which is cleared and
 *  gets memory of its own; the axis is dropped. */
ct_status ct_control_slice(const struct ct_run *run, const struct ct_tensor *from, int axis,
                           int64_t position, struct ct_tensor *to);

/** Scalar input of a body: a borrowed tensor of rank 0, or of shape [1] when the body says so. */
struct ct_tensor ct_control_scalar(const struct ct_value *input, ct_dtype dtype, void *data);

#endif
