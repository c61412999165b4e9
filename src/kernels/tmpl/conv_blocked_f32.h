/* Kernels of the blocked layout (kernels/conv_blocked.h) over the vector vocabulary.
 *
 * Before including: a simd/ header, and
 *   FUNCTIONS    name of the struct ct_conv_blocked_functions to define
 *   CB_PIXELS    pixels of a tile, at most 14
 *   CB_BLOCKS    blocks of a tile, 1 or 2
 * with NV = 16 / V_WIDTH vectors in a block,
 * (CB_PIXELS + 1) * CB_BLOCKS * NV + 1 <= V_REGISTERS, so that a tile stays in registers. */
#include <float.h>
#include <math.h>

#include "kernels/conv_blocked.h"
#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

enum { NV = CT_CONV_BLOCK / V_WIDTH };

#define UNROLL _Pragma("GCC unroll 16")

/* ------------------------------------------------------------------ what follows the sums */

/* None, Relu and Clip are bounds, which a tile applies while its sums are in registers. */
V_INLINE bool post_bounds(const struct ct_conv_blocked_post *post, v_f32 *low, v_f32 *high)
{
    *low = v_set1(-INFINITY);
    *high = v_set1(INFINITY);
    if (post->act == CT_ACT_RELU)
        *low = v_zero();
    if (post->act == CT_ACT_CLIP) {
        *low = v_set1(post->act_params[0]);
        *high = v_set1(post->act_params[1]);
    }
    return post->act == CT_ACT_NONE || post->act == CT_ACT_RELU || post->act == CT_ACT_CLIP;
}

/* v_silu with fewer steps, for here it is a good part of the time of layers with few channels:
 * 2^f for |f| <= 1/2 by a minimax fit of our own (9.2e-8), f not corrected for the rounding of its
 * product. The error is within 4e-7 |x|. NaN stays NaN, and minus infinity what it is. */
V_INLINE v_f32 quick_silu(v_f32 x)
{
    v_f32 one = v_set1(1.0f);
    v_f32 t = v_mul(x, v_set1(-1.44269504088896341f));
    t = v_max(v_set1(-125.0f), v_min(v_set1(125.0f), t));
    v_f32 n = v_round(t), f = v_sub(t, n);
    v_f32 q = v_set1(0.001326472731f);
    q = v_fma(q, f, v_set1(0.009671512991f));
    q = v_fma(q, f, v_set1(0.05550733581f));
    q = v_fma(q, f, v_set1(0.2402224243f));
    q = v_fma(q, f, v_set1(0.6931470037f));
    q = v_fma(q, f, one);
    return v_mul(x, v_recip(v_add(one, v_scale2(q, n))));
}

V_INLINE void act_all(float *y, size_t n, enum ct_act act, const float *params)
{
    v_f32 p0 = v_set1(params[0]), p1 = v_set1(params[1]);
    for (size_t i = 0; i < n; i += V_WIDTH)
        v_store(y + i,
                act == CT_ACT_SILU ? quick_silu(v_load(y + i)) : v_act(act, p0, p1, v_load(y + i)));
}

/* The other activations go over the n elements just stored, a multiple of 16. */
static __attribute__((noinline)) void apply_act(float *y, size_t n,
                                                const struct ct_conv_blocked_post *post)
{
    switch (post->act) {
#define CT_X(name, formula)                                                                        \
    case CT_ACT_##name: act_all(y, n, CT_ACT_##name, post->act_params); break;
        CT_ACT_MAP(CT_X)
#undef CT_X
    case CT_ACT_COUNT: break;
    }
}

/* ------------------------------------------------------------------ tiles */

/* The products of one position and channel, for pixels first to last-1. */
V_INLINE void add_channel(v_f32 acc[CB_PIXELS][CB_BLOCKS * NV], const float *x, const float *w,
                          const float *w2, const size_t x_pixel, const size_t blocks,
                          const size_t first, const size_t last)
{
    v_f32 wv[CB_BLOCKS * NV];
    UNROLL
    for (size_t j = 0; j < blocks * NV; j++)
        wv[j] = j < NV ? v_load(w + j * V_WIDTH) : v_load(w2 + (j - NV) * V_WIDTH);
    UNROLL
    for (size_t p = first; p < last; p++) {
        v_f32 xv = v_set1(x[p * x_pixel]);
        UNROLL
        for (size_t j = 0; j < blocks * NV; j++)
            acc[p][j] = v_fma(xv, wv[j], acc[p][j]);
    }
}

/* Channels that stand one after the other in the code: each jump back costs more than a cycle. */
enum { TOGETHER = 4 };

