/* GridSample: reads images at places that a grid gives, from -1 to 1 along each axis, the last axis
 * first. Any number of spatial axes. */
#include "ops/widen.h"

#include <math.h>
#include <string.h>

enum grid_mode { NEAREST, LINEAR, CUBIC };
enum grid_padding { ZEROS, BORDER, REFLECTION };
enum { MAX_AXES = CT_MAX_RANK - 2, MAX_TAPS = 4096 };

struct grid_sample {
    enum grid_mode mode;
    enum grid_padding padding;
    bool align_corners;
    int n;
    int64_t batch, channels, positions, plane, in[MAX_AXES];
    int64_t taps_per_axis, n_taps;
    int64_t parts;     /* 2 for complex numbers */
    size_t elem_bytes; /* nearest: elements are moved as they are */
    struct ct_widen widen;
    size_t taps_at; /* in scratch: for each worker n_taps of index and weight */
};

struct tap {
    int64_t index; /* -1: outside, a zero */
    double weight;
};

struct call {
    const struct grid_sample *state;
    const void *x, *grid;
    void *y;
    char *taps;
};

/* ------------------------------------------------------------------ places */

static double reflect(double x, double low, double high)
{
    double range = high - low;
    if (!(range > 0))
        return low;
    if (x >= low && x <= high)
        return x;
    double d = x < low ? low - x : x - high;
    double turns = floor(d / range), rest = d - turns * range;
    bool even = fmod(turns, 2) == 0;
    return (x < low) == even ? low + rest : high - rest;
}

static double clamp(double x, int64_t n)
{
    return x > 0 ? fmin(x, (double)(n - 1)) : 0;
}

/* Element of an axis for a whole place, -1 outside. */
static int64_t element(const struct grid_sample *s, double x, int64_t n)
{
    if (s->padding == BORDER)
        x = clamp(x, n);
    else if (s->padding == REFLECTION)
        x = clamp(trunc(s->align_corners ? reflect(x, 0, (double)n - 1)
                                         : reflect(x, -0.5, (double)n - 0.5)),
                  n);
    return x >= 0 && x < (double)n ? (int64_t)x : -1;
}

static double locate(const struct grid_sample *s, double g, int64_t n)
{
    double size = (double)n;
    double x = s->align_corners ? (g + 1) / 2 * (size - 1) : ((g + 1) * size - 1) / 2;
    double low = s->align_corners ? 0 : -0.5, high = s->align_corners ? size - 1 : size - 0.5;
    /* Places that are no numbers, or beyond counting, are outside. */
    if (!(fabs(x) < 1e15))
        x = isnan(x) || x < 0 ? -1e15 : 1e15;
    if (s->mode == NEAREST)
        x = rint(x);
    /* The cubic filter takes its elements from the padding one by one. */
    if ((x >= low && x <= high) || s->mode == CUBIC)
        return x;
    if (s->padding == BORDER)
        return clamp(x, n);
    return s->padding == REFLECTION ? reflect(x, low, high) : x;
}

