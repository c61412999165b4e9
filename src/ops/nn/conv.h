/* What the convolutions share: shape checks, and the sizes that their loops need. */
#ifndef CT_OPS_NN_CONV_H
#define CT_OPS_NN_CONV_H

#include "kernels/gemm.h"
#include "ops/nn/window.h"

/** X [batch, groups * ic, in…], W [groups * oc, ic, kernel…], Y [batch, groups * oc, out…]. */
struct ct_conv_shape {
    int64_t batch, groups, ic, oc; /* channels of one group */
    int64_t in_plane, out_plane, kernel_volume;
    struct ct_window window;
};

/** infer of a convolution of input x by weight w (indices of inputs; b: bias, -1 none). Output 0
 *  gets `dtype`. */
ct_status ct_conv_infer(struct ct_infer *infer, int x, int w, int b, ct_dtype dtype);
/** The sizes, from shapes that infer accepted. */
ct_status ct_conv_shape_read(const struct ct_prepare *prepare, int x, int w,
                             struct ct_conv_shape *shape);
/** Floating-point operations of output 0 (a multiply and an add are two). */
void ct_conv_cost(const struct ct_infer *infer, struct ct_cost *cost);

/** A float32 convolution in preparation: input 0 X, 1 W, 2 bias or absent, 3 residual or absent,
 *  types f32, or f16 and bf16 that are widened. `post` has act and act_params. */
struct ct_conv_f32 {
    struct ct_conv_shape shape;
    struct ct_gemm_post post;
};
/* Ways to compute it; each sets prepare->run, state and scratch. */
ct_status ct_conv_prepare_gemm(struct ct_prepare *prepare, const struct ct_conv_f32 *conv);
ct_status ct_conv_prepare_dot(struct ct_prepare *prepare, const struct ct_conv_f32 *conv);
ct_status ct_conv_prepare_depthwise(struct ct_prepare *prepare, const struct ct_conv_f32 *conv);
/** Whether the depthwise way can take it. */
bool ct_conv_fits_depthwise(const struct ct_conv_f32 *conv);
/** Plain loops in double: f64 and its bias. */
ct_status ct_conv_prepare_f64(struct ct_prepare *prepare, const struct ct_conv_shape *shape);

/** Rows are runs along the last axis, numbered through the others. The row of the input that row
 *  `kernel_row` of the window reads at row `out_row` of the output; -1 in the padding. */
int64_t ct_conv_input_row(const struct ct_window *window, int64_t out_row, int64_t kernel_row);

#endif
