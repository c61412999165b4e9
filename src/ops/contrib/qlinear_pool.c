/* QLinearAveragePool, QLinearGlobalAveragePool and QLinearSoftmax. */
#include <string.h>

#include "kernels/softmax.h"
#include "ops/contrib/qlinear.h"
#include "ops/nn/window.h"

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };
enum { CHANNELS = 256 }; /* of an item */

struct pool {
    struct ct_window window;
    int64_t batch, channels, in_plane, out_plane;
    int64_t pixel_stride, channel_stride, out_pixel_stride, out_channel_stride; /* in elements */
    bool include_pad;
};

/* ------------------------------------------------------------------ infer */

/* In the order of dimensions: a model says so. */
static bool channels_last(const struct ct_node *node)
{
    return ct_attr_int(node, "channels_last", 0) != 0;
}

/* In memory only (CT_LAYOUT_NXC): the layout pass sees to it. */
static ct_status check_layout(const struct ct_infer *infer)
{
    for (int i = 0; i < infer->n_in; i++) {
        const struct ct_fact *in = ct_infer_in(infer, i);
        bool fits = i == X && !channels_last(infer->node) ? in->layout != CT_LAYOUT_NCXc16
                                                          : !in || in->layout == CT_LAYOUT_PLAIN;
        if (!fits)
            return ct_infer_fail(infer, "input %d is in a layout that does not fit", i);
    }
    return CORTEN_OK;
}

static ct_status infer_pool(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X);
    int first = channels_last(infer->node) ? 1 : 2;
    struct ct_window window;
    ct_dim dims[CT_MAX_RANK];
    CT_TRY(check_layout(infer));
    CT_TRY(ct_qlinear_check(infer, X_SCALE, X_ZERO, X));
    CT_TRY(ct_qlinear_check(infer, Y_SCALE, Y_ZERO, X));
    CT_TRY(ct_infer_check_rank(infer, X, 3, CT_MAX_RANK));
    ct_infer_set(infer, 0, x->dtype, -1, NULL);
    if (x->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_window_read(infer->node, x->rank - 2, x->dims + first, NULL, &window, infer->error));
    CT_TRY(ct_window_resolve(infer->node, infer, &window, infer->error));
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    for (int i = 0; i < window.n; i++)
        dims[first + i] = window.out[i];
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    if (infer->out[0])
        infer->out[0]->layout = x->layout;
    return CORTEN_OK;
}

/* Of one pixel, the layouts are one: the result is plain. */
static ct_status infer_global(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X);
    int first = channels_last(infer->node) ? 1 : 2;
    ct_dim dims[CT_MAX_RANK];
    CT_TRY(check_layout(infer));
    CT_TRY(ct_qlinear_check(infer, X_SCALE, X_ZERO, X));
    CT_TRY(ct_qlinear_check(infer, Y_SCALE, Y_ZERO, X));
    CT_TRY(ct_infer_check_rank(infer, X, 3, CT_MAX_RANK));
    for (int i = 0; i < x->rank; i++)
        dims[i] = i >= first && i < first + x->rank - 2 ? 1 : x->dims[i];
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    return CORTEN_OK;
}

static ct_status infer_softmax(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X);
    int axis;
    CT_TRY(ct_qlinear_check(infer, X_SCALE, X_ZERO, X));
    CT_TRY(ct_qlinear_check(infer, Y_SCALE, Y_ZERO, X));
    ct_infer_same(infer, 0, X);
    if (x->rank == 0)
        return ct_infer_fail(infer, "the input has no axis");
    return x->rank < 0 ? CORTEN_OK
                       : ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -1), x->rank, &axis);
}

/* ------------------------------------------------------------------ pools */

static void describe(struct pool *p, const struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[X], *y = prepare->out[0];
    bool last = channels_last(prepare->node);
    int first = last ? 1 : 2;
    p->batch = x->dims[0];
    p->channels = x->dims[last ? x->rank - 1 : 1];
    p->in_plane = ct_dims_product(x->dims, first, first + x->rank - 2);
    p->out_plane = ct_dims_product(y->dims, first, first + x->rank - 2);
    last = last || x->layout == CT_LAYOUT_NXC;
    p->pixel_stride = p->out_pixel_stride = last ? p->channels : 1;
    p->channel_stride = last ? 1 : p->in_plane;
    p->out_channel_stride = last ? 1 : p->out_plane;
}

static ct_status prepare_pool(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[X];
    struct pool *p = ct_prepare_alloc(prepare, sizeof *p);
    if (!p)
        return ct_fail_memory(prepare->error, sizeof *p, "an operator's state");
    describe(p, prepare);
    p->include_pad = ct_attr_int(prepare->node, "count_include_pad", 0) != 0;
    const int64_t *in = x->dims + (channels_last(prepare->node) ? 1 : 2);
    CT_TRY(ct_window_read(prepare->node, x->rank - 2, in, NULL, &p->window, prepare->error));
    CT_TRY(ct_window_resolve(prepare->node, NULL, &p->window, prepare->error));
    prepare->state = p;
    return CORTEN_OK;
}

