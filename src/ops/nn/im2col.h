/* The matrix that turns a convolution into a product: column p holds what the window reads at
 * output position p. Never built whole, only in panels as the GEMM kernels take their B. */
#ifndef CT_OPS_NN_IM2COL_H
#define CT_OPS_NN_IM2COL_H

#include "kernels/conv.h"
#include "ops/nn/window.h"

/** Fills a panel of nr columns for n <= nr output positions from `pixel` on, the rest zero. Rows:
 *  `channels` times the volume of the kernel. x: the first of those channels, in_plane elements
 *  apart. */
void ct_im2col_panel(const struct ct_conv_f32_kernel *kernel, const struct ct_window *window,
                     const float *x, int64_t channels, int64_t in_plane, int64_t pixel, size_t n,
                     size_t nr, float *panel);

#endif