static double cubic(double x)
{
    const double a = -0.75;
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

/* Elements and weights of one axis. */
static void axis_taps(const struct grid_sample *s, double x, int64_t n, struct tap *taps)
{
    double low = floor(x), f = x - low;
    if (s->mode == NEAREST) {
        taps[0] = (struct tap){element(s, x, n), 1};
    } else if (s->mode == LINEAR) {
        taps[0] = (struct tap){element(s, low, n), 1 - f};
        taps[1] = (struct tap){element(s, low + 1, n), f};
    } else {
        for (int i = 0; i < 4; i++)
            taps[i] = (struct tap){element(s, low - 1 + i, n), cubic(f + 1 - i)};
    }
}

/* The product of the axes. */
static void all_taps(const struct grid_sample *s, const double *place, struct tap *taps)
{
    int64_t count = 1;
    taps[0] = (struct tap){0, 1};
    for (int i = 0; i < s->n; i++) {
        struct tap axis[4];
        double x = locate(s, place[s->n - 1 - i], s->in[i]);
        axis_taps(s, x, s->in[i], axis);
        /* From the end, so that no entry is written before it has been read. */
        for (int64_t t = count - 1; t >= 0; t--) {
            struct tap old = taps[t];
            for (int64_t a = s->taps_per_axis - 1; a >= 0; a--) {
                bool inside = old.index >= 0 && axis[a].index >= 0;
                taps[t * s->taps_per_axis + a] =
                    (struct tap){inside ? old.index * s->in[i] + axis[a].index : -1,
                                 old.weight * axis[a].weight};
            }
        }
        count *= s->taps_per_axis;
    }
}

/* ------------------------------------------------------------------ run */

static double read(const struct grid_sample *s, const void *x, int64_t i)
{
    return s->widen.dtype == CORTEN_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

static void write_channel(const struct call *c, const struct tap *taps, int64_t plane, int64_t to)
{
    const struct grid_sample *s = c->state;
    if (s->mode == NEAREST) {
        char *y = (char *)c->y + (size_t)to * s->elem_bytes;
        if (taps[0].index < 0)
            memset(y, 0, s->elem_bytes);
        else
            memcpy(y,
                   (const char *)c->x + (size_t)(plane * s->plane + taps[0].index) * s->elem_bytes,
                   s->elem_bytes);
        return;
    }
    for (int64_t part = 0; part < s->parts; part++) {
        double sum = 0;
        for (int64_t t = 0; t < s->n_taps; t++)
            if (taps[t].index >= 0)
                sum += taps[t].weight *
                       read(s, c->x, (plane * s->plane + taps[t].index) * s->parts + part);
        if (s->widen.dtype == CORTEN_F64)
            ((double *)c->y)[to * s->parts + part] = sum;
        else
            ((float *)c->y)[to * s->parts + part] = (float)sum;
    }
}

static void run_positions(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct grid_sample *s = c->state;
    struct tap *taps = (struct tap *)(void *)c->taps + worker * s->n_taps;
    bool f64 = s->widen.dtype == CORTEN_F64;
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / s->positions, position = i % s->positions;
        double place[MAX_AXES];
        for (int a = 0; a < s->n; a++)
            place[a] = f64 ? ((const double *)c->grid)[i * s->n + a]
                           : (double)((const float *)c->grid)[i * s->n + a];
        all_taps(s, place, taps);
        for (int64_t ch = 0; ch < s->channels; ch++) {
            int64_t plane = image * s->channels + ch;
            write_channel(c, taps, plane, plane * s->positions + position);
        }
    }
}

static ct_status run_grid(const struct ct_run *run)
{
    const struct grid_sample *s = run->state;
    bool plain = s->mode == NEAREST || s->parts == 2;
    struct call call = {s, plain ? run->in[0]->data : ct_widen_in(&s->widen, run, 0),
                        ct_widen_in(&s->widen, run, 1),
                        plain ? run->out[0]->data : ct_widen_out(&s->widen, run, 0),
                        (char *)run->scratch + s->taps_at};
    ct_run_parallel(run, s->batch * s->positions, (double)(s->n_taps * (s->channels + 4)) * 2 + 20,
                    run_positions, &call);
    if (!plain)
        ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare and infer */

static bool read_mode(const struct ct_node *node, enum grid_mode *mode)
{
    bool nearest = ct_attr_is(node, "mode", "nearest", "linear");
    bool linear = ct_attr_is(node, "mode", "linear", "linear") ||
                  ct_attr_is(node, "mode", "bilinear", "linear");
    bool is_cubic = ct_attr_is(node, "mode", "cubic", "linear") ||
                    ct_attr_is(node, "mode", "bicubic", "linear");
    *mode = nearest ? NEAREST : is_cubic ? CUBIC : LINEAR;
    return nearest || linear || is_cubic;
}

static bool read_padding(const struct ct_node *node, enum grid_padding *padding)
{
    bool zeros = ct_attr_is(node, "padding_mode", "zeros", "zeros");
    bool border = ct_attr_is(node, "padding_mode", "border", "zeros");
    bool reflection = ct_attr_is(node, "padding_mode", "reflection", "zeros");
    *padding = border ? BORDER : reflection ? REFLECTION : ZEROS;
    return zeros || border || reflection;
}

static int64_t taps_of(enum grid_mode mode, int n, int64_t *per_axis)
{
    int64_t count = 1;
    *per_axis = mode == NEAREST ? 1 : mode == LINEAR ? 2 : 4;
    for (int i = 0; i < n && count <= MAX_TAPS; i++)
        count *= *per_axis;
    return count;
}

static ct_status infer_grid(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *grid = ct_infer_in(infer, 1);
    enum grid_mode mode;
    enum grid_padding padding;
    int64_t per_axis;
    if (!x || !grid)
        return ct_infer_fail(infer, "input and grid must be present");
    if (!read_mode(infer->node, &mode))
        return ct_infer_fail(infer, "mode: expected nearest, linear or cubic");
    if (!read_padding(infer->node, &padding))
        return ct_infer_fail(infer, "padding_mode: expected zeros, border or reflection");
    if (mode != NEAREST && x->dtype == CORTEN_STRING)
        return ct_infer_fail(infer, "strings can be sampled by the nearest mode only");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_FLOATS));
    CT_TRY(ct_infer_check_rank(infer, 0, 3, -1));
    CT_TRY(ct_infer_check_rank(infer, 1, 3, -1));
    ct_infer_set(infer, 0, x->dtype, x->rank, NULL);
    if (x->rank < 0 || grid->rank < 0)
        return CORTEN_OK;
    int n = x->rank - 2;
    if (grid->rank != x->rank)
        return ct_infer_fail(infer, "input has rank %d and grid rank %d, expected the same",
                             x->rank, grid->rank);
    if (taps_of(mode, n, &per_axis) > MAX_TAPS)
        return ct_infer_fail(infer, "too many axes to interpolate between: %d", n);
    if (ct_dim_known(grid->dims[n + 1]) && grid->dims[n + 1] != n)
        return ct_infer_fail(infer, "the last axis of the grid has %lld elements, expected %d",
                             (long long)grid->dims[n + 1], n);
    if (ct_dim_known(grid->dims[0]) && ct_dim_known(x->dims[0]) && grid->dims[0] != x->dims[0])
        return ct_infer_fail(infer, "the grid is for %lld images, expected %lld",
                             (long long)grid->dims[0], (long long)x->dims[0]);
    ct_dim dims[CT_MAX_RANK] = {x->dims[0], x->dims[1]};
    for (int i = 0; i < n; i++)
        dims[2 + i] = grid->dims[1 + i];
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    return CORTEN_OK;
}

