/* Resize and Upsample: which input elements make an output element, axis by axis. */
#ifndef CT_OPS_NN_RESIZE_H
#define CT_OPS_NN_RESIZE_H

#include "graph/op.h"

enum ct_resize_mode { CT_RESIZE_NEAREST, CT_RESIZE_LINEAR, CT_RESIZE_CUBIC };
enum ct_resize_round { CT_ROUND_PREFER_FLOOR, CT_ROUND_PREFER_CEIL, CT_ROUND_FLOOR, CT_ROUND_CEIL };
enum ct_resize_coord {
    CT_COORD_HALF_PIXEL,
    CT_COORD_HALF_PIXEL_SYMMETRIC,
    CT_COORD_PYTORCH_HALF_PIXEL,
    CT_COORD_ALIGN_CORNERS,
    CT_COORD_ASYMMETRIC,
    CT_COORD_CROP
};

struct ct_resize_axis {
    int64_t in, out;
    double scale;
    double roi_begin, roi_end; /* CT_COORD_CROP */
};

struct ct_resize {
    enum ct_resize_mode mode;
    enum ct_resize_round round;
    enum ct_resize_coord coord;
    bool antialias, exclude_outside;
    double cubic_a, extrapolation;
    int rank;
    struct ct_resize_axis axes[CT_MAX_RANK];
};

/** How one axis is computed: output o is the sum over t of weights[o * n_taps + t] times the input
 *  at index[o * n_taps + t]; for the nearest mode one tap without weight. */
struct ct_resize_table {
    int64_t n_taps;
    const int64_t *index;
    const float *weights;
    const uint8_t *outside; /* 1: the extrapolation value instead; NULL: none is */
};

/** Memory lies in the plan. */
ct_status ct_resize_table_init(struct ct_prepare *prepare, const struct ct_resize *resize,
                               const struct ct_resize_axis *axis, struct ct_resize_table *table);
/** Whether the axis stays as it is. */
bool ct_resize_axis_is_copy(const struct ct_resize *resize, const struct ct_resize_axis *axis);

/** Sets run and state for input 0 and output 0. */
ct_status ct_resize_prepare(struct ct_prepare *prepare, const struct ct_resize *resize);

#endif
