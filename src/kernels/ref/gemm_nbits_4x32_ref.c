#include "kernels/gemm_nbits.h"

/* Element p of column j of a panel, less its block's zero point. */
static float centred(const struct ct_gemm_nbits_tile *t, size_t p, size_t j)
{
    size_t per_word = 32 / (size_t)t->bits, at = p / t->block * CT_NBITS_COLUMNS + j;
    uint32_t word = t->b[p / per_word * CT_NBITS_COLUMNS + j];
    uint32_t top = word << (32 - (size_t)t->bits * (p % per_word + 1));
    int32_t q = (int32_t)top >> (32 - t->bits);
    return (float)q - (t->zeros ? t->zeros[at] : 0);
}

static float scale(const struct ct_gemm_nbits_tile *t, size_t p, size_t j)
{
    return t->scales[p / t->block * CT_NBITS_COLUMNS + j];
}

static void tile(const struct ct_gemm_nbits_tile *t)
{
    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < t->n; j++) {
            double sum = t->bias ? (double)t->bias[j] : 0;
            for (size_t p = 0; p < t->k; p++)
                sum += (double)t->a[i * t->lda + p] * (double)centred(t, p, j) *
                       (double)scale(t, p, j);
            t->c[i * t->ldc + j] = (float)sum;
        }
}

static void unpack(const struct ct_gemm_nbits_tile *t)
{
    for (size_t p = 0; p < t->k; p++)
        for (size_t j = 0; j < t->n; j++)
            t->c[p * t->ldc + j] = centred(t, p, j) * scale(t, p, j);
}

const struct ct_gemm_nbits_functions ct_gemm_nbits_4x32_ref = {tile, unpack};
