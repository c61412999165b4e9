/* Depthwise convolution: each channel by itself, a vector of them at once. */
#include "ops/blocked/blocked.h"

struct call {
    const struct ct_blocked_conv *conv;
    const float *x, *residual;
    float *y;
};

/* Positions [*first, *end) of the window along an axis lie inside for output o. */
static void find_inside(const struct ct_blocked_window *w, int axis, int64_t o, int64_t *first,
                        int64_t *end)
{
    int64_t start = o * w->stride[axis] - w->pad[axis], d = w->dilation[axis];
    int64_t left = w->in[axis] - start, n = w->kernel[axis];
    if (start >= 0 && left > (n - 1) * d) { /* nearly always: without divisions */
        *first = 0;
        *end = n;
        return;
    }
    *first = start >= 0 ? 0 : (-start + d - 1) / d;
    *end = left <= 0 ? 0 : (left + d - 1) / d;
    if (*end > n)
        *end = n;
    if (*first > *end)
        *first = *end;
}

/* Outputs [*first, *end) along an axis have their whole windows inside. */
static void find_inner(const struct ct_blocked_window *w, int axis, int64_t *first, int64_t *end)
{
    int64_t s = w->stride[axis], reach = (w->kernel[axis] - 1) * w->dilation[axis];
    int64_t room = w->in[axis] - 1 + w->pad[axis] - reach;
    *first = (w->pad[axis] + s - 1) / s;
    *end = room < 0 ? 0 : room / s + 1;
    if (*end > w->out[axis])
        *end = w->out[axis];
    if (*first > *end)
        *first = *end = 0;
}

/* `n` outputs of a plane from (row, col) on, along an axis, whose windows have the same part
 * inside. */
static void run_pixels(const struct call *call, int64_t plane, int64_t row, int64_t col, int axis,
                       int64_t n)
{
    const struct ct_blocked_conv *c = call->conv;
    const struct ct_blocked_window *w = &c->window;
    int64_t block = plane % ct_blocks(c->oc), in_row = w->in[1] * CT_CONV_BLOCK;
    int64_t y = ((plane * w->out[0] + row) * w->out[1] + col) * CT_CONV_BLOCK;
    int64_t top, bottom, left, right;
    find_inside(w, 0, row, &top, &bottom);
    find_inside(w, 1, col, &left, &right);
    int64_t x_row = row * w->stride[0] - w->pad[0] + top * w->dilation[0];
    int64_t x_col = col * w->stride[1] - w->pad[1] + left * w->dilation[1];
    struct ct_conv_blocked_depthwise r = {
        .pixels = (size_t)n,
        .kernel_rows = (size_t)(bottom - top),
        .kernel_cols = (size_t)(right - left),
        .x = call->x + plane * w->in[0] * in_row,
        .x_pixel = (size_t)(axis ? w->stride[1] * CT_CONV_BLOCK : w->stride[0] * in_row),
        .x_row = (size_t)(w->dilation[0] * in_row),
        .x_col = (size_t)(w->dilation[1] * CT_CONV_BLOCK),
        .w = c->w + ((block * w->kernel[0] + top) * w->kernel[1] + left) * CT_CONV_BLOCK,
        .w_row = (size_t)(w->kernel[1] * CT_CONV_BLOCK),
        .bias = c->bias ? c->bias + block * CT_CONV_BLOCK : NULL,
        .residual = call->residual ? call->residual + y : NULL,
        .y = call->y + y,
        .y_pixel = (size_t)(axis ? CT_CONV_BLOCK : w->out[1] * CT_CONV_BLOCK),
        .post = &c->post,
    };
    if (top < bottom && left < right)
        r.x += x_row * in_row + x_col * CT_CONV_BLOCK;
    c->kernel->fn->depthwise(&r);
}

/* Rows [first, last) of column `col`, at the left or right border: those between `inner` and
 * `outer` are computed at once. */
static void run_border(const struct call *call, int64_t plane, int64_t col, int64_t first,
                       int64_t last, int64_t inner, int64_t outer)
{
    for (int64_t row = first; row < inner; row++)
        run_pixels(call, plane, row, col, 1, 1);
    if (inner < outer)
        run_pixels(call, plane, inner, col, 0, outer - inner);
    for (int64_t row = outer; row < last; row++)
        run_pixels(call, plane, row, col, 1, 1);
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* Items: `chunk` rows of a block of channels. */
static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_blocked_conv *c = call->conv;
    const struct ct_blocked_window *w = &c->window;
    int64_t inner[2], outer[2];
    for (int axis = 0; axis < 2; axis++)
        find_inner(w, axis, &inner[axis], &outer[axis]);
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t plane = i / c->chunks, first = i % c->chunks * c->chunk;
        int64_t last = first + c->chunk < w->out[0] ? first + c->chunk : w->out[0];
        int64_t from = clamp(inner[0], first, last), to = clamp(outer[0], first, last);
        for (int64_t col = 0; col < inner[1]; col++)
            run_border(call, plane, col, first, last, from, to);
        for (int64_t row = first; row < last && inner[1] < outer[1]; row++)
            run_pixels(call, plane, row, inner[1], 1, outer[1] - inner[1]);
        for (int64_t col = outer[1]; col < w->out[1]; col++)
            run_border(call, plane, col, first, last, from, to);
    }
}

static ct_status run_depthwise(const struct ct_run *run)
{
    const struct ct_blocked_conv *c = run->state;
    struct call call = {
        .conv = c,
        .x = run->in[0]->data,
        .residual = c->has_residual ? run->in[3]->data : NULL,
        .y = run->out[0]->data,
    };
    ct_run_parallel(run, c->batch * ct_blocks(c->oc) * c->chunks, c->item_ns, run_items, &call);
    return CORTEN_OK;
}

ct_status ct_blocked_conv_depthwise(struct ct_prepare *prepare, struct ct_blocked_conv *c)
{
    enum { ROWS = 8 };
    const struct ct_blocked_window *w = &c->window;
    prepare->run = run_depthwise;
    if (!w->out[0] || !w->out[1])
        return CORTEN_OK;
    c->chunk = w->out[0] < ROWS ? w->out[0] : ROWS;
    c->chunks = (w->out[0] + c->chunk - 1) / c->chunk;
    c->item_ns = (double)(c->chunk * w->out[1]) * (2 + 0.3 * (double)(w->kernel[0] * w->kernel[1]));
    return CORTEN_OK;
}
