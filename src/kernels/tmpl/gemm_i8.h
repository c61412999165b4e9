/* The 8-bit GEMM kernel of kernels/gemm_i8.h over the vector vocabulary.
 *
 * Before including it: a simd/ header, and
 *   GEMM_FN     name of the struct ct_gemm_i8_functions that it defines
 *   GEMM_MR     rows of a tile; its columns are 2 * V_WIDTH
 *   GEMM_GROUP  products that one lane adds up at a time: 4 (bytes) or 2 (int16)
 *   gemm_a      type of an element of packed A: uint8_t, int16_t
 *   gemm_load_b(p)         V_WIDTH * GEMM_GROUP elements of packed B, widened as gemm_dot wants
 *   gemm_dot(sum, a, b)    sum + the products of each lane's GEMM_GROUP pairs
 *
 * Packed A: for each group of k, GEMM_GROUP elements of each row; a lane-wide broadcast takes one
 * row's. Packed B: for each group of k, GEMM_GROUP elements of each column. */
#include "kernels/gemm_i8.h"

#include <string.h>

#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

enum { NV = 2, NR = NV * V_WIDTH };

#define UNROLL _Pragma("GCC unroll 16")

/* ------------------------------------------------------------------ what follows the sums */

struct column_terms {
    v_tail tail;
    v_i32 b_sum, b_zero, bias;
    v_f32 scale, bias_f32;
};

V_INLINE struct column_terms load_columns(const struct ct_gemm_i8_tile *t, size_t j)
{
    const struct ct_gemm_i8_post *post = t->post;
    struct column_terms c = {.tail = v_tail_make(t->n - j), .b_sum = v_i32_load(t->b_sum + j)};
    size_t col = t->col + j;

    c.b_zero = t->b_zero ? v_i32_load(t->b_zero + j) : v_i32_set1(0);
    c.bias = v_i32_set1(0);
    c.scale = c.bias_f32 = v_zero();
    if (post->output == CT_GEMM_I8_TO_I32)
        return c;
    if (post->bias)
        c.bias = v_i32_load_tail(post->bias + col, c.tail);
    c.scale = post->scale_stride ? v_load_tail(post->scale + col, c.tail) : v_set1(*post->scale);
    if (post->bias_f32)
        c.bias_f32 = v_load_tail(post->bias_f32 + col, c.tail);
    return c;
}

V_INLINE v_i32 finished_sum(const struct ct_gemm_i8_tile *t, const struct column_terms *c, size_t i,
                            v_i32 sum)
{
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
    return v_mul(v_from_i32(v_i32_add(sum, c->bias)), scale);
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

V_INLINE void post_byte(const struct ct_gemm_i8_tile *t, const int32_t *sums)
{
    const struct ct_gemm_i8_post *post = t->post;
    v_f32 low = v_set1((float)(post->low - post->zero));
    v_f32 high = v_set1((float)(post->high - post->zero));
    v_i32 zero = v_i32_set1(post->zero);

    for (size_t j = 0; j < t->n; j += V_WIDTH) {
        struct column_terms c = load_columns(t, j);
        for (size_t i = 0; i < t->m; i++) {
            v_i32 sum = finished_sum(t, &c, i, v_i32_load(sums + i * NR + j));
            /* Bounded before it is converted, while it is certain to be in range. */
            v_f32 x = v_min(high, v_max(low, scaled_sum(t, &c, i, sum)));
            v_i32 y = v_i32_add(v_to_i32(x), zero);
            v_i32_store_bytes((uint8_t *)t->c + i * t->ldc + j, y, t->n - j);
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

/* ------------------------------------------------------------------ tiles */

V_INLINE void tile_body(const struct ct_gemm_i8_tile *t, const size_t mr, const size_t nv,
                        int32_t *sums)
{
    const gemm_a *a = t->a;
    const int8_t *b = t->b;
    v_i32 acc[GEMM_MR][NV];

    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t j = 0; j < nv; j++)
            acc[i][j] = v_i32_set1(0);
    }
    for (size_t p = (t->k + 3) / 4 * (4 / GEMM_GROUP); p > 0; p--) {
        v_i32 bv[NV];
        UNROLL
        for (size_t j = 0; j < nv; j++)
            bv[j] = gemm_load_b(b + j * V_WIDTH * GEMM_GROUP);
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            int32_t group;
            memcpy(&group, a + i * GEMM_GROUP, sizeof group);
            v_i32 av = v_i32_set1(group);
            UNROLL
            for (size_t j = 0; j < nv; j++)
                acc[i][j] = gemm_dot(acc[i][j], av, bv[j]);
        }
        a += mr * GEMM_GROUP;
        b += NR * GEMM_GROUP;
    }
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t j = 0; j < nv; j++)
            v_i32_store(sums + i * NR + j * V_WIDTH, acc[i][j]);
    }
}

