/* Depthwise convolution: each filter sees one channel, which is copied once with its padding. */
#include "kernels/conv.h"
#include "ops/nn/conv.h"
#include "ops/nn/padded.h"
#include "ops/widen.h"

struct conv_depthwise {
    struct ct_conv_f32 conv;
    struct ct_padded padded;
    const struct ct_conv_f32_kernel *kernel;
    struct ct_widen widen;
    size_t padded_at;
};

struct call {
    const struct conv_depthwise *state;
    const float *x, *w, *bias, *residual;
    float *y, *padded;
};

bool ct_conv_fits_depthwise(const struct ct_conv_f32 *conv)
{
    const struct ct_conv_shape *s = &conv->shape;
    return s->ic == 1 && s->groups > 1 && ct_padded_fits(&s->window);
}

static void run_filter(const struct call *call, int64_t image, int64_t filter, const float *in)
{
    const struct conv_depthwise *s = call->state;
    const struct ct_window *w = &s->padded.window;
    int64_t filters = s->conv.shape.groups * s->conv.shape.oc;
    int64_t slice = w->out[1] * w->out[2];
    struct ct_conv_depthwise_f32_rows rows = {
        .n_rows = (size_t)w->out[1],
        .n_cols = (size_t)w->out[2],
        .n_taps = s->padded.n_taps,
        .taps = s->padded.taps,
        .weights = call->w + filter * (int64_t)s->padded.n_taps,
        .in_row = (size_t)ct_padded_row_step(&s->padded),
        .out_row = (size_t)w->out[2],
        .bias = call->bias ? call->bias[filter] : 0,
        .act = s->conv.post.act,
        .act_params = s->conv.post.act_params,
    };
    for (int64_t d = 0; d < w->out[0]; d++) {
        int64_t at = (image * filters + filter) * s->conv.shape.out_plane + d * slice;
        rows.in = in + ct_padded_slice(&s->padded, d);
        rows.out = call->y + at;
        rows.residual = call->residual ? call->residual + at : NULL;
        s->kernel->fn->depthwise(&rows);
    }
}

static void run_channels(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct conv_depthwise *s = call->state;
    float *memory = call->padded + (int64_t)worker * s->padded.n_elems;
    ct_padded_fill(&s->padded, 0, memory);
    for (int64_t i = begin; i < end; i++) {
        int64_t channel = i % s->conv.shape.groups, image = i / s->conv.shape.groups;
        ct_padded_copy(&s->padded, call->x + i * s->conv.shape.in_plane, memory);
        for (int64_t f = 0; f < s->conv.shape.oc; f++)
            run_filter(call, image, channel * s->conv.shape.oc + f, memory);
    }
}

static ct_status run_depthwise(const struct ct_run *run)
{
    const struct conv_depthwise *s = run->state;
    const struct ct_conv_shape *shape = &s->conv.shape;
    struct call call = {.state = s};
    call.x = ct_widen_in(&s->widen, run, 0);
    call.w = ct_widen_in(&s->widen, run, 1);
    call.bias = ct_widen_in(&s->widen, run, 2);
    call.residual = ct_widen_in(&s->widen, run, 3);
    call.y = ct_widen_out(&s->widen, run, 0);
    call.padded = (float *)((char *)run->scratch + s->padded_at);
    double item_ns = (double)shape->in_plane * 0.3 +
                     (double)(shape->out_plane * shape->oc) * (double)s->padded.n_taps * 0.05;
    ct_run_parallel(run, shape->batch * shape->groups, item_ns, run_channels, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

ct_status ct_conv_prepare_depthwise(struct ct_prepare *prepare, const struct ct_conv_f32 *conv)
{
    struct conv_depthwise *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a convolution");
    s->conv = *conv;
    s->kernel = ct_conv_f32_select(ct_cpu_features());
    CT_TRY(ct_padded_init(&s->padded, prepare, &conv->shape.window));
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F32, 0xF, 1));
    s->padded_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    prepare->scratch_bytes =
        s->padded_at + (size_t)s->padded.n_elems * sizeof(float) * (size_t)prepare->threads;
    prepare->state = s;
    prepare->run = run_depthwise;
    prepare->kernel = s->kernel->name;
    return CORTEN_OK;
}
