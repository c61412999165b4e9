/* The float32 GEMM kernel of kernels/gemm.h over the vector vocabulary.
 *
 * Before including it: a simd/ header, and
 *   GEMM_FN   name of the struct ct_gemm_f32_functions that it defines
 *   GEMM_MR   rows of a tile
 *   GEMM_NV   vectors across a tile, 2: nr is GEMM_NV * V_WIDTH
 * with GEMM_MR * GEMM_NV + GEMM_NV + 1 <= V_REGISTERS, so that a tile stays in registers.
 *
 * Packed operands of 16-bit elements have two of k in each 32-bit unit, and the same shape
 * otherwise. Such a kernel defines too
 *   GEMM_K_UNIT 2 (else 1)
 *   GEMM_STEP(a, b, sum)  sum + the products of the units a and b
 * gets only the k-major tile, and brings packing functions of its own.
 *
 * The tile is one always-inlined function of constant height and width, so that each of the
 * GEMM_MR * GEMM_NV shapes gets a loop of its own without branches. */
#include "kernels/gemm.h"

#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

#ifndef GEMM_K_UNIT
#define GEMM_K_UNIT 1
#define GEMM_STEP(a, b, sum) v_fma(a, b, sum)
#endif

enum { NR = GEMM_NV * V_WIDTH };

#if GEMM_NV != 2 || GEMM_MR > 14
#error "tile_rows and tile_any have no cases for this shape"
#endif

#define UNROLL _Pragma("GCC unroll 16")

#include "kernels/tmpl/gemm_post_f32.h"

/* ------------------------------------------------------------------ tiles */

/* Rows of A are found from three pointers and the stride, times 1 to 4: without this the compiler
 * keeps one pointer for each row, has too few registers, and reloads some in each step. */
#define KEEP_POINTERS(p, q, r) __asm__("" : "+r"(p), "+r"(q), "+r"(r))

/* Where a tile goes: C itself, or rows of NR to do the rest of the work on. */
struct sink {
    float *c;
    size_t ldc;
    bool padded; /* whole vectors can be stored */
};

/* Steps of k between two looks at the loop's end: fewer additions that compete for the ports of
 * the multiply-adds. */
enum { K_STEPS = 4 };

/* Both operands packed and a full tile: all strides are constants. */
V_INLINE void sum_packed(const struct ct_gemm_f32_tile *t, v_f32 acc[GEMM_MR][GEMM_NV],
                         const size_t mr, const size_t nv)
{
    const float *a = t->a, *b = t->b;
    const char *fetch = t->fetch ? t->fetch : (const char *)b;
    const size_t fetch_stride = t->fetch ? t->fetch_stride : 0;
    size_t left = (t->k + GEMM_K_UNIT - 1) / GEMM_K_UNIT;

    while (left > 0) {
        const size_t steps = left >= K_STEPS ? K_STEPS : 1;
        UNROLL
        for (size_t u = 0; u < K_STEPS; u++) {
            v_f32 bv[GEMM_NV];
            if (u >= steps)
                break;
            UNROLL
            for (size_t j = 0; j < nv; j++)
                bv[j] = v_load(b + u * NR + j * V_WIDTH);
            UNROLL
            for (size_t i = 0; i < mr; i++) {
                v_f32 av = v_set1(a[u * mr + i]);
                UNROLL
                for (size_t j = 0; j < nv; j++)
                    acc[i][j] = GEMM_STEP(av, bv[j], acc[i][j]);
            }
            __builtin_prefetch(fetch, 0, 2);
            fetch += fetch_stride;
        }
        a += steps * mr;
        b += steps * NR;
        left -= steps;
    }
}