/* The products of one position with up to 16 channels, `together` in a step. */
V_INLINE void add_tap(v_f32 acc[CB_PIXELS][CB_BLOCKS * NV], const float *x, const float *w,
                      size_t w_out, size_t n, const size_t x_pixel, const size_t x_channel,
                      const size_t blocks, const size_t first, const size_t last,
                      const size_t together)
{
    const float *w2 = w + w_out;
    for (; n >= together; n -= together) {
        UNROLL
        for (size_t c = 0; c < together; c++)
            add_channel(acc, x + c * x_channel, w + c * CT_CONV_BLOCK, w2 + c * CT_CONV_BLOCK,
                        x_pixel, blocks, first, last);
        x += together * x_channel;
        w += together * CT_CONV_BLOCK;
        w2 += together * CT_CONV_BLOCK;
    }
    for (; together > 1 && n; n--, x += x_channel, w += CT_CONV_BLOCK, w2 += CT_CONV_BLOCK)
        add_channel(acc, x, w, w2, x_pixel, blocks, first, last);
}

V_INLINE void tile_body(const struct ct_conv_blocked_tile *t, const size_t x_pixel,
                        const bool plain, const size_t pixels, const size_t blocks)
{
    const size_t nv = blocks * NV;
    const float *x = t->x, *w = t->w;
    v_f32 acc[CB_PIXELS][CB_BLOCKS * NV];
    UNROLL
    for (size_t j = 0; j < nv; j++) {
        v_f32 bias = t->bias ? v_load(t->bias + j * V_WIDTH) : v_zero();
        UNROLL
        for (size_t p = 0; p < pixels; p++)
            acc[p][j] = bias;
    }
    for (size_t left = t->channels; left; x += t->x_block, w += t->w_in) {
        size_t n = left < CT_CONV_BLOCK ? left : CT_CONV_BLOCK;
        const struct ct_conv_blocked_tap *tap = t->taps;
        left -= n;
        for (size_t k = t->n_taps; k; k--, tap++) {
            const float *xt = x + tap->x, *wt = w + tap->w;
            if (plain || tap->cut == CT_CUT_NONE)
                add_tap(acc, xt, wt, t->w_out, n, x_pixel, plain ? t->x_channel : 1, blocks, 0,
                        pixels, TOGETHER);
            else if (tap->cut == CT_CUT_FIRST)
                add_tap(acc, xt, wt, t->w_out, n, x_pixel, 1, blocks, 1, pixels, 1);
            else
                add_tap(acc, xt, wt, t->w_out, n, x_pixel, 1, blocks, 0, pixels - 1, 1);
        }
    }
    v_f32 low, high;
    post_bounds(t->post, &low, &high);
    UNROLL
    for (size_t j = 0; j < nv; j++) {
        size_t at = j / NV * t->y_block + j % NV * V_WIDTH;
        float *y = t->y + at;
        const float *residual = t->residual ? t->residual + at : NULL;
        UNROLL
        for (size_t p = 0; p < pixels; p++) {
            v_f32 v = acc[p][j];
            if (residual)
                v = v_add(v, v_load(residual + p * CT_CONV_BLOCK));
            v_store(y + p * CT_CONV_BLOCK, v_min(high, v_max(low, v)));
        }
    }
}

