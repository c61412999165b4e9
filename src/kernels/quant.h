/* Kernels of quantisation: between float32 and bytes, and a depthwise convolution of bytes. Bytes
 * are unsigned; for signed ones `flip` is 0x80, which the kernel XORs to them, and zero points and
 * bounds are those of the unsigned type (128 more). Rows of quant.def, best first, list them. All
 * give the same bits. */
#ifndef CT_KERNELS_QUANT_H
#define CT_KERNELS_QUANT_H

#include <stddef.h>
#include <stdint.h>

#include "cpu/cpu.h"

/** round(x / scale) + zero, ties to even, kept in [0, 255]; NaN gives 0. */
struct ct_quant_row {
    size_t n;
    float scale;
    int32_t zero;
    uint8_t flip;
};

/** A depthwise convolution at one output pixel: sum[j] = bias[j] + the sum over taps of
 *  x[j] w[j]. Sums of products must stay below 2^24: they are found in float, exactly. */
struct ct_quant_depthwise {
    size_t n, n_taps;           /* channels; positions of the window */
    const uint8_t *const *taps; /* of each position, n bytes */
    const float *w;             /* of each position, n whole numbers */
    const int32_t *bias;
    const float *scale; /* y = round(sum * scale) + zero, in [low, high] */
    int32_t zero, low, high;
    uint8_t flip; /* of x; y is flipped by flip_y */
    uint8_t flip_y;
    uint8_t *y;
};

struct ct_quant_functions {
    void (*quantize)(const struct ct_quant_row *row, const float *x, uint8_t *y);
    /** y = (x - zero) * scale */
    void (*dequantize)(const struct ct_quant_row *row, const uint8_t *x, float *y);
    void (*depthwise)(const struct ct_quant_depthwise *job);
};

struct ct_quant_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_quant_functions *fn;
};

#define CT_QUANT(name, isa) extern const struct ct_quant_functions name;
#include "kernels/quant.def"

/** Every row, best first. */
const struct ct_quant_kernel *ct_quant_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_quant_kernel *ct_quant_select(unsigned cpu_features);

#endif
