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

/* Vectors as the compilers have them: blocks stay in registers over all taps. */
typedef uint8_t quant_block __attribute__((vector_size(64), aligned(1), may_alias));

static void max(size_t n, const uint8_t *const *taps, size_t n_taps, uint8_t flip, uint8_t *y)
{
    const quant_block flips = (quant_block){0} + flip;
    size_t i = 0;
    for (; i + sizeof(quant_block) <= n; i += sizeof(quant_block)) {
        quant_block most = {0};
        for (size_t t = 0; t < n_taps; t++) {
            quant_block x = *(const quant_block *)(const void *)(taps[t] + i) ^ flips;
            quant_block greater = (quant_block)(x > most);
            most = (x & greater) | (most & ~greater);
        }
        *(quant_block *)(void *)(y + i) = most ^ flips;
    }
    for (; i < n; i++) {
        uint8_t most = 0;
        for (size_t t = 0; t < n_taps; t++) {
            uint8_t x = taps[t][i] ^ flip;
            most = x > most ? x : most;
        }
        y[i] = most ^ flip;
    }
}

const struct ct_quant_functions FUNCTIONS = {quantize, dequantize, max};
