#include "ops/quant/granularity.h"

static ct_status check_same_shape(const struct ct_infer *infer, const struct ct_fact *scale)
{
    const struct ct_fact *zero = ct_infer_in(infer, 2);
    if (!zero || zero->rank < 0 || scale->rank < 0)
        return CORTEN_OK;
    ct_dim a = 1, b = 1;
    for (int i = 0; i < scale->rank; i++)
        a = ct_dim_mul(infer, a, scale->dims[i]);
    for (int i = 0; i < zero->rank; i++)
        b = ct_dim_mul(infer, b, zero->dims[i]);
    if (ct_dim_known(a) && ct_dim_known(b) && a != b)
        return ct_infer_fail(infer, "scale has %lld elements and zero point %lld, expected as many",
                             (long long)a, (long long)b);
    return CORTEN_OK;
}

static ct_status check_blocks(const struct ct_infer *infer, const struct ct_fact *x,
                              const struct ct_fact *scale, int axis, int64_t block)
{
    if (scale->rank != x->rank)
        return ct_infer_fail(infer, "block_size: scale has rank %d, expected that of the input, %d",
                             scale->rank, x->rank);
    for (int i = 0; i < x->rank; i++) {
        ct_dim expected = x->dims[i];
        if (i == axis && ct_dim_known(expected))
            expected = expected / block + (expected % block != 0);
        else if (i == axis)
            expected = CT_DIM_UNKNOWN;
        if (ct_dim_known(expected) && ct_dim_known(scale->dims[i]) && scale->dims[i] != expected)
            return ct_infer_fail(infer, "scale, axis %d: found %lld, expected %lld", i,
                                 (long long)scale->dims[i], (long long)expected);
    }
    return CORTEN_OK;
}

ct_status ct_granularity_check(const struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *scale = ct_infer_in(infer, 1);
    int64_t block = ct_attr_int(infer->node, "block_size", 0);
    int axis;
    if (!x || !scale)
        return ct_infer_fail(infer, "input and scale must be present");
    if (block < 0)
        return ct_infer_fail(infer, "block_size: found %lld, expected 0 or more", (long long)block);
    CT_TRY(check_same_shape(infer, scale));
    if (x->rank < 0 || scale->rank < 0)
        return CORTEN_OK;
    bool single = true;
    for (int i = 0; i < scale->rank; i++)
        single &= scale->dims[i] == 1;
    if (single && !block)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 1), x->rank, &axis));
    if (block)
        return check_blocks(infer, x, scale, axis, block);
    if (scale->rank != 1)
        return ct_infer_fail(infer, "scale has rank %d, expected 0 or 1", scale->rank);
    if (ct_dim_known(scale->dims[0]) && scale->dims[0] != 1 && ct_dim_known(x->dims[axis]) &&
        scale->dims[0] != x->dims[axis])
        return ct_infer_fail(infer, "scale has %lld elements, but axis %d of the input %lld",
                             (long long)scale->dims[0], axis, (long long)x->dims[axis]);
    return CORTEN_OK;
}

void ct_granularity_init(struct ct_granularity *g, const struct ct_node *node,
                         const struct ct_tensor *x, const struct ct_tensor *scale)
{
    *g = (struct ct_granularity){.single = true, .axis = 1, .inner = 1};
    if (ct_count(scale) == 1)
        return;
    int64_t axis = ct_attr_int(node, "axis", 1);
    axis += axis < 0 ? x->rank : 0;
    g->single = false;
    g->axis = x->dims[axis];
    g->inner = ct_dims_product(x->dims, (int)axis + 1, x->rank);
    g->block = ct_attr_int(node, "block_size", 0);
    g->axis_blocks = g->block ? g->axis / g->block + (g->axis % g->block != 0) : 0;
}

static float load(const struct ct_tensor *t, int64_t i)
{
    float x = 0;
    if (t)
        ct_load_f32(t->dtype, t->data, (size_t)i, 1, &x);
    return x;
}

void ct_granularity_load(const struct ct_granularity *g, const struct ct_tensor *scale,
                         const struct ct_tensor *zero_point, int64_t first, int64_t n,
                         float *scales, float *zero_points)
{
    int64_t index = g->single ? 0 : -1;
    float s = g->single ? load(scale, 0) : 0, z = g->single ? load(zero_point, 0) : 0;
    int64_t j = first % g->inner, a = first / g->inner % g->axis;
    int64_t outer = first / g->inner / g->axis;
    for (int64_t i = 0; i < n; i++) {
        if (!g->single) {
            int64_t at = g->block ? (outer * g->axis_blocks + a / g->block) * g->inner + j : a;
            if (at != index) {
                index = at;
                s = load(scale, at);
                z = load(zero_point, at);
            }
            if (++j == g->inner) {
                j = 0;
                if (++a == g->axis) {
                    a = 0;
                    outer++;
                }
            }
        }
        scales[i] = s;
        zero_points[i] = z;
    }
}
