/* Quantising float32 to unsigned bytes by the range of the data, which is made to hold 0. */
#ifndef CT_OPS_QUANT_DYNAMIC_QUANTIZE_H
#define CT_OPS_QUANT_DYNAMIC_QUANTIZE_H

#include "graph/op.h"

struct ct_dynamic_quantize {
    int64_t n;
    size_t ranges_at; /* scratch */
};

/** For n elements; adds to prepare->scratch_bytes. */
ct_status ct_dynamic_quantize_prepare(struct ct_prepare *prepare, int64_t n,
                                      struct ct_dynamic_quantize *dynamic);
/** y may be NULL: scale and zero point only. */
void ct_dynamic_quantize_run(const struct ct_dynamic_quantize *dynamic, const struct ct_run *run,
                             const float *x, uint8_t *y, float *scale, uint8_t *zero_point);

#endif
