/* float32 GEMM in plain C: what the other kernels are checked against. */
#include "kernels/gemm.h"
#include "kernels/ref/act_ref.h"

static float term_at(const struct ct_gemm_term *term, size_t row, size_t col)
{
    return term->p ? term->p[(int64_t)row * term->row_stride + (int64_t)col * term->col_stride]
                   : 0.0f;
}

static float apply_post(const struct ct_gemm_post *post, float sum, size_t row, size_t col)
{
    float x = post->alpha * sum;
    if (post->bias.p)
        x += term_at(&post->bias, row, col);
    if (post->residual.p)
        x += post->beta * term_at(&post->residual, row, col);
    return ct_act_f32_ref(post->act, post->act_params, x);
}

static void run(const struct ct_gemm_f32_tile *t, size_t a_row, size_t a_k, size_t b_k,
                size_t b_col)
{
    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < t->n; j++) {
            float *c = &t->c[i * t->ldc + j];
            float sum = t->accumulate ? *c : 0.0f;
            for (size_t p = 0; p < t->k; p++)
                sum += t->a[i * a_row + p * a_k] * t->b[p * b_k + j * b_col];
            *c = t->post ? apply_post(t->post, sum, t->row + i, t->col + j) : sum;
        }
}

static void tile_rowmajor(const struct ct_gemm_f32_tile *tile)
{
    run(tile, tile->lda, 1, tile->ldb, 1);
}

static void tile_kmajor(const struct ct_gemm_f32_tile *tile)
{
    run(tile, 1, tile->lda, tile->ldb, 1);
}

static void wide(const struct ct_gemm_f32_tile *tile)
{
    struct ct_gemm_f32_tile t = *tile;
    t.accumulate = false;
    for (size_t j = 0; j < tile->n; j += 8) {
        t.n = tile->n - j < 8 ? tile->n - j : 8;
        t.b = tile->b + j / 8 * tile->panel_stride;
        t.c = tile->c + j;
        t.col = tile->col + j;
        run(&t, tile->lda, 1, tile->ldb, 1);
    }
}

static void dot(const struct ct_gemm_f32_tile *tile)
{
    struct ct_gemm_f32_tile t = *tile;
    t.accumulate = false;
    run(&t, tile->lda, 1, 1, tile->ldb);
}

static void pack_a(size_t m, size_t k, const float *a, size_t row_stride, size_t k_stride,
                   float *panel)
{
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < m; i++)
            *panel++ = a[i * row_stride + p * k_stride];
}

static void pack_b(size_t k, size_t n, const void *from, size_t k_stride, size_t col_stride,
                   float *panel)
{
    const float *b = from;

    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < 8; j++)
            *panel++ = j < n ? b[p * k_stride + j * col_stride] : 0.0f;
}

static void pack_b_bf16(size_t k, size_t n, const void *from, size_t k_stride, size_t col_stride,
                        float *panel)
{
    const uint16_t *b = from;

    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < 8; j++)
            *panel++ = j < n ? ct_bf16_to_f32(b[p * k_stride + j * col_stride]) : 0.0f;
}

const struct ct_gemm_f32_functions ct_gemm_f32_4x8_ref = {
    .tile_rowmajor = tile_rowmajor,
    .tile_kmajor = tile_kmajor,
    .wide = wide,
    .dot = dot,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .pack_b_bf16 = pack_b_bf16,
};
