/* 8-bit GEMM in tiles of 14x32 with VPDPBUSD: four products of unsigned and signed bytes to a
 * lane, without saturation in between. */
#include "kernels/simd/avx512.h"

#define gemm_a uint8_t
#define GEMM_GROUP 4

V_INLINE v_i32 gemm_load_b(const int8_t *p)
{
    return _mm512_loadu_si512(p);
}

V_INLINE v_i32 gemm_dot(v_i32 sum, v_i32 a, v_i32 b)
{
    return _mm512_dpbusd_epi32(sum, a, b);
}

#define GEMM_FN ct_gemm_i8_14x32_avx512vnni
#define GEMM_MR 14
#include "kernels/tmpl/gemm_i8.h"
