/* Resize and Upsample: attributes, sizes and scales. */
#include "ops/nn/resize.h"

#include <math.h>
#include <string.h>

/* Where a version has its inputs; -1: it has no such input. */
struct inputs {
    int roi, scales, sizes;
};
static const struct inputs inputs_11 = {1, 2, 3}, inputs_10 = {-1, 1, -1},
                           inputs_none = {-1, -1, -1};

struct choice {
    const char *name;
    int value;
};
static const struct choice modes[] = {{"nearest", CT_RESIZE_NEAREST},
                                      {"linear", CT_RESIZE_LINEAR},
                                      {"bilinear", CT_RESIZE_LINEAR},
                                      {"cubic", CT_RESIZE_CUBIC},
                                      {NULL, 0}};
static const struct choice rounds[] = {{"round_prefer_floor", CT_ROUND_PREFER_FLOOR},
                                       {"round_prefer_ceil", CT_ROUND_PREFER_CEIL},
                                       {"floor", CT_ROUND_FLOOR},
                                       {"ceil", CT_ROUND_CEIL},
                                       {NULL, 0}};
static const struct choice coords[] = {{"half_pixel", CT_COORD_HALF_PIXEL},
                                       {"half_pixel_symmetric", CT_COORD_HALF_PIXEL_SYMMETRIC},
                                       {"pytorch_half_pixel", CT_COORD_PYTORCH_HALF_PIXEL},
                                       {"tf_half_pixel_for_nn", CT_COORD_HALF_PIXEL},
                                       {"align_corners", CT_COORD_ALIGN_CORNERS},
                                       {"asymmetric", CT_COORD_ASYMMETRIC},
                                       {"tf_crop_and_resize", CT_COORD_CROP},
                                       {NULL, 0}};
enum policy { STRETCH, NOT_LARGER, NOT_SMALLER };
static const struct choice policies[] = {
    {"stretch", STRETCH}, {"not_larger", NOT_LARGER}, {"not_smaller", NOT_SMALLER}, {NULL, 0}};

/* The first choice is the default. False: unknown. */
static bool choose(const struct ct_node *node, const char *name, const struct choice *choices,
                   int *value)
{
    for (const struct choice *c = choices; c->name; c++)
        if (ct_attr_is(node, name, c->name, choices->name)) {
            *value = c->value;
            return true;
        }
    return false;
}

static ct_status fail(const struct ct_node *node, corten_error *error, const char *what)
{
    char text[256];
    return ct_fail(error, CORTEN_INVALID_MODEL, "%s: %s", ct_node_describe(node, text, sizeof text),
                   what);
}

static ct_status read_attributes(const struct ct_node *node, const struct inputs *in,
                                 struct ct_resize *r, corten_error *error)
{
    int mode, round = CT_ROUND_FLOOR, coord = CT_COORD_ASYMMETRIC;
    if (!choose(node, "mode", modes, &mode))
        return fail(node, error, "mode: expected nearest, linear or cubic");
    /* Before version 11 there was only this way to round and to place. */
    if (in->sizes >= 0) {
        if (!choose(node, "nearest_mode", rounds, &round))
            return fail(node, error, "nearest_mode: unknown");
        if (!choose(node, "coordinate_transformation_mode", coords, &coord))
            return fail(node, error, "coordinate_transformation_mode: unknown");
    }
    r->mode = (enum ct_resize_mode)mode;
    r->round = (enum ct_resize_round)round;
    r->coord = (enum ct_resize_coord)coord;
    r->antialias = ct_attr_int(node, "antialias", 0) != 0;
    r->exclude_outside = ct_attr_int(node, "exclude_outside", 0) != 0;
    r->cubic_a = (double)ct_attr_float(node, "cubic_coeff_a", -0.75f);
    r->extrapolation = (double)ct_attr_float(node, "extrapolation_value", 0);
    return CORTEN_OK;
}

