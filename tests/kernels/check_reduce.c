/* Reduction kernels against the reference, which adds in double. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "kernels/check_rows.h"
#include "kernels/reduce.h"

static const char *const names[] = {
#define CT_X(name, start, formula) #name,
    CT_REDUCE_MAP(CT_X)
#undef CT_X
};

struct reduce_case {
    const struct ct_reduce_f32_kernel *kernel;
    enum ct_reduce what;
    bool columns, nan;
    size_t n, rows, stride;
};

static double size_of(const float *x, size_t n, size_t step, bool squares)
{
    double size = 1;
    for (size_t i = 0; i < n; i++) {
        double v = fabs((double)x[i * step]);
        size += isnan(v) ? 0 : squares ? v * v : v;
    }
    return size;
}

static void run_case(struct check *check, void *arg)
{
    const struct reduce_case *c = arg;
    bool squares = c->what == CT_REDUCE_SUM_SQUARE;
    const struct ct_reduce_f32_functions *ref = &ct_reduce_f32_any_ref;
    size_t total = c->columns ? (c->rows - 1) * c->stride + c->n : c->n;
    float *x = check_alloc_f32(check, total);
    if (c->nan)
        x[check_random_size(check, 0, total - 1)] = NAN;
    if (!c->columns) {
        double tolerance = 4096 * FLT_EPSILON * size_of(x, c->n, 1, squares) / 64;
        check_close(check, "row", 0, c->kernel->fn->row(c->what, x, c->n),
                    ref->row(c->what, x, c->n), tolerance);
        return;
    }
    float *got = check_alloc_f32(check, c->n), *want = check_alloc_nan(check, c->n);
    for (size_t j = 0; j < c->n; j++)
        want[j] = got[j];
    c->kernel->fn->columns(c->what, x, c->stride, c->rows, c->n, got);
    ref->columns(c->what, x, c->stride, c->rows, c->n, want);
    for (size_t j = 0; j < c->n; j++) {
        double tolerance =
            (double)c->rows * FLT_EPSILON * size_of(x + j, c->rows, c->stride, squares);
        if (!check_close(check, "column", j, (double)got[j], (double)want[j], tolerance))
            return;
    }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_reduce_f32_kernel *kernels = ct_reduce_f32_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 12 * CHECK_ROW_LENGTHS * check_rounds(check); i++) {
            struct reduce_case c = {.kernel = &kernels[k],
                                    .what = (enum ct_reduce)(i % CT_REDUCE_COUNT),
                                    .columns = i / 6 % 2,
                                    .nan = check_random(check) % 8 == 0,
                                    .n = check_row_length(check, i / 12 % CHECK_ROW_LENGTHS)};
            if (c.columns && c.n > 200)
                c.n %= 200;
            c.n += c.n == 0;
            c.rows = check_random_size(check, 1, 20);
            c.stride = c.n + check_random_size(check, 0, 3);
            check_run(check, run_case, &c, "%s %s %s n=%zu rows=%zu stride=%zu%s", kernels[k].name,
                      names[c.what], c.columns ? "columns" : "row", c.n, c.rows, c.stride,
                      c.nan ? " with NaN" : "");
        }
    }
}

enum { BENCH_N = 4096 };

struct bench {
    const struct ct_reduce_f32_kernel *kernel;
    enum ct_reduce what;
    const float *x;
    double result;
};

static void run_bench(struct check *check, void *arg)
{
    struct bench *bench = arg;
    (void)check;
    bench->result += bench->kernel->fn->row(bench->what, bench->x, BENCH_N);
}

static void bench_kernels(struct check *check)
{
    static float x[BENCH_N];
    size_t count;
    const struct ct_reduce_f32_kernel *kernels = ct_reduce_f32_kernels(&count);
    for (int i = 0; i < BENCH_N; i++)
        x[i] = check_random_f32(check);
    for (size_t k = 0; k < count; k++) {
        struct bench bench = {.kernel = &kernels[k], .x = x};
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int what = 0; what < CT_REDUCE_COUNT; what++) {
            bench.what = (enum ct_reduce)what;
            check_report_bytes(check, kernels[k].name, names[what], 4.0 * BENCH_N,
                               check_time(check, run_bench, &bench), 4 * BENCH_N);
        }
    }
}

const struct check_family check_reduce = {"reduce", check_kernels, bench_kernels};
