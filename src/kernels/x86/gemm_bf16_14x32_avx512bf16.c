/* bfloat16 GEMM in tiles of 14x32 with VDPBF16PS, which adds two products to each float. */
#include "kernels/simd/avx512.h"

#define GEMM_MR 14
#define GEMM_NV 2
#define GEMM_K_UNIT 2
#define GEMM_STEP(a, b, sum)                                                                       \
    _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(b))
#include "kernels/tmpl/gemm_f32.h"

#define UNROLL _Pragma("GCC unroll 16")

enum { K_STEP = 2 };
#include "kernels/tmpl/gemm_bf16_pack.h"

static void pack_a_rows(size_t m, size_t k, const float *a, size_t row_stride, float *panel)
{
    const v_tail rows = v_tail_make(m);

    for (size_t p = 0; p < k; p += 32) {
        size_t units = (k - p + 1) / 2;
        v_f32 r[16];
        UNROLL
        for (size_t i = 0; i < 16; i++)
            r[i] = i < m ? row_pairs(a + i * row_stride + p, k - p) : v_zero();
        v_transpose(r);
        for (size_t u = 0; u < 16 && u < units; u++)
            v_store_tail(panel + (p / 2 + u) * m, r[u], rows);
    }
}

static void pack_a(size_t m, size_t k, const float *a, size_t row_stride, size_t k_stride,
                   float *panel)
{
    const v_tail rows = v_tail_make(m);

    if (k_stride == 1) {
        pack_a_rows(m, k, a, row_stride, panel);
        return;
    }
    for (size_t p = 0; p < k; p += 2) {
        __m256i first = round_tail(a + p * k_stride, rows), second = _mm256_setzero_si256();
        if (p + 1 < k)
            second = round_tail(a + (p + 1) * k_stride, rows);
        v_store_tail(panel + p / 2 * m, pair_up(first, second), rows);
    }
}

const struct ct_gemm_f32_functions ct_gemm_bf16_14x32_avx512bf16 = {
    .tile_kmajor = tile_kmajor, .pack_a = pack_a, .pack_b = pack_b, .pack_b_bf16 = pack_b_bf16};
