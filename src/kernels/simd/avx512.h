/* The vector vocabulary over AVX-512 (F, BW, DQ, VL): 16 lanes of float or int32.
 * What each word means is said in simd/README.md; tmpl/ is written against it. Include one of
 * simd/{scalar,sse41,avx2,avx512}.h per translation unit. */
#ifndef CT_KERNELS_SIMD_AVX512_H
#define CT_KERNELS_SIMD_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V_INLINE static inline __attribute__((always_inline, unused))

enum { V_WIDTH = 16, V_REGISTERS = 32, V_HAS_FMA = 1 };

typedef __m512 v_f32;
typedef __m512i v_i32;
typedef __mmask16 v_mask; /* result of a comparison */
typedef __mmask16 v_tail; /* the first n lanes */

V_INLINE v_f32 v_zero(void)
{
    return _mm512_setzero_ps();
}
V_INLINE v_f32 v_set1(float x)
{
    return _mm512_set1_ps(x);
}
V_INLINE v_f32 v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
V_INLINE void v_store(float *p, v_f32 x)
{
    _mm512_storeu_ps(p, x);
}
V_INLINE v_tail v_tail_make(size_t n)
{
    return (v_tail)(n >= 16 ? 0xFFFFu : (1u << n) - 1u);
}
V_INLINE v_f32 v_load_tail(const float *p, v_tail t)
{
    return _mm512_maskz_loadu_ps(t, p);
}
V_INLINE void v_store_tail(float *p, v_f32 x, v_tail t)
{
    _mm512_mask_storeu_ps(p, t, x);
}
V_INLINE v_f32 v_add(v_f32 a, v_f32 b)
{
    return _mm512_add_ps(a, b);
}
V_INLINE v_f32 v_sub(v_f32 a, v_f32 b)
{
    return _mm512_sub_ps(a, b);
}
V_INLINE v_f32 v_mul(v_f32 a, v_f32 b)
{
    return _mm512_mul_ps(a, b);
}
V_INLINE v_f32 v_div(v_f32 a, v_f32 b)
{
    return _mm512_div_ps(a, b);
}
V_INLINE v_f32 v_recip(v_f32 a)
{
    v_f32 r = _mm512_rcp14_ps(a);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0f)), r, r);
}
V_INLINE v_f32 v_sqrt(v_f32 a)
{
    return _mm512_sqrt_ps(a);
}
V_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
V_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
V_INLINE v_f32 v_min(v_f32 a, v_f32 b)
{
    return _mm512_min_ps(a, b);
}
V_INLINE v_f32 v_max(v_f32 a, v_f32 b)
{
    return _mm512_max_ps(a, b);
}
V_INLINE v_f32 v_and(v_f32 a, v_f32 b)
{
    return _mm512_and_ps(a, b);
}
V_INLINE v_f32 v_or(v_f32 a, v_f32 b)
{
    return _mm512_or_ps(a, b);
}
V_INLINE v_f32 v_xor(v_f32 a, v_f32 b)
{
    return _mm512_xor_ps(a, b);
}
V_INLINE v_f32 v_abs(v_f32 a)
{
    return _mm512_abs_ps(a);
}
V_INLINE v_f32 v_neg(v_f32 a)
{
    return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f));
}
V_INLINE v_f32 v_copysign(v_f32 magnitude, v_f32 sign)
{
    __m512 bit = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(bit, magnitude), _mm512_and_ps(bit, sign));
}
V_INLINE v_f32 v_round(v_f32 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
V_INLINE v_f32 v_floor(v_f32 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
V_INLINE v_f32 v_ceil(v_f32 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
V_INLINE v_f32 v_trunc(v_f32 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

V_INLINE v_mask v_lt(v_f32 a, v_f32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
V_INLINE v_mask v_le(v_f32 a, v_f32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
V_INLINE v_mask v_eq(v_f32 a, v_f32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
V_INLINE v_mask v_isnan(v_f32 a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
V_INLINE v_mask v_mask_and(v_mask a, v_mask b)
{
    return (v_mask)(a & b);
}
V_INLINE v_mask v_mask_or(v_mask a, v_mask b)
{
    return (v_mask)(a | b);
}
V_INLINE int v_any(v_mask m)
{
    return m != 0;
}
V_INLINE v_f32 v_select(v_mask m, v_f32 yes, v_f32 no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

V_INLINE v_i32 v_i32_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}
V_INLINE v_i32 v_i32_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}
V_INLINE void v_i32_store(int32_t *p, v_i32 x)
{
    _mm512_storeu_si512(p, x);
}
V_INLINE v_i32 v_i32_add(v_i32 a, v_i32 b)
{
    return _mm512_add_epi32(a, b);
}
V_INLINE v_i32 v_i32_sub(v_i32 a, v_i32 b)
{
    return _mm512_sub_epi32(a, b);
}
V_INLINE v_i32 v_i32_and(v_i32 a, v_i32 b)
{
    return _mm512_and_si512(a, b);
}
V_INLINE v_i32 v_i32_or(v_i32 a, v_i32 b)
{
    return _mm512_or_si512(a, b);
}
#define v_i32_shl(a, count) _mm512_slli_epi32((a), (count))
#define v_i32_shr(a, count) _mm512_srai_epi32((a), (count))
V_INLINE v_i32 v_i32_of_bits(v_f32 a)
{
    return _mm512_castps_si512(a);
}
V_INLINE v_f32 v_bits_of_i32(v_i32 a)
{
    return _mm512_castsi512_ps(a);
}
V_INLINE v_i32 v_to_i32(v_f32 a)
{
    return _mm512_cvtps_epi32(a);
}
V_INLINE v_f32 v_from_i32(v_i32 a)
{
    return _mm512_cvtepi32_ps(a);
}
V_INLINE v_f32 v_scale2(v_f32 a, v_f32 n)
{
    return _mm512_scalef_ps(a, n);
}

V_INLINE float v_sum(v_f32 a)
{
    return _mm512_reduce_add_ps(a);
}
V_INLINE float v_hmax(v_f32 a)
{
    return _mm512_reduce_max_ps(a);
}
V_INLINE float v_hmin(v_f32 a)
{
    return _mm512_reduce_min_ps(a);
}

/* Four rounds, each pairing what is 1, 2, 4 and 8 rows apart. */
V_INLINE void v_transpose(v_f32 r[16])
{
    v_f32 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xDD);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xDD);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xDD);
    }
}

V_INLINE v_i32 v_i32_mul(v_i32 a, v_i32 b)
{
    return _mm512_mullo_epi32(a, b);
}
V_INLINE v_i32 v_i32_min(v_i32 a, v_i32 b)
{
    return _mm512_min_epi32(a, b);
}
V_INLINE v_i32 v_i32_max(v_i32 a, v_i32 b)
{
    return _mm512_max_epi32(a, b);
}
V_INLINE v_i32 v_i32_load_tail(const int32_t *p, v_tail t)
{
    return _mm512_maskz_loadu_epi32(t, p);
}
V_INLINE void v_i32_store_tail(int32_t *p, v_i32 x, v_tail t)
{
    _mm512_mask_storeu_epi32(p, t, x);
}
V_INLINE v_i32 v_i32_load_bytes(const uint8_t *p, size_t n)
{
    if (n >= 16)
        return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(v_tail_make(n), p));
}
V_INLINE void v_i32_store_bytes(uint8_t *p, v_i32 x, size_t n)
{
    __m128i bytes = _mm512_cvtepi32_epi8(x);

    if (n >= 16)
        _mm_storeu_si128((__m128i *)(void *)p, bytes);
    else
        _mm_mask_storeu_epi8(p, v_tail_make(n), bytes);
}

#endif