V_INLINE void tile_pixels(const struct ct_conv_blocked_tile *t, const size_t x_pixel,
                          const bool plain, const size_t blocks)
{
#define CASE(pixels)                                                                               \
    case pixels: tile_body(t, x_pixel, plain, pixels <= CB_PIXELS ? pixels : 1, blocks); break;
    switch (t->pixels) {
        CASE(1)
        CASE(2)
#if CB_PIXELS > 2
        CASE(3)
        CASE(4)
#endif
#if CB_PIXELS > 4
        CASE(5)
        CASE(6)
#endif
#if CB_PIXELS > 6
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

#define TILE(name, x_pixel, plain, blocks)                                                         \
    static __attribute__((noinline)) void name(const struct ct_conv_blocked_tile *t)               \
    {                                                                                              \
        tile_pixels(t, x_pixel, plain, blocks);                                                    \
    }
TILE(step1_1, 16, false, 1)
TILE(step2_1, 32, false, 1)
TILE(plain1_1, 1, true, 1)
TILE(plain2_1, 2, true, 1)
#if CB_BLOCKS > 1
TILE(step1_2, 16, false, 2)
TILE(step2_2, 32, false, 2)
TILE(plain1_2, 1, true, 2)
TILE(plain2_2, 2, true, 2)
#else
#define step1_2 step1_1
#define step2_2 step2_1
#define plain1_2 plain1_1
#define plain2_2 plain2_1
#endif
#undef TILE

static void tile(const struct ct_conv_blocked_tile *t)
{
    bool two = t->blocks > 1;
    const char *next = (const char *)t->w_next;
    for (size_t i = 0; next && i < t->n_next; i += 64)
        __builtin_prefetch(next + i, 0, 2);
    switch (t->x_pixel) {
    case 16: (two ? step1_2 : step1_1)(t); break;
    case 32: (two ? step2_2 : step2_1)(t); break;
    case 1: (two ? plain1_2 : plain1_1)(t); break;
    default: (two ? plain2_2 : plain2_1)(t); break;
    }
    v_f32 low, high;
    if (!post_bounds(t->post, &low, &high))
        for (size_t b = 0; b < t->blocks; b++)
            apply_act(t->y + b * t->y_block, t->pixels * CT_CONV_BLOCK, t->post);
}

/* ------------------------------------------------------------------ depthwise */

/* Pixels of one vector of channels that are summed together: of a kernel of 3 columns, they, their
 * inputs and a row of weights fit the registers. */
enum { DW_PIXELS = V_REGISTERS >= 32 ? 8 : 4 };

V_INLINE void depthwise_body(const struct ct_conv_blocked_depthwise *r, const float *x, float *y,
                             const float *residual, const size_t x_pixel, const size_t x_col,
                             const size_t y_pixel, const size_t cols, const size_t pixels,
                             v_f32 low, v_f32 high)
{
    v_f32 acc[DW_PIXELS];
    const float *w = r->w + (y - r->y) % CT_CONV_BLOCK;
    v_f32 bias = r->bias ? v_load(r->bias + (y - r->y) % CT_CONV_BLOCK) : v_zero();
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        acc[p] = bias;
    for (size_t k = r->kernel_rows; k; k--, x += r->x_row, w += r->w_row) {
        UNROLL
        for (size_t c = 0; c < cols; c++) {
            v_f32 wv = v_load(w + c * CT_CONV_BLOCK);
            UNROLL
            for (size_t p = 0; p < pixels; p++)
                acc[p] = v_fma(wv, v_load(x + p * x_pixel + c * x_col), acc[p]);
        }
    }
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        if (residual)
            acc[p] = v_add(acc[p], v_load(residual + p * y_pixel));
        v_store(y + p * y_pixel, v_min(high, v_max(low, acc[p])));
    }
}

V_INLINE void depthwise_row(const struct ct_conv_blocked_depthwise *r, const size_t x_pixel,
                            const size_t x_col, const size_t y_pixel, const size_t cols)
{
    v_f32 low, high;
    post_bounds(r->post, &low, &high);
    for (size_t j = 0; j < CT_CONV_BLOCK; j += V_WIDTH) {
        const float *x = r->x + j, *residual = r->residual ? r->residual + j : NULL;
        float *y = r->y + j;
        size_t p = r->pixels;
        for (; p >= DW_PIXELS; p -= DW_PIXELS) {
            depthwise_body(r, x, y, residual, x_pixel, x_col, y_pixel, cols, DW_PIXELS, low, high);
            x += DW_PIXELS * x_pixel;
            y += DW_PIXELS * y_pixel;
            residual = residual ? residual + DW_PIXELS * y_pixel : NULL;
        }
#define CASE(pixels)                                                                               \
    case pixels:                                                                                   \
        depthwise_body(r, x, y, residual, x_pixel, x_col, y_pixel, cols,                           \
                       pixels < DW_PIXELS ? pixels : 1, low, high);                                \
        break;
        switch (p) {
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5)
            CASE(6)
            CASE(7)
        default: break;
        }
#undef CASE
    }
}

static __attribute__((noinline)) void depthwise_any(const struct ct_conv_blocked_depthwise *r)
{
    depthwise_row(r, r->x_pixel, r->x_col, r->y_pixel, r->kernel_cols);
}