/* The last of the nv vectors of B is masked when `masked`. */
V_INLINE void sum_strided(const struct ct_gemm_f32_tile *t, v_f32 acc[GEMM_MR][GEMM_NV],
                          const size_t mr, const size_t nv, const bool kmajor, const bool masked)
{
    const float *a = t->a, *b = t->b;
    const size_t a_row = kmajor ? 1 : t->lda, a_k = kmajor ? t->lda : 1, ldb = t->ldb;
    const v_tail tail = v_tail_make(t->n - (nv - 1) * V_WIDTH);
    const float *a5 = a + 5 * a_row, *a10 = a + 10 * a_row;

    for (size_t p = (t->k + GEMM_K_UNIT - 1) / GEMM_K_UNIT; p > 0; p--) {
        v_f32 bv[GEMM_NV];
        if (!kmajor)
            KEEP_POINTERS(a, a5, a10);
        UNROLL
        for (size_t j = 0; j < nv; j++)
            bv[j] = masked && j == nv - 1 ? v_load_tail(b + j * V_WIDTH, tail)
                                          : v_load(b + j * V_WIDTH);
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            const float *from = kmajor || i < 5 ? a + i * a_row
                                : i < 10        ? a5 + (i - 5) * a_row
                                                : a10 + (i - 10) * a_row;
            v_f32 av = v_set1(*from);
            UNROLL
            for (size_t j = 0; j < nv; j++)
                acc[i][j] = GEMM_STEP(av, bv[j], acc[i][j]);
        }
        a += a_k;
        a5 += a_k;
        a10 += a_k;
        b += ldb;
    }
}

enum form { PACKED, KMAJOR, ROWMAJOR };

/* The last of the nv vectors of B and C is masked when `masked`. */
V_INLINE void tile_body(const struct ct_gemm_f32_tile *t, const struct sink *sink, const size_t mr,
                        const size_t nv, const enum form form, const bool masked)
{
    const v_tail tail = v_tail_make(t->n - (nv - 1) * V_WIDTH);
    v_f32 acc[GEMM_MR][GEMM_NV];

    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t j = 0; j < nv; j++)
            acc[i][j] = v_zero();
    }
    if (t->accumulate) {
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            const float *c = t->c + i * t->ldc;
            UNROLL
            for (size_t j = 0; j < nv; j++)
                acc[i][j] = masked && j == nv - 1 ? v_load_tail(c + j * V_WIDTH, tail)
                                                  : v_load(c + j * V_WIDTH);
        }
    }
    /* Rows of C may lie pages apart, where the hardware does not fetch ahead. */
    if (t->c_next) {
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            __builtin_prefetch(t->c_next + i * t->ldc, 1);
            __builtin_prefetch(t->c_next + i * t->ldc + NR - 1, 1);
        }
    }
    if (form == PACKED)
        sum_packed(t, acc, mr, nv);
    else
        sum_strided(t, acc, mr, nv, form == KMAJOR, masked);
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        float *c = sink->c + i * sink->ldc;
        UNROLL
        for (size_t j = 0; j < nv; j++)
            if (masked && j == nv - 1 && !sink->padded)
                v_store_tail(c + j * V_WIDTH, acc[i][j], tail);
            else
                v_store(c + j * V_WIDTH, acc[i][j]);
    }
}

