/* MaxRoiPool and RoiAlign: regions of an image brought to one size. Computed in double. */
#include "ops/widen.h"

#include <math.h>

struct roi_pool {
    int64_t n_rois, channels, height, width, batch, out_h, out_w;
    double spatial_scale;
    int64_t sampling_ratio;
    bool half_pixel, is_max;
    struct ct_widen widen;
};

struct call {
    const struct roi_pool *state;
    const double *x, *rois;
    const int64_t *batches;
    double *y;
};

/* The most samples along an axis of a bin; beyond that a region is not one of an image. */
enum { MAX_GRID = 1 << 14 };

/* Batch and corners are usable numbers. */
static ct_status check_rois(const struct ct_run *run, const struct call *c, int columns)
{
    const struct roi_pool *s = c->state;
    for (int64_t i = 0; i < s->n_rois; i++) {
        double batch = columns == 5 ? c->rois[i * 5] : (double)c->batches[i];
        if (!(batch >= 0 && batch < (double)s->batch))
            return ct_run_fail(run, "region %lld is of image %g, there are %lld", (long long)i,
                               batch, (long long)s->batch);
        for (int j = columns - 4; j < columns; j++)
            if (!(fabs(c->rois[i * columns + j] * s->spatial_scale) < 1e9))
                return ct_run_fail(run, "region %lld has a corner at %g", (long long)i,
                                   c->rois[i * columns + j]);
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ RoiAlign */

/* An element on an axis between two; false: outside. */
static bool locate(double at, int64_t n, int64_t *low, int64_t *high, double *fraction)
{
    if (at < -1 || at > (double)n)
        return false;
    at = at > 0 ? at : 0;
    *low = (int64_t)at;
    if (*low >= n - 1) {
        *low = *high = n - 1;
        *fraction = 0;
    } else {
        *high = *low + 1;
        *fraction = at - (double)*low;
    }
    return true;
}

/* Of a maximum, each neighbour counts by itself, times its weight. */
static void add_sample(const struct roi_pool *s, const double *x, double y_at, double x_at,
                       double *result)
{
    int64_t y0, y1, x0, x1;
    double fy, fx, v[4] = {0};
    if (locate(y_at, s->height, &y0, &y1, &fy) && locate(x_at, s->width, &x0, &x1, &fx)) {
        v[0] = (1 - fy) * (1 - fx) * x[y0 * s->width + x0];
        v[1] = (1 - fy) * fx * x[y0 * s->width + x1];
        v[2] = fy * (1 - fx) * x[y1 * s->width + x0];
        v[3] = fy * fx * x[y1 * s->width + x1];
    }
    if (s->is_max)
        *result = fmax(*result, fmax(fmax(v[0], v[1]), fmax(v[2], v[3])));
    else
        *result += v[0] + v[1] + v[2] + v[3];
}

static int64_t grid_size(const struct roi_pool *s, double size, int64_t bins)
{
    double n = s->sampling_ratio > 0 ? (double)s->sampling_ratio : ceil(size / (double)bins);
    return n > MAX_GRID ? MAX_GRID : n > 0 ? (int64_t)n : 0;
}

static void align(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct roi_pool *s = c->state;
    double shift = s->half_pixel ? 0.5 : 0;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t roi = item / s->channels, channel = item % s->channels;
        const double *r = c->rois + roi * 4;
        const double *x = c->x + (c->batches[roi] * s->channels + channel) * s->height * s->width;
        double x0 = r[0] * s->spatial_scale - shift, y0 = r[1] * s->spatial_scale - shift;
        double w = r[2] * s->spatial_scale - shift - x0, h = r[3] * s->spatial_scale - shift - y0;
        if (!s->half_pixel) {
            w = fmax(w, 1);
            h = fmax(h, 1);
        }
        double bin_h = h / (double)s->out_h, bin_w = w / (double)s->out_w;
        int64_t ny = grid_size(s, h, s->out_h), nx = grid_size(s, w, s->out_w);
        double count = (double)(ny * nx > 0 ? ny * nx : 1);
        for (int64_t o = 0; o < s->out_h * s->out_w; o++) {
            double result = s->is_max && ny * nx > 0 ? (double)-INFINITY : 0;
            double oy = y0 + (double)(o / s->out_w) * bin_h;
            double ox = x0 + (double)(o % s->out_w) * bin_w;
            for (int64_t g = 0; g < ny * nx; g++)
                add_sample(s, x, oy + ((double)(g / nx) + 0.5) * bin_h / (double)ny,
                           ox + ((double)(g % nx) + 0.5) * bin_w / (double)nx, &result);
            c->y[item * s->out_h * s->out_w + o] = s->is_max ? result : result / count;
        }
    }
}

static ct_status run_align(const struct ct_run *run)
{
    const struct roi_pool *s = run->state;
    struct call call = {s, ct_widen_in(&s->widen, run, 0), ct_widen_in(&s->widen, run, 1),
                        run->in[2]->data, ct_widen_out(&s->widen, run, 0)};
    CT_TRY(check_rois(run, &call, 4));
    ct_run_parallel(run, s->n_rois * s->channels, (double)(s->out_h * s->out_w) * 100, align,
                    &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ MaxRoiPool */

static int64_t clip(double x, int64_t n)
{
    return x < 0 ? 0 : x > (double)n ? n : (int64_t)x;
}

static void pool(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct roi_pool *s = c->state;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t roi = item / s->channels, channel = item % s->channels;
        const double *r = c->rois + roi * 5;
        const double *x = c->x + ((int64_t)r[0] * s->channels + channel) * s->height * s->width;
        double x0 = round(r[1] * s->spatial_scale), y0 = round(r[2] * s->spatial_scale);
        double w = fmax(round(r[3] * s->spatial_scale) - x0 + 1, 1) / (double)s->out_w;
        double h = fmax(round(r[4] * s->spatial_scale) - y0 + 1, 1) / (double)s->out_h;
        for (int64_t o = 0; o < s->out_h * s->out_w; o++) {
            double oy = (double)(o / s->out_w), ox = (double)(o % s->out_w);
            int64_t top = clip(floor(oy * h) + y0, s->height);
            int64_t bottom = clip(ceil((oy + 1) * h) + y0, s->height);
            int64_t left = clip(floor(ox * w) + x0, s->width);
            int64_t right = clip(ceil((ox + 1) * w) + x0, s->width);
            double max = top < bottom && left < right ? (double)-INFINITY : 0;
            for (int64_t i = top; i < bottom; i++)
                for (int64_t j = left; j < right; j++)
                    max = fmax(max, x[i * s->width + j]);
            c->y[item * s->out_h * s->out_w + o] = max;
        }
    }
}

static ct_status run_pool(const struct ct_run *run)
{
    const struct roi_pool *s = run->state;
    struct call call = {s, ct_widen_in(&s->widen, run, 0), ct_widen_in(&s->widen, run, 1), NULL,
                        ct_widen_out(&s->widen, run, 0)};
    CT_TRY(check_rois(run, &call, 5));
    ct_run_parallel(run, s->n_rois * s->channels, (double)(s->out_h * s->out_w) * 20, pool, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ shapes */

enum { MAX_POOLED = 1 << 20 };

static ct_status infer_rois(struct ct_infer *infer, int columns, int64_t h, int64_t w)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *rois = ct_infer_in(infer, 1);
    if (!x || !rois)
        return ct_infer_fail(infer, "input and regions must be present");
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 4, 4));
    CT_TRY(ct_infer_check_rank(infer, 1, 2, 2));
    if (h < 1 || w < 1 || h > MAX_POOLED || w > MAX_POOLED)
        return ct_infer_fail(infer, "output size: found %lld x %lld, expected 1 to 2^20",
                             (long long)h, (long long)w);
    if (rois->rank == 2 && ct_dim_known(rois->dims[1]) && rois->dims[1] != columns)
        return ct_infer_fail(infer, "regions have %lld columns, expected %d",
                             (long long)rois->dims[1], columns);
    ct_dim dims[4] = {rois->rank == 2 ? rois->dims[0] : CT_DIM_UNKNOWN,
                      x->rank == 4 ? x->dims[1] : CT_DIM_UNKNOWN, h, w};
    ct_infer_set(infer, 0, x->dtype, 4, dims);
    return CORTEN_OK;
}

static ct_status infer_align(struct ct_infer *infer)
{
    const struct ct_fact *rois = ct_infer_in(infer, 1), *batches = ct_infer_in(infer, 2);
    if (!ct_attr_is(infer->node, "mode", "avg", "avg") &&
        !ct_attr_is(infer->node, "mode", "max", "avg"))
        return ct_infer_fail(infer, "mode: expected avg or max");
    CT_TRY(infer_rois(infer, 4, ct_attr_int(infer->node, "output_height", 1),
                      ct_attr_int(infer->node, "output_width", 1)));
    CT_TRY(ct_infer_check_dtype(infer, 2, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 2, 1, 1));
    if (!batches)
        return ct_infer_fail(infer, "batch_indices must be present");
    if (batches->rank == 1 && rois->rank == 2 && ct_dim_known(batches->dims[0]) &&
        ct_dim_known(rois->dims[0]) && batches->dims[0] != rois->dims[0])
        return ct_infer_fail(infer, "batch_indices has %lld elements for %lld regions",
                             (long long)batches->dims[0], (long long)rois->dims[0]);
    return CORTEN_OK;
}

static ct_status infer_pool(struct ct_infer *infer)
{
    const int64_t *shape;
    if (ct_attr_ints(infer->node, "pooled_shape", &shape) != 2)
        return ct_infer_fail(infer, "pooled_shape: expected two numbers");
    return infer_rois(infer, 5, shape[0], shape[1]);
}

static ct_status prepare_rois(struct ct_prepare *prepare, struct roi_pool **state)
{
    const struct ct_tensor *x = prepare->in[0], *y = prepare->out[0];
    struct roi_pool *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a pool");
    s->batch = x->dims[0];
    s->channels = x->dims[1];
    s->height = x->dims[2];
    s->width = x->dims[3];
    s->n_rois = y->dims[0];
    s->out_h = y->dims[2];
    s->out_w = y->dims[3];
    s->spatial_scale = (double)ct_attr_float(prepare->node, "spatial_scale", 1);
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F64, 3, 1));
    /* Nothing can be read from an empty image. */
    if (!s->height || !s->width)
        return ct_fail(prepare->error, CORTEN_INVALID_ARGUMENT, "regions of an empty image");
    prepare->state = s;
    *state = s;
    return CORTEN_OK;
}

