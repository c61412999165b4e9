/* Convolution kernels. Rows of conv.def, best first, list them. Convolutions that are computed as
 * matrix products use kernels/gemm.h. */
#ifndef CT_KERNELS_CONV_H
#define CT_KERNELS_CONV_H

#include "kernels/gemm.h"

/** One filter over one channel of an image that has its padding around it:
 *    out[r * out_row + c] = act(bias + residual[r * out_row + c]
 *                               + sum over t of weights[t] * in[r * in_row + taps[t] + c])
 *  in order of t. Reads nothing but these elements. */
struct ct_conv_depthwise_f32_rows {
    size_t n_rows, n_cols, n_taps;
    const size_t *taps;
    const float *weights;
    const float *in;
    size_t in_row;
    float *out;
    size_t out_row;
    const float *residual; /* NULL: none; rows lie as those of out */
    float bias;
    enum ct_act act;
    const float *act_params; /* two */
};

/** Rows of n columns taken from runs of `channels` channels that lie channel_stride apart:
 *    to[c * to_stride + j] = x[c * channel_stride + (j - low) * step] for j in [low, high), else 0
 *  Reads nothing but these elements. */
struct ct_conv_gather_f32 {
    const float *x;
    size_t channels, channel_stride, step;
    size_t n, low, high;
    float *to;
    size_t to_stride;
};

struct ct_conv_f32_functions {
    void (*depthwise)(const struct ct_conv_depthwise_f32_rows *rows);
    void (*gather)(const struct ct_conv_gather_f32 *gather);
};

struct ct_conv_f32_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_conv_f32_functions *fn;
};

#define CT_CONV_F32(name, isa) extern const struct ct_conv_f32_functions name;
#include "kernels/conv.def"

/** Every row, best first. */
const struct ct_conv_f32_kernel *ct_conv_f32_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_conv_f32_kernel *ct_conv_f32_select(unsigned cpu_features);

#endif
