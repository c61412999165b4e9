/* BlockedMaxPool, BlockedAveragePool and BlockedGlobalAveragePool. */
#include "ops/blocked/blocked.h"

struct pool {
    const struct ct_conv_blocked_kernel *kernel;
    bool average, include_pad;
    int64_t planes; /* images * blocks */
    struct ct_window window;
};

struct call {
    const struct pool *state;
    const float *x;
    float *y;
};

static ct_status infer_pool(struct ct_infer *infer)
{
    CT_TRY(ct_blocked_check(infer, 0, CT_LAYOUT_NCXc16));
    CT_TRY(ct_window_infer_pool(infer));
    ct_blocked_set_layout(infer);
    return CORTEN_OK;
}

/* Positions of the window along an axis, those on the padding too. */
static int64_t count_axis(const struct ct_window *w, int axis, int64_t o)
{
    int64_t d = w->dilation[axis];
    int64_t left = w->in[axis] + w->pad_begin[axis] + w->pad_end[axis] - o * w->stride[axis];
    int64_t n = left <= 0 ? 0 : (left + d - 1) / d;
    return n < w->kernel[axis] ? n : w->kernel[axis];
}

static void run_pixel(const struct pool *s, const float *x, int64_t row, int64_t col, float *y)
{
    const struct ct_window *w = &s->window;
    int64_t first[2], end[2], at[2] = {row, col}, start[2];
    for (int i = 0; i < 2; i++) {
        ct_window_range(w, i, at[i], &first[i], &end[i]);
        if (end[i] < first[i])
            end[i] = first[i];
        start[i] = at[i] * w->stride[i] - w->pad_begin[i] + first[i] * w->dilation[i];
    }
    int64_t rows = end[0] - first[0], cols = end[1] - first[1], count = rows * cols;
    if (s->include_pad)
        count = count_axis(w, 0, row) * count_axis(w, 1, col);
    if (!rows || !cols) {
        for (int k = 0; k < CT_CONV_BLOCK; k++)
            y[k] = s->average ? 0 : -__builtin_inff();
        return;
    }
    struct ct_conv_blocked_window window = {
        .rows = (size_t)rows,
        .cols = (size_t)cols,
        .x = x + (start[0] * w->in[1] + start[1]) * CT_CONV_BLOCK,
        .x_row = (size_t)(w->dilation[0] * w->in[1] * CT_CONV_BLOCK),
        .x_col = (size_t)(w->dilation[1] * CT_CONV_BLOCK),
        .scale = 1 / (float)count,
        .y = y,
    };
    (s->average ? s->kernel->fn->average : s->kernel->fn->max)(&window);
}

/* Items are rows of a block of channels. */
static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct pool *s = call->state;
    const struct ct_window *w = &s->window;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t plane = i / w->out[0], row = i % w->out[0];
        const float *x = call->x + plane * w->in[0] * w->in[1] * CT_CONV_BLOCK;
        float *y = call->y + i * w->out[1] * CT_CONV_BLOCK;
        for (int64_t col = 0; col < w->out[1]; col++)
            run_pixel(s, x, row, col, y + col * CT_CONV_BLOCK);
    }
}

static ct_status run_pool(const struct ct_run *run)
{
    const struct pool *s = run->state;
    struct call call = {s, run->in[0]->data, run->out[0]->data};
    const struct ct_window *w = &s->window;
    double pixel_ns = 8 + (double)(w->kernel[0] * w->kernel[1]);
    ct_run_parallel(run, s->planes * w->out[0], pixel_ns * (double)w->out[1], run_rows, &call);
    return CORTEN_OK;
}

static ct_status prepare_pool(struct ct_prepare *prepare, bool average)
{
    const struct ct_tensor *x = prepare->in[0];
    struct pool *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    CT_TRY(ct_window_read(prepare->node, 2, x->dims + 2, NULL, &s->window, prepare->error));
    CT_TRY(ct_window_resolve(prepare->node, NULL, &s->window, prepare->error));
    s->kernel = ct_conv_blocked_f32_select(ct_cpu_features());
    s->average = average;
    s->include_pad = average && ct_attr_int(prepare->node, "count_include_pad", 0) != 0;
    s->planes = x->dims[0] * ct_blocks(x->dims[1]);
    prepare->state = s;
    prepare->kernel = s->kernel->name;
    return CORTEN_OK;
}

static ct_status prepare_max(struct ct_prepare *prepare)
{
    return prepare_pool(prepare, false);
}

static ct_status prepare_average(struct ct_prepare *prepare)
{
    return prepare_pool(prepare, true);
}

const struct ct_op ct_op_blocked_max_pool = {
    .infer = infer_pool,
    .prepare = prepare_max,
    .run = run_pool,
    .flags = CT_OP_LAYOUTS,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_blocked_average_pool = {
    .infer = infer_pool,
    .prepare = prepare_average,
    .run = run_pool,
    .flags = CT_OP_LAYOUTS,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

/* ------------------------------------------------------------------ global */

static ct_status infer_global(struct ct_infer *infer)
{
    CT_TRY(ct_blocked_check(infer, 0, CT_LAYOUT_NCXc16));
    const struct ct_fact *x = ct_infer_in(infer, 0);
    ct_dim dims[4] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN, 1, 1};
    for (int i = 0; i < 2 && x->rank == 4; i++)
        dims[i] = x->dims[i];
    for (int i = 2; i < 4 && x->rank == 4; i++)
        if (ct_dim_known(x->dims[i]) && x->dims[i] < 1)
            return ct_infer_fail(infer, "axis %d of the input is empty", i);
    ct_infer_set(infer, 0, CORTEN_F32, 4, dims);
    ct_blocked_set_layout(infer);
    return CORTEN_OK;
}

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct pool *s = call->state;
    int64_t rows = s->window.in[0], cols = s->window.in[1];
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        struct ct_conv_blocked_window window = {
            .rows = (size_t)rows,
            .cols = (size_t)cols,
            .x = call->x + i * rows * cols * CT_CONV_BLOCK,
            .x_row = (size_t)(cols * CT_CONV_BLOCK),
            .x_col = CT_CONV_BLOCK,
            .scale = 1 / (float)(rows * cols),
            .y = call->y + i * CT_CONV_BLOCK,
        };
        s->kernel->fn->average(&window);
    }
}

static ct_status run_global(const struct ct_run *run)
{
    const struct pool *s = run->state;
    struct call call = {s, run->in[0]->data, run->out[0]->data};
    ct_run_parallel(run, s->planes, 1.5 * (double)(s->window.in[0] * s->window.in[1]), run_planes,
                    &call);
    return CORTEN_OK;
}

static ct_status prepare_global(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct pool *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    s->kernel = ct_conv_blocked_f32_select(ct_cpu_features());
    s->planes = x->dims[0] * ct_blocks(x->dims[1]);
    s->window.in[0] = x->dims[2];
    s->window.in[1] = x->dims[3];
    prepare->state = s;
    prepare->kernel = s->kernel->name;
    return CORTEN_OK;
}

const struct ct_op ct_op_blocked_global_average_pool = {
    .infer = infer_global,
    .prepare = prepare_global,
    .run = run_global,
    .flags = CT_OP_LAYOUTS,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