/* The pool whose window is the whole plane. */
static ct_status prepare_global(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[X];
    struct pool *p = ct_prepare_alloc(prepare, sizeof *p);
    if (!p)
        return ct_fail_memory(prepare->error, sizeof *p, "an operator's state");
    describe(p, prepare);
    p->window.n = x->rank - 2;
    for (int i = 0; i < p->window.n; i++) {
        p->window.in[i] = p->window.kernel[i] = x->dims[i + (channels_last(prepare->node) ? 1 : 2)];
        p->window.stride[i] = p->window.dilation[i] = p->window.out[i] = 1;
    }
    prepare->state = p;
    return CORTEN_OK;
}

struct job {
    const struct pool *p;
    const uint8_t *x;
    uint8_t *y;
    struct ct_qlinear from, to;
};

/* What of the window at output `out` lies inside, how many positions that are, and how many in all. */
static void window_ranges(const struct ct_window *w, int64_t out, int64_t *base, int64_t *first,
                          int64_t *end, int64_t *inside, int64_t *all)
{
    *inside = *all = 1;
    for (int i = w->n - 1; i >= 0; i--) {
        int64_t o = out % w->out[i];
        out /= w->out[i];
        base[i] = o * w->stride[i] - w->pad_begin[i];
        ct_window_range(w, i, o, &first[i], &end[i]);
        *inside *= end[i] > first[i] ? end[i] - first[i] : 0;
        *all *= w->kernel[i];
    }
}

static int64_t window_pixel(const struct ct_window *w, const int64_t *base, const int64_t *k)
{
    int64_t pixel = 0;
    for (int i = 0; i < w->n; i++)
        pixel = pixel * w->in[i] + base[i] + k[i] * w->dilation[i];
    return pixel;
}

static void next_position(const struct ct_window *w, const int64_t *first, const int64_t *end,
                          int64_t *k)
{
    for (int i = w->n - 1; i >= 0; i--) {
        if (++k[i] < end[i])
            break;
        k[i] = first[i];
    }
}

/* Sum of the window at output `out` of one plane, and how many elements it counts. */
static int64_t window_sum(const struct job *job, const uint8_t *x, int64_t out, int64_t *inside,
                          int64_t *all)
{
    const struct ct_window *w = &job->p->window;
    int64_t base[CT_WINDOW_MAX_AXES], first[CT_WINDOW_MAX_AXES], end[CT_WINDOW_MAX_AXES];
    int64_t k[CT_WINDOW_MAX_AXES], sum = 0;
    window_ranges(w, out, base, first, end, inside, all);
    memcpy(k, first, sizeof k);
    for (int64_t n = 0; n < *inside; n++) {
        sum += ct_qlinear_int(&job->from, x[window_pixel(w, base, k) * job->p->pixel_stride]);
        next_position(w, first, end, k);
    }
    return sum;
}

static uint8_t mean_byte(const struct job *job, int64_t sum, int64_t inside, int64_t all)
{
    int64_t count = job->p->include_pad ? all : inside;
    float real = job->from.scale * ((float)sum - (float)inside * job->from.zero);
    return ct_qlinear_byte(&job->to, count ? real / (float)count : 0);
}

static void planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct pool *p = job->p;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t n = item / p->channels, c = item % p->channels;
        const uint8_t *x = job->x + n * p->channels * p->in_plane + c * p->channel_stride;
        uint8_t *y = job->y + n * p->channels * p->out_plane + c * p->out_channel_stride;
        for (int64_t o = 0; o < p->out_plane; o++) {
            int64_t inside, all;
            int64_t sum = window_sum(job, x, o, &inside, &all);
            y[o * p->out_pixel_stride] = mean_byte(job, sum, inside, all);
        }
    }
}

/* Channels beside each other: their sums are found together. Items are parts of the channels. */
static void add_pixels(const struct job *job, const uint8_t *x, int64_t out, int64_t n,
                       int32_t *sums, int64_t *inside, int64_t *all)
{
    const struct ct_window *w = &job->p->window;
    int64_t base[CT_WINDOW_MAX_AXES], first[CT_WINDOW_MAX_AXES], end[CT_WINDOW_MAX_AXES];
    int64_t k[CT_WINDOW_MAX_AXES];
    const uint8_t flip = job->from.is_signed ? 0x80 : 0;
    window_ranges(w, out, base, first, end, inside, all);
    memcpy(k, first, sizeof k);
    for (int64_t c = 0; c < n; c++)
        sums[c] = flip ? -128 * (int32_t)*inside : 0;
    for (int64_t i = 0; i < *inside; i++) {
        const uint8_t *pixel = x + window_pixel(w, base, k) * job->p->pixel_stride;
        for (int64_t c = 0; c < n; c++)
            sums[c] += pixel[c] ^ flip;
        next_position(w, first, end, k);
    }
}

