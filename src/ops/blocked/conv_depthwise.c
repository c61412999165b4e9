/* Depthwise convolution: each channel by itself, a vector of them at once. */
#include "ops/blocked/blocked.h"

enum {
    WIDE = 32,            /* rows from this length on are read in place but for their ends */
    SLAB_BYTES = 24 << 10 /* of a shorter image that is copied with its padding */
};

struct call {
    const struct ct_blocked_conv *conv;
    const float *x, *residual;
    float *y, *patches;
};

/* Pixels [*first, *end) of a row have all their inputs inside. */
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

/* An end of a row, through a small copy with zeros outside. */
static void run_end(const struct ct_blocked_conv *c, const float *plane, int64_t row, int64_t first,
                    int64_t end, struct ct_conv_blocked_depthwise *r, float *patch)
{
    const struct ct_blocked_window *w = &c->window;
    enum { MOST = 8 };
    float *y = r->y;
    const float *residual = r->residual;
    for (int64_t p = first; p < end; p += MOST) {
        int64_t n = end - p < MOST ? end - p : MOST;
        int64_t cols = (n - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
        ct_blocked_patch(w, plane, row * w->stride[0] - w->pad[0], w->kernel[0], w->dilation[0],
                         p * w->stride[1] - w->pad[1], cols, patch);
        r->pixels = (size_t)n;
        r->x = patch;
        r->x_row = (size_t)(cols * CT_CONV_BLOCK);
        r->y = y + p * CT_CONV_BLOCK;
        r->residual = residual ? residual + p * CT_CONV_BLOCK : NULL;
        c->kernel->fn->depthwise(r);
    }
    r->y = y;
    r->residual = residual;
}

static void run_wide_row(const struct ct_blocked_conv *c, const float *plane, int64_t row,
                         struct ct_conv_blocked_depthwise *r, float *patch)
{
    const struct ct_blocked_window *w = &c->window;
    int64_t first, end, top = row * w->stride[0] - w->pad[0];
    int64_t bottom = top + (w->kernel[0] - 1) * w->dilation[0];
    find_inner(w, &first, &end);
    if (top < 0 || bottom >= w->in[0])
        first = end = 0;
    run_end(c, plane, row, 0, first, r, patch);
    run_end(c, plane, row, end, w->out[1], r, patch);
    if (first == end)
        return;
    r->pixels = (size_t)(end - first);
    r->x = plane + (top * w->in[1] + first * w->stride[1] - w->pad[1]) * CT_CONV_BLOCK;
    r->x_row = (size_t)(w->dilation[0] * w->in[1] * CT_CONV_BLOCK);
    r->y += first * CT_CONV_BLOCK;
    r->residual = r->residual ? r->residual + first * CT_CONV_BLOCK : NULL;
    c->kernel->fn->depthwise(r);
}

/* Items: `chunk` rows of a block of channels. */
static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_blocked_conv *c = call->conv;
    const struct ct_blocked_window *w = &c->window;
    float *patch = call->patches + worker * c->patch_elems;
    int64_t blocks = ct_blocks(c->oc), in_plane = w->in[0] * w->in[1];
    int64_t out_plane = w->out[0] * w->out[1], taps = w->kernel[0] * w->kernel[1];
    int64_t slab_cols = (w->out[1] - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    bool wide = w->out[1] >= WIDE;
    for (int64_t i = begin; i < end; i++) {
        int64_t plane = i / c->chunks, block = plane % blocks;
        int64_t first = i % c->chunks * c->chunk;
        int64_t last = first + c->chunk < w->out[0] ? first + c->chunk : w->out[0];
        const float *x = call->x + plane * in_plane * CT_CONV_BLOCK;
        if (!wide)
            ct_blocked_patch(w, x, first * w->stride[0] - w->pad[0],
                             (last - first - 1) * w->stride[0] +
                                 (w->kernel[0] - 1) * w->dilation[0] + 1,
                             1, -w->pad[1], slab_cols, patch);
        for (int64_t row = first; row < last; row++) {
            int64_t at = (plane * out_plane + row * w->out[1]) * CT_CONV_BLOCK;
            struct ct_conv_blocked_depthwise r = {
                .pixels = (size_t)w->out[1],
                .kernel_rows = (size_t)w->kernel[0],
                .kernel_cols = (size_t)w->kernel[1],
                .x = patch + (row - first) * w->stride[0] * slab_cols * CT_CONV_BLOCK,
                .x_pixel = (size_t)(w->stride[1] * CT_CONV_BLOCK),
                .x_row = (size_t)(w->dilation[0] * slab_cols * CT_CONV_BLOCK),
                .x_col = (size_t)(w->dilation[1] * CT_CONV_BLOCK),
                .w = c->w + block * taps * CT_CONV_BLOCK,
                .bias = c->bias ? c->bias + block * CT_CONV_BLOCK : NULL,
                .residual = call->residual ? call->residual + at : NULL,
                .y = call->y + at,
                .post = &c->post,
            };
            if (wide)
                run_wide_row(c, x, row, &r, patch);
            else
                c->kernel->fn->depthwise(&r);
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
        .patches = run->scratch,
    };
    ct_run_parallel(run, c->batch * ct_blocks(c->oc) * c->chunks, c->item_ns, run_items, &call);
    return CORTEN_OK;
}

ct_status ct_blocked_conv_depthwise(struct ct_prepare *prepare, struct ct_blocked_conv *c)
{
    const struct ct_blocked_window *w = &c->window;
    int64_t reach = (w->kernel[0] - 1) * w->dilation[0] + 1;
    int64_t cols = (w->out[1] - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    int64_t pixel_bytes = CT_CONV_BLOCK * (int64_t)sizeof(float);
    prepare->run = run_depthwise;
    if (!w->out[0] || !w->out[1])
        return CORTEN_OK;
    if (w->out[1] >= WIDE) {
        c->chunk = w->out[0] < 8 ? w->out[0] : 8;
        cols = 7 * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
        c->patch_elems = w->kernel[0] * cols * CT_CONV_BLOCK;
    } else {
        int64_t rows = SLAB_BYTES / pixel_bytes / cols;
        c->chunk = rows <= reach ? 1 : (rows - reach) / w->stride[0] + 1;
        c->chunk = c->chunk > w->out[0] ? w->out[0] : c->chunk;
        c->patch_elems = ((c->chunk - 1) * w->stride[0] + reach) * cols * CT_CONV_BLOCK;
    }
    c->chunks = (w->out[0] + c->chunk - 1) / c->chunk;
    c->item_ns =
        (double)(c->chunk * w->out[1]) * (4 + 0.35 * (double)(w->kernel[0] * w->kernel[1]));
    prepare->scratch_bytes = (size_t)c->patch_elems * sizeof(float) * (size_t)prepare->threads;
    return CORTEN_OK;
}
