/* 8-bit GEMM in tiles of 4x8; widened bytes and PMADDWD, as with AVX2. */
#include "kernels/simd/sse41.h"

#define gemm_a int16_t
#define GEMM_GROUP 2

V_INLINE v_i32 gemm_load_b(const int8_t *p)
{
    return _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

V_INLINE v_i32 gemm_dot(v_i32 sum, v_i32 a, v_i32 b)
{
    return _mm_add_epi32(sum, _mm_madd_epi16(a, b));
}

#define GEMM_FN ct_gemm_i8_4x8_sse41
#define GEMM_MR 4
#include "kernels/tmpl/gemm_i8.h"
