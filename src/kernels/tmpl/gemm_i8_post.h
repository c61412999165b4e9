/* What the 8-bit GEMM kernels of kernels/gemm_i8.h share: what follows the sums, and packing.
 *
 * Before including it: a simd/ header, and
 *   GEMM_GROUP   elements of k that lie together in packed B: 4 (bytes) or 2 (int16)
 *   GEMM_K_STEP  that k is padded to
 *   gemm_a       type of an element of A's rows: uint8_t, int16_t
 *
 * Packed B: for each group of k, GEMM_GROUP elements of each of 2 * V_WIDTH columns. */
#include "kernels/gemm_i8.h"

#include <string.h>

#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

enum { NV = 2, NR = NV * V_WIDTH };

#define UNROLL _Pragma("GCC unroll 16")

/* ------------------------------------------------------------------ what follows the sums */

struct column_terms {
    v_tail tail;
    v_i32 b_sum, b_zero, add;
    v_f32 scale, bias_f32;
};

V_INLINE struct column_terms load_columns(const struct ct_gemm_i8_tile *t, size_t j)
{
    const struct ct_gemm_i8_post *post = t->post;
    struct column_terms c = {.tail = v_tail_make(t->n - j), .add = v_i32_set1(0)};
    size_t col = t->col + j;

    if (t->add)
        c.add = v_i32_load(t->add + j);
    c.b_sum = t->a_zero ? v_i32_load(t->b_sum + j) : v_i32_set1(0);
    c.b_zero = t->b_zero ? v_i32_load(t->b_zero + j) : v_i32_set1(0);
    c.scale = c.bias_f32 = v_zero();
    if (post->output == CT_GEMM_I8_TO_I32)
        return c;
    c.scale = post->scale_stride ? v_load_tail(post->scale + col, c.tail) : v_set1(*post->scale);
    if (post->bias_f32)
        c.bias_f32 = v_load_tail(post->bias_f32 + col, c.tail);
    return c;
}

V_INLINE v_i32 finished_sum(const struct ct_gemm_i8_tile *t, const struct column_terms *c, size_t i,
                            v_i32 sum)
{
    sum = v_i32_add(sum, c->add);
    if (t->a_zero)
        sum = v_i32_sub(sum, v_i32_mul(v_i32_set1(t->a_zero[i]), c->b_sum));
    if (t->b_zero)
        sum = v_i32_sub(sum, v_i32_mul(c->b_zero, v_i32_set1(t->a_sum[i])));
    return sum;
}

V_INLINE v_f32 scaled_sum(const struct ct_gemm_i8_tile *t, const struct column_terms *c, size_t i,
                          v_i32 sum)
{
    v_f32 scale = c->scale;

    if (t->post->row_scale)
        scale = v_mul(scale, v_set1(t->post->row_scale[t->row + i]));
    return v_mul(v_from_i32(sum), scale);
}

V_INLINE void post_i32(const struct ct_gemm_i8_tile *t, const int32_t *sums)
{
    for (size_t j = 0; j < t->n; j += V_WIDTH) {
        struct column_terms c = load_columns(t, j);
        for (size_t i = 0; i < t->m; i++) {
            v_i32 sum = finished_sum(t, &c, i, v_i32_load(sums + i * NR + j));
            v_i32_store_tail((int32_t *)t->c + i * t->ldc + j, sum, c.tail);
        }
    }
}

V_INLINE void post_f32(const struct ct_gemm_i8_tile *t, const int32_t *sums, enum ct_act act)
{
    v_f32 p0 = v_set1(t->post->act_params[0]), p1 = v_set1(t->post->act_params[1]);

    for (size_t j = 0; j < t->n; j += V_WIDTH) {
        struct column_terms c = load_columns(t, j);
        for (size_t i = 0; i < t->m; i++) {
            v_i32 sum = finished_sum(t, &c, i, v_i32_load(sums + i * NR + j));
            v_f32 x = v_add(scaled_sum(t, &c, i, sum), c.bias_f32);
            v_store_tail((float *)t->c + i * t->ldc + j, v_act(act, p0, p1, x), c.tail);
        }
    }
}

/* Bounded before they are rounded, while it is certain to be in range. */
struct bounds {
    v_f32 low, high;
};

V_INLINE struct bounds bounds_of(int32_t low, int32_t high, int32_t zero)
{
    return (struct bounds){v_set1((float)(low - zero)), v_set1((float)(high - zero))};
}

V_INLINE v_i32 rounded(v_f32 x, const struct bounds *b)
{
    return v_to_i32(v_min(b->high, v_max(b->low, x)));
}

V_INLINE void post_byte(const struct ct_gemm_i8_tile *t, const int32_t *sums)
{
    const struct ct_gemm_i8_post *post = t->post;
    struct bounds b = bounds_of(post->low, post->high, post->zero);
    v_i32 zero = v_i32_set1(post->zero);

    for (size_t j = 0; j < t->n; j += V_WIDTH) {
        struct column_terms c = load_columns(t, j);
        for (size_t i = 0; i < t->m; i++) {
            v_i32 sum = finished_sum(t, &c, i, v_i32_load(sums + i * NR + j));
            v_i32 y = v_i32_add(rounded(scaled_sum(t, &c, i, sum), &b), zero);
            v_i32_store_bytes((uint8_t *)t->c + i * t->ldc + j, y, t->n - j);
        }
    }
}

