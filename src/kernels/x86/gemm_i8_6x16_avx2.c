/* 8-bit GEMM in tiles of 6x16. VPMADDUBSW would saturate pairs of products at 16 bits; so bytes
 * are widened, and VPMADDWD adds pairs of exact 32-bit products. */
#include "kernels/simd/avx2.h"

#define gemm_a int16_t
#define GEMM_GROUP 2

V_INLINE v_i32 gemm_load_b(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

V_INLINE v_i32 gemm_dot(v_i32 sum, v_i32 a, v_i32 b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

#define GEMM_FN ct_gemm_i8_6x16_avx2
#define GEMM_MR 6
#include "kernels/tmpl/gemm_i8.h"
