/* Packing of bfloat16 operands, two of k to a 32-bit unit, over simd/avx512.h.
 *
 * Before including it: NR, the columns of a panel, and K_STEP, a multiple of which panels of B are
 * padded to with zeros along k; UNROLL. */
#ifndef CT_KERNELS_TMPL_GEMM_BF16_PACK_H
#define CT_KERNELS_TMPL_GEMM_BF16_PACK_H

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

/* Rounds k rows and n columns of B to units, as pack_b_bf16 does. */
static void pack_b(size_t k, size_t n, const void *from, size_t k_stride, size_t col_stride,
                   float *panel)
{
    const float *b = from;

    for (size_t p = 0; p < (k + K_STEP - 1) / K_STEP * K_STEP; p += 32)
        for (size_t j = 0; j < NR; j += 16) {
            const size_t units = (k - p + 1) / 2 < 16 && K_STEP < 32 ? (k - p + 1) / 2 : 16;
            const v_tail tail = v_tail_make(n > j ? n - j : 0);
            v_f32 r[16];
            if (k_stride == 1) {
                UNROLL
                for (size_t i = 0; i < 16; i++)
                    r[i] = j + i < n ? row_pairs(b + (j + i) * col_stride + p, k - p) : v_zero();
                v_transpose(r);
            } else {
                UNROLL
                for (size_t u = 0; u < 16; u++) {
                    const float *row = b + (p + 2 * u) * k_stride + j;
                    r[u] = pair_up(round_tail(row, p + 2 * u < k ? tail : 0),
                                   round_tail(row + k_stride, p + 2 * u + 1 < k ? tail : 0));
                }
            }
            for (size_t u = 0; u < units; u++)
                v_store(panel + (p / 2 + u) * NR + j, r[u]);
        }
}

/* Zeros from unit row `from` of the panel on. */
V_INLINE void pad_b(float *panel, size_t k, size_t from)
{
    for (size_t u = from; u < (k + K_STEP - 1) / K_STEP * (K_STEP / 2); u++)
        for (size_t j = 0; j < NR; j += 16)
            v_store(panel + u * NR + j, v_zero());
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

    pad_b(panel, k, (k + 1) / 2);
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

#endif
