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
    int64_t left = w->in[axis] - start;
    *first = start >= 0 ? 0 : (-start + d - 1) / d;
    *end = left <= 0 ? 0 : (left + d - 1) / d;
    if (*end > w->kernel[axis])
        *end = w->kernel[axis];
    if (*first > *end)
        *first = *end;
}

/* Pixels [*first, *end) of a row have all columns of their windows inside. */
static void find_inner(const struct ct_blocked_window *w, int64_t *first, int64_t *end)
{
    int64_t s = w->stride[1], reach = (w->kernel[1] - 1) * w->dilation[1];
    int64_t room = w->in[1] - 1 + w->pad[1] - reach;
    *first = (w->pad[1] + s - 1) / s;
    *end = room < 0 ? 0 : room / s + 1;
    if (*end > w->out[1])
        *end = w->out[1];
    if (*first > *end)
        *first = *end = 0;
}

/* `n` pixels from `pixel` on, whose windows have the same columns inside. `row` has what the row of
 * pixels has in common. */
static void run_pixels(const struct ct_blocked_conv *c, const struct ct_conv_blocked_depthwise *row,
                       int64_t pixel, int64_t n)
{
    const struct ct_blocked_window *w = &c->window;
    struct ct_conv_blocked_depthwise r = *row;
    int64_t first, end;
    find_inside(w, 1, pixel, &first, &end);
    int64_t col = pixel * w->stride[1] - w->pad[1] + first * w->dilation[1];
    r.pixels = (size_t)n;
    r.kernel_cols = (size_t)(end - first);
    r.x += first < end ? col * CT_CONV_BLOCK : 0;
    r.w += first * CT_CONV_BLOCK;
    r.y += pixel * CT_CONV_BLOCK;
    r.residual = r.residual ? r.residual + pixel * CT_CONV_BLOCK : NULL;
    c->kernel->fn->depthwise(&r);
}

/* Items: `chunk` rows of a block of channels. */
static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_blocked_conv *c = call->conv;
    const struct ct_blocked_window *w = &c->window;
    int64_t blocks = ct_blocks(c->oc), taps = w->kernel[0] * w->kernel[1], inner, outer;
    find_inner(w, &inner, &outer);
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t plane = i / c->chunks, block = plane % blocks;
        int64_t first = i % c->chunks * c->chunk;
        int64_t last = first + c->chunk < w->out[0] ? first + c->chunk : w->out[0];
        const float *x = call->x + plane * w->in[0] * w->in[1] * CT_CONV_BLOCK;
        for (int64_t row = first; row < last; row++) {
            int64_t at = (plane * w->out[0] + row) * w->out[1] * CT_CONV_BLOCK, top, bottom;
            find_inside(w, 0, row, &top, &bottom);
            int64_t x_row = row * w->stride[0] - w->pad[0] + top * w->dilation[0];
            struct ct_conv_blocked_depthwise r = {
                .kernel_rows = (size_t)(bottom - top),
                .x = x + (top < bottom ? x_row * w->in[1] * CT_CONV_BLOCK : 0),
                .x_pixel = (size_t)(w->stride[1] * CT_CONV_BLOCK),
                .x_row = (size_t)(w->dilation[0] * w->in[1] * CT_CONV_BLOCK),
                .x_col = (size_t)(w->dilation[1] * CT_CONV_BLOCK),
                .w = c->w + (block * taps + top * w->kernel[1]) * CT_CONV_BLOCK,
                .w_row = (size_t)(w->kernel[1] * CT_CONV_BLOCK),
                .bias = c->bias ? c->bias + block * CT_CONV_BLOCK : NULL,
                .residual = call->residual ? call->residual + at : NULL,
                .y = call->y + at,
                .post = &c->post,
            };
            for (int64_t p = 0; p < inner; p++)
                run_pixels(c, &r, p, 1);
            if (inner < outer)
                run_pixels(c, &r, inner, outer - inner);
            for (int64_t p = outer; p < w->out[1]; p++)
                run_pixels(c, &r, p, 1);
        }
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
