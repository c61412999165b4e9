/* Rounding to the integers of a quantised type. */
#ifndef CT_OPS_QUANT_ROUND_H
#define CT_OPS_QUANT_ROUND_H

#include "base/dtype.h"

#include <math.h>

/** Least and greatest number of an integer type of 2 to 16 bits. */
static inline void ct_int_range(ct_dtype dtype, float *low, float *high)
{
    int bits = (int)corten_dtype_bits(dtype);
    bool is_signed = ct_dtype_is_signed(dtype);
    *low = is_signed ? -(float)(1 << (bits - 1)) : 0;
    *high = (float)((1 << (is_signed ? bits - 1 : bits)) - 1);
}

/** x rounded to nearest, ties to even, plus zero_point, kept in [low, high]; NaN gives low. The
 *  addends are whole numbers below 2^17, so that clipping can come first; then adding and taking
 *  away 3 * 2^22 rounds, in instructions that every compiler can make vectors of. */
static inline int32_t ct_quantize_f32(float x, float zero_point, float low, float high)
{
    const float magic = 12582912.0f;
    float least = low - zero_point, most = high - zero_point;
    x = x > least ? x : least;
    x = x < most ? x : most;
    x = (x + magic) - magic;
    return (int32_t)x + (int32_t)zero_point;
}

#endif
