/* The vector vocabulary over SSE4.1: 4 lanes, no fused multiply-add. See simd/README.md. */
#ifndef CT_KERNELS_SIMD_SSE41_H
#define CT_KERNELS_SIMD_SSE41_H

#include <smmintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V_INLINE static inline __attribute__((always_inline, unused))

enum { V_WIDTH = 4, V_REGISTERS = 16, V_HAS_FMA = 0 };

typedef __m128 v_f32;
typedef __m128i v_i32;
typedef __m128 v_mask;
typedef size_t v_tail; /* there are no masked moves: a count */

V_INLINE v_f32 v_zero(void)
{
    return _mm_setzero_ps();
}
V_INLINE v_f32 v_set1(float x)
{
    return _mm_set1_ps(x);
}
V_INLINE v_f32 v_load(const float *p)
{
    return _mm_loadu_ps(p);
}
V_INLINE void v_store(float *p, v_f32 x)
{
    _mm_storeu_ps(p, x);
}
V_INLINE v_tail v_tail_make(size_t n)
{
    return n >= 4 ? 4 : n;
}
/* Two floats, aligned as floats. */
V_INLINE v_f32 v_load_half(const float *p)
{
    int64_t bits;
    __builtin_memcpy(&bits, p, sizeof bits);
    return _mm_castsi128_ps(_mm_cvtsi64_si128(bits));
}
V_INLINE void v_store_half(float *p, v_f32 x)
{
    int64_t bits = _mm_cvtsi128_si64(_mm_castps_si128(x));
    __builtin_memcpy(p, &bits, sizeof bits);
}
V_INLINE v_f32 v_load_tail(const float *p, v_tail t)
{
    switch (t) {
    case 0: return _mm_setzero_ps();
    case 1: return _mm_load_ss(p);
    case 2: return v_load_half(p);
    case 3: return _mm_movelh_ps(v_load_half(p), _mm_load_ss(p + 2));
    default: return _mm_loadu_ps(p);
    }
}
V_INLINE void v_store_tail(float *p, v_f32 x, v_tail t)
{
    switch (t) {
    case 0: return;
    case 1: _mm_store_ss(p, x); return;
    case 2: v_store_half(p, x); return;
    case 3:
        v_store_half(p, x);
        _mm_store_ss(p + 2, _mm_movehl_ps(x, x));
        return;
    default: _mm_storeu_ps(p, x);
    }
}
V_INLINE v_f32 v_add(v_f32 a, v_f32 b)
{
    return _mm_add_ps(a, b);
}
V_INLINE v_f32 v_sub(v_f32 a, v_f32 b)
{
    return _mm_sub_ps(a, b);
}
V_INLINE v_f32 v_mul(v_f32 a, v_f32 b)
{
    return _mm_mul_ps(a, b);
}
V_INLINE v_f32 v_div(v_f32 a, v_f32 b)
{
    return _mm_div_ps(a, b);
}
V_INLINE v_f32 v_recip(v_f32 a)
{
    return _mm_div_ps(_mm_set1_ps(1.0f), a);
}
V_INLINE v_f32 v_sqrt(v_f32 a)
{
    return _mm_sqrt_ps(a);
}
V_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c)
{
    return _mm_add_ps(_mm_mul_ps(a, b), c);
}
V_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c)
{
    return _mm_sub_ps(c, _mm_mul_ps(a, b));
}
V_INLINE v_f32 v_min(v_f32 a, v_f32 b)
{
    return _mm_min_ps(a, b);
}
V_INLINE v_f32 v_max(v_f32 a, v_f32 b)
{
    return _mm_max_ps(a, b);
}
V_INLINE v_f32 v_and(v_f32 a, v_f32 b)
{
    return _mm_and_ps(a, b);
}
V_INLINE v_f32 v_or(v_f32 a, v_f32 b)
{
    return _mm_or_ps(a, b);
}
V_INLINE v_f32 v_xor(v_f32 a, v_f32 b)
{
    return _mm_xor_ps(a, b);
}
V_INLINE v_f32 v_abs(v_f32 a)
{
    return _mm_andnot_ps(_mm_set1_ps(-0.0f), a);
}
V_INLINE v_f32 v_neg(v_f32 a)
{
    return _mm_xor_ps(a, _mm_set1_ps(-0.0f));
}
V_INLINE v_f32 v_copysign(v_f32 magnitude, v_f32 sign)
{
    __m128 bit = _mm_set1_ps(-0.0f);
    return _mm_or_ps(_mm_andnot_ps(bit, magnitude), _mm_and_ps(bit, sign));
}
V_INLINE v_f32 v_round(v_f32 a)
{
    return _mm_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
V_INLINE v_f32 v_floor(v_f32 a)
{
    return _mm_floor_ps(a);
}
V_INLINE v_f32 v_ceil(v_f32 a)
{
    return _mm_ceil_ps(a);
}
V_INLINE v_f32 v_trunc(v_f32 a)
{
    return _mm_round_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

V_INLINE v_mask v_lt(v_f32 a, v_f32 b)
{
    return _mm_cmplt_ps(a, b);
}
V_INLINE v_mask v_le(v_f32 a, v_f32 b)
{
    return _mm_cmple_ps(a, b);
}
V_INLINE v_mask v_eq(v_f32 a, v_f32 b)
{
    return _mm_cmpeq_ps(a, b);
}
V_INLINE v_mask v_isnan(v_f32 a)
{
    return _mm_cmpunord_ps(a, a);
}
V_INLINE v_mask v_mask_and(v_mask a, v_mask b)
{
    return _mm_and_ps(a, b);
}
V_INLINE v_mask v_mask_or(v_mask a, v_mask b)
{
    return _mm_or_ps(a, b);
}
V_INLINE int v_any(v_mask m)
{
    return _mm_movemask_ps(m) != 0;
}
V_INLINE v_f32 v_select(v_mask m, v_f32 yes, v_f32 no)
{
    return _mm_blendv_ps(no, yes, m);
}

V_INLINE v_i32 v_i32_set1(int32_t x)
{
    return _mm_set1_epi32(x);
}
V_INLINE v_i32 v_i32_load(const int32_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
V_INLINE void v_i32_store(int32_t *p, v_i32 x)
{
    _mm_storeu_si128((__m128i *)(void *)p, x);
}
V_INLINE v_i32 v_i32_add(v_i32 a, v_i32 b)
{
    return _mm_add_epi32(a, b);
}
V_INLINE v_i32 v_i32_sub(v_i32 a, v_i32 b)
{
    return _mm_sub_epi32(a, b);
}
V_INLINE v_i32 v_i32_and(v_i32 a, v_i32 b)
{
    return _mm_and_si128(a, b);
}
V_INLINE v_i32 v_i32_or(v_i32 a, v_i32 b)
{
    return _mm_or_si128(a, b);
}
#define v_i32_shl(a, count) _mm_slli_epi32((a), (count))
#define v_i32_shr(a, count) _mm_srai_epi32((a), (count))
V_INLINE v_i32 v_i32_of_bits(v_f32 a)
{
    return _mm_castps_si128(a);
}
V_INLINE v_f32 v_bits_of_i32(v_i32 a)
{
    return _mm_castsi128_ps(a);
}
V_INLINE v_i32 v_to_i32(v_f32 a)
{
    return _mm_cvtps_epi32(a);
}
V_INLINE v_f32 v_from_i32(v_i32 a)
{
    return _mm_cvtepi32_ps(a);
}
/* In two steps, because 2^n itself may be out of range when a * 2^n is not. */
V_INLINE v_f32 v_scale2(v_f32 a, v_f32 n)
{
    v_i32 whole = _mm_cvtps_epi32(n);
    v_i32 half = _mm_srai_epi32(whole, 1);
    v_i32 rest = _mm_sub_epi32(whole, half);
    v_i32 bias = _mm_set1_epi32(127);
    v_f32 s1 = _mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(half, bias), 23));
    v_f32 s2 = _mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(rest, bias), 23));
    return _mm_mul_ps(_mm_mul_ps(a, s1), s2);
}

