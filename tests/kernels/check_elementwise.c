/* Elementwise kernels over float against the plain C ones: every operation, lengths around the
 * vector widths, both kinds of steps, in place, and the special numbers. */
#include <math.h>
#include <string.h>

#include "kernels/corten_kernels.h"
#include "kernels/elementwise.h"

/* What an operation may differ by: units in the last place of the result, and a multiple of x. */
struct bound {
    double ulps, of_x;
};

static struct bound unary_bound(enum ct_unary op)
{
    switch (op) {
    case CT_UNARY_EXP:
    case CT_UNARY_LOG: return (struct bound){3, 0};
    case CT_UNARY_CELU:
    case CT_UNARY_ELU:
    case CT_UNARY_SELU:
    case CT_UNARY_SIGMOID:
    case CT_UNARY_SWISH:
    case CT_UNARY_TANH: return (struct bound){6, 0};
    case CT_UNARY_ERF:
    case CT_UNARY_SOFTPLUS: return (struct bound){10, 0};
    case CT_UNARY_MISH: return (struct bound){16, 0};
    case CT_UNARY_GELU:
    case CT_UNARY_GELU_TANH: /* cancels for negative x */ return (struct bound){8, 4e-7};
    default: return (struct bound){0, 0};
    }
}

static const float specials[] = {0.0f,      -0.0f,      INFINITY, -INFINITY, NAN,    1.0f,
                                 -1.0f,     0.5f,       2.5f,     -3.5f,     1e-42f, -1e-42f,
                                 3.402e38f, -3.402e38f, 88.0f,    -88.0f};
enum { N_SPECIALS = sizeof specials / sizeof *specials };

static void fill(struct check *check, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t choice = check_random(check) % 8;
        x[i] = choice ? 10 * check_random_f32(check) : specials[check_random(check) % N_SPECIALS];
    }
}

static void compare(struct check *check, const float *got, const float *want, const float *x,
                    size_t n, struct bound bound)
{
    for (size_t i = 0; i < n; i++) {
        double w = (double)want[i];
        double tolerance = isfinite(want[i]) ? bound.ulps * fabs(w) * 0x1p-23 : 0;
        if (isfinite(x[i]))
            tolerance += bound.of_x * fabs((double)x[i]);
        if (bound.ulps > 0)
            tolerance += 0x1p-126; /* denormal results may be cut off */
        if (!check_close(check, "to", i, (double)got[i], w, tolerance))
            return;
    }
}

struct unary_case {
    const struct ct_elementwise_kernel *kernel;
    enum ct_unary op;
    size_t n;
    bool in_place;
};

static void run_unary(struct check *check, void *arg)
{
    const struct unary_case *c = arg;
    const float params[2] = {c->op == CT_UNARY_CLIP ? -2.0f : 0.75f, 1.5f};
    float *x = check_alloc_f32(check, c->n), *want = check_alloc_nan(check, c->n);
    float *to = c->in_place ? x : check_alloc_nan(check, c->n);
    float *copy = check_alloc_nan(check, c->n);
    fill(check, x, c->n);
    memcpy(copy, x, c->n * sizeof *x);
    ct_unary_f32_ref(c->op, want, x, c->n, params);
    c->kernel->unary(c->op, to, x, c->n, params);
    compare(check, to, want, copy, c->n, unary_bound(c->op));
}

struct binary_case {
    const struct ct_elementwise_kernel *kernel;
    enum ct_binary op;
    size_t n, a_step, b_step;
    int in_place; /* 0: not, 1: a, 2: b */
};

static void run_binary(struct check *check, void *arg)
{
    const struct binary_case *c = arg;
    const float params[2] = {1.25f, 0};
    size_t n_a = c->a_step ? c->n : 1, n_b = c->b_step ? c->n : 1;
    float *a = check_alloc_f32(check, n_a), *b = check_alloc_f32(check, n_b);
    fill(check, a, n_a);
    fill(check, b, n_b);
    if (c->op == CT_BINARY_POW && !c->b_step) /* those with loops of their own */
        b[0] = (float)(check_random(check) % 5) - 1;
    struct bound bound = {c->op == CT_BINARY_SWIGLU ? 6 : 0, 0};
    if (ct_binary_gives_bool(c->op)) {
        uint8_t *want = check_alloc(check, c->n, 1), *got = check_alloc(check, c->n, 1);
        ct_binary_f32_ref(c->op, want, a, c->a_step, b, c->b_step, c->n, params);
        c->kernel->binary(c->op, got, a, c->a_step, b, c->b_step, c->n, params);
        for (size_t i = 0; i < c->n; i++)
            if (!check_close(check, "to", i, got[i], want[i], 0))
                return;
        return;
    }
    float *want = check_alloc_nan(check, c->n);
    float *to = c->in_place == 1 && c->a_step   ? a
                : c->in_place == 2 && c->b_step ? b
                                                : check_alloc_nan(check, c->n);
    ct_binary_f32_ref(c->op, want, a, c->a_step, b, c->b_step, c->n, params);
    c->kernel->binary(c->op, to, a, c->a_step, b, c->b_step, c->n, params);
    compare(check, to, want, want, c->n, bound);
}

