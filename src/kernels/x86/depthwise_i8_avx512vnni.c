/* Depthwise convolutions of bytes with VPDPBUSD, which adds four products of a lane: the four are rows
 * of the window. The bytes of four rows of a column of the input are interleaved once, in work memory,
 * for all pixels that read the column. Interleaving works within 128-bit lanes: of 64 channels, vector
 * q holds those with c % 16 in [4 q, 4 q + 4), and packing the results undoes it.
 *
 * Packed weights: for each 64 channels, column of the window and four rows, the four vectors. */
#include "kernels/depthwise_i8.h"

#include <immintrin.h>

enum { BLOCK = CT_DEPTHWISE_I8_CHANNELS, QUARTERS = 4, COLUMNS = 64 };
static const __mmask64 ALL = ~(__mmask64)0;

static size_t row_groups(size_t n_rows)
{
    return (n_rows + 3) / 4;
}

static size_t block_bytes(size_t n_rows, size_t n_cols)
{
    return n_cols * row_groups(n_rows) * QUARTERS * 64;
}

static size_t packed_bytes(size_t channels, size_t n_rows, size_t n_cols)
{
    return (channels + BLOCK - 1) / BLOCK * block_bytes(n_rows, n_cols);
}

static void pack(size_t channels, size_t n_rows, size_t n_cols, const int16_t *w, void *packed)
{
    int8_t *to = packed;
    size_t groups = row_groups(n_rows);
    for (size_t first = 0; first < channels; first += BLOCK)
        for (size_t col = 0; col < n_cols; col++)
            for (size_t group = 0; group < groups; group++)
                for (size_t i = 0; i < (size_t)BLOCK * 4; i++) {
                    size_t lane = i / 4 % 16, row = group * 4 + i % 4;
                    size_t c = first + lane / 4 * 16 + i / 64 * 4 + lane % 4;
                    *to++ = row < n_rows && c < channels
                                ? (int8_t)w[(col * n_rows + row) * channels + c]
                                : 0;
                }
}

/* Columns of the input that are interleaved at a time: those of one pixel at least. */
static size_t columns_at_once(size_t n_cols)
{
    return n_cols > COLUMNS ? n_cols : COLUMNS;
}

static size_t work_bytes(size_t n_rows, size_t n_cols)
{
    return columns_at_once(n_cols) * row_groups(n_rows) * QUARTERS * 64;
}

/* All channels are the common case. */
static inline __attribute__((always_inline)) __m512i load(const uint8_t *p, __mmask64 mask)
{
    return mask == ALL ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(mask, p);
}

static inline __attribute__((always_inline)) void store(uint8_t *p, __mmask64 mask, __m512i x)
{
    if (mask == ALL)
        _mm512_storeu_si512(p, x);
    else
        _mm512_mask_storeu_epi8(p, mask, x);
}

/* Four rows of a column, channels [first, first + 64) of those in the mask. */
static void interleave(const struct ct_depthwise_i8_row *row, const uint8_t *const *taps,
                       size_t first, __mmask64 mask, __m512i *to)
{
    const __m512i flip = _mm512_set1_epi8((char)row->flip);
    for (size_t r = 0; r < row->n_rows; r += 4, to += QUARTERS) {
        __m512i x[4];
        for (size_t i = 0; i < 4; i++) {
            x[i] = _mm512_setzero_si512();
            if (r + i < row->n_rows)
                x[i] = _mm512_xor_si512(load(taps[r + i] + first, mask), flip);
        }
        __m512i low01 = _mm512_unpacklo_epi8(x[0], x[1]), high01 = _mm512_unpackhi_epi8(x[0], x[1]);
        __m512i low23 = _mm512_unpacklo_epi8(x[2], x[3]), high23 = _mm512_unpackhi_epi8(x[2], x[3]);
        _mm512_store_si512(&to[0], _mm512_unpacklo_epi16(low01, low23));
        _mm512_store_si512(&to[1], _mm512_unpackhi_epi16(low01, low23));
        _mm512_store_si512(&to[2], _mm512_unpacklo_epi16(high01, high23));
        _mm512_store_si512(&to[3], _mm512_unpackhi_epi16(high01, high23));
    }
}