static ct_status prepare_pool(struct ct_prepare *prepare)
{
    struct roi_pool *s;
    return prepare_rois(prepare, &s);
}

static ct_status prepare_align(struct ct_prepare *prepare, bool half_pixel)
{
    struct roi_pool *s;
    CT_TRY(prepare_rois(prepare, &s));
    s->half_pixel = half_pixel;
    s->is_max = ct_attr_is(prepare->node, "mode", "max", "avg");
    s->sampling_ratio = ct_attr_int(prepare->node, "sampling_ratio", 0);
    return CORTEN_OK;
}

static ct_status prepare_align_10(struct ct_prepare *prepare)
{
    return prepare_align(prepare, false);
}

static ct_status prepare_align_16(struct ct_prepare *prepare)
{
    return prepare_align(prepare, ct_attr_is(prepare->node, "coordinate_transformation_mode",
                                             "half_pixel", "half_pixel"));
}

const struct ct_op ct_op_max_roi_pool = {
    .infer = infer_pool,
    .prepare = prepare_pool,
    .run = run_pool,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
};

const struct ct_op ct_op_roi_align_10 = {
    .infer = infer_align,
    .prepare = prepare_align_10,
    .run = run_align,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
};

const struct ct_op ct_op_roi_align_16 = {
    .infer = infer_align,
    .prepare = prepare_align_16,
    .run = run_align,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
};