static __attribute__((noinline)) void post_residual(const struct ct_gemm_i8_tile *t,
                                                    const int32_t *sums)
{
    const struct ct_gemm_i8_post *post = t->post;
    const struct ct_gemm_i8_residual *r = post->residual;
    struct bounds b = bounds_of(post->low, post->high, post->zero);
    struct bounds sum_b = bounds_of(r->sum_low, r->sum_high, r->sum_zero);
    v_i32 flip = v_i32_set1(r->flip), byte = v_i32_set1(0xFF);
    v_i32 other_zero = v_i32_set1(r->other_zero);
    v_f32 ratio = v_set1(r->ratio), other_ratio = v_set1(r->other_ratio);

    for (size_t j = 0; j < t->n; j += V_WIDTH) {
        struct column_terms c = load_columns(t, j);
        for (size_t i = 0; i < t->m; i++) {
            v_i32 sum = finished_sum(t, &c, i, v_i32_load(sums + i * NR + j));
            v_f32 y = v_from_i32(rounded(scaled_sum(t, &c, i, sum), &b));
            const uint8_t *at = r->other + (t->row + i) * r->ld + t->col + j;
            v_i32 other = v_i32_and(v_i32_add(v_i32_load_bytes(at, t->n - j), flip), byte);
            v_f32 term = v_mul(v_from_i32(v_i32_sub(other, other_zero)), other_ratio);
            v_i32 z = rounded(v_add(v_mul(y, ratio), term), &sum_b);
            v_i32_store_bytes((uint8_t *)t->c + i * t->ldc + j,
                              v_i32_add(z, v_i32_set1(r->sum_zero)), t->n - j);
        }
    }
}

static __attribute__((noinline)) void apply_post(const struct ct_gemm_i8_tile *t,
                                                 const int32_t *sums)
{
    if (t->post->output == CT_GEMM_I8_TO_I32) {
        post_i32(t, sums);
        return;
    }
    if (t->post->output == CT_GEMM_I8_TO_BYTE) {
        if (t->post->residual)
            post_residual(t, sums);
        else
            post_byte(t, sums);
        return;
    }
    switch (t->post->act) {
#define CT_X(name, formula)                                                                        \
    case CT_ACT_##name: post_f32(t, sums, CT_ACT_##name); break;
        CT_ACT_MAP(CT_X)
#undef CT_X
    case CT_ACT_COUNT: break;
    }
}

/* ------------------------------------------------------------------ packing */

static void pack_a(size_t m, size_t k, const uint8_t *a, size_t row_stride, size_t k_stride,
                   uint8_t flip, void *rows, size_t lda, int32_t *sums)
{
    size_t padded = (k + GEMM_K_STEP - 1) / GEMM_K_STEP * GEMM_K_STEP;

    for (size_t i = 0; i < m; i++) {
        const uint8_t *row = a + i * row_stride;
        gemm_a *to = (gemm_a *)(void *)((char *)rows + i * lda);
        if (k_stride == 1)
            for (size_t p = 0; p < k; p++)
                to[p] = (uint8_t)(row[p] ^ flip);
        else
            for (size_t p = 0; p < k; p++)
                to[p] = (uint8_t)(row[p * k_stride] ^ flip);
        memset(to + k, 0, (padded - k) * sizeof *to);
        if (!sums)
            continue;
        sums[i] = 0;
        for (size_t p = 0; p < k; p++)
            sums[i] += to[p];
    }
}

/* A column's part of a group of k. */
V_INLINE void put_column(int8_t *to, const uint8_t *from, size_t k_stride, size_t count,
                         uint8_t flip, int32_t *sum)
{
    UNROLL
    for (size_t q = 0; q < GEMM_GROUP; q++) {
        to[q] = q < count ? (int8_t)(from[q * k_stride] ^ flip) : 0;
        *sum += to[q];
    }
}

static void pack_b(size_t k, size_t n, const uint8_t *b, size_t k_stride, size_t col_stride,
                   uint8_t flip, void *panel, int32_t *sums)
{
    int8_t *to = panel;
    size_t padded = (k + GEMM_K_STEP - 1) / GEMM_K_STEP * GEMM_K_STEP;

    memset(sums, 0, NR * sizeof *sums);
    for (size_t p = 0; p < padded; p += GEMM_GROUP, to += NR * GEMM_GROUP) {
        const uint8_t *from = b + p * k_stride;
        size_t count = p < k ? k - p : 0;
        if (count >= GEMM_GROUP && col_stride == 1)
            for (size_t j = 0; j < n; j++)
                put_column(to + j * GEMM_GROUP, from + j, k_stride, GEMM_GROUP, flip, &sums[j]);
        else
            for (size_t j = 0; j < n; j++)
                put_column(to + j * GEMM_GROUP, from + j * col_stride, k_stride, count, flip,
                           &sums[j]);
        memset(to + n * GEMM_GROUP, 0, (NR - n) * GEMM_GROUP);
    }
}
