/* Convolutions of bytes, channels last inside: each image is transposed to [pixels, channels], the
 * window gathered for some pixels at a time (runs of channels) and multiplied by the packed weight
 * on the 8-bit GEMM kernels; depthwise ones have a kernel of their own. A result goes back to
 * [channels, pixels] while it is in the cache. */
#ifndef CT_OPS_QUANT_CONV_BYTES_H
#define CT_OPS_QUANT_CONV_BYTES_H

#include "kernels/gemm_i8.h"
#include "ops/nn/conv.h"
#include "ops/quant/byte_product.h"

/** Inputs by index of the node; -1: there is none. */
struct ct_conv_places {
    int x, x_zero, w, w_zero, x_scale, w_scale, y_scale, y_zero, bias;
};

struct ct_conv_bytes {
    const struct ct_conv_places *at;
    struct ct_conv_shape shape;
    const struct ct_gemm_i8_kernel *kernel;
    bool x_signed, w_signed, y_signed, to_byte;
    bool depthwise, in_place; /* in_place: the window is one pixel, nothing to gather */
    int64_t k, col_panels;    /* of one group */
    int64_t block, blocks;    /* pixels of an item, and how many of those */
    int64_t col_parts;        /* an item's columns are one of so many parts */
    size_t group_bytes;       /* of a packed weight */
    const void *packed;       /* NULL: packed for each run, at packed_at */
    /* In scratch, for all: */
    size_t x_at, packed_at, unpacked_at, scale_at, bias_at, zero_at, workers_at;
    /* and for each worker: gathered rows, packed rows, their sums, the result. */
    size_t rows_at, panel_at, sums_at, result_at, worker_bytes;
};

/** Sets state and scratch of a convolution that infer accepted. */
ct_status ct_conv_bytes_prepare(struct ct_prepare *prepare, const struct ct_conv_places *at);
ct_status ct_conv_bytes_run(const struct ct_run *run);

/** Packing of the weight. `rows`: work memory of ct_conv_weight_rows_bytes. */
size_t ct_conv_weight_bytes(const struct ct_conv_bytes *conv);
size_t ct_conv_weight_rows_bytes(const struct ct_conv_bytes *conv);
void ct_conv_weight_pack(const struct ct_conv_bytes *conv, const struct ct_tensor *w,
                         const struct ct_tensor *w_zero, void *packed, uint8_t *rows);

/** Depthwise weights are floats [taps, channels], less their zero points, and then int32 sums over
 *  the taps. Others are, for each group, the panels, then the sums and the zero points of the padded
 *  columns, which this finds. */
static inline const int32_t *ct_conv_weight_sums(const struct ct_conv_bytes *conv,
                                                 const char *packed)
{
    size_t panel = ct_gemm_i8_panel_b_bytes(conv->kernel, (size_t)conv->k);
    return (const int32_t *)(const void *)(packed + (size_t)conv->col_panels * panel);
}

#endif
