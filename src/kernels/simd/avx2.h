/* The vector vocabulary over AVX2, FMA and F16C: 8 lanes. See simd/README.md. */
#ifndef CT_KERNELS_SIMD_AVX2_H
#define CT_KERNELS_SIMD_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V_INLINE static inline __attribute__((always_inline, unused))

enum { V_WIDTH = 8, V_REGISTERS = 16, V_HAS_FMA = 1 };

typedef __m256 v_f32;
typedef __m256i v_i32;
typedef __m256 v_mask;
typedef __m256i v_tail;

V_INLINE v_f32 v_zero(void)
{
    return _mm256_setzero_ps();
}
V_INLINE v_f32 v_set1(float x)
{
    return _mm256_set1_ps(x);
}
V_INLINE v_f32 v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
V_INLINE void v_store(float *p, v_f32 x)
{
    _mm256_storeu_ps(p, x);
}
V_INLINE v_tail v_tail_make(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n >= 8 ? 8 : (int)n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
V_INLINE v_f32 v_load_tail(const float *p, v_tail t)
{
    return _mm256_maskload_ps(p, t);
}
V_INLINE void v_store_tail(float *p, v_f32 x, v_tail t)
{
    _mm256_maskstore_ps(p, t, x);
}
V_INLINE v_f32 v_add(v_f32 a, v_f32 b)
{
    return _mm256_add_ps(a, b);
}
V_INLINE v_f32 v_sub(v_f32 a, v_f32 b)
{
    return _mm256_sub_ps(a, b);
}
V_INLINE v_f32 v_mul(v_f32 a, v_f32 b)
{
    return _mm256_mul_ps(a, b);
}
V_INLINE v_f32 v_div(v_f32 a, v_f32 b)
{
    return _mm256_div_ps(a, b);
}
V_INLINE v_f32 v_recip(v_f32 a)
{
    return _mm256_div_ps(_mm256_set1_ps(1.0f), a);
}
V_INLINE v_f32 v_sqrt(v_f32 a)
{
    return _mm256_sqrt_ps(a);
}
V_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c)
{
    return _mm256_fmadd_ps(a, b, c);
}
V_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
V_INLINE v_f32 v_min(v_f32 a, v_f32 b)
{
    return _mm256_min_ps(a, b);
}
V_INLINE v_f32 v_max(v_f32 a, v_f32 b)
{
    return _mm256_max_ps(a, b);
}
V_INLINE v_f32 v_and(v_f32 a, v_f32 b)
{
    return _mm256_and_ps(a, b);
}
V_INLINE v_f32 v_or(v_f32 a, v_f32 b)
{
    return _mm256_or_ps(a, b);
}
V_INLINE v_f32 v_xor(v_f32 a, v_f32 b)
{
    return _mm256_xor_ps(a, b);
}
V_INLINE v_f32 v_abs(v_f32 a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
V_INLINE v_f32 v_neg(v_f32 a)
{
    return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f));
}
V_INLINE v_f32 v_copysign(v_f32 magnitude, v_f32 sign)
{
    __m256 bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
V_INLINE v_f32 v_round(v_f32 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
V_INLINE v_f32 v_floor(v_f32 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
V_INLINE v_f32 v_ceil(v_f32 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
V_INLINE v_f32 v_trunc(v_f32 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

V_INLINE v_mask v_lt(v_f32 a, v_f32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
V_INLINE v_mask v_le(v_f32 a, v_f32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
V_INLINE v_mask v_eq(v_f32 a, v_f32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
V_INLINE v_mask v_isnan(v_f32 a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
V_INLINE v_mask v_mask_and(v_mask a, v_mask b)
{
    return _mm256_and_ps(a, b);
}
V_INLINE v_mask v_mask_or(v_mask a, v_mask b)
{
    return _mm256_or_ps(a, b);
}
V_INLINE int v_any(v_mask m)
{
    return _mm256_movemask_ps(m) != 0;
}
V_INLINE v_f32 v_select(v_mask m, v_f32 yes, v_f32 no)
{
    return _mm256_blendv_ps(no, yes, m);
}

V_INLINE v_i32 v_i32_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}
V_INLINE v_i32 v_i32_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
V_INLINE void v_i32_store(int32_t *p, v_i32 x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, x);
}
V_INLINE v_i32 v_i32_add(v_i32 a, v_i32 b)
{
    return _mm256_add_epi32(a, b);
}
V_INLINE v_i32 v_i32_sub(v_i32 a, v_i32 b)
{
    return _mm256_sub_epi32(a, b);
}
V_INLINE v_i32 v_i32_and(v_i32 a, v_i32 b)
{
    return _mm256_and_si256(a, b);
}
V_INLINE v_i32 v_i32_or(v_i32 a, v_i32 b)
{
    return _mm256_or_si256(a, b);
}
#define v_i32_shl(a, count) _mm256_slli_epi32((a), (count))
#define v_i32_shr(a, count) _mm256_srai_epi32((a), (count))
V_INLINE v_i32 v_i32_of_bits(v_f32 a)
{
    return _mm256_castps_si256(a);
}
V_INLINE v_f32 v_bits_of_i32(v_i32 a)
{
    return _mm256_castsi256_ps(a);
}
V_INLINE v_i32 v_to_i32(v_f32 a)
{
    return _mm256_cvtps_epi32(a);
}
V_INLINE v_f32 v_from_i32(v_i32 a)
{
    return _mm256_cvtepi32_ps(a);
}
/* In two steps, because 2^n itself may be out of range when a * 2^n is not. */
V_INLINE v_f32 v_scale2(v_f32 a, v_f32 n)
{
    v_i32 whole = _mm256_cvtps_epi32(n);
    v_i32 half = _mm256_srai_epi32(whole, 1);
    v_i32 rest = _mm256_sub_epi32(whole, half);
    v_i32 bias = _mm256_set1_epi32(127);
    v_f32 s1 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    v_f32 s2 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, s1), s2);
}

V_INLINE float v_sum(v_f32 a)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
V_INLINE float v_hmax(v_f32 a)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
V_INLINE float v_hmin(v_f32 a)
{
    __m128 x = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_min_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_min_ss(x, _mm_movehdup_ps(x)));
}

V_INLINE void v_transpose(v_f32 r[8])
{
    v_f32 t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
}

V_INLINE v_i32 v_i32_mul(v_i32 a, v_i32 b)
{
    return _mm256_mullo_epi32(a, b);
}
V_INLINE v_i32 v_i32_min(v_i32 a, v_i32 b)
{
    return _mm256_min_epi32(a, b);
}
V_INLINE v_i32 v_i32_max(v_i32 a, v_i32 b)
{
    return _mm256_max_epi32(a, b);
}
V_INLINE v_i32 v_i32_load_tail(const int32_t *p, v_tail t)
{
    return _mm256_maskload_epi32(p, t);
}
V_INLINE void v_i32_store_tail(int32_t *p, v_i32 x, v_tail t)
{
    _mm256_maskstore_epi32(p, t, x);
}
V_INLINE v_i32 v_i32_load_bytes(const uint8_t *p, size_t n)
{
    uint64_t bytes = 0;
    __builtin_memcpy(&bytes, p, n < 8 ? n : 8);
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes));
}
V_INLINE void v_i32_store_bytes(uint8_t *p, v_i32 x, size_t n)
{
    __m256i low = _mm256_and_si256(x, _mm256_set1_epi32(0xFF));
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    __builtin_memcpy(p, &bytes, n < 8 ? n : 8);
}

#endif