static void channels(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct pool *p = job->p;
    int64_t parts = (p->channels + CHANNELS - 1) / CHANNELS;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t image = item / parts, c = item % parts * CHANNELS;
        int64_t n = p->channels - c < CHANNELS ? p->channels - c : CHANNELS;
        const uint8_t *x = job->x + image * p->channels * p->in_plane + c;
        uint8_t *y = job->y + image * p->channels * p->out_plane + c;
        for (int64_t o = 0; o < p->out_plane; o++, y += p->channels) {
            int32_t sums[CHANNELS];
            int64_t inside, all;
            add_pixels(job, x, o, n, sums, &inside, &all);
            for (int64_t i = 0; i < n; i++)
                y[i] = mean_byte(job, sums[i], inside, all);
        }
    }
}

static ct_status run_pool(const struct ct_run *run)
{
    const struct pool *p = run->state;
    struct job job = {
        p, run->in[X]->data, run->out[0]->data,
        ct_qlinear_read(run->in[X_SCALE], run->in[X_ZERO], run->in[X]->dtype),
        ct_qlinear_read(run->in[Y_SCALE], ct_contrib_run_in(run, Y_ZERO), run->in[X]->dtype)};
    double volume = 1;
    for (int i = 0; i < p->window.n; i++)
        volume *= (double)p->window.kernel[i];
    double plane_ns = (double)p->out_plane * (10 + 5 * volume);
    if (!ct_count(run->out[0]))
        return CORTEN_OK;
    /* Sums of int32 hold the bytes of so many positions. */
    if (p->channel_stride == 1 && volume < 1 << 22)
        ct_run_parallel(run, p->batch * ((p->channels + CHANNELS - 1) / CHANNELS),
                        plane_ns * CHANNELS / 10, channels, &job);
    else
        ct_run_parallel(run, p->batch * p->channels, plane_ns, planes, &job);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ softmax */

struct softmax {
    const struct ct_softmax_f32_kernel *kernel;
    int64_t n, inner;
    size_t row_floats;
};

static ct_status prepare_softmax(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[X];
    struct softmax *s = ct_prepare_alloc(prepare, sizeof *s);
    size_t at;
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    int64_t attr = ct_attr_int(prepare->node, "axis", -1);
    int axis = (int)(attr < 0 ? attr + x->rank : attr);
    /* Before version 13 all axes from `axis` on are one. */
    bool flat = ct_attr_int(prepare->node, "opset", 13) < 13;
    s->kernel = ct_softmax_f32_select(ct_cpu_features());
    s->n = flat ? ct_dims_product(x->dims, axis, x->rank) : x->dims[axis];
    s->inner = flat ? 1 : ct_dims_product(x->dims, axis + 1, x->rank);
    s->row_floats = ct_align_up((size_t)s->n, CT_ALIGN / sizeof(float));
    CT_TRY(
        ct_contrib_reserve(prepare, s->row_floats * (size_t)prepare->threads, sizeof(float), &at));
    prepare->state = s;
    return CORTEN_OK;
}

struct softmax_job {
    const struct softmax *s;
    const struct ct_run *run;
    struct ct_qlinear from, to;
};

static void softmax_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct softmax_job *job = arg;
    const struct softmax *s = job->s;
    float *row = (float *)job->run->scratch + s->row_floats * (size_t)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t at = item / s->inner * s->n * s->inner + item % s->inner;
        const uint8_t *x = CT_DATA(const uint8_t, job->run->in[X]) + at;
        uint8_t *y = CT_DATA(uint8_t, job->run->out[0]) + at;
        for (int64_t i = 0; i < s->n; i++)
            row[i] = job->from.scale * (float)ct_qlinear_int(&job->from, x[i * s->inner]);
        s->kernel->fn->softmax(row, row, (size_t)s->n);
        for (int64_t i = 0; i < s->n; i++)
            y[i * s->inner] = ct_qlinear_byte(&job->to, row[i]);
    }
}

static ct_status run_softmax(const struct ct_run *run)
{
    const struct softmax *s = run->state;
    struct softmax_job job = {
        s, run, ct_qlinear_read(run->in[X_SCALE], run->in[X_ZERO], run->in[X]->dtype),
        ct_qlinear_read(run->in[Y_SCALE], run->in[Y_ZERO], run->in[X]->dtype)};
    size_t count = ct_count(run->in[X]);
    if (count)
        ct_run_parallel(run, (int64_t)count / s->n, 20 + 3 * (double)s->n, softmax_rows, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_qlinear_average_pool = {.infer = infer_pool,
                                                 .prepare = prepare_pool,
                                                 .run = run_pool,
                                                 .flags = CT_OP_LAYOUTS,
                                                 .min_in = 1,
                                                 .max_in = 5,
                                                 .min_out = 1};
const struct ct_op ct_op_qlinear_global_average_pool = {.infer = infer_global,
                                                        .prepare = prepare_global,
                                                        .run = run_pool,
                                                        .flags = CT_OP_LAYOUTS,
                                                        .min_in = 5,
                                                        .max_in = 5,
                                                        .min_out = 1};
const struct ct_op ct_op_qlinear_softmax = {.infer = infer_softmax,
                                            .prepare = prepare_softmax,
                                            .run = run_softmax,
                                            .min_in = 1,
                                            .max_in = 5,
                                            .min_out = 1};
