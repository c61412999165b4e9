/* The depthwise convolution of kernels/depthwise_i8.h in float, which is exact below 2^24: vectors as
 * the compilers have them, of the flags of the file that includes this. Packed weights: floats
 * [position][channel]. Before including define
 *   FUNCTIONS   name of the struct ct_depthwise_i8_functions */
#include "kernels/depthwise_i8.h"

enum { LANES = 16, VECTORS = 4 };
typedef float depthwise_floats __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t depthwise_ints __attribute__((vector_size(LANES * 4)));
typedef uint8_t depthwise_bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

static size_t packed_bytes(size_t channels, size_t n_rows, size_t n_cols)
{
    return channels * n_rows * n_cols * sizeof(float);
}

static void pack(size_t channels, size_t n_rows, size_t n_cols, const int16_t *w, void *packed)
{
    for (size_t i = 0; i < channels * n_rows * n_cols; i++)
        ((float *)packed)[i] = (float)w[i];
}

static size_t work_bytes(size_t n_rows, size_t n_cols)
{
    (void)n_rows;
    (void)n_cols;
    return 0;
}

static inline __attribute__((always_inline)) void add_taps(const struct ct_depthwise_i8_row *row,
                                                           const uint8_t *const *taps, size_t first,
                                                           const size_t vectors, float *sums)
{
    depthwise_floats sum[VECTORS] = {{0}};
    const depthwise_bytes flip = (depthwise_bytes){0} + row->flip;
    for (size_t t = 0; t < row->n_rows * row->n_cols; t++) {
        const depthwise_bytes *x = (const depthwise_bytes *)(const void *)(taps[t] + first);
        const float *w = (const float *)row->w + t * row->channels + first;
        for (size_t j = 0; j < vectors; j++) {
            depthwise_ints v = __builtin_convertvector(x[j] ^ flip, depthwise_ints);
            sum[j] += __builtin_convertvector(v, depthwise_floats) *
                      ((const depthwise_floats *)(const void *)w)[j];
        }
    }
    for (size_t j = 0; j < vectors; j++)
        ((depthwise_floats *)(void *)sums)[j] = sum[j];
}

static void add_taps_tail(const struct ct_depthwise_i8_row *row, const uint8_t *const *taps,
                          size_t first, float *sums)
{
    for (size_t j = first; j < row->channels; j++, sums++) {
        *sums = 0;
        for (size_t t = 0; t < row->n_rows * row->n_cols; t++)
            *sums += (float)(uint8_t)(taps[t][j] ^ row->flip) *
                     ((const float *)row->w)[t * row->channels + j];
    }
}

static void requantize(const struct ct_depthwise_i8_row *row, size_t first, size_t n,
                       const float *restrict sums, uint8_t *restrict y)
{
    /* Adding and taking away 3 * 2^22 rounds a number that is small enough. */
    const float magic = 12582912.0f;
    const int32_t *restrict add = row->add + first;
    const float *restrict scale = row->scale + first;
    const float least = -(float)row->zero, most = 255.0f - (float)row->zero;
    const int32_t zero = row->zero;
    const uint8_t flip = row->flip_y;
    for (size_t j = 0; j < n; j++) {
        float v = (float)(int32_t)((uint32_t)(int32_t)sums[j] + (uint32_t)add[j]) * scale[j];
        v = v > least ? v : least;
        v = v < most ? v : most;
        v = (v + magic) - magic;
        y[first + j] = (uint8_t)((uint8_t)((int32_t)v + zero) ^ flip);
    }
}

static void run_pixel(const struct ct_depthwise_i8_row *row, const uint8_t *const *taps, uint8_t *y)
{
    for (size_t first = 0, n; first < row->channels; first += n) {
        size_t left = row->channels - first;
        float sums[LANES * VECTORS];
        n = left >= LANES * VECTORS ? LANES * VECTORS : left >= LANES ? LANES : left;
        if (n == LANES * VECTORS)
            add_taps(row, taps, first, VECTORS, sums);
        else if (n == LANES)
            add_taps(row, taps, first, 1, sums);
        else
            add_taps_tail(row, taps, first, sums);
        requantize(row, first, n, sums, y);
    }
}

static void run(const struct ct_depthwise_i8_row *row)
{
    for (size_t i = 0; i < row->pixels; i++)
        run_pixel(row, row->taps + i * row->step * row->n_rows, row->y + i * row->y_stride);
}

const struct ct_depthwise_i8_functions FUNCTIONS = {packed_bytes, pack, work_bytes, run};