static void depthwise(const struct ct_conv_blocked_depthwise *r)
{
    v_f32 low, high;
    if (r->y_pixel != CT_CONV_BLOCK)
        depthwise_any(r);
    else if (r->kernel_cols == 3 && r->x_col == 16 && r->x_pixel == 16)
        depthwise_row(r, 16, 16, 16, 3);
    else if (r->kernel_cols == 3 && r->x_col == 16 && r->x_pixel == 32)
        depthwise_row(r, 32, 16, 16, 3);
    else if (r->kernel_cols == 5 && r->x_col == 16 && r->x_pixel == 16)
        depthwise_row(r, 16, 16, 16, 5);
    else if (r->kernel_cols == 5 && r->x_col == 16 && r->x_pixel == 32)
        depthwise_row(r, 32, 16, 16, 5);
    else
        depthwise_any(r);
    if (post_bounds(r->post, &low, &high))
        return;
    if (r->y_pixel == CT_CONV_BLOCK)
        apply_act(r->y, r->pixels * CT_CONV_BLOCK, r->post);
    else
        for (size_t p = 0; p < r->pixels; p++)
            apply_act(r->y + p * r->y_pixel, CT_CONV_BLOCK, r->post);
}

/* ------------------------------------------------------------------ Winograd */

V_INLINE void winograd_bt(const v_f32 d[6], v_f32 r[6])
{
    v_f32 two = v_set1(2), four = v_set1(4), five = v_set1(5);
    v_f32 a = v_fnma(four, d[2], d[4]), b = v_fnma(four, d[1], d[3]);
    v_f32 c = v_sub(d[4], d[2]), e = v_mul(two, v_sub(d[3], d[1]));
    r[0] = v_fma(four, d[0], v_fnma(five, d[2], d[4]));
    r[1] = v_add(a, b);
    r[2] = v_sub(a, b);
    r[3] = v_add(c, e);
    r[4] = v_sub(c, e);
    r[5] = v_fma(four, d[1], v_fnma(five, d[3], d[5]));
}

V_INLINE void winograd_at(const v_f32 m[6], v_f32 r[4])
{
    v_f32 two = v_set1(2), four = v_set1(4), eight = v_set1(8);
    v_f32 s1 = v_add(m[1], m[2]), d1 = v_sub(m[1], m[2]);
    v_f32 s2 = v_add(m[3], m[4]), d2 = v_sub(m[3], m[4]);
    r[0] = v_add(m[0], v_add(s1, s2));
    r[1] = v_fma(two, d2, d1);
    r[2] = v_fma(four, s2, s1);
    r[3] = v_add(v_fma(eight, d2, d1), m[5]);
}

/* Columns first, through memory: 36 vectors are more than there are registers. */
static void winograd_in(const struct ct_conv_blocked_winograd_in *s)
{
    for (size_t k = 0; k < s->n; k++)
        for (size_t j = 0; j < CT_CONV_BLOCK; j += V_WIDTH) {
            const float *x = s->x + k * CT_WINOGRAD_OUT * CT_CONV_BLOCK + j;
            float *v = s->v + k * CT_CONV_BLOCK + j;
            v_f32 t[6][6], d[6];
            for (size_t c = 0; c < 6; c++) {
                v_f32 r[6];
                UNROLL
                for (size_t i = 0; i < 6; i++)
                    d[i] = v_load(x + i * s->x_row + c * CT_CONV_BLOCK);
                winograd_bt(d, r);
                UNROLL
                for (size_t i = 0; i < 6; i++)
                    t[i][c] = r[i];
            }
            for (size_t i = 0; i < 6; i++, v += 6 * s->v_place) {
                winograd_bt(t[i], d);
                UNROLL
                for (size_t c = 0; c < 6; c++)
                    v_store(v + c * s->v_place, d[c]);
            }
        }
}

V_INLINE void winograd_square(const struct ct_conv_blocked_winograd_out *s, size_t k, size_t j,
                              v_f32 low, v_f32 high)
{
    const float *m = s->m + k * CT_CONV_BLOCK + j;
    size_t first = k * CT_WINOGRAD_OUT;
    size_t cols = s->cols - first < CT_WINOGRAD_OUT ? s->cols - first : CT_WINOGRAD_OUT;
    v_f32 bias = s->bias ? v_load(s->bias + j) : v_zero(), t[4][6], d[6];
    for (size_t c = 0; c < 6; c++) {
        v_f32 r[4];
        UNROLL
        for (size_t i = 0; i < 6; i++)
            d[i] = v_load(m + (i * 6 + c) * s->m_place);
        winograd_at(d, r);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            t[i][c] = r[i];
    }
    for (size_t i = 0; i < s->rows; i++) {
        size_t at = i * s->y_row + first * CT_CONV_BLOCK + j;
        winograd_at(t[i], d);
        UNROLL
        for (size_t c = 0; c < 4; c++) {
            if (c >= cols)
                break;
            v_f32 y = v_add(d[c], bias);
            if (s->residual)
                y = v_add(y, v_load(s->residual + at + c * CT_CONV_BLOCK));
            v_store(s->y + at + c * CT_CONV_BLOCK, v_min(high, v_max(low, y)));
        }
    }
}

