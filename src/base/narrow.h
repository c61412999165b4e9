/* One value of a narrow type to float and back, inline, for the loops of base/.
 * Everything is selects and integer sums on 32 bits, so that loops over it become SIMD code. None
 * of it makes or reads subnormal floats, so that flush-to-zero modes change nothing.
 * Formats: IEEE 754 binary16; bfloat16; OCP 8-bit floating point (OFP8) E4M3 and E5M2; their
 * FNUZ forms (arXiv 2206.02915); OCP Microscaling (MX) E8M0, E3M2, E2M3
 * and E2M1. */
#ifndef CT_BASE_NARROW_H
#define CT_BASE_NARROW_H

#include "base/dtype.h"

static inline uint32_t ct_bits_of_f32(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {x};
    return v.u;
}

static inline float ct_f32_of_bits(uint32_t bits)
{
    union {
        uint32_t u;
        float f;
    } v = {bits};
    return v.f;
}

enum {
    CT_F32_SIGN = INT32_MIN,
    CT_F32_INF = 0x7f800000,
    CT_F32_QUIET = 0x00400000,
    CT_F32_MAN_BITS = 23
};

/** A format with sign, exponent and mantissa; codes are magnitudes, without the sign. */
struct ct_minifloat {
    int man_bits, bias;
    int sign_bit;      /* position of the sign */
    uint32_t max_code; /* of the largest finite number; what is above is infinity or NaN */
    uint32_t inf_code; /* what is too large becomes, when not saturating */
    uint32_t nan_code;
    bool has_inf; /* the top exponent is for infinity and NaN, as in IEEE 754 */
    bool is_fnuz; /* no -0: its code is the only NaN */
};

static const struct ct_minifloat ct_format_f16 = {10, 15, 15, 0x7bff, 0x7c00, 0x7e00, true, false};
static const struct ct_minifloat ct_format_e4m3fn = {3, 7, 7, 0x7e, 0x7f, 0x7f, false, false};
static const struct ct_minifloat ct_format_e4m3fnuz = {3, 8, 7, 0x7f, 0x80, 0x80, false, true};
static const struct ct_minifloat ct_format_e5m2 = {2, 15, 7, 0x7b, 0x7c, 0x7e, true, false};
static const struct ct_minifloat ct_format_e5m2fnuz = {2, 16, 7, 0x7f, 0x80, 0x80, false, true};
/* These have no NaN, which becomes a zero of the other sign. */
static const struct ct_minifloat ct_format_e2m3 = {3, 1, 5, 0x1f, 0x1f, 0x20, false, false};
static const struct ct_minifloat ct_format_e3m2 = {2, 3, 5, 0x1f, 0x1f, 0x20, false, false};
static const struct ct_minifloat ct_format_e2m1 = {1, 1, 3, 0x7, 0x7, 0x8, false, false};

/** `f` is one of the constants above, so that the compiler folds it into the code. */
static inline float ct_minifloat_decode(const struct ct_minifloat f, uint32_t code)
{
    uint32_t sign_mask = 1u << f.sign_bit;
    uint32_t mag = code & (sign_mask - 1);
    uint32_t scaled = mag << (CT_F32_MAN_BITS - f.man_bits);
    uint32_t normal = scaled + ((uint32_t)(127 - f.bias) << CT_F32_MAN_BITS);
    /* A subnormal code is put below a 1 that is then subtracted, which normalises it. */
    uint32_t one = (uint32_t)(127 - f.bias + 1) << CT_F32_MAN_BITS;
    uint32_t subnormal = ct_bits_of_f32(ct_f32_of_bits(scaled + one) - ct_f32_of_bits(one));
    uint32_t bits = mag < (1u << f.man_bits) ? subnormal : normal;
    if (f.has_inf) {
        uint32_t special = scaled | CT_F32_INF;
        special |= mag > f.inf_code ? CT_F32_QUIET : 0;
        bits = mag > f.max_code ? special : bits;
    } else if (f.nan_code < sign_mask) {
        bits = mag > f.max_code ? (uint32_t)CT_F32_INF | CT_F32_QUIET : bits;
    }
    bits |= (code & sign_mask) << (31 - f.sign_bit);
    if (f.is_fnuz)
        bits = code == sign_mask ? (uint32_t)CT_F32_INF | CT_F32_QUIET : bits;
    return ct_f32_of_bits(bits);
}

/** Rounds to nearest, ties to even. */
static inline uint32_t ct_minifloat_encode(const struct ct_minifloat f, float x, bool saturate)
{
    uint32_t bits = ct_bits_of_f32(x);
    uint32_t sign = bits >> 31 << f.sign_bit;
    uint32_t mag = bits & 0x7fffffff;
    int drop = CT_F32_MAN_BITS - f.man_bits;
    /* A normal code: moves the exponent's bias, adds just below half (half when odd), cuts. */
    uint32_t rebased = mag + ((uint32_t)(f.bias - 127) << CT_F32_MAN_BITS);
    uint32_t normal = (rebased + (1u << (drop - 1)) - 1 + (mag >> drop & 1)) >> drop;
    /* A subnormal code: added to a power of two whose last bit is the smallest subnormal, the
     * sum is rounded by the addition. */
    uint32_t power = (uint32_t)(127 - f.bias + drop + 1) << CT_F32_MAN_BITS;
    uint32_t subnormal = ct_bits_of_f32(ct_f32_of_bits(mag) + ct_f32_of_bits(power)) - power;
    uint32_t least_normal = (uint32_t)(127 - f.bias + 1) << CT_F32_MAN_BITS;
    uint32_t code = mag < least_normal ? subnormal : normal;
    code = code > f.max_code ? (saturate ? f.max_code : f.inf_code) : code;
    code = mag > CT_F32_INF ? f.nan_code : code;
    if (f.is_fnuz)
        sign = code == 0 ? 0 : sign;
    /* The NaN of the last three is the sign bit itself: hence no "or". */
    return code ^ (f.is_fnuz && code == f.nan_code ? 0 : sign);
}

