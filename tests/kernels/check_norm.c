/* Normalisation kernels against the formula in double. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/check_rows.h"
#include "kernels/norm.h"

struct row_case {
    const struct ct_norm_f32_kernel *kernel;
    bool rms, scale, bias, add, add_bias, sum, in_place;
    size_t n;
};

static void run_case(struct check *check, void *arg)
{
    const struct row_case *c = arg;
    size_t n = c->n;
    float *x = check_alloc_f32(check, n);
    struct ct_norm_f32_row row = {.n = n,
                                  .x = x,
                                  .add = c->add ? check_alloc_f32(check, n) : NULL,
                                  .add_bias = c->add_bias ? check_alloc_f32(check, n) : NULL,
                                  .scale = c->scale ? check_alloc_f32(check, n) : NULL,
                                  .bias = c->bias ? check_alloc_f32(check, n) : NULL,
                                  .sum = c->sum ? check_alloc_nan(check, n) : NULL,
                                  .y = c->in_place ? x : check_alloc_nan(check, n),
                                  .epsilon = 1e-3f};
    double v[2000], mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] = (double)x[i] + (row.add ? (double)row.add[i] : 0) +
               (row.add_bias ? (double)row.add_bias[i] : 0);
        mean += v[i] / (double)n;
    }
    if (c->rms)
        mean = 0;
    for (size_t i = 0; i < n; i++)
        squares += (v[i] - mean) * (v[i] - mean);
    double inv_std = 1 / sqrt(squares / (double)n + 1e-3);
    (c->rms ? c->kernel->fn->rms : c->kernel->fn->layer)(&row);
    check_close(check, "inv_std", 0, (double)row.inv_std, inv_std, 1e-5 * inv_std);
    if (!c->rms)
        check_close(check, "mean", 0, (double)row.mean, mean, 1e-6);
    for (size_t i = 0; i < n; i++) {
        double want = (v[i] - mean) * inv_std * (row.scale ? (double)row.scale[i] : 1) +
                      (row.bias ? (double)row.bias[i] : 0);
        double tolerance = 1e-5 * (fabs(want) + fabs(v[i] * inv_std) + 1);
        if (!check_close(check, "y", i, (double)row.y[i], want, tolerance) ||
            (row.sum && !check_close(check, "sum", i, (double)row.sum[i], v[i], 1e-6)))
            return;
    }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_norm_f32_kernel *kernels = ct_norm_f32_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 2 * CHECK_ROW_LENGTHS * check_rounds(check); i++) {
            uint32_t bits = check_random(check);
            struct row_case c = {
                &kernels[k], i % 2,     bits & 1,
                bits & 2,    bits & 4,  bits & 8,
                bits & 16,   bits & 32, check_row_length(check, i / 2 % CHECK_ROW_LENGTHS)};
            check_run(check, run_case, &c, "%s %s n=%zu options=%u", kernels[k].name,
                      c.rms ? "rms" : "layer", c.n, bits & 63u);
        }
    }
}

enum { BENCH_N = 768 };

struct bench {
    const struct ct_norm_f32_kernel *kernel;
    struct ct_norm_f32_row row;
};

static void run_bench(struct check *check, void *arg)
{
    struct bench *bench = arg;
    (void)check;
    bench->kernel->fn->layer(&bench->row);
}

static void bench_kernels(struct check *check)
{
    static float x[BENCH_N], y[BENCH_N], scale[BENCH_N], bias[BENCH_N];
    size_t count;
    const struct ct_norm_f32_kernel *kernels = ct_norm_f32_kernels(&count);
    for (int i = 0; i < BENCH_N; i++)
        x[i] = check_random_f32(check);
    for (size_t k = 0; k < count; k++) {
        struct bench bench = {&kernels[k],
                              {.n = BENCH_N, .x = x, .y = y, .scale = scale, .bias = bias}};
        if (check_wants(check, kernels[k].name, kernels[k].isa))
            check_report_bytes(check, kernels[k].name, "layer", 16.0 * BENCH_N,
                               check_time(check, run_bench, &bench), 16 * BENCH_N);
    }
}

const struct check_family check_norm = {"norm", check_kernels, bench_kernels};