static void winograd_out(const struct ct_conv_blocked_winograd_out *s)
{
    v_f32 low, high;
    bool bounds = post_bounds(s->post, &low, &high);
    for (size_t k = 0; k < s->n; k++)
        for (size_t j = 0; j < CT_CONV_BLOCK; j += V_WIDTH)
            winograd_square(s, k, j, low, high);
    for (size_t i = 0; !bounds && i < s->rows; i++)
        apply_act(s->y + i * s->y_row, s->cols * CT_CONV_BLOCK, s->post);
}

/* ------------------------------------------------------------------ pools */

static void max(const struct ct_conv_blocked_window *w)
{
    for (size_t j = 0; j < CT_CONV_BLOCK; j += V_WIDTH) {
        v_f32 best = v_load(w->x + j);
        for (size_t r = 0; r < w->rows; r++)
            for (size_t c = 0; c < w->cols; c++)
                best = v_max(best, v_load(w->x + r * w->x_row + c * w->x_col + j));
        v_store(w->y + j, best);
    }
}

/* Each row has a sum of its own, so that long sums keep their digits. */
static void average(const struct ct_conv_blocked_window *w)
{
    for (size_t j = 0; j < CT_CONV_BLOCK; j += V_WIDTH) {
        v_f32 total = v_zero();
        for (size_t r = 0; r < w->rows; r++) {
            const float *x = w->x + r * w->x_row + j;
            v_f32 s0 = v_zero(), s1 = v_zero(), s2 = v_zero(), s3 = v_zero();
            size_t c = 0;
            for (; c + 4 <= w->cols; c += 4) {
                s0 = v_add(s0, v_load(x + c * w->x_col));
                s1 = v_add(s1, v_load(x + (c + 1) * w->x_col));
                s2 = v_add(s2, v_load(x + (c + 2) * w->x_col));
                s3 = v_add(s3, v_load(x + (c + 3) * w->x_col));
            }
            for (; c < w->cols; c++)
                s0 = v_add(s0, v_load(x + c * w->x_col));
            total = v_add(total, v_add(v_add(s0, s1), v_add(s2, s3)));
        }
        v_store(w->y + j, v_mul(total, v_set1(w->scale)));
    }
}

/* ------------------------------------------------------------------ to and from plain */

/* Rows that are missing are read as 0; of columns, n are moved. */
V_INLINE void move_in(size_t n, size_t channels, const float *plain, size_t plane, float *blocked)
{
    v_f32 v[V_WIDTH];
    v_tail tail = v_tail_make(n);
    UNROLL
    for (size_t i = 0; i < V_WIDTH; i++)
        v[i] = i < channels ? v_load_tail(plain + i * plane, tail) : v_zero();
    v_transpose(v);
    UNROLL
    for (size_t i = 0; i < V_WIDTH; i++)
        if (i < n)
            v_store(blocked + i * CT_CONV_BLOCK, v[i]);
}

static void to_blocked(size_t n, size_t channels, const float *plain, size_t plane, float *blocked)
{
    for (size_t p = 0; p < n; p += V_WIDTH)
        for (size_t j = 0; j < CT_CONV_BLOCK; j += V_WIDTH)
            move_in(n - p, channels > j ? channels - j : 0, plain + j * plane + p, plane,
                    blocked + p * CT_CONV_BLOCK + j);
}

static void to_plain(size_t n, size_t channels, const float *blocked, float *plain, size_t plane)
{
    for (size_t j = 0; j < channels; j += V_WIDTH)
        for (size_t p = 0; p < n; p += V_WIDTH) {
            v_f32 v[V_WIDTH];
            v_tail tail = v_tail_make(n - p);
            UNROLL
            for (size_t i = 0; i < V_WIDTH; i++)
                v[i] = i < n - p ? v_load(blocked + (p + i) * CT_CONV_BLOCK + j) : v_zero();
            v_transpose(v);
            UNROLL
            for (size_t i = 0; i < V_WIDTH; i++)
                if (j + i < channels)
                    v_store_tail(plain + (j + i) * plane + p, v[i], tail);
        }
}

const struct ct_conv_blocked_functions FUNCTIONS = {
    .tile = tile,
    .depthwise = depthwise,
    .winograd_in = winograd_in,
    .winograd_out = winograd_out,
    .max = max,
    .average = average,
    .to_blocked = to_blocked,
    .to_plain = to_plain,
};