static bool is_float_op(enum ct_binary op)
{
    return op <= CT_BINARY_SWIGLU || ct_binary_gives_bool(op);
}

static void check_kernel(struct check *check, const struct ct_elementwise_kernel *kernel)
{
    static const size_t sizes[] = {0, 1, 3, 8, 15, 16, 33, 100};
    for (int op = 0; op < CT_UNARY_COUNT; op++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct unary_case c = {kernel, (enum ct_unary)op, sizes[s], check_random(check) % 2};
            check_run(check, run_unary, &c, "%s %s n=%zu%s", kernel->name,
                      ct_unary_text((enum ct_unary)op), c.n, c.in_place ? " in place" : "");
        }
    for (int op = 0; op < CT_BINARY_COUNT; op++)
        for (size_t s = 0; is_float_op((enum ct_binary)op) && s < sizeof sizes / sizeof *sizes; s++)
            for (int steps = 0; steps < 4; steps++) {
                struct binary_case c = {kernel,
                                        (enum ct_binary)op,
                                        sizes[s],
                                        (size_t)steps & 1,
                                        (size_t)steps >> 1,
                                        (int)(check_random(check) % 3)};
                check_run(check, run_binary, &c, "%s %s n=%zu steps %zu, %zu", kernel->name,
                          ct_binary_text((enum ct_binary)op), c.n, c.a_step, c.b_step);
            }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_elementwise_kernel *kernels = ct_elementwise_kernels(&count);
    for (size_t i = 0; i < count; i++)
        if (kernels[i].class_ == CT_CLASS_F32 &&
            check_wants(check, kernels[i].name, kernels[i].isa))
            for (int round = 0; round < check_rounds(check); round++)
                check_kernel(check, &kernels[i]);
}

/* ------------------------------------------------------------------ timing */

enum { BENCH_N = 4096 };

struct bench {
    const struct ct_elementwise_kernel *kernel;
    int op;
    bool binary;
    float *to, *a, *b;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *bench = arg;
    const float params[2] = {0.75f, 1.5f};
    (void)check;
    if (bench->binary)
        bench->kernel->binary((enum ct_binary)bench->op, bench->to, bench->a, 1, bench->b, 1,
                              BENCH_N, params);
    else
        bench->kernel->unary((enum ct_unary)bench->op, bench->to, bench->a, BENCH_N, params);
}

static void bench_kernels(struct check *check)
{
    static float to[BENCH_N], a[BENCH_N], b[BENCH_N];
    size_t count;
    const struct ct_elementwise_kernel *kernels = ct_elementwise_kernels(&count);
    for (int i = 0; i < BENCH_N; i++) {
        a[i] = 4 * check_random_f32(check);
        b[i] = 4 * check_random_f32(check);
    }
    for (size_t i = 0; i < count; i++) {
        if (kernels[i].class_ != CT_CLASS_F32 ||
            !check_wants(check, kernels[i].name, kernels[i].isa))
            continue;
        struct bench bench = {&kernels[i], 0, false, to, a, b};
        for (bench.op = 0; bench.op < CT_UNARY_COUNT; bench.op++)
            check_report_bytes(check, kernels[i].name, ct_unary_text((enum ct_unary)bench.op),
                               8.0 * BENCH_N, check_time(check, run_bench, &bench), 8 * BENCH_N);
        bench.binary = true;
        for (bench.op = 0; bench.op <= CT_BINARY_SWIGLU; bench.op++)
            check_report_bytes(check, kernels[i].name, ct_binary_text((enum ct_binary)bench.op),
                               12.0 * BENCH_N, check_time(check, run_bench, &bench), 12 * BENCH_N);
    }
}

const struct check_family check_elementwise = {"elementwise", check_kernels, bench_kernels};