/* 64 numbers by channel, as the vectors hold them. */
static inline void load_quarters(const void *from, __m512i to[QUARTERS])
{
    for (int q = 0; q < QUARTERS; q++) {
        const __m128i *p = (const __m128i *)from + q;
        __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(p));
        v = _mm512_inserti32x4(v, _mm_loadu_si128(p + 4), 1);
        v = _mm512_inserti32x4(v, _mm_loadu_si128(p + 8), 2);
        to[q] = _mm512_inserti32x4(v, _mm_loadu_si128(p + 12), 3);
    }
}

struct terms {
    __m512i add[QUARTERS];
    __m512 scale[QUARTERS], most;
    __m512i zero, flip;
};

static inline __m512i requantize(const __m512i sums[QUARTERS], const struct terms *t)
{
    __m512i y[QUARTERS];
    /* What is too small saturates when it is packed; what is too large would not convert. */
    for (int q = 0; q < QUARTERS; q++)
        y[q] = _mm512_cvtps_epi32(
            _mm512_min_ps(t->most, _mm512_mul_ps(_mm512_cvtepi32_ps(sums[q]), t->scale[q])));
    __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(y[0], y[1]), t->zero);
    __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(y[2], y[3]), t->zero);
    return _mm512_xor_si512(_mm512_packus_epi16(low, high), t->flip);
}

/* Pixels whose columns lie interleaved in x. */
static inline __attribute__((always_inline)) void run_pixels(const struct ct_depthwise_i8_row *row,
                                                             const size_t taps, const __m512i *x,
                                                             size_t column_vectors,
                                                             const __m512i *w,
                                                             const struct terms *t, size_t pixels,
                                                             uint8_t *y, __mmask64 mask)
{
    for (size_t i = 0; i < pixels; i++, x += row->step * column_vectors, y += row->y_stride) {
        __m512i sums[QUARTERS];
        for (int q = 0; q < QUARTERS; q++)
            sums[q] = t->add[q];
#pragma GCC unroll 3
        for (size_t k = 0; k < taps; k++)
#pragma GCC unroll 4
            for (int q = 0; q < QUARTERS; q++)
                sums[q] = _mm512_dpbusd_epi32(sums[q], x[k * QUARTERS + (size_t)q],
                                              w[k * QUARTERS + (size_t)q]);
        store(y, mask, requantize(sums, t));
    }
}

static void run_block(const struct ct_depthwise_i8_row *row, size_t first, const __m512i *w)
{
    size_t left = row->channels - first, groups = row_groups(row->n_rows);
    __mmask64 mask = left >= 64 ? ALL : ((__mmask64)1 << left) - 1;
    size_t column_vectors = groups * QUARTERS, taps = groups * row->n_cols;
    size_t room = (columns_at_once(row->n_cols) - row->n_cols) / row->step + 1;
    struct terms t = {.most = _mm512_set1_ps((float)(255 - row->zero)),
                      .zero = _mm512_set1_epi16((short)row->zero),
                      .flip = _mm512_set1_epi8((char)row->flip_y)};
    __m512i *x = row->work, scale[QUARTERS];

    load_quarters(row->add + first, t.add);
    load_quarters(row->scale + first, scale);
    for (int q = 0; q < QUARTERS; q++)
        t.scale[q] = _mm512_castsi512_ps(scale[q]);
    for (size_t pixel = 0, n; pixel < row->pixels; pixel += n) {
        n = row->pixels - pixel < room ? row->pixels - pixel : room;
        const uint8_t *const *taps_at = row->taps + pixel * row->step * row->n_rows;
        for (size_t c = 0; c < (n - 1) * row->step + row->n_cols; c++)
            interleave(row, taps_at + c * row->n_rows, first, mask, x + c * column_vectors);
        uint8_t *y = row->y + pixel * row->y_stride + first;
        if (taps == 3)
            run_pixels(row, 3, x, column_vectors, w, &t, n, y, mask);
        else
            run_pixels(row, taps, x, column_vectors, w, &t, n, y, mask);
    }
}

static void run(const struct ct_depthwise_i8_row *row)
{
    const char *w = row->w;
    for (size_t first = 0; first < row->channels; first += BLOCK) {
        run_block(row, first, (const __m512i *)(const void *)w);
        w += block_bytes(row->n_rows, row->n_cols);
    }
}

const struct ct_depthwise_i8_functions ct_depthwise_i8_avx512vnni = {packed_bytes, pack, work_bytes,
                                                                     run};