/* The axes that scales, sizes and roi speak of. */
static ct_status read_axes(const struct ct_node *node, int rank, int *axes, int *count,
                           corten_error *error)
{
    const int64_t *values;
    int n = ct_attr_ints(node, "axes", &values);
    *count = n > 0 ? n : rank;
    if (*count > rank)
        return fail(node, error, "axes: more than the rank of the input");
    unsigned seen = 0;
    for (int i = 0; i < *count; i++) {
        int64_t axis = n > 0 ? values[i] : i;
        axis += axis < 0 ? rank : 0;
        if (axis < 0 || axis >= rank || seen >> axis & 1)
            return fail(node, error, "axes: out of range, or twice the same");
        axes[i] = (int)axis;
        seen |= 1u << axis;
    }
    return CORTEN_OK;
}

/* What infer and prepare know of the inputs. Arrays have `count` values, or NULL. */
struct values {
    const float *scales;
    const int64_t *sizes;
    const double *roi; /* 2 * count */
};

static ct_status apply_scales(const struct ct_node *node, struct ct_resize *r, const int *axes,
                              int count, const float *scales, corten_error *error)
{
    for (int i = 0; i < count; i++) {
        struct ct_resize_axis *a = &r->axes[axes[i]];
        if (!(scales[i] > 0) || isinf(scales[i]))
            return fail(node, error, "scales: expected numbers above 0");
        double out = floor((double)((float)a->in * scales[i]));
        if (out > (double)(INT64_C(1) << 40))
            return fail(node, error, "scales: the output is too large");
        a->scale = (double)scales[i];
        a->out = (int64_t)out;
    }
    return CORTEN_OK;
}

static ct_status apply_sizes(const struct ct_node *node, struct ct_resize *r, const int *axes,
                             int count, const int64_t *sizes, corten_error *error)
{
    int policy;
    if (!choose(node, "keep_aspect_ratio_policy", policies, &policy))
        return fail(node, error, "keep_aspect_ratio_policy: unknown");
    double common = policy == NOT_LARGER ? (double)INFINITY : 0;
    for (int i = 0; i < count; i++) {
        struct ct_resize_axis *a = &r->axes[axes[i]];
        if (sizes[i] < 0 || sizes[i] > INT64_C(1) << 40)
            return fail(node, error, "sizes: expected 0 to 2^40");
        if (!a->in && sizes[i])
            return fail(node, error, "sizes: an empty axis cannot grow");
        a->out = sizes[i];
        a->scale = a->in ? (double)sizes[i] / (double)a->in : 1;
        common = policy == NOT_LARGER ? fmin(common, a->scale) : fmax(common, a->scale);
    }
    for (int i = 0; i < count && policy != STRETCH; i++) {
        struct ct_resize_axis *a = &r->axes[axes[i]];
        double out = floor(common * (double)a->in + 0.5);
        if (out > (double)(INT64_C(1) << 40))
            return fail(node, error, "sizes: the output is too large");
        a->scale = common;
        a->out = (int64_t)out;
    }
    return CORTEN_OK;
}

