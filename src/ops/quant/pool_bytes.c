/* ChannelsLastMaxPool of ai.corten: MaxPool of bytes in the layout CT_LAYOUT_NXC. */
#include <string.h>

#include "kernels/quant.h"
#include "ops/nn/window.h"

enum { TAPS = 64 }; /* at a time */

struct pool {
    const struct ct_quant_kernel *kernel;
    struct ct_window window;
    int64_t images, channels;
    uint8_t flip; /* XORed to bytes, they compare as unsigned ones */
};

struct call {
    const struct pool *state;
    const uint8_t *x;
    uint8_t *y;
};

static ct_status infer_pool(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 4, 4));
    if (x && x->layout != CT_LAYOUT_NXC)
        return ct_infer_fail(infer, "the input must have its channels last");
    CT_TRY(ct_window_infer_pool(infer));
    if (infer->out[0])
        infer->out[0]->layout = CT_LAYOUT_NXC;
    return CORTEN_OK;
}

/* The least number of the type where the window is all padding. */
static void run_pixel(const struct pool *s, const uint8_t *x, int64_t row, int64_t col, uint8_t *y)
{
    const struct ct_window *w = &s->window;
    int64_t first[2], end[2], at[2] = {row, col}, start[2];
    const uint8_t *taps[TAPS];
    size_t n_taps = 0;
    for (int i = 0; i < 2; i++) {
        ct_window_range(w, i, at[i], &first[i], &end[i]);
        start[i] = at[i] * w->stride[i] - w->pad_begin[i];
    }
    memset(y, s->flip, (size_t)s->channels);
    for (int64_t i = first[0]; i < end[0]; i++)
        for (int64_t j = first[1]; j < end[1]; j++) {
            int64_t pixel =
                (start[0] + i * w->dilation[0]) * w->in[1] + start[1] + j * w->dilation[1];
            if (n_taps == TAPS) {
                s->kernel->fn->max((size_t)s->channels, taps, n_taps, s->flip, y);
                taps[0] = y;
                n_taps = 1;
            }
            taps[n_taps++] = x + pixel * s->channels;
        }
    if (n_taps)
        s->kernel->fn->max((size_t)s->channels, taps, n_taps, s->flip, y);
}

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct pool *s = call->state;
    const struct ct_window *w = &s->window;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const uint8_t *x = call->x + i / w->out[0] * w->in[0] * w->in[1] * s->channels;
        uint8_t *y = call->y + i * w->out[1] * s->channels;
        for (int64_t col = 0; col < w->out[1]; col++)
            run_pixel(s, x, i % w->out[0], col, y + col * s->channels);
    }
}

static ct_status run_pool(const struct ct_run *run)
{
    const struct pool *s = run->state;
    const struct ct_window *w = &s->window;
    struct call call = {s, run->in[0]->data, run->out[0]->data};
    double row_ns = (double)(w->out[1] * s->channels * w->kernel[0] * w->kernel[1]) * 0.1;
    ct_run_parallel(run, s->images * w->out[0], row_ns, run_rows, &call);
    return CORTEN_OK;
}

static ct_status prepare_pool(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct pool *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    CT_TRY(ct_window_read(prepare->node, 2, x->dims + 2, NULL, &s->window, prepare->error));
    CT_TRY(ct_window_resolve(prepare->node, NULL, &s->window, prepare->error));
    s->kernel = ct_quant_select(ct_cpu_features());
    prepare->kernel = s->kernel->name;
    s->images = x->dims[0];
    s->channels = x->dims[1];
    s->flip = x->dtype == CORTEN_I8 ? 0x80 : 0;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_max_pool_last = {
    .infer = infer_pool,
    .prepare = prepare_pool,
    .run = run_pool,
    .flags = CT_OP_LAYOUTS,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