V_INLINE void tile_rows(const struct ct_gemm_f32_tile *t, const struct sink *sink, const size_t nv,
                        const enum form form, const bool masked)
{
#define CASE(mr)                                                                                   \
    case mr: tile_body(t, sink, mr <= GEMM_MR ? mr : 1, nv, form, masked); break;
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

/* Full tiles have no masks: a masked load takes a port of the multiply-adds as well as its own. */
static __attribute__((noinline)) void packed_full(const struct ct_gemm_f32_tile *t,
                                                  const struct sink *sink)
{
    tile_rows(t, sink, 2, PACKED, false);
}

static __attribute__((noinline)) void kmajor_1(const struct ct_gemm_f32_tile *t,
                                               const struct sink *sink)
{
    tile_rows(t, sink, 1, KMAJOR, true);
}

static __attribute__((noinline)) void kmajor_2(const struct ct_gemm_f32_tile *t,
                                               const struct sink *sink)
{
    tile_rows(t, sink, 2, KMAJOR, true);
}

#if GEMM_K_UNIT == 1
static __attribute__((noinline)) void rowmajor_1(const struct ct_gemm_f32_tile *t,
                                                 const struct sink *sink)
{
    tile_rows(t, sink, 1, ROWMAJOR, true);
}

static __attribute__((noinline)) void rowmajor_2(const struct ct_gemm_f32_tile *t,
                                                 const struct sink *sink)
{
    tile_rows(t, sink, 2, ROWMAJOR, true);
}

static __attribute__((noinline)) void rowmajor_full(const struct ct_gemm_f32_tile *t,
                                                    const struct sink *sink)
{
    tile_rows(t, sink, 2, ROWMAJOR, false);
}
#endif

typedef void shape_fn(const struct ct_gemm_f32_tile *tile, const struct sink *sink);

V_INLINE void tile_any(const struct ct_gemm_f32_tile *t, shape_fn *shape)
{
    float sums[GEMM_MR * NR] __attribute__((aligned(64)));
    struct sink sink = {t->c, t->ldc, false};

    if (t->post)
        sink = (struct sink){sums, NR, true};
    shape(t, &sink);
    if (t->post)
        apply_post(t, sums);
}

static void tile_kmajor(const struct ct_gemm_f32_tile *t)
{
    if (t->n == NR && t->lda == t->m && t->ldb == NR)
        tile_any(t, packed_full);
    else
        tile_any(t, t->n > V_WIDTH ? kmajor_2 : kmajor_1);
}

#if GEMM_K_UNIT == 1

static void tile_rowmajor(const struct ct_gemm_f32_tile *t)
{
    tile_any(t, t->n == NR ? rowmajor_full : t->n > V_WIDTH ? rowmajor_2 : rowmajor_1);
}

/* ------------------------------------------------------------------ few rows */

/* Full panels of B that are read side by side: one stream of memory is one row of lines that the
 * hardware fetches ahead, which is half of what a core can have under way. */
enum { STREAMS = 4 };

V_INLINE void wide_body(const struct ct_gemm_f32_tile *t, const size_t mr, const size_t streams,
                        size_t distance, float *sums)
{
    const float *a = t->a, *b = t->b;
    v_f32 acc[GEMM_MR][STREAMS * GEMM_NV];

    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t j = 0; j < streams * GEMM_NV; j++)
            acc[i][j] = v_zero();
    }
    for (size_t p = t->k; p > 0; p--) {
        v_f32 av[GEMM_MR];
        UNROLL
        for (size_t i = 0; i < mr; i++)
            av[i] = v_set1(a[i * t->lda]);
        UNROLL
        for (size_t s = 0; s < streams; s++) {
            UNROLL
            for (size_t j = 0; j < GEMM_NV; j++) {
                v_f32 bv = v_load(b + s * distance + j * V_WIDTH);
                UNROLL
                for (size_t i = 0; i < mr; i++)
                    acc[i][s * GEMM_NV + j] = v_fma(av[i], bv, acc[i][s * GEMM_NV + j]);
            }
        }
        a++;
        b += t->ldb;
    }
    UNROLL
    for (size_t s = 0; s < streams; s++) {
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            UNROLL
            for (size_t j = 0; j < GEMM_NV; j++)
                v_store(sums + (s * mr + i) * NR + j * V_WIDTH, acc[i][s * GEMM_NV + j]);
        }
    }
}

/* As many streams as the registers have room for. */
static size_t wide_streams(size_t m)
{
    return m * GEMM_NV * STREAMS <= V_REGISTERS - 4       ? STREAMS
           : m * GEMM_NV * STREAMS / 2 <= V_REGISTERS - 4 ? STREAMS / 2
                                                          : 1;
}

static void wide_group(const struct ct_gemm_f32_tile *t, size_t distance, float *sums)
{
#define CASE(mr)                                                                                   \
    case mr:                                                                                       \
        wide_body(t, mr, (mr)*GEMM_NV *STREAMS <= V_REGISTERS - 4 ? STREAMS : STREAMS / 2,         \
                  distance, sums);                                                                 \
        break;
    switch (t->m) {
        CASE(1)
        CASE(2)
        CASE(3)
#if GEMM_MR > 6
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
#endif
    default: break;
    }
#undef CASE
}

