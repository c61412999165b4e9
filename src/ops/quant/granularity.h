/* Which scale and zero point belong to an element of a quantised tensor: one for the tensor, one for
 * each index of an axis, or one for each block along an axis. See ONNX QuantizeLinear. */
#ifndef CT_OPS_QUANT_GRANULARITY_H
#define CT_OPS_QUANT_GRANULARITY_H

#include "graph/op.h"

struct ct_granularity {
    bool single;         /* one scale for all */
    int64_t axis, inner; /* size of the axis, and elements for one index of it */
    int64_t block;       /* indices of the axis that share a scale; 0: not in blocks */
    int64_t axis_blocks;
};

/** Checks scale (input 1) and zero point (input 2) against input 0 and the attributes axis and
 *  block_size. */
ct_status ct_granularity_check(const struct ct_infer *infer);
/** For shapes that were checked. */
void ct_granularity_init(struct ct_granularity *granularity, const struct ct_node *node,
                         const struct ct_tensor *x, const struct ct_tensor *scale);
/** Scales and zero points of elements [first, first + n), as floats. zero_point may be NULL. */
void ct_granularity_load(const struct ct_granularity *granularity, const struct ct_tensor *scale,
                         const struct ct_tensor *zero_point, int64_t first, int64_t n,
                         float *scales, float *zero_points);

#endif
