/* Pooling kernels against the reference. */
#include <float.h>
#include <math.h>

#include "kernels/check_rows.h"
#include "kernels/pool.h"

enum { MAX_TAPS = 25 };

struct pool_case {
    const struct ct_pool_f32_kernel *kernel;
    bool is_max, scale, nan;
    size_t n_rows, n_cols, n_taps;
};

static void run_case(struct check *check, void *arg)
{
    const struct pool_case *c = arg;
    size_t taps[MAX_TAPS], step = c->n_cols + 4, n_out = c->n_rows * c->n_cols;
    size_t n_in = (c->n_rows + 4) * step;
    for (size_t t = 0; t < c->n_taps; t++)
        taps[t] = t / 5 * step + t % 5;
    float *in = check_alloc_f32(check, n_in), *scale = check_alloc_f32(check, n_out);
    float *got = check_alloc_nan(check, n_out), *want = check_alloc_nan(check, n_out);
    if (c->nan)
        in[check_random_size(check, 0, n_in - 1)] = NAN;
    struct ct_pool_f32_rows rows = {
        .n_rows = c->n_rows,
        .n_cols = c->n_cols,
        .n_taps = c->n_taps,
        .taps = taps,
        .in = in,
        .in_row = step,
        .out = got,
        .out_row = c->n_cols,
        .scale = c->scale ? scale : NULL,
    };
    (c->is_max ? c->kernel->fn->max : c->kernel->fn->sum)(&rows);
    rows.out = want;
    (c->is_max ? ct_pool_f32_ref.max : ct_pool_f32_ref.sum)(&rows);
    for (size_t i = 0; i < n_out; i++)
        if (!check_close(check, "out", i, (double)got[i], (double)want[i],
                         c->is_max ? 0 : (double)c->n_taps * 4 * FLT_EPSILON))
            return;
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_pool_f32_kernel *kernels = ct_pool_f32_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 400 * check_rounds(check); i++) {
            struct pool_case c = {.kernel = &kernels[k],
                                  .is_max = i % 2,
                                  .scale = i / 2 % 2,
                                  .nan = check_random(check) % 4 == 0,
                                  .n_rows = check_random_size(check, 1, 9),
                                  .n_cols = check_random_size(check, 1, 80),
                                  .n_taps = check_random_size(check, 1, MAX_TAPS)};
            check_run(check, run_case, &c, "%s %s rows=%zu cols=%zu taps=%zu", kernels[k].name,
                      c.is_max ? "max" : "sum", c.n_rows, c.n_cols, c.n_taps);
        }
    }
}

struct bench {
    const struct ct_pool_f32_kernel *kernel;
    struct ct_pool_f32_rows rows;
};

static void run_bench(struct check *check, void *arg)
{
    struct bench *bench = arg;
    (void)check;
    bench->kernel->fn->max(&bench->rows);
}

static void bench_kernels(struct check *check)
{
    enum { SIZE = 56, STEP = SIZE + 2 };
    static float in[STEP * STEP], out[SIZE * SIZE];
    static const size_t taps[9] = {
        0, 1, 2, STEP, STEP + 1, STEP + 2, 2 * STEP, 2 * STEP + 1, 2 * STEP + 2};
    size_t count;
    const struct ct_pool_f32_kernel *kernels = ct_pool_f32_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        struct bench bench = {.kernel = &kernels[k],
                              .rows = {.n_rows = SIZE,
                                       .n_cols = SIZE,
                                       .n_taps = 9,
                                       .taps = taps,
                                       .in = in,
                                       .in_row = STEP,
                                       .out = out,
                                       .out_row = SIZE}};
        if (check_wants(check, kernels[k].name, kernels[k].isa))
            check_report_bytes(check, kernels[k].name, "3x3 of 56x56", 8.0 * SIZE * SIZE,
                               check_time(check, run_bench, &bench), 8 * SIZE * SIZE);
    }
}

const struct check_family check_pool = {"pool", check_kernels, bench_kernels};