/* Each stream goes through panels that follow each other in memory. */
static void wide(const struct ct_gemm_f32_tile *t)
{
    static const struct ct_gemm_post nothing = {.alpha = 1};
    const size_t streams = wide_streams(t->m), run = streams > 1 ? t->n / NR / streams : 0;
    float sums[STREAMS * GEMM_MR * NR] __attribute__((aligned(64)));
    struct ct_gemm_f32_tile part = *t;

    part.post = t->post ? t->post : &nothing;
    part.n = NR;
    for (size_t j = 0; j < run; j++) {
        part.b = t->b + j * t->panel_stride;
        wide_group(&part, run * t->panel_stride, sums);
        for (size_t s = 0; s < streams; s++) {
            part.c = t->c + (s * run + j) * NR;
            part.col = t->col + (s * run + j) * NR;
            apply_post(&part, sums + s * t->m * NR);
        }
    }
    part.post = t->post;
    for (size_t j = run * streams * NR; j < t->n; j += NR) {
        part.n = t->n - j < NR ? t->n - j : NR;
        part.b = t->b + j / NR * t->panel_stride;
        part.c = t->c + j;
        part.col = t->col + j;
        tile_rowmajor(&part);
    }
}

/* ------------------------------------------------------------------ dot products */

enum { DOT_M = 4, DOT_N = 4 };

V_INLINE void dot_body(const struct ct_gemm_f32_tile *t, size_t row, size_t col, const size_t m,
                       const size_t n, float sums[DOT_M * NR])
{
    const float *a = t->a + row * t->lda, *b = t->b + col * t->ldb;
    v_f32 acc[DOT_M][DOT_N];
    size_t p = 0;

    UNROLL
    for (size_t i = 0; i < m; i++) {
        UNROLL
        for (size_t j = 0; j < n; j++)
            acc[i][j] = v_zero();
    }
    for (; p + V_WIDTH <= t->k; p += V_WIDTH) {
        v_f32 bv[DOT_N];
        UNROLL
        for (size_t j = 0; j < n; j++)
            bv[j] = v_load(b + j * t->ldb + p);
        UNROLL
        for (size_t i = 0; i < m; i++) {
            v_f32 av = v_load(a + i * t->lda + p);
            UNROLL
            for (size_t j = 0; j < n; j++)
                acc[i][j] = v_fma(av, bv[j], acc[i][j]);
        }
    }
    if (p < t->k) {
        v_tail tail = v_tail_make(t->k - p);
        UNROLL
        for (size_t i = 0; i < m; i++) {
            v_f32 av = v_load_tail(a + i * t->lda + p, tail);
            UNROLL
            for (size_t j = 0; j < n; j++)
                acc[i][j] = v_fma(av, v_load_tail(b + j * t->ldb + p, tail), acc[i][j]);
        }
    }
    UNROLL
    for (size_t i = 0; i < m; i++) {
        UNROLL
        for (size_t j = 0; j < n; j++)
            sums[i * NR + j] = v_sum(acc[i][j]);
    }
}

V_INLINE void dot_rows(const struct ct_gemm_f32_tile *t, size_t row, size_t col, const size_t m,
                       size_t n, float *sums)
{
    size_t j = 0;

    for (; j + DOT_N <= n; j += DOT_N)
        dot_body(t, row, col + j, m, DOT_N, sums + j);
    for (; j < n; j++)
        dot_body(t, row, col + j, m, 1, sums + j);
}

static void dot(const struct ct_gemm_f32_tile *t)
{
    static const struct ct_gemm_post nothing = {.alpha = 1};
    float sums[DOT_M * NR] __attribute__((aligned(64)));

    for (size_t i = 0; i < t->m; i += DOT_M)
        for (size_t j = 0; j < t->n; j += NR) {
            struct ct_gemm_f32_tile part = *t;
            part.m = t->m - i < DOT_M ? t->m - i : DOT_M;
            part.n = t->n - j < NR ? t->n - j : NR;
            part.c = t->c + i * t->ldc + j;
            part.row = t->row + i;
            part.col = t->col + j;
            part.post = t->post ? t->post : &nothing;
            if (part.m == DOT_M)
                dot_rows(t, i, j, DOT_M, part.n, sums);
            else
                for (size_t r = 0; r < part.m; r++)
                    dot_rows(t, i + r, j, 1, part.n, sums + r * NR);
            apply_post(&part, sums);
        }
}

/* ------------------------------------------------------------------ packing */

/* Columns of m elements, one after the other. A whole vector may be stored where the rest of it
 * is overwritten by the next columns; so from left to right, and exact at the end. */
