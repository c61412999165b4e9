/* Bodies of the quantisation kernels: plain loops, which compilers make vectors of with the flags
 * of the file that includes this. Before including define
 *   FUNCTIONS   name of the struct ct_quant_functions */
#include "kernels/quant.h"

/* Adding and taking away 3 * 2^22 rounds a number that is small enough to nearest, ties to even. */
static const float round_magic = 12582912.0f;

static void quantize(const struct ct_quant_row *row, const float *restrict x, uint8_t *restrict y)
{
    const float scale = row->scale, least = -(float)row->zero, most = 255.0f - (float)row->zero;
    const int32_t zero = row->zero;
    const uint8_t flip = row->flip;
    for (size_t i = 0; i < row->n; i++) {
        float v = x[i] / scale;
        v = v > least ? v : least;
        v = v < most ? v : most;
        v = (v + round_magic) - round_magic;
        y[i] = (uint8_t)((uint8_t)((int32_t)v + zero) ^ flip);
    }
}

static void dequantize(const struct ct_quant_row *row, const uint8_t *restrict x, float *restrict y)
{
    const float scale = row->scale;
    const int32_t zero = row->zero;
    const uint8_t flip = row->flip;
    for (size_t i = 0; i < row->n; i++)
        y[i] = (float)((int32_t)(uint8_t)(x[i] ^ flip) - zero) * scale;
}

/* Vectors as the compilers have them: it takes no intrinsics to keep four sums in registers. */
enum { LANES = 16, VECTORS = 4 };
typedef float quant_floats __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t quant_ints __attribute__((vector_size(LANES * 4)));
typedef uint8_t quant_bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

static inline __attribute__((always_inline)) void add_taps(const struct ct_quant_depthwise *job,
                                                           size_t first, const size_t vectors,
                                                           float *sums)
{
    quant_floats sum[VECTORS] = {{0}};
    const quant_bytes flip = (quant_bytes){0} + job->flip;
    for (size_t t = 0; t < job->n_taps; t++) {
        const quant_bytes *x = (const quant_bytes *)(const void *)(job->taps[t] + first);
        const quant_floats *w = (const quant_floats *)(const void *)(job->w + t * job->n + first);
        for (size_t j = 0; j < vectors; j++) {
            quant_ints v = __builtin_convertvector(x[j] ^ flip, quant_ints);
            sum[j] += __builtin_convertvector(v, quant_floats) * w[j];
        }
    }
    for (size_t j = 0; j < vectors; j++)
        ((quant_floats *)(void *)sums)[j] = sum[j];
}

/* The rest, fewer than a vector. */
static void add_taps_tail(const struct ct_quant_depthwise *job, size_t first, float *sums)
{
    for (size_t j = first; j < job->n; j++, sums++) {
        *sums = 0;
        for (size_t t = 0; t < job->n_taps; t++)
            *sums += (float)(uint8_t)(job->taps[t][j] ^ job->flip) * job->w[t * job->n + j];
    }
}

static void requantize(const struct ct_quant_depthwise *job, size_t first, size_t n,
                       const float *restrict sums)
{
    const int32_t *restrict bias = job->bias + first;
    const float *restrict scale = job->scale + first;
    const float least = (float)(job->low - job->zero), most = (float)(job->high - job->zero);
    const int32_t zero = job->zero;
    const uint8_t flip = job->flip_y;
    uint8_t *restrict y = job->y + first;
    for (size_t j = 0; j < n; j++) {
        float v = (float)((int32_t)sums[j] + bias[j]) * scale[j];
        v = v > least ? v : least;
        v = v < most ? v : most;
        v = (v + round_magic) - round_magic;
        y[j] = (uint8_t)((uint8_t)((int32_t)v + zero) ^ flip);
    }
}

static void depthwise(const struct ct_quant_depthwise *job)
{
    for (size_t first = 0, n; first < job->n; first += n) {
        size_t left = job->n - first;
        float sums[LANES * VECTORS];
        n = left >= LANES * VECTORS ? LANES * VECTORS : left >= LANES ? LANES : left;
        if (n == LANES * VECTORS)
            add_taps(job, first, VECTORS, sums);
        else if (n == LANES)
            add_taps(job, first, 1, sums);
        else
            add_taps_tail(job, first, sums);
        requantize(job, first, n, sums);
    }
}

const struct ct_quant_functions FUNCTIONS = {quantize, dequantize, depthwise};
