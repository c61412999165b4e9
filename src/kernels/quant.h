/* Kernels of quantisation: between float32 and bytes, and the greatest of bytes. Bytes are unsigned; for signed ones `flip` is
 * 0x80, which the kernel XORs to them, and zero points are those of the unsigned type (128 more).
 * Rows of quant.def, best first, list them. All give the same bits. */
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

struct ct_quant_functions {
    void (*quantize)(const struct ct_quant_row *row, const float *x, uint8_t *y);
    /** y = (x - zero) * scale */
    void (*dequantize)(const struct ct_quant_row *row, const uint8_t *x, float *y);
    /** y[i] = the greatest of the n_taps bytes taps[.][i], n_taps >= 1. */
    void (*max)(size_t n, const uint8_t *const *taps, size_t n_taps, uint8_t flip, uint8_t *y);
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
