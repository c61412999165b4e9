/* Softmax kernels against sums and exponentials in double. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "kernels/check_rows.h"
#include "kernels/softmax.h"

struct row_case {
    const struct ct_softmax_f32_kernel *kernel;
    bool log, in_place;
    size_t n;
    float spread;
};

static void run_case(struct check *check, void *arg)
{
    const struct row_case *c = arg;
    float *x = check_alloc_f32(check, c->n), *y = c->in_place ? x : check_alloc_nan(check, c->n);
    double want[2000], below[2000], max = -HUGE_VAL, sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        x[i] *= c->spread;
        max = fmax(max, (double)x[i]);
    }
    for (size_t i = 0; i < c->n; i++) {
        below[i] = max - (double)x[i];
        sum += want[i] = exp(-below[i]);
    }
    for (size_t i = 0; i < c->n; i++)
        want[i] = c->log ? -below[i] - log(sum) : want[i] / sum;
    (c->log ? c->kernel->fn->log_softmax : c->kernel->fn->softmax)(x, y, c->n);
    for (size_t i = 0; i < c->n; i++) {
        /* Numbers that are 0 after exp(x - max) underflows are as good. */
        double size = 1 + below[i], scale = c->log ? size : size * want[i];
        double tolerance = 16 * FLT_EPSILON * (scale + (c->log ? 4 : 0));
        if (!check_close(check, "y", i, (double)y[i], want[i], tolerance + 2 * FLT_MIN))
            return;
    }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_softmax_f32_kernel *kernels = ct_softmax_f32_kernels(&count);
    static const float spreads[] = {1, 30, 0};
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < CHECK_ROW_LENGTHS * check_rounds(check); i++) {
            struct row_case c = {&kernels[k], i % 2, i / 2 % 2,
                                 check_row_length(check, i % CHECK_ROW_LENGTHS), spreads[i % 3]};
            check_run(check, run_case, &c, "%s %s n=%zu spread=%g%s", kernels[k].name,
                      c.log ? "log_softmax" : "softmax", c.n, (double)c.spread,
                      c.in_place ? " in place" : "");
        }
    }
}

enum { BENCH_N = 1024 };

struct bench {
    const struct ct_softmax_f32_kernel *kernel;
    float *x, *y;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *bench = arg;
    (void)check;
    bench->kernel->fn->softmax(bench->x, bench->y, BENCH_N);
}

static void bench_kernels(struct check *check)
{
    static float x[BENCH_N], y[BENCH_N];
    size_t count;
    const struct ct_softmax_f32_kernel *kernels = ct_softmax_f32_kernels(&count);
    for (int i = 0; i < BENCH_N; i++)
        x[i] = 4 * check_random_f32(check);
    for (size_t k = 0; k < count; k++) {
        struct bench bench = {&kernels[k], x, y};
        if (check_wants(check, kernels[k].name, kernels[k].isa))
            check_report_bytes(check, kernels[k].name, "softmax", 8.0 * BENCH_N,
                               check_time(check, run_bench, &bench), 8 * BENCH_N);
    }
}

const struct check_family check_softmax = {"softmax", check_kernels, bench_kernels};
