/* bfloat16 GEMM in tiles of 32x32: two tiles of rows times two of columns, 32 of k at a time.
 *
 * Packed A: for each 32 of k the rows of the panel, padded to 16 or 32, 64 bytes each: tiles as they
 * are. Packed B: rows of 32 units, of which a tile takes every row's left or right half. */
#include "kernels/simd/avx512.h"

#include "kernels/gemm.h"

#include "kernels/simd/amx.h"

#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

#include "kernels/tmpl/act_bf16.h"

enum { NR = 32, K_STEP = 32 };

#define UNROLL _Pragma("GCC unroll 16")

#define GEMM_ACT v_act_bf16
#include "kernels/tmpl/gemm_post_f32.h"

#include "kernels/tmpl/gemm_bf16_pack.h"

enum {
    A_TILE = AMX_ROWS * AMX_ROW_BYTES, /* bytes */
    B_ROW = NR * 4,
    B_STEP = AMX_ROWS * B_ROW
};

/* Sums of rows * 16 by cols * 16 to (or, to go on, from) `sums`. Tiles are named by constants. */
V_INLINE void multiply(const struct ct_gemm_f32_tile *t, float *sums, size_t ld_elems,
                       const int rows, const int cols)
{
    const char *a = (const char *)t->a, *b = (const char *)t->b;
    const size_t ld = ld_elems * sizeof(float);
    float *below = sums + 16 * ld_elems;

    if (t->accumulate) {
        _tile_loadd(0, sums, ld);
        if (cols > 1)
            _tile_loadd(1, sums + 16, ld);
        if (rows > 1)
            _tile_loadd(2, below, ld);
        if (rows > 1 && cols > 1)
            _tile_loadd(3, below + 16, ld);
    } else {
        _tile_zero(0);
        if (cols > 1)
            _tile_zero(1);
        if (rows > 1)
            _tile_zero(2);
        if (rows > 1 && cols > 1)
            _tile_zero(3);
    }
    const size_t fetch_bytes = t->fetch ? t->fetch_stride * (K_STEP / 2) : 0;
    const char *fetch = t->fetch;
    for (size_t steps = (t->k + K_STEP - 1) / K_STEP; steps > 0; steps--) {
        for (size_t f = 0; f < fetch_bytes; f += 64)
            __builtin_prefetch(fetch + f, 0, 2);
        fetch += fetch_bytes;
        _tile_loadd(6, b, B_ROW);
        _tile_loadd(4, a, AMX_ROW_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (cols > 1) {
            _tile_loadd(7, b + 64, B_ROW);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (rows > 1) {
            _tile_loadd(5, a + A_TILE, AMX_ROW_BYTES);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (rows > 1 && cols > 1)
            _tile_dpbf16ps(3, 5, 7);
        a += rows * A_TILE;
        b += B_STEP;
    }
    _tile_stored(0, sums, ld);
    if (cols > 1)
        _tile_stored(1, sums + 16, ld);
    if (rows > 1)
        _tile_stored(2, below, ld);
    if (rows > 1 && cols > 1)
        _tile_stored(3, below + 16, ld);
}

static void multiply_any(const struct ct_gemm_f32_tile *t, float *sums, size_t ld)
{
    if (t->m > 16 && t->n > 16)
        multiply(t, sums, ld, 2, 2);
    else if (t->m > 16)
        multiply(t, sums, ld, 2, 1);
    else if (t->n > 16)
        multiply(t, sums, ld, 1, 2);
    else
        multiply(t, sums, ld, 1, 1);
}

static void copy_rows(const struct ct_gemm_f32_tile *t, float *sums, bool to_c)
{
    for (size_t j = 0; j < t->n; j += V_WIDTH) {
        v_tail tail = v_tail_make(t->n - j);
        for (size_t i = 0; i < t->m; i++) {
            float *c = t->c + i * t->ldc + j, *s = sums + i * NR + j;
            if (to_c)
                v_store_tail(c, v_load(s), tail);
            else
                v_store(s, v_load_tail(c, tail));
        }
    }
}

static void tile_kmajor(const struct ct_gemm_f32_tile *t)
{
    float sums[32 * NR] __attribute__((aligned(64)));

    if (t->m == 32 && t->n == NR && !t->post) {
        multiply(t, t->c, t->ldc, 2, 2);
        return;
    }
    if (t->accumulate)
        copy_rows(t, sums, false);
    multiply_any(t, sums, NR);
    if (t->post)
        apply_post(t, sums);
    else
        copy_rows(t, sums, true);
}

/* ------------------------------------------------------------------ packing */

static void pack_a(size_t m, size_t k, const float *a, size_t row_stride, size_t k_stride,
                   float *panel)
{
    const size_t rows = m > 16 ? 32 : 16;

    for (size_t p = 0; p < k; p += K_STEP, panel += rows * 16) {
        if (k_stride == 1) {
            for (size_t i = 0; i < m; i++)
                v_store(panel + i * 16, row_pairs(a + i * row_stride + p, k - p));
        } else {
            for (size_t i = 0; i < m; i += 16) {
                const v_tail tail = v_tail_make(m - i);
                v_f32 r[16];
                UNROLL
                for (size_t u = 0; u < 16; u++) {
                    const size_t q = p + 2 * u;
                    const float *from = a + q * k_stride + i;
                    r[u] = pair_up(round_tail(from, q < k ? tail : 0),
                                   round_tail(from + k_stride, q + 1 < k ? tail : 0));
                }
                v_transpose(r);
                UNROLL
                for (size_t u = 0; u < 16; u++)
                    v_store(panel + (i + u) * 16, r[u]);
            }
        }
        for (size_t i = m; i < rows; i++)
            v_store(panel + i * 16, v_zero());
    }
}

const struct ct_gemm_f32_functions ct_gemm_bf16_32x32_amx = {.enter = amx_enter,
                                                             .leave = amx_leave,
                                                             .tile_kmajor = tile_kmajor,
                                                             .pack_a = pack_a,
                                                             .pack_b = pack_b,
                                                             .pack_b_bf16 = pack_b_bf16};
