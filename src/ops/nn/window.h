/* The sliding window of convolutions and pools: kernel, strides, dilations and pads over the
 * spatial axes of a tensor [N, C, D1, …, Dn], and the ranges of it that lie inside the input.
 * Formulas: ONNX Conv, MaxPool, AveragePool, LpPool. */
#ifndef CT_OPS_NN_WINDOW_H
#define CT_OPS_NN_WINDOW_H

#include "graph/op.h"

enum { CT_WINDOW_MAX_AXES = CT_MAX_RANK - 2 };

enum ct_auto_pad { CT_PAD_EXPLICIT, CT_PAD_SAME_UPPER, CT_PAD_SAME_LOWER, CT_PAD_VALID };

struct ct_window {
    int n; /* spatial axes */
    enum ct_auto_pad auto_pad;
    bool ceil_mode;
    ct_dim in[CT_WINDOW_MAX_AXES];     /* may be unknown in infer */
    ct_dim kernel[CT_WINDOW_MAX_AXES]; /* the same, when it is that of an unknown weight */
    int64_t stride[CT_WINDOW_MAX_AXES], dilation[CT_WINDOW_MAX_AXES];
    int64_t pad_begin[CT_WINDOW_MAX_AXES], pad_end[CT_WINDOW_MAX_AXES];
    ct_dim out[CT_WINDOW_MAX_AXES];
};

/** Reads and checks the attributes kernel_shape, strides, dilations, pads, auto_pad, ceil_mode (those
 *  that are absent get their defaults). `kernel`: spatial dims of the weight, against which
 *  kernel_shape is checked; NULL: kernel_shape is required. out is not set. */
ct_status ct_window_read(const struct ct_node *node, int n, const ct_dim *in, const ct_dim *kernel,
                         struct ct_window *window, corten_error *error);
/** Sets out, and the pads that auto_pad stands for. Axes of unknown size stay so, or are derived
 *  symbols when `infer` is given (else NULL). */
ct_status ct_window_resolve(const struct ct_node *node, const struct ct_infer *infer,
                            struct ct_window *window, corten_error *error);

/** Positions k in [*first, *end) of the kernel along `axis` read inside the input when the output
 *  is at `o`; an empty range has *end <= *first. */
static inline void ct_window_range(const struct ct_window *w, int axis, int64_t o, int64_t *first,
                                   int64_t *end)
{
    int64_t start = o * w->stride[axis] - w->pad_begin[axis], d = w->dilation[axis];
    int64_t left = w->in[axis] - start;
    *first = start >= 0 ? 0 : (-start + d - 1) / d;
    *end = left <= 0 ? 0 : (left + d - 1) / d;
    if (*end > w->kernel[axis])
        *end = w->kernel[axis];
}
/** Outputs o in [*first, *end) of the axis for which position k of the kernel reads inside. */
static inline void ct_window_outputs(const struct ct_window *w, int axis, int64_t k, int64_t *first,
                                     int64_t *end)
{
    int64_t shift = w->pad_begin[axis] - k * w->dilation[axis], s = w->stride[axis];
    int64_t left = w->in[axis] + shift;
    *first = shift <= 0 ? 0 : (shift + s - 1) / s;
    *end = left <= 0 ? 0 : (left + s - 1) / s;
    if (*end > w->out[axis])
        *end = w->out[axis];
}
/** Input positions that a kernel covers. */
static inline int64_t ct_window_extent(const struct ct_window *w, int axis)
{
    return (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}

/** infer of an operator that keeps N and C and slides a window given by its attributes: output 0,
 *  and `indices` when it is wanted as output 1 of int64. */
ct_status ct_window_infer_pool(struct ct_infer *infer);

#endif
