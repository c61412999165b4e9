/* Products with weights of few bits (kernels/gemm_nbits.h) over the vector vocabulary.
 *
 * Before including it: a simd/ header, and
 *   FUNCTIONS  name of the struct ct_gemm_nbits_functions to define
 *   NBITS_DECODE  where there is a quicker way, a function of words, bits, i and what make_table(bits)
 *                 gave, an nbits_table: element i of each word as a float, times 2^(32 - bits)
 *
 * An element in the top bits of a word is an integer 2^(32 - bits) times as large, which is exact as
 * a float too; the factor is taken out at the end. Two vectors of columns are worked on at a time,
 * with sums enough to hide the latency of a multiply-add. */
#include "kernels/gemm_nbits.h"

/* Panels are one stream of memory, but the hardware fetches ahead within a page only, and too little
 * for a core by itself: with this, one row takes two thirds of the time. */
enum { COLUMNS = 2 * V_WIDTH, AHEAD_BYTES = 4096 };

#define UNROLL _Pragma("GCC unroll 16")

#ifndef NBITS_DECODE
#define NBITS_DECODE decode

typedef int nbits_table;

V_INLINE nbits_table make_table(const int bits)
{
    return bits;
}

V_INLINE v_f32 decode(v_i32 words, const int bits, const int i, nbits_table table)
{
    const v_i32 top = v_i32_set1((int32_t)(UINT32_MAX << (32 - bits)));

    (void)table;
    return v_from_i32(v_i32_and(v_i32_shl(words, 32 - bits * (i + 1)), top));
}
#endif

V_INLINE size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* 2^(32 - bits) */
V_INLINE float unit_of(const int bits)
{
    return (float)(UINT64_C(1) << (32 - bits));
}

/* The sums over one block of columns [j, j + COLUMNS). */
V_INLINE void block_sums(const struct ct_gemm_nbits_tile *t, size_t p, size_t end, size_t j,
                         const size_t m, const int bits, const nbits_table table,
                         v_f32 sums[CT_NBITS_ROWS][2])
{
    enum { MOST_CHAINS = 4 };
    const size_t per_word = 32 / (size_t)bits, chains = m == 1 ? 4 : m == 2 ? 2 : 1;
    const uint32_t *b = t->b + p / per_word * CT_NBITS_COLUMNS + j;
    const float *a = t->a + p;
    v_f32 acc[CT_NBITS_ROWS][MOST_CHAINS][2];

    UNROLL
    for (size_t r = 0; r < m; r++) {
        UNROLL
        for (size_t c = 0; c < chains; c++)
            acc[r][c][0] = acc[r][c][1] = v_zero();
    }
    for (size_t words = (end - p) / per_word; words > 0; words--) {
        v_i32 x0 = v_i32_load((const int32_t *)b), x1 = v_i32_load((const int32_t *)b + V_WIDTH);
        __builtin_prefetch((const char *)b + AHEAD_BYTES);
        __builtin_prefetch((const char *)(b + V_WIDTH) + AHEAD_BYTES);
        UNROLL
        for (size_t i = 0; i < per_word; i++) {
            v_f32 w0 = NBITS_DECODE(x0, bits, (int)i, table);
            v_f32 w1 = NBITS_DECODE(x1, bits, (int)i, table);
            UNROLL
            for (size_t r = 0; r < m; r++) {
                v_f32 av = v_set1(a[r * t->lda + i]), *to = acc[r][i % chains];
                to[0] = v_fma(av, w0, to[0]);
                to[1] = v_fma(av, w1, to[1]);
            }
        }
        a += per_word;
        b += CT_NBITS_COLUMNS;
    }
    UNROLL
    for (size_t r = 0; r < m; r++) {
        UNROLL
        for (size_t v = 0; v < 2; v++) {
            UNROLL
            for (size_t c = 1; c < chains; c++)
                acc[r][0][v] = v_add(acc[r][0][v], acc[r][c][v]);
            sums[r][v] = acc[r][0][v];
        }
    }
}

