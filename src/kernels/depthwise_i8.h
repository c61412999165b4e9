/* Depthwise convolutions of bytes, channels last: one row of output pixels. Bytes are unsigned; for
 * signed ones `flip` is 0x80, which the kernel XORs to them, and zero points are those of the unsigned
 * type (128 more). Rows of quant.def, best first, list the kernels. All give the same bits. */
#ifndef CT_KERNELS_DEPTHWISE_I8_H
#define CT_KERNELS_DEPTHWISE_I8_H

#include <stddef.h>
#include <stdint.h>

#include "cpu/cpu.h"

enum {
    CT_DEPTHWISE_I8_TAPS = 256,   /* at most: sums stay below 2^24 */
    CT_DEPTHWISE_I8_CHANNELS = 64 /* arrays by channel are padded to a multiple of it */
};

/** At pixel i and channel c, over the n_rows x n_cols positions of the window,
 *      sum = add[c] + the sum of x[c] w[c],
 *      y = round(sum * scale[c]) + zero, in [0, 255]. */
struct ct_depthwise_i8_row {
    size_t channels, pixels, n_rows, n_cols;
    size_t step; /* columns from pixel to pixel */
    const uint8_t *const
        *taps;          /* of column j of the input and row r of the window, at j * n_rows + r:
                                   `channels` bytes. Column j of the window is i * step + j */
    const void *w;      /* packed */
    const int32_t *add; /* padded, as is `scale` */
    const float *scale;
    int32_t zero;
    uint8_t flip, flip_y; /* of x; of y */
    uint8_t *y;           /* of pixel i at i * y_stride */
    size_t y_stride;
    void *work; /* work_bytes, aligned to CT_ALIGN */
};

struct ct_depthwise_i8_functions {
    /** Packs weights of n_taps positions: w[t * channels + c], positions in the order of taps. */
    size_t (*packed_bytes)(size_t channels, size_t n_rows, size_t n_cols);
    void (*pack)(size_t channels, size_t n_rows, size_t n_cols, const int16_t *w, void *packed);
    size_t (*work_bytes)(size_t n_rows, size_t n_cols);
    void (*run)(const struct ct_depthwise_i8_row *row);
};

struct ct_depthwise_i8_kernel {
    const char *name;
    enum ct_isa isa;
    int w_most; /* greatest magnitude of weights: 128 (but not +128), or 255 */
    const struct ct_depthwise_i8_functions *fn;
};

#define CT_DEPTHWISE_I8(name, isa, w_most) extern const struct ct_depthwise_i8_functions name;
#include "kernels/quant.def"

/** Every row, best first. */
const struct ct_depthwise_i8_kernel *ct_depthwise_i8_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. `wide`: weights do not fit int8. */
const struct ct_depthwise_i8_kernel *ct_depthwise_i8_select(unsigned cpu_features, bool wide);

#endif