V_INLINE float v_sum(v_f32 a)
{
    __m128 x = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
V_INLINE float v_hmax(v_f32 a)
{
    __m128 x = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}
V_INLINE float v_hmin(v_f32 a)
{
    __m128 x = _mm_min_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_min_ss(x, _mm_shuffle_ps(x, x, 1)));
}

V_INLINE void v_transpose(v_f32 r[4])
{
    v_f32 t0 = _mm_unpacklo_ps(r[0], r[1]), t1 = _mm_unpackhi_ps(r[0], r[1]);
    v_f32 t2 = _mm_unpacklo_ps(r[2], r[3]), t3 = _mm_unpackhi_ps(r[2], r[3]);
    r[0] = _mm_movelh_ps(t0, t2);
    r[1] = _mm_movehl_ps(t2, t0);
    r[2] = _mm_movelh_ps(t1, t3);
    r[3] = _mm_movehl_ps(t3, t1);
}

V_INLINE v_i32 v_i32_mul(v_i32 a, v_i32 b)
{
    return _mm_mullo_epi32(a, b);
}
V_INLINE v_i32 v_i32_min(v_i32 a, v_i32 b)
{
    return _mm_min_epi32(a, b);
}
V_INLINE v_i32 v_i32_max(v_i32 a, v_i32 b)
{
    return _mm_max_epi32(a, b);
}
V_INLINE v_i32 v_i32_load_tail(const int32_t *p, v_tail t)
{
    return _mm_castps_si128(v_load_tail((const float *)(const void *)p, t));
}
V_INLINE void v_i32_store_tail(int32_t *p, v_i32 x, v_tail t)
{
    v_store_tail((float *)(void *)p, _mm_castsi128_ps(x), t);
}
V_INLINE v_i32 v_i32_load_bytes(const uint8_t *p, size_t n)
{
    uint32_t bytes = 0;
    __builtin_memcpy(&bytes, p, n < 4 ? n : 4);
    return _mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)bytes));
}
V_INLINE void v_i32_store_bytes(uint8_t *p, v_i32 x, size_t n)
{
    __m128i words = _mm_packus_epi32(_mm_and_si128(x, _mm_set1_epi32(0xFF)), _mm_setzero_si128());
    uint32_t bytes = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    __builtin_memcpy(p, &bytes, n < 4 ? n : 4);
}

#endif
