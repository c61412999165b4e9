/* What the pools share. */
#ifndef CT_OPS_NN_POOL_H
#define CT_OPS_NN_POOL_H

#include "ops/nn/window.h"

enum ct_pool_kind { CT_POOL_MAX, CT_POOL_AVERAGE, CT_POOL_LP };

struct ct_pool_shape {
    enum ct_pool_kind kind;
    bool include_pad;  /* CT_POOL_AVERAGE: padding counts as elements of value 0 */
    bool column_major; /* indices of CT_POOL_MAX */
    double p;          /* CT_POOL_LP */
    int64_t planes, in_plane, out_plane;
    struct ct_window window;
};

/** Attribute p, an int or (in the first versions) a float. */
double ct_pool_p(const struct ct_node *node);
/** Elements that the window counts at an output position (one coordinate for each axis). */
double ct_pool_count(const struct ct_pool_shape *shape, const int64_t *o);
/** Kernels on f32 (types that fit in it are widened), without indices; up to three axes. */
ct_status ct_pool_prepare_f32(struct ct_prepare *prepare, const struct ct_pool_shape *shape);
/** Plain loops in double: any type, rank and window, with indices as output 1. */
ct_status ct_pool_prepare_any(struct ct_prepare *prepare, const struct ct_pool_shape *shape);

#endif
