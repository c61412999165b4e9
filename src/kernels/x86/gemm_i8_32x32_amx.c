/* 8-bit GEMM in two by two tiles of AMX: 16 rows by 64 bytes of A, 64 bytes of k by 16 columns of B,
 * 16 x 16 sums. Groups of four k of the 32 columns of packed B are 128 bytes: the rows of two tiles,
 * side by side. */
#include "kernels/simd/avx512.h"

#include "kernels/simd/amx.h"

#define gemm_a uint8_t
#define GEMM_GROUP 4
#define GEMM_K_STEP AMX_ROW_BYTES
#include "kernels/tmpl/gemm_i8_post.h"

/* What one step along k reads of another panel. Hardware does not fetch beyond a page, which is two
 * such steps. */
V_INLINE void prefetch_step(const char *panel)
{
    UNROLL
    for (size_t i = 0; i < NR * GEMM_K_STEP; i += 64)
        _mm_prefetch(panel + i, _MM_HINT_T1);
}

/* Tiles: 0 to 3 sums, by row and column; 4, 5 rows of A; 6, 7 columns of B. */
V_INLINE void tile_body(const struct ct_gemm_i8_tile *t, const bool two_rows, const bool two_cols,
                        int32_t *sums)
{
    const uint8_t *a = t->a, *below = a + AMX_ROWS * t->lda;
    const int8_t *b = t->b;
    const char *next = t->next;

    _tile_zero(0);
    if (two_cols)
        _tile_zero(1);
    if (two_rows)
        _tile_zero(2);
    if (two_rows && two_cols)
        _tile_zero(3);
    for (size_t p = t->k / GEMM_K_STEP; p > 0; p--) {
        _tile_loadd(6, b, NR * GEMM_GROUP);
        _tile_loadd(4, a, t->lda);
        _tile_dpbusd(0, 4, 6);
        if (two_cols) {
            _tile_loadd(7, b + V_WIDTH * GEMM_GROUP, NR * GEMM_GROUP);
            _tile_dpbusd(1, 4, 7);
        }
        if (two_rows) {
            _tile_loadd(5, below, t->lda);
            _tile_dpbusd(2, 5, 6);
        }
        if (two_rows && two_cols)
            _tile_dpbusd(3, 5, 7);
        if (next) {
            prefetch_step(next);
            next += NR * GEMM_K_STEP;
        }
        a += GEMM_K_STEP;
        below += GEMM_K_STEP;
        b += NR * GEMM_K_STEP;
    }
    _tile_stored(0, sums, NR * sizeof *sums);
    if (two_cols)
        _tile_stored(1, sums + V_WIDTH, NR * sizeof *sums);
    if (two_rows)
        _tile_stored(2, sums + AMX_ROWS * NR, NR * sizeof *sums);
    if (two_rows && two_cols)
        _tile_stored(3, sums + AMX_ROWS * NR + V_WIDTH, NR * sizeof *sums);
}

static void tile(const struct ct_gemm_i8_tile *t)
{
    int32_t sums[2 * AMX_ROWS * NR] __attribute__((aligned(64)));
    bool two_rows = t->m > AMX_ROWS, two_cols = t->n > V_WIDTH;

    if (two_rows && two_cols)
        tile_body(t, true, true, sums);
    else if (two_rows)
        tile_body(t, true, false, sums);
    else if (two_cols)
        tile_body(t, false, true, sums);
    else
        tile_body(t, false, false, sums);
    apply_post(t, sums);
}

const struct ct_gemm_i8_functions ct_gemm_i8_32x32_amx = {
    .enter = amx_enter, .leave = amx_leave, .tile = tile, .pack_a = pack_a, .pack_b = pack_b};

#undef UNROLL
