/* Pools over kernels: each channel is copied once with its padding. */
#include "kernels/pool.h"
#include "ops/nn/padded.h"
#include "ops/nn/pool.h"
#include "ops/widen.h"

#include <math.h>

struct pool_f32 {
    struct ct_pool_shape shape;
    struct ct_padded padded;
    const struct ct_pool_f32_kernel *kernel;
    struct ct_widen widen;
    size_t padded_at;
    const float *scale; /* CT_POOL_AVERAGE: 1 / count for each output of a plane */
};

struct call {
    const struct pool_f32 *state;
    const float *x;
    float *y, *padded;
};

static void raise_to_p(double p, float *x, int64_t n)
{
    if (p == 2)
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] * x[i];
    else if (p == 1)
        for (int64_t i = 0; i < n; i++)
            x[i] = fabsf(x[i]);
    else
        for (int64_t i = 0; i < n; i++)
            x[i] = powf(fabsf(x[i]), (float)p);
}

static void take_root(double p, float *x, int64_t n)
{
    if (p == 1)
        return;
    if (p == 2)
        for (int64_t i = 0; i < n; i++)
            x[i] = sqrtf(x[i]);
    else
        for (int64_t i = 0; i < n; i++)
            x[i] = powf(x[i], (float)(1 / p));
}

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct pool_f32 *s = call->state;
    const struct ct_window *w = &s->padded.window;
    float *memory = call->padded + (int64_t)worker * s->padded.n_elems;
    bool is_max = s->shape.kind == CT_POOL_MAX;
    struct ct_pool_f32_rows rows = {
        .n_rows = (size_t)w->out[1],
        .n_cols = (size_t)w->out[2],
        .n_taps = s->padded.n_taps,
        .taps = s->padded.taps,
        .in_row = (size_t)ct_padded_row_step(&s->padded),
        .out_row = (size_t)w->out[2],
    };
    ct_padded_fill(&s->padded, is_max ? -INFINITY : 0, memory);
    for (int64_t i = begin; i < end; i++) {
        ct_padded_copy(&s->padded, call->x + i * s->shape.in_plane, memory);
        if (s->shape.kind == CT_POOL_LP)
            raise_to_p(s->shape.p, memory, s->padded.n_elems);
        float *y = call->y + i * s->shape.out_plane;
        for (int64_t d = 0; d < w->out[0]; d++) {
            int64_t slice = w->out[1] * w->out[2];
            rows.in = memory + ct_padded_slice(&s->padded, d);
            rows.out = y + d * slice;
            rows.scale = s->scale ? s->scale + d * slice : NULL;
            (is_max ? s->kernel->fn->max : s->kernel->fn->sum)(&rows);
        }
        if (s->shape.kind == CT_POOL_LP)
            take_root(s->shape.p, y, s->shape.out_plane);
    }
}

static ct_status run_f32(const struct ct_run *run)
{
    const struct pool_f32 *s = run->state;
    struct call call = {.state = s, .x = ct_widen_in(&s->widen, run, 0)};
    call.y = ct_widen_out(&s->widen, run, 0);
    call.padded = (float *)((char *)run->scratch + s->padded_at);
    double item_ns = (double)s->shape.in_plane * 0.3 +
                     (double)s->shape.out_plane * (double)s->padded.n_taps * 0.1;
    ct_run_parallel(run, s->shape.planes, item_ns, run_planes, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

static ct_status make_scale(struct pool_f32 *s, struct ct_prepare *prepare)
{
    size_t bytes = (size_t)s->shape.out_plane * sizeof(float);
    float *scale = ct_prepare_alloc(prepare, bytes);
    if (!scale)
        return ct_fail_memory(prepare->error, bytes, "the sizes of windows");
    const struct ct_window *w = &s->shape.window;
    int64_t o[CT_WINDOW_MAX_AXES] = {0};
    for (int64_t i = 0; i < s->shape.out_plane; i++) {
        double count = ct_pool_count(&s->shape, o);
        scale[i] = count > 0 ? (float)(1 / count) : 0;
        for (int a = w->n - 1; a >= 0 && ++o[a] == w->out[a]; a--)
            o[a] = 0;
    }
    s->scale = scale;
    return CORTEN_OK;
}

ct_status ct_pool_prepare_f32(struct ct_prepare *prepare, const struct ct_pool_shape *shape)
{
    struct pool_f32 *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a pool");
    s->shape = *shape;
    s->kernel = ct_pool_f32_select(ct_cpu_features());
    CT_TRY(ct_padded_init(&s->padded, prepare, &shape->window));
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F32, 1, 1));
    if (shape->kind == CT_POOL_AVERAGE)
        CT_TRY(make_scale(s, prepare));
    s->padded_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    prepare->scratch_bytes =
        s->padded_at + (size_t)s->padded.n_elems * sizeof(float) * (size_t)prepare->threads;
    prepare->state = s;
    prepare->run = run_f32;
    prepare->kernel = s->kernel->name;
    return CORTEN_OK;
}
