/* Convolutions of bytes, channels last inside: what the window reads is gathered for some pixels at a
 * time (runs of channels) and multiplied by the packed weight on the 8-bit GEMM kernels; windows of one
 * pixel are read where they lie; depthwise ones have kernels of their own. Where input and output are
 * in the plain layout, an image is transposed first, and a result goes back while it is in the cache. */
#ifndef CT_OPS_QUANT_CONV_BYTES_H
#define CT_OPS_QUANT_CONV_BYTES_H

#include "kernels/depthwise_i8.h"
#include "kernels/gemm_i8.h"
#include "ops/nn/conv.h"
#include "ops/quant/byte_product.h"

/** Inputs by index of the node; -1: there is none. With a residual the result is that of QLinearAdd
 *  of the convolution's (y_scale, y_zero) and the residual: sum_scale, sum_zero. */
struct ct_conv_places {
    int x, x_zero, w, w_zero, x_scale, w_scale, y_scale, y_zero, bias;
    int residual, residual_scale, residual_zero, sum_scale, sum_zero;
};

struct ct_conv_bytes {
    const struct ct_conv_places *at;
    struct ct_conv_shape shape;
    const struct ct_gemm_i8_kernel *kernel;
    const struct ct_depthwise_i8_kernel *depthwise; /* NULL: it is not */
    bool x_signed, w_signed, y_signed, to_byte;
    bool channels_last;    /* input, residual and output are (CT_LAYOUT_NXC) */
    bool one_pixel;        /* the window is one pixel, nothing to gather */
    int64_t k, col_panels; /* of one group */
    size_t row_bytes;      /* of a gathered row, as kernels read it */
    int64_t block, blocks; /* pixels of an item, and how many of those */
    int64_t col_parts;     /* an item's columns are one of so many parts */
    size_t group_bytes;    /* of a packed weight */
    const void *packed;    /* NULL: packed for each run, at packed_at */
    /* In scratch, for all: */
    size_t x_at, packed_at, unpacked_at, scale_at, add_at, zero_at, workers_at;
    /* and for each worker: gathered rows, the same packed, their sums, the result. */
    size_t rows_at, panel_at, sums_at, result_at, worker_bytes;
};

/** Sets state and scratch of a convolution that infer accepted. */
ct_status ct_conv_bytes_prepare(struct ct_prepare *prepare, const struct ct_conv_places *at);
ct_status ct_conv_bytes_run(const struct ct_run *run);

static inline int64_t ct_conv_bytes_channels(const struct ct_conv_bytes *conv)
{
    return conv->shape.groups * conv->shape.ic;
}
static inline int64_t ct_conv_bytes_filters(const struct ct_conv_bytes *conv)
{
    return conv->shape.groups * conv->shape.oc;
}

/* ------------------------------------------------------------------ weights (conv_weight.c) */

/** Packing of the weight. `rows`: work memory of ct_conv_weight_rows_bytes. */
size_t ct_conv_weight_bytes(const struct ct_conv_bytes *conv);
size_t ct_conv_weight_rows_bytes(const struct ct_conv_bytes *conv);
void ct_conv_weight_pack(const struct ct_conv_bytes *conv, const struct ct_tensor *w,
                         const struct ct_tensor *w_zero, void *packed, void *rows);

/** Packed weights are, for each group, the panels, then the sums and the zero points of the padded
 *  columns, which this finds. Depthwise ones are those of the kernel, then the sums. */
const int32_t *ct_conv_weight_sums(const struct ct_conv_bytes *conv, const char *packed);

/* ------------------------------------------------------------------ the window (conv_gather.c) */

/** What the window reads at output pixels [pixel, pixel + n) of an image x [pixels, channels]: rows of
 *  row_bytes, the positions of the window one after the other, channels [channel, channel + ic) of
 *  each; then zeros. Padding is `fill`. */
void ct_conv_gather(const struct ct_conv_shape *shape, const uint8_t *x, int64_t channel,
                    uint8_t fill, int64_t pixel, int64_t n, size_t row_bytes, uint8_t *rows);
/** Position 0 of the window for an output pixel, on each axis. */
void ct_conv_window_start(const struct ct_window *w, int64_t pixel, int64_t *start);
/** The input pixel at position k of the window; -1: in the padding. */
int64_t ct_conv_window_pixel(const struct ct_window *w, const int64_t *start, const int64_t *k);

#endif
