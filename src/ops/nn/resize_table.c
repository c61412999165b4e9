/* The formulas of ONNX Resize for one axis. */
#include "ops/nn/resize.h"

#include <math.h>

/* Where output o lies on the axis of the input. */
static double source(const struct ct_resize *r, const struct ct_resize_axis *a, int64_t o)
{
    double in = (double)a->in, out = a->scale * in, x = (double)o;
    switch (r->coord) {
    case CT_COORD_ALIGN_CORNERS: return out == 1 ? 0 : x * (in - 1) / (out - 1);
    case CT_COORD_ASYMMETRIC: return x / a->scale;
    case CT_COORD_CROP: {
        double from = a->roi_begin * (in - 1), size = (a->roi_end - a->roi_begin) * (in - 1);
        return from + (out == 1 ? size / 2 : x * size / (out - 1));
    }
    case CT_COORD_PYTORCH_HALF_PIXEL: return out == 1 ? -0.5 : (x + 0.5) / a->scale - 0.5;
    case CT_COORD_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)a->out / out) + (x + 0.5) / a->scale - 0.5;
    case CT_COORD_HALF_PIXEL: break;
    }
    return (x + 0.5) / a->scale - 0.5;
}

static int64_t clamp(double x, int64_t n)
{
    if (!(x > 0))
        return 0;
    return x > (double)(n - 1) ? n - 1 : (int64_t)x;
}

static double nearest(enum ct_resize_round round, double x)
{
    switch (round) {
    case CT_ROUND_PREFER_CEIL: return floor(x + 0.5);
    case CT_ROUND_FLOOR: return floor(x);
    case CT_ROUND_CEIL: return ceil(x);
    case CT_ROUND_PREFER_FLOOR: break;
    }
    return ceil(x - 0.5);
}

static double cubic(double a, double x)
{
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Widening the filter by this avoids aliasing when the axis shrinks. */
static double filter_scale(const struct ct_resize *r, const struct ct_resize_axis *a)
{
    return r->antialias && a->scale < 1 ? a->scale : 1;
}

static int64_t count_taps(const struct ct_resize *r, const struct ct_resize_axis *a)
{
    if (r->mode == CT_RESIZE_NEAREST)
        return 1;
    double reach = r->mode == CT_RESIZE_LINEAR ? 1 : 2;
    double taps = 2 - 2 * (floor(-reach / filter_scale(r, a)) + 1);
    /* More would only read the same edge elements again. */
    double most = 2 * (double)a->in + 8;
    return taps < most ? (int64_t)taps : (int64_t)most / 2 * 2;
}

/* Weights of the taps, which end at floor(x) + n / 2; of a whole x at x + n / 2 - 1. */
static void fill_taps(const struct ct_resize *r, const struct ct_resize_axis *a, double x,
                      int64_t n, int64_t *index, float *weights)
{
    double left = ceil(x) - 1, scale = filter_scale(r, a), sum = 0;
    double first = left - (double)(n / 2) + 1;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t t = 0; t < n; t++) {
            double at = first + (double)t, d = (at - x) * scale;
            double w = r->mode == CT_RESIZE_CUBIC ? cubic(r->cubic_a, d) : fmax(0, 1 - fabs(d));
            if (r->exclude_outside && (at < 0 || at >= (double)a->in))
                w = 0;
            if (!pass)
                sum += w;
            index[t] = clamp(at, a->in);
            weights[t] = (float)(sum != 0 ? w / sum : w);
        }
}

bool ct_resize_axis_is_copy(const struct ct_resize *r, const struct ct_resize_axis *a)
{
    bool whole = r->coord != CT_COORD_CROP || (a->roi_begin == 0 && a->roi_end == 1);
    return a->in == a->out && fabs(a->scale - 1) <= 1e-9 && whole;
}

ct_status ct_resize_table_init(struct ct_prepare *prepare, const struct ct_resize *r,
                               const struct ct_resize_axis *a, struct ct_resize_table *table)
{
    size_t n = (size_t)count_taps(r, a), elems, bytes;
    bool ok = ct_mul_size(n, (size_t)a->out, &elems) && ct_mul_size(elems, 16, &bytes);
    int64_t *index = ok ? ct_prepare_alloc(prepare, elems * sizeof *index + 1) : NULL;
    float *weights = ok ? ct_prepare_alloc(prepare, elems * sizeof *weights + 1) : NULL;
    uint8_t *outside = ok ? ct_prepare_alloc(prepare, (size_t)a->out + 1) : NULL;
    if (!index || !weights || !outside)
        return ct_fail_memory(prepare->error, ok ? elems * 12 : 0, "coordinates of a Resize");
    bool any = false;
    for (int64_t o = 0; o < a->out && a->in > 0; o++) {
        double x = source(r, a, o);
        if (r->coord == CT_COORD_CROP && (x < 0 || x > (double)(a->in - 1)))
            outside[o] = any = true;
        if (r->mode == CT_RESIZE_NEAREST)
            index[o] = clamp(nearest(r->round, x), a->in);
        else
            fill_taps(r, a, x, (int64_t)n, index + (size_t)o * n, weights + (size_t)o * n);
    }
    *table = (struct ct_resize_table){(int64_t)n, index, weights, any ? outside : NULL};
    return CORTEN_OK;
}