static ct_status prepare_grid(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0], *grid = prepare->in[1];
    struct grid_sample *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a GridSample");
    read_mode(prepare->node, &s->mode);
    read_padding(prepare->node, &s->padding);
    s->align_corners = ct_attr_int(prepare->node, "align_corners", 0) != 0;
    s->n = x->rank - 2;
    s->batch = x->dims[0];
    s->channels = x->dims[1];
    s->plane = 1;
    for (int i = 0; i < s->n; i++) {
        s->in[i] = x->dims[2 + i];
        s->plane *= s->in[i];
    }
    s->positions = ct_dims_product(grid->dims, 1, grid->rank - 1);
    s->n_taps = taps_of(s->mode, s->n, &s->taps_per_axis);
    s->elem_bytes = ct_dtype_elem_bytes(x->dtype);
    s->parts = ct_dtype_in(x->dtype, CT_COMPLEX) ? 2 : 1;
    ct_dtype wide = ct_widen_dtype(x->dtype);
    if (x->dtype == CORTEN_C128 || grid->dtype == CORTEN_F64)
        wide = x->dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64;
    bool plain = s->mode == NEAREST || s->parts == 2;
    CT_TRY(ct_widen_init(&s->widen, prepare, wide, plain ? 2 : 3, plain ? 0 : 1));
    s->taps_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    prepare->scratch_bytes =
        s->taps_at + (size_t)s->n_taps * sizeof(struct tap) * (size_t)prepare->threads;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_grid_sample = {
    .infer = infer_grid,
    .prepare = prepare_grid,
    .run = run_grid,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
};