/** Keeps the upper bits of a NaN and makes it quiet, as the F16C instructions do. */
static inline uint16_t ct_f16_encode(float x)
{
    uint32_t bits = ct_bits_of_f32(x);
    uint32_t mag = bits & 0x7fffffff;
    uint32_t code = ct_minifloat_encode(ct_format_f16, x, false);
    uint32_t nan = (bits >> 16 & 0x8000) | 0x7e00 | (mag >> 13 & 0x3ff);
    return (uint16_t)(mag > CT_F32_INF ? nan : code);
}

static inline float ct_f16_decode(uint16_t code)
{
    return ct_minifloat_decode(ct_format_f16, code);
}

static inline uint16_t ct_bf16_encode(float x)
{
    uint32_t bits = ct_bits_of_f32(x);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    uint32_t nan = bits >> 16 | 0x40;
    return (uint16_t)((bits & 0x7fffffff) > CT_F32_INF ? nan : rounded);
}

static inline float ct_e8m0_decode(uint8_t code)
{
    uint32_t bits = (uint32_t)code << CT_F32_MAN_BITS;
    bits = code == 0 ? CT_F32_QUIET : bits; /* 2^-127, a subnormal */
    bits = code == 0xff ? (uint32_t)CT_F32_INF | CT_F32_QUIET : bits;
    return ct_f32_of_bits(bits);
}

static inline uint8_t ct_e8m0_encode(float x, bool saturate, enum ct_e8m0_round round)
{
    uint32_t mag = ct_bits_of_f32(x) & 0x7fffffff;
    if (mag > CT_F32_INF)
        return 0xff;
    /* The smallest code is 2^-127, in the middle of the subnormals. Below it, rounding could
     * still reach it: least is the smallest that does. */
    uint32_t least = round == CT_E8M0_UP     ? CT_F32_QUIET / 2 + 1
                     : round == CT_E8M0_DOWN ? CT_F32_QUIET
                                             : CT_F32_QUIET / 4 * 3;
    if (mag < CT_F32_QUIET)
        return saturate || mag >= least ? 0 : 0xff;
    bool is_subnormal = mag >> CT_F32_MAN_BITS == 0;
    uint32_t fraction = is_subnormal ? (mag - CT_F32_QUIET) * 2 : mag & 0x7fffff;
    uint32_t code = mag >> CT_F32_MAN_BITS;
    if (round == CT_E8M0_UP)
        code += fraction != 0;
    else if (round == CT_E8M0_NEAREST)
        code += fraction >= 0x400000;
    if (code >= 0xff)
        return saturate ? 0xfe : 0xff;
    return (uint8_t)code;
}

/** Rounds to odd: cuts, and sets the last bit when anything was cut. Rounding that to a format of
 *  at least two bits less gives what rounding the double once gives (Boldo and Melquiond, 2008). */
static inline float ct_f64_to_f32_odd(double x)
{
    float y = (float)x;
    if ((double)y == x || x != x)
        return y;
    uint32_t bits = ct_bits_of_f32(y);
    double mag_y = y < 0 ? -(double)y : (double)y, mag_x = x < 0 ? -x : x;
    bits -= mag_y > mag_x;
    return ct_f32_of_bits(bits | 1);
}

/* Truncation toward zero, and for what is out of range or NaN the number that the x86
 * instructions give, which is the least one. The comparisons keep C's undefined case out. */
static inline int32_t ct_i32_of_f32(float x)
{
    return (int32_t)(x >= -0x1p31F && x < 0x1p31F ? x : -0x1p31F);
}
static inline int32_t ct_i32_of_f64(double x)
{
    return (int32_t)(x > -0x1p31 - 1 && x < 0x1p31 ? x : -0x1p31);
}
static inline int64_t ct_i64_of_f32(float x)
{
    return (int64_t)(x >= -0x1p63F && x < 0x1p63F ? x : -0x1p63F);
}
static inline int64_t ct_i64_of_f64(double x)
{
    return (int64_t)(x >= -0x1p63 && x < 0x1p63 ? x : -0x1p63);
}
static inline uint64_t ct_u64_of_f32(float x)
{
    if (x >= 0x1p63F && x < 0x1p64F)
        return (uint64_t)x;
    return (uint64_t)ct_i64_of_f32(x);
}
static inline uint64_t ct_u64_of_f64(double x)
{
    if (x >= 0x1p63 && x < 0x1p64)
        return (uint64_t)x;
    return (uint64_t)ct_i64_of_f64(x);
}

#endif