V_INLINE void tile_columns(const struct ct_gemm_nbits_tile *t, size_t j, const size_t m,
                           const int bits)
{
    const nbits_table table = make_table(bits);
    const v_f32 unit = v_set1(unit_of(bits)), down = v_set1(1 / unit_of(bits));
    v_f32 totals[CT_NBITS_ROWS][2];

    UNROLL
    for (size_t r = 0; r < m; r++)
        totals[r][0] = totals[r][1] = v_zero();
    for (size_t b = 0, p = 0; p < t->k; b++, p += t->block) {
        v_f32 sums[CT_NBITS_ROWS][2];
        block_sums(t, p, min_size(t->k, p + t->block), j, m, bits, table, sums);
        UNROLL
        for (size_t v = 0; v < 2; v++) {
            size_t at = b * CT_NBITS_COLUMNS + j + v * V_WIDTH;
            v_f32 scale = v_load(t->scales + at);
            __builtin_prefetch((const char *)(t->scales + at) + AHEAD_BYTES);
            if (t->zeros) {
                v_f32 zero = v_mul(unit, v_load(t->zeros + at));
                UNROLL
                for (size_t r = 0; r < m; r++)
                    sums[r][v] =
                        v_fnma(zero, v_set1(t->a_sums[r * t->a_sums_stride + b]), sums[r][v]);
            }
            UNROLL
            for (size_t r = 0; r < m; r++)
                totals[r][v] = v_fma(sums[r][v], scale, totals[r][v]);
        }
    }
    for (size_t v = 0; v < 2 && j + v * V_WIDTH < t->n; v++) {
        size_t at = j + v * V_WIDTH;
        v_tail tail = v_tail_make(t->n - at);
        v_f32 bias = t->bias ? v_load_tail(t->bias + at, tail) : v_zero();
        UNROLL
        for (size_t r = 0; r < m; r++)
            v_store_tail(t->c + r * t->ldc + at, v_fma(totals[r][v], down, bias), tail);
    }
}

V_INLINE void tile_bits(const struct ct_gemm_nbits_tile *t, const int bits)
{
    for (size_t j = 0; j < t->n; j += COLUMNS)
        switch (t->m) {
        case 1: tile_columns(t, j, 1, bits); break;
        case 2: tile_columns(t, j, 2, bits); break;
        case 3: tile_columns(t, j, 3, bits); break;
        case 4: tile_columns(t, j, 4, bits); break;
        default: break;
        }
}

static void tile(const struct ct_gemm_nbits_tile *t)
{
    switch (t->bits) {
    case 2: tile_bits(t, 2); break;
    case 4: tile_bits(t, 4); break;
    case 8: tile_bits(t, 8); break;
    default: break;
    }
}

V_INLINE void unpack_vector(const struct ct_gemm_nbits_tile *t, size_t j, const int bits)
{
    const nbits_table table = make_table(bits);
    const size_t per_word = 32 / (size_t)bits;
    const v_f32 down = v_set1(1 / unit_of(bits));
    const v_tail tail = v_tail_make(t->n - j);
    const uint32_t *b = t->b + j;
    float *c = t->c + j;

    for (size_t p = 0; p < t->k;) {
        size_t at = p / t->block * CT_NBITS_COLUMNS + j, end = min_size(t->k, p + t->block);
        v_f32 scale = v_load(t->scales + at), factor = v_mul(scale, down), shift = v_zero();
        if (t->zeros)
            shift = v_neg(v_mul(scale, v_load(t->zeros + at)));
        for (; p < end; p += per_word, b += CT_NBITS_COLUMNS) {
            v_i32 x = v_i32_load((const int32_t *)b);
            UNROLL
            for (size_t i = 0; i < per_word; i++, c += t->ldc)
                v_store_tail(c, v_fma(NBITS_DECODE(x, bits, (int)i, table), factor, shift), tail);
        }
    }
}

static void unpack(const struct ct_gemm_nbits_tile *t)
{
    for (size_t j = 0; j < t->n; j += V_WIDTH)
        switch (t->bits) {
        case 2: unpack_vector(t, j, 2); break;
        case 4: unpack_vector(t, j, 4); break;
        case 8: unpack_vector(t, j, 8); break;
        default: break;
        }
}

const struct ct_gemm_nbits_functions FUNCTIONS = {tile, unpack};

#undef UNROLL
