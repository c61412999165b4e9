/* Linear quantisation of bytes with one scale and one zero point, as tables of 256 entries. */
#ifndef CT_OPS_CONTRIB_QLINEAR_H
#define CT_OPS_CONTRIB_QLINEAR_H

#include "ops/contrib/contrib.h"
#include "ops/quant/round.h"

/** Checks a scale (f32) and a zero point (the type of input `like`; may be absent), each of one
 *  element. */
ct_status ct_qlinear_check(const struct ct_infer *infer, int scale, int zero, int like);

struct ct_qlinear {
    float scale, zero, low, high;
    bool is_signed;
};
/** Parameters of bytes of `dtype`; `zero` may be NULL. */
struct ct_qlinear ct_qlinear_read(const struct ct_tensor *scale, const struct ct_tensor *zero,
                                  ct_dtype dtype);
/** The integer that a byte stands for. */
static inline int ct_qlinear_int(const struct ct_qlinear *q, unsigned byte)
{
    return q->is_signed ? (int)(int8_t)byte : (int)byte;
}
static inline float ct_qlinear_real(const struct ct_qlinear *q, unsigned byte)
{
    return q->scale * ((float)ct_qlinear_int(q, byte) - q->zero);
}
static inline uint8_t ct_qlinear_byte(const struct ct_qlinear *q, float real)
{
    return (uint8_t)ct_quantize_f32(real / q->scale, q->zero, q->low, q->high);
}

/** x [n] as uint8 over its range, which is made to hold 0 (as DynamicQuantizeLinear); returns the
 *  scale. */
float ct_qlinear_dynamic(const float *x, size_t n, uint8_t *to, uint8_t *zero_point);

#endif