static ct_status resolve(const struct ct_node *node, const struct inputs *in, int rank,
                         const int64_t *dims, const struct values *v, struct ct_resize *r,
                         corten_error *error)
{
    int axes[CT_MAX_RANK], count;
    *r = (struct ct_resize){.rank = rank};
    CT_TRY(read_attributes(node, in, r, error));
    CT_TRY(read_axes(node, rank, axes, &count, error));
    for (int i = 0; i < rank; i++)
        r->axes[i] = (struct ct_resize_axis){dims[i], dims[i], 1, 0, 1};
    if (v->scales)
        CT_TRY(apply_scales(node, r, axes, count, v->scales, error));
    else
        CT_TRY(apply_sizes(node, r, axes, count, v->sizes, error));
    for (int i = 0; v->roi && i < count; i++) {
        r->axes[axes[i]].roi_begin = v->roi[i];
        r->axes[axes[i]].roi_end = v->roi[count + i];
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ values of the inputs */

struct storage {
    float scales[CT_MAX_RANK];
    int64_t sizes[CT_MAX_RANK];
    double roi[2 * CT_MAX_RANK];
};

static ct_status check_count(const struct ct_node *node, const struct ct_tensor *t, size_t expected,
                             corten_error *error)
{
    if (ct_count(t) != expected)
        return fail(node, error, "scales, sizes and roi must speak of each of the axes");
    return CORTEN_OK;
}

/* Reads the tensors (NULL: absent), whose data is there. Empty ones count as absent. */
static ct_status read_values(const struct ct_node *node, int count, const struct ct_tensor *scales,
                             const struct ct_tensor *sizes, const struct ct_tensor *roi,
                             struct storage *s, struct values *v, corten_error *error)
{
    if (scales && ct_count(scales)) {
        CT_TRY(check_count(node, scales, (size_t)count, error));
        ct_load_f32(scales->dtype, scales->data, 0, (size_t)count, s->scales);
        v->scales = s->scales;
    }
    if (sizes && ct_count(sizes) && !v->scales) {
        CT_TRY(check_count(node, sizes, (size_t)count, error));
        ct_load_i64(sizes->dtype, sizes->data, 0, (size_t)count, s->sizes);
        v->sizes = s->sizes;
    }
    if (roi && ct_count(roi)) {
        CT_TRY(check_count(node, roi, 2 * (size_t)count, error));
        ct_load_f64(roi->dtype, roi->data, 0, 2 * (size_t)count, s->roi);
        v->roi = s->roi;
    }
    return CORTEN_OK;
}

/* Before version 9 the scales were attributes. */
static ct_status read_attribute_scales(const struct ct_node *node, int rank, struct storage *s,
                                       struct values *v, corten_error *error)
{
    const float *scales;
    int n = ct_attr_floats(node, "scales", &scales);
    if (n >= 0) {
        if (n != rank)
            return fail(node, error, "scales: expected one for each axis");
        memcpy(s->scales, scales, (size_t)n * sizeof *scales);
    } else {
        if (rank != 4)
            return fail(node, error, "expected an input of rank 4");
        s->scales[0] = s->scales[1] = 1;
        s->scales[2] = ct_attr_float(node, "height_scale", 1);
        s->scales[3] = ct_attr_float(node, "width_scale", 1);
    }
    v->scales = s->scales;
    return CORTEN_OK;
}

static const struct ct_fact *fact_at(const struct ct_infer *infer, int i)
{
    return i < 0 ? NULL : ct_infer_in(infer, i);
}

/* A fact that is absent, or empty, or a tensor with data in *tensor. False: not known yet. */
static bool tensor_of(const struct ct_fact *fact, const struct ct_tensor **tensor)
{
    *tensor = fact ? fact->constant : NULL;
    return !fact || fact->constant || (fact->rank == 1 && fact->dims[0] == 0);
}

static ct_status infer_resize(struct ct_infer *infer, const struct inputs *in)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const struct ct_tensor *scales, *sizes, *roi;
    struct storage storage;
    struct values v = {0};
    struct ct_resize r = {0};
    int axes[CT_MAX_RANK], count;
    if (!x)
        return ct_infer_fail(infer, "input 0 must be present");
    ct_infer_set(infer, 0, x->dtype, x->rank, NULL);
    CT_TRY(read_attributes(infer->node, in, &r, infer->error));
    if (r.mode != CT_RESIZE_NEAREST && x->dtype == CORTEN_STRING)
        return ct_infer_fail(infer, "strings can be resized by the nearest mode only");
    if (in->scales >= 0)
        CT_TRY(ct_infer_check_dtype(infer, in->scales, CT_BIT(F32)));
    if (in->sizes >= 0)
        CT_TRY(ct_infer_check_dtype(infer, in->sizes, CT_BIT(I64)));
    if (in->roi >= 0)
        CT_TRY(ct_infer_check_dtype(infer, in->roi, CT_FLOATS));
    if (x->rank < 0)
        return CORTEN_OK;
    CT_TRY(read_axes(infer->node, x->rank, axes, &count, infer->error));
    /* Coordinates are made when preparing, so these must be known then. */
    if (!tensor_of(fact_at(infer, in->scales), &scales) ||
        !tensor_of(fact_at(infer, in->sizes), &sizes) ||
        (!tensor_of(fact_at(infer, in->roi), &roi) && r.coord == CT_COORD_CROP))
        return CORTEN_OK;
    if (in->scales < 0)
        CT_TRY(read_attribute_scales(infer->node, x->rank, &storage, &v, infer->error));
    else
        CT_TRY(read_values(infer->node, count, scales, sizes, r.coord == CT_COORD_CROP ? roi : NULL,
                           &storage, &v, infer->error));
    if (!v.scales && !v.sizes)
        return ct_infer_fail(infer, "one of scales and sizes must be given");
    if (r.coord == CT_COORD_CROP && !v.roi)
        return ct_infer_fail(infer, "tf_crop_and_resize needs a roi");
    ct_dim dims[CT_MAX_RANK];
    bool known = true;
    for (int i = 0; i < x->rank; i++) {
        dims[i] = CT_DIM_UNKNOWN;
        known &= ct_dim_known(x->dims[i]);
    }
    int64_t in_dims[CT_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        in_dims[i] = ct_dim_known(x->dims[i]) ? x->dims[i] : 1;
    CT_TRY(resolve(infer->node, in, x->rank, in_dims, &v, &r, infer->error));
    bool stretch =
        v.scales || ct_attr_is(infer->node, "keep_aspect_ratio_policy", "stretch", "stretch");
    for (int i = 0; i < x->rank; i++) {
        bool one = v.scales && r.axes[i].scale == 1;
        if (ct_dim_known(x->dims[i]) && (known || stretch))
            dims[i] = r.axes[i].out;
        else if (one)
            dims[i] = x->dims[i];
    }
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    return CORTEN_OK;
}

static const struct ct_tensor *data_at(struct ct_prepare *prepare, int i)
{
    if (i < 0 || i >= prepare->n_in || !prepare->in[i] || !prepare->in[i]->data)
        return NULL;
    ct_prepare_not_read(prepare, i);
    return prepare->in[i];
}

static ct_status prepare_resize(struct ct_prepare *prepare, const struct inputs *in)
{
    const struct ct_tensor *x = prepare->in[0];
    struct storage storage;
    struct values v = {0};
    struct ct_resize r;
    int axes[CT_MAX_RANK], count;
    CT_TRY(read_axes(prepare->node, x->rank, axes, &count, prepare->error));
    if (in->scales < 0)
        CT_TRY(read_attribute_scales(prepare->node, x->rank, &storage, &v, prepare->error));
    else
        CT_TRY(read_values(prepare->node, count, data_at(prepare, in->scales),
                           data_at(prepare, in->sizes), data_at(prepare, in->roi), &storage, &v,
                           prepare->error));
    if (!v.scales && !v.sizes)
        return fail(prepare->node, prepare->error, "scales or sizes are not known");
    CT_TRY(resolve(prepare->node, in, x->rank, x->dims, &v, &r, prepare->error));
    return ct_resize_prepare(prepare, &r);
}

/* ------------------------------------------------------------------ versions */

static ct_status infer_11(struct ct_infer *infer)
{
    return infer_resize(infer, &inputs_11);
}

static ct_status prepare_11(struct ct_prepare *prepare)
{
    return prepare_resize(prepare, &inputs_11);
}

static ct_status infer_10(struct ct_infer *infer)
{
    return infer_resize(infer, &inputs_10);
}

static ct_status prepare_10(struct ct_prepare *prepare)
{
    return prepare_resize(prepare, &inputs_10);
}

static ct_status infer_1(struct ct_infer *infer)
{
    return infer_resize(infer, &inputs_none);
}

static ct_status prepare_1(struct ct_prepare *prepare)
{
    return prepare_resize(prepare, &inputs_none);
}

/* prepare always chooses another run; this one stands for it in the tables. */
static ct_status run_unprepared(const struct ct_run *run)
{
    return ct_run_fail(run, "was not prepared");
}

const struct ct_op ct_op_resize_11 = {
    .infer = infer_11,
    .prepare = prepare_11,
    .run = run_unprepared,
    .min_in = 1,
    .max_in = 4,
    .min_out = 1,
};

/* Resize 10, Upsample 9 and 10: scales is input 1. */
const struct ct_op ct_op_resize_10 = {
    .infer = infer_10,
    .prepare = prepare_10,
    .run = run_unprepared,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
};

const struct ct_op ct_op_upsample_1 = {
    .infer = infer_1,
    .prepare = prepare_1,
    .run = run_unprepared,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
