/* 8-bit GEMM in plain C: what the other kernels are checked against. Packed B: columns of one k
 * after the other. */
#include "kernels/gemm_i8.h"

#include <math.h>
#include <string.h>

#include "kernels/ref/act_ref.h"

enum { NR = 8 };

static float bounded(float x, int32_t low, int32_t high)
{
    return fminf((float)high, fmaxf((float)low, x));
}

static void store(const struct ct_gemm_i8_tile *t, size_t i, size_t j, int32_t sum)
{
    const struct ct_gemm_i8_post *post = t->post;
    size_t at = i * t->ldc + j, col = t->col + j;

    if (post->output == CT_GEMM_I8_TO_I32) {
        ((int32_t *)t->c)[at] = sum;
        return;
    }
    float scale = post->scale[post->scale_stride ? col : 0];
    if (post->row_scale)
        scale *= post->row_scale[t->row + i];
    float x = (float)sum * scale;
    if (post->output == CT_GEMM_I8_TO_F32) {
        x += post->bias_f32 ? post->bias_f32[col] : 0.0f;
        ((float *)t->c)[at] = ct_act_f32_ref(post->act, post->act_params, x);
        return;
    }
    int32_t zero = post->zero;
    x = rintf(bounded(x, post->low - zero, post->high - zero));
    if (post->residual) {
        const struct ct_gemm_i8_residual *r = post->residual;
        uint8_t other = r->other[(t->row + i) * r->ld + col] ^ r->flip;
        float own = x * r->ratio, term = (float)(other - r->other_zero) * r->other_ratio;
        zero = r->sum_zero;
        x = rintf(bounded(own + term, r->sum_low - zero, r->sum_high - zero));
    }
    ((uint8_t *)t->c)[at] = (uint8_t)((int32_t)x + zero);
}

static void tile(const struct ct_gemm_i8_tile *t)
{
    const uint8_t *a = t->a;
    const int8_t *b = t->b;

    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < t->n; j++) {
            uint32_t sum = 0; /* wraps */
            for (size_t p = 0; p < t->k; p++)
                sum += (uint32_t)(a[i * t->lda + p] * b[p * NR + j]);
            if (t->add)
                sum += (uint32_t)t->add[j];
            if (t->a_zero)
                sum -= (uint32_t)t->a_zero[i] * (uint32_t)t->b_sum[j];
            if (t->b_zero)
                sum -= (uint32_t)t->b_zero[j] * (uint32_t)t->a_sum[i];
            store(t, i, j, (int32_t)sum);
        }
}

static void pack_a(size_t m, size_t k, const uint8_t *a, size_t row_stride, size_t k_stride,
                   uint8_t flip, void *rows, size_t lda, int32_t *sums)
{
    for (size_t i = 0; i < m; i++) {
        uint8_t *to = (uint8_t *)rows + i * lda;
        int32_t sum = 0;
        memset(to + k, 0, ((k + 3) & ~(size_t)3) - k);
        for (size_t p = 0; p < k; p++) {
            to[p] = (uint8_t)(a[i * row_stride + p * k_stride] ^ flip);
            sum += to[p];
        }
        if (sums)
            sums[i] = sum;
    }
}

static void pack_b(size_t k, size_t n, const uint8_t *b, size_t k_stride, size_t col_stride,
                   uint8_t flip, void *panel, int32_t *sums)
{
    int8_t *to = panel;

    memset(sums, 0, NR * sizeof *sums);
    memset(to, 0, NR * ((k + 3) & ~(size_t)3));
    for (size_t p = 0; p < k; p++, to += NR)
        for (size_t j = 0; j < n; j++) {
            to[j] = (int8_t)(b[p * k_stride + j * col_stride] ^ flip);
            sums[j] += to[j];
        }
}

const struct ct_gemm_i8_functions ct_gemm_i8_4x8_ref = {
    .tile = tile, .pack_a = pack_a, .pack_b = pack_b};
