/* Convolution kernels against the reference. */
#include <float.h>

#include "kernels/check_rows.h"
#include "kernels/conv.h"

enum { MAX_TAPS = 25, COLS = 37 };

struct conv_case {
    const struct ct_conv_f32_kernel *kernel;
    enum ct_act act;
    bool residual;
    size_t n_rows, n_cols, n_taps;
};

static void run_depthwise(struct check *check, void *arg)
{
    const struct conv_case *c = arg;
    static const float params[2] = {-0.5f, 0.75f};
    size_t taps[MAX_TAPS], step = c->n_cols + 4, n_out = c->n_rows * c->n_cols;
    for (size_t t = 0; t < c->n_taps; t++)
        taps[t] = t / 5 * step + t % 5;
    float *in = check_alloc_f32(check, (c->n_rows + 4) * step);
    float *weights = check_alloc_f32(check, c->n_taps);
    float *residual = check_alloc_f32(check, n_out);
    float *got = check_alloc_nan(check, n_out), *want = check_alloc_nan(check, n_out);
    struct ct_conv_depthwise_f32_rows rows = {
        .n_rows = c->n_rows,
        .n_cols = c->n_cols,
        .n_taps = c->n_taps,
        .taps = taps,
        .weights = weights,
        .in = in,
        .in_row = step,
        .out = got,
        .out_row = c->n_cols,
        .residual = c->residual ? residual : NULL,
        .bias = 0.25f,
        .act = c->act,
        .act_params = params,
    };
    c->kernel->fn->depthwise(&rows);
    rows.out = want;
    ct_conv_f32_any_ref.depthwise(&rows);
    for (size_t i = 0; i < n_out; i++)
        if (!check_close(check, "out", i, (double)got[i], (double)want[i],
                         (double)(c->n_taps + 20) * 4 * FLT_EPSILON))
            return;
}

struct gather_case {
    const struct ct_conv_f32_kernel *kernel;
    struct ct_conv_gather_f32 gather;
};

static void run_gather(struct check *check, void *arg)
{
    const struct gather_case *c = arg;
    struct ct_conv_gather_f32 g = c->gather;
    size_t inside = g.high - g.low;
    size_t n_out = (g.channels - 1) * g.to_stride + g.n;
    /* Nothing beyond the last element may be read. */
    size_t n = inside ? (g.channels - 1) * g.channel_stride + (inside - 1) * g.step + 1 : 1;
    g.x = check_alloc_f32(check, n);
    float *got = check_alloc_f32(check, n_out), *want = check_alloc_nan(check, n_out);
    for (size_t i = 0; i < n_out; i++)
        want[i] = got[i];
    g.to = got;
    c->kernel->fn->gather(&g);
    g.to = want;
    ct_conv_f32_any_ref.gather(&g);
    for (size_t i = 0; i < n_out; i++)
        if (!check_close(check, "to", i, (double)got[i], (double)want[i], 0))
            return;
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_conv_f32_kernel *kernels = ct_conv_f32_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 400 * check_rounds(check); i++) {
            struct conv_case c = {.kernel = &kernels[k],
                                  .act = (enum ct_act)(i % CT_ACT_COUNT),
                                  .residual = i % 2,
                                  .n_rows = check_random_size(check, 1, 9),
                                  .n_cols = check_random_size(check, 1, 80),
                                  .n_taps = check_random_size(check, 1, MAX_TAPS)};
            check_run(check, run_depthwise, &c, "%s act=%d rows=%zu cols=%zu taps=%zu",
                      kernels[k].name, (int)c.act, c.n_rows, c.n_cols, c.n_taps);
            struct gather_case g = {.kernel = &kernels[k]};
            g.gather.channels = check_random_size(check, 1, 5);
            g.gather.step = check_random_size(check, 1, 3);
            g.gather.n = check_random_size(check, 1, COLS);
            g.gather.low = check_random_size(check, 0, g.gather.n);
            g.gather.high = check_random_size(check, g.gather.low, g.gather.n);
            g.gather.channel_stride = check_random_size(check, 0, 200);
            g.gather.to_stride = g.gather.n + check_random_size(check, 0, 3);
            check_run(check, run_gather, &g, "%s gather n=%zu of %zu to %zu step=%zu",
                      kernels[k].name, g.gather.n, g.gather.low, g.gather.high, g.gather.step);
        }
    }
}

struct bench {
    const struct ct_conv_f32_kernel *kernel;
    struct ct_conv_depthwise_f32_rows rows;
};

static void run_bench(struct check *check, void *arg)
{
    struct bench *bench = arg;
    (void)check;
    bench->kernel->fn->depthwise(&bench->rows);
}

static void bench_kernels(struct check *check)
{
    enum { SIZE = 56, STEP = SIZE + 2 };
    static float in[STEP * STEP], out[SIZE * SIZE], weights[9];
    static const float params[2];
    static const size_t taps[9] = {
        0, 1, 2, STEP, STEP + 1, STEP + 2, 2 * STEP, 2 * STEP + 1, 2 * STEP + 2};
    size_t count;
    const struct ct_conv_f32_kernel *kernels = ct_conv_f32_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        struct bench bench = {.kernel = &kernels[k],
                              .rows = {.n_rows = SIZE,
                                       .n_cols = SIZE,
                                       .n_taps = 9,
                                       .taps = taps,
                                       .weights = weights,
                                       .in = in,
                                       .in_row = STEP,
                                       .out = out,
                                       .out_row = SIZE,
                                       .act_params = params}};
        if (check_wants(check, kernels[k].name, kernels[k].isa))
            check_report_bytes(check, kernels[k].name, "3x3 of 56x56", 8.0 * SIZE * SIZE,
                               check_time(check, run_bench, &bench), 8 * SIZE * SIZE);
    }
}

const struct check_family check_conv = {"conv", check_kernels, bench_kernels};
