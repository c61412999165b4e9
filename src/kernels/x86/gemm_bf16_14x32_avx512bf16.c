/* bfloat16 GEMM in tiles of 14x32 with VDPBF16PS, which adds two products to each float. */
#include "kernels/simd/avx512.h"

#define GEMM_MR 14
#define GEMM_NV 2
#define GEMM_K_UNIT 2
#define GEMM_STEP(a, b, sum)                                                                       \
    _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(b))
#include "kernels/tmpl/gemm_f32.h"

#define UNROLL _Pragma("GCC unroll 16")

/* Pairs of 16 lanes each: low halves from `first`, high halves from `second`. */
V_INLINE v_f32 pair_up(__m256i first, __m256i second)
{
    __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16);

    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_cvtepu16_epi32(first), high));
}

V_INLINE __m256i round_tail(const float *p, v_tail tail)
{
    return (__m256i)_mm512_cvtneps_pbh(v_load_tail(p, tail));
}

/* Sixteen pairs of a row, of the `count` elements that are left of it. */
V_INLINE v_f32 row_pairs(const float *p, size_t count)
{
    v_f32 low = v_load_tail(p, v_tail_make(count));
    v_f32 high = count > 16 ? v_load_tail(p + 16, v_tail_make(count - 16)) : v_zero();

    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(high, low));
}

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

static void pack_b_columns(size_t k, size_t n, const uint16_t *b, size_t col_stride, float *panel)
{
    for (size_t p = 0; p < k; p += 32) {
        size_t left = k - p < 32 ? k - p : 32;
        __mmask32 mask = left == 32 ? UINT32_MAX : (1u << left) - 1;
        for (size_t j = 0; j < NR; j += 16) {
            v_f32 r[16];
            UNROLL
            for (size_t i = 0; i < 16; i++)
                r[i] = j + i < n ? _mm512_castsi512_ps(
                                       _mm512_maskz_loadu_epi16(mask, b + (j + i) * col_stride + p))
                                 : v_zero();
            v_transpose(r);
            for (size_t u = 0; u < (left + 1) / 2; u++)
                v_store(panel + (p / 2 + u) * NR + j, r[u]);
        }
    }
}

static void pack_b_bf16(size_t k, size_t n, const void *from, size_t k_stride, size_t col_stride,
                        float *panel)
{
    const uint16_t *b = from;

    if (col_stride != 1 && n > 1) {
        pack_b_columns(k, n, b, col_stride, panel);
        return;
    }
    for (size_t p = 0; p < k; p += 2)
        for (size_t j = 0; j < NR; j += 16) {
            __mmask16 mask = v_tail_make(n > j ? n - j : 0);
            const uint16_t *row = b + p * k_stride + j;
            __m256i second = _mm256_setzero_si256();
            if (p + 1 < k)
                second = _mm256_maskz_loadu_epi16(mask, row + k_stride);
            v_store(panel + p / 2 * NR + j, pair_up(_mm256_maskz_loadu_epi16(mask, row), second));
        }
}

const struct ct_gemm_f32_functions ct_gemm_bf16_14x32_avx512bf16 = {
    .tile_kmajor = tile_kmajor, .pack_a = pack_a, .pack_b_bf16 = pack_b_bf16};