static void pack_a_rows(size_t m, size_t k, const float *a, size_t row_stride, float *panel)
{
    const float *end = panel + m * k;

    for (size_t p = 0; p < k; p += V_WIDTH) {
        size_t width = k - p < V_WIDTH ? k - p : V_WIDTH;
        v_tail tail = v_tail_make(width);
        for (size_t i = 0; i < m; i += V_WIDTH) {
            v_f32 r[V_WIDTH];
            size_t height = m - i < V_WIDTH ? m - i : V_WIDTH;
            v_tail rows = v_tail_make(height);
            UNROLL
            for (size_t q = 0; q < V_WIDTH; q++)
                r[q] = q >= height ? v_zero() : v_load_tail(a + (i + q) * row_stride + p, tail);
            v_transpose(r);
            for (size_t q = 0; q < width; q++) {
                float *to = panel + (p + q) * m + i;
                if (m <= V_WIDTH && end - to >= V_WIDTH)
                    v_store(to, r[q]);
                else
                    v_store_tail(to, r[q], rows);
            }
        }
    }
}

static void pack_a(size_t m, size_t k, const float *a, size_t row_stride, size_t k_stride,
                   float *panel)
{
    if (k_stride == 1) {
        pack_a_rows(m, k, a, row_stride, panel);
        return;
    }
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < m; i += V_WIDTH) {
            v_tail tail = v_tail_make(m - i);
            v_store_tail(panel + p * m + i, v_load_tail(a + p * k_stride + i, tail), tail);
        }
}

static void pack_b_columns(size_t k, size_t n, const float *b, size_t col_stride, float *panel)
{
    for (size_t p = 0; p < k; p += V_WIDTH) {
        size_t height = k - p < V_WIDTH ? k - p : V_WIDTH;
        v_tail tail = v_tail_make(height);
        for (size_t j = 0; j < NR; j += V_WIDTH) {
            v_f32 r[V_WIDTH];
            UNROLL
            for (size_t q = 0; q < V_WIDTH; q++)
                r[q] = j + q < n ? v_load_tail(b + (j + q) * col_stride + p, tail) : v_zero();
            v_transpose(r);
            for (size_t q = 0; q < height; q++)
                v_store(panel + (p + q) * NR + j, r[q]);
        }
    }
}

static void pack_b(size_t k, size_t n, const void *from, size_t k_stride, size_t col_stride,
                   float *panel)
{
    const float *b = from;

    if (col_stride != 1 && n > 1) {
        pack_b_columns(k, n, b, col_stride, panel);
        return;
    }
    v_tail tails[GEMM_NV];
    UNROLL
    for (size_t j = 0; j < GEMM_NV; j++)
        tails[j] = v_tail_make(n > j * V_WIDTH ? n - j * V_WIDTH : 0);
    for (size_t p = 0; p < k; p++) {
        UNROLL
        for (size_t j = 0; j < GEMM_NV; j++)
            v_store(panel + j * V_WIDTH, v_load_tail(b + j * V_WIDTH, tails[j]));
        b += k_stride;
        panel += NR;
    }
}

static void pack_b_bf16(size_t k, size_t n, const void *from, size_t k_stride, size_t col_stride,
                        float *panel)
{
    const uint16_t *b = from;

    for (size_t p = 0; p < k; p++, panel += NR) {
        const uint16_t *row = b + p * k_stride;
        if (col_stride == 1)
            for (size_t j = 0; j < n; j++)
                panel[j] = ct_bf16_to_f32(row[j]);
        else
            for (size_t j = 0; j < n; j++)
                panel[j] = ct_bf16_to_f32(row[j * col_stride]);
        for (size_t j = n; j < NR; j++)
            panel[j] = 0;
    }
}

const struct ct_gemm_f32_functions GEMM_FN = {
    .tile_rowmajor = tile_rowmajor,
    .tile_kmajor = tile_kmajor,
    .wide = wide,
    .dot = dot,
    .pack_a = pack_a,
    .pack_b = pack_b,
    .pack_b_bf16 = pack_b_bf16,
};

#endif /* GEMM_K_UNIT == 1 */

#undef UNROLL
#undef KEEP_POINTERS
