/* One channel of an image with its padding around it, as the window kernels read it: columns are
 * sorted by their remainder modulo the stride, so that for each position of the window (a tap) the
 * elements for successive outputs of a row lie side by side. For up to three spatial axes. */
#ifndef CT_OPS_NN_PADDED_H
#define CT_OPS_NN_PADDED_H

#include "kernels/conv.h"
#include "ops/nn/window.h"

enum { CT_PADDED_AXES = 3 };

struct ct_padded {
    struct ct_window window;                 /* of three axes, those in front of size 1 */
    int64_t rows;                            /* of one slice of the outermost axis */
    int64_t phase_len, row_len, n_elems;     /* row_len = stride * phase_len */
    size_t n_taps, *taps;                    /* offsets of the taps for output 0 */
    const struct ct_conv_f32_kernel *gather; /* copies channels */
};

/** Whether the window is small enough for this. */
bool ct_padded_fits(const struct ct_window *window);
/** taps lie in memory of the plan. */
ct_status ct_padded_init(struct ct_padded *padded, struct ct_prepare *prepare,
                         const struct ct_window *window);
/** Fills all n_elems; once, since copies leave the padding as it is. */
void ct_padded_fill(const struct ct_padded *padded, float value, float *memory);
/** Copies a channel into its place. */
void ct_padded_copy(const struct ct_padded *padded, const float *x, float *memory);
/** Offset of the first output of slice `d` of the outermost axis, and between rows in one. */
static inline int64_t ct_padded_slice(const struct ct_padded *p, int64_t d)
{
    return d * p->window.stride[0] * p->rows * p->row_len;
}
static inline int64_t ct_padded_row_step(const struct ct_padded *p)
{
    return p->window.stride[1] * p->row_len;
}

#endif
