/* The vector vocabulary in plain C: one lane. See simd/README.md. */
#ifndef CT_KERNELS_SIMD_SCALAR_H
#define CT_KERNELS_SIMD_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V_INLINE static inline __attribute__((always_inline, unused))

enum { V_WIDTH = 1, V_REGISTERS = 16, V_HAS_FMA = 0 };

typedef float v_f32;
typedef int32_t v_i32;
typedef int v_mask;
typedef size_t v_tail;

V_INLINE v_f32 v_zero(void)
{
    return 0.0f;
}
V_INLINE v_f32 v_set1(float x)
{
    return x;
}
V_INLINE v_f32 v_load(const float *p)
{
    return *p;
}
V_INLINE void v_store(float *p, v_f32 x)
{
    *p = x;
}
V_INLINE v_tail v_tail_make(size_t n)
{
    return n;
}
V_INLINE v_f32 v_load_tail(const float *p, v_tail t)
{
    return t ? *p : 0.0f;
}
V_INLINE void v_store_tail(float *p, v_f32 x, v_tail t)
{
    if (t)
        *p = x;
}
V_INLINE v_f32 v_add(v_f32 a, v_f32 b)
{
    return a + b;
}
V_INLINE v_f32 v_sub(v_f32 a, v_f32 b)
{
    return a - b;
}
V_INLINE v_f32 v_mul(v_f32 a, v_f32 b)
{
    return a * b;
}
V_INLINE v_f32 v_div(v_f32 a, v_f32 b)
{
    return a / b;
}
V_INLINE v_f32 v_recip(v_f32 a)
{
    return 1.0f / a;
}
V_INLINE v_f32 v_sqrt(v_f32 a)
{
    return sqrtf(a);
}
V_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c)
{
    return a * b + c;
}
V_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c)
{
    return c - a * b;
}
V_INLINE v_f32 v_min(v_f32 a, v_f32 b)
{
    return a < b ? a : b;
}
V_INLINE v_f32 v_max(v_f32 a, v_f32 b)
{
    return a > b ? a : b;
}
V_INLINE v_i32 v_i32_of_bits(v_f32 a)
{
    int32_t bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
V_INLINE v_f32 v_bits_of_i32(v_i32 a)
{
    float x;
    memcpy(&x, &a, sizeof x);
    return x;
}
V_INLINE v_f32 v_and(v_f32 a, v_f32 b)
{
    return v_bits_of_i32(v_i32_of_bits(a) & v_i32_of_bits(b));
}
V_INLINE v_f32 v_or(v_f32 a, v_f32 b)
{
    return v_bits_of_i32(v_i32_of_bits(a) | v_i32_of_bits(b));
}
V_INLINE v_f32 v_xor(v_f32 a, v_f32 b)
{
    return v_bits_of_i32(v_i32_of_bits(a) ^ v_i32_of_bits(b));
}
V_INLINE v_f32 v_abs(v_f32 a)
{
    return fabsf(a);
}
V_INLINE v_f32 v_neg(v_f32 a)
{
    return -a;
}
V_INLINE v_f32 v_copysign(v_f32 magnitude, v_f32 sign)
{
    return copysignf(magnitude, sign);
}
V_INLINE v_f32 v_round(v_f32 a)
{
    return rintf(a);
}
V_INLINE v_f32 v_floor(v_f32 a)
{
    return floorf(a);
}
V_INLINE v_f32 v_ceil(v_f32 a)
{
    return ceilf(a);
}
V_INLINE v_f32 v_trunc(v_f32 a)
{
    return truncf(a);
}

V_INLINE v_mask v_lt(v_f32 a, v_f32 b)
{
    return a < b;
}
V_INLINE v_mask v_le(v_f32 a, v_f32 b)
{
    return a <= b;
}
V_INLINE v_mask v_eq(v_f32 a, v_f32 b)
{
    return a == b;
}
V_INLINE v_mask v_isnan(v_f32 a)
{
    return a != a;
}
V_INLINE v_mask v_mask_and(v_mask a, v_mask b)
{
    return a & b;
}
V_INLINE v_mask v_mask_or(v_mask a, v_mask b)
{
    return a | b;
}
V_INLINE int v_any(v_mask m)
{
    return m;
}
V_INLINE v_f32 v_select(v_mask m, v_f32 yes, v_f32 no)
{
    return m ? yes : no;
}

V_INLINE v_i32 v_i32_set1(int32_t x)
{
    return x;
}
V_INLINE v_i32 v_i32_load(const int32_t *p)
{
    return *p;
}
V_INLINE void v_i32_store(int32_t *p, v_i32 x)
{
    *p = x;
}
V_INLINE v_i32 v_i32_add(v_i32 a, v_i32 b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}
V_INLINE v_i32 v_i32_sub(v_i32 a, v_i32 b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}
V_INLINE v_i32 v_i32_and(v_i32 a, v_i32 b)
{
    return a & b;
}
V_INLINE v_i32 v_i32_or(v_i32 a, v_i32 b)
{
    return a | b;
}
#define v_i32_shl(a, count) ((int32_t)((uint32_t)(a) << (count)))
#define v_i32_shr(a, count) ((a) >> (count))
/* Out of range and NaN give INT32_MIN, as the vector instructions do. */
V_INLINE v_i32 v_to_i32(v_f32 a)
{
    float r = rintf(a);
    return r >= -2147483648.0f && r < 2147483648.0f ? (int32_t)r : INT32_MIN;
}
V_INLINE v_f32 v_from_i32(v_i32 a)
{
    return (float)a;
}
V_INLINE v_f32 v_scale2(v_f32 a, v_f32 n)
{
    return ldexpf(a, v_to_i32(n));
}

V_INLINE float v_sum(v_f32 a)
{
    return a;
}
V_INLINE float v_hmax(v_f32 a)
{
    return a;
}
V_INLINE float v_hmin(v_f32 a)
{
    return a;
}

V_INLINE void v_transpose(v_f32 r[1])
{
    (void)r;
}

V_INLINE v_i32 v_i32_mul(v_i32 a, v_i32 b)
{
    return (int32_t)((uint32_t)a * (uint32_t)b);
}
V_INLINE v_i32 v_i32_min(v_i32 a, v_i32 b)
{
    return a < b ? a : b;
}
V_INLINE v_i32 v_i32_max(v_i32 a, v_i32 b)
{
    return a > b ? a : b;
}
V_INLINE v_i32 v_i32_load_tail(const int32_t *p, v_tail t)
{
    return t ? *p : 0;
}
V_INLINE void v_i32_store_tail(int32_t *p, v_i32 x, v_tail t)
{
    if (t)
        *p = x;
}
V_INLINE v_i32 v_i32_load_bytes(const uint8_t *p, size_t n)
{
    return n ? *p : 0;
}
V_INLINE void v_i32_store_bytes(uint8_t *p, v_i32 x, size_t n)
{
    if (n)
        *p = (uint8_t)x;
}

#endif