V_INLINE void tile_rows(const struct ct_gemm_i8_tile *t, const size_t nv, int32_t *sums)
{
#define CASE(mr)                                                                                   \
    case mr: tile_body(t, mr <= GEMM_MR ? mr : 1, nv, sums); break;
    switch (t->m) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
#if GEMM_MR > 4
        CASE(5)
        CASE(6)
#endif
#if GEMM_MR > 6
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
#endif
    default: break;
    }
#undef CASE
}

static __attribute__((noinline)) void tile_narrow(const struct ct_gemm_i8_tile *t, int32_t *sums)
{
    tile_rows(t, 1, sums);
}

static __attribute__((noinline)) void tile_wide(const struct ct_gemm_i8_tile *t, int32_t *sums)
{
    tile_rows(t, 2, sums);
}

static void tile(const struct ct_gemm_i8_tile *t)
{
    int32_t sums[GEMM_MR * NR] __attribute__((aligned(64)));

    if (t->n > V_WIDTH)
        tile_wide(t, sums);
    else
        tile_narrow(t, sums);
    apply_post(t, sums);
}

/* ------------------------------------------------------------------ packing */

/* One group of k of one row: at most GEMM_GROUP bytes, the rest zeros. */
V_INLINE void put_group(gemm_a *to, const uint8_t *from, size_t k_stride, size_t count,
                        uint8_t flip)
{
    UNROLL
    for (size_t q = 0; q < GEMM_GROUP; q++)
        to[q] = q < count ? (uint8_t)(from[q * k_stride] ^ flip) : 0;
}

static int32_t row_sum(const uint8_t *row, size_t k, size_t k_stride, uint8_t flip)
{
    int32_t sum = 0;

    if (k_stride == 1)
        for (size_t p = 0; p < k; p++)
            sum += row[p] ^ flip;
    else
        for (size_t p = 0; p < k; p++)
            sum += row[p * k_stride] ^ flip;
    return sum;
}

static void pack_a(size_t m, size_t k, const uint8_t *a, size_t row_stride, size_t k_stride,
                   uint8_t flip, void *panel, int32_t *sums)
{
    size_t padded = (k + 3) & ~(size_t)3, whole = k - k % GEMM_GROUP;

    for (size_t i = 0; i < m; i++) {
        const uint8_t *row = a + i * row_stride;
        gemm_a *to = (gemm_a *)panel + i * GEMM_GROUP;
        size_t p = 0;
        if (k_stride == 1)
            for (; p < whole; p += GEMM_GROUP)
                put_group(to + p * m, row + p, 1, GEMM_GROUP, flip);
        for (; p < padded; p += GEMM_GROUP)
            put_group(to + p * m, row + p * k_stride, k_stride, p < k ? k - p : 0, flip);
        sums[i] = row_sum(row, k, k_stride, flip);
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
    size_t padded = (k + 3) & ~(size_t)3;

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

const struct ct_gemm_i8_functions GEMM_FN = {.tile = tile, .pack_a = pack_a, .pack_b = pack_b};

#undef UNROLL
