/* The vector functions of tmpl/vmath_f32.h against double. --rounds 4096 looks at all floats. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/corten_kernels.h"
#include "kernels/vmath_f32.h"

static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double exact_silu(double x)
{
    return x * exact_sigmoid(x);
}

static double exact_gelu_erf(double x)
{
    return x * 0.5 * erfc(-x * 0.70710678118654752440);
}

static double exact_gelu_tanh(double x)
{
    return x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

#define exact_exp exp
#define exact_exp_nonpos exp
#define exact_expm1 expm1
#define exact_log log
#define exact_log1p log1p
#define exact_tanh tanh
#define exact_erf erf

struct function {
    const char *name;
    vmath_fn *fn;
    double (*exact)(double x);
    double ulps, absolute;
};

enum {
    FUNCTION_COUNT = 0
#define CT_X(name, ulps, absolute) +1
    VMATH_MAP(CT_X)
#undef CT_X
};

static void functions_of(const struct vmath_functions *set, struct function *out)
{
#define CT_X(name, ulps, absolute)                                                                 \
    *out++ = (struct function){#name, set->name, exact_##name, ulps, absolute};
    VMATH_MAP(CT_X)
#undef CT_X
}

static const struct {
    const char *name;
    enum ct_isa isa;
    const struct vmath_functions *functions;
} sets[] = {
#if defined(__x86_64__)
    {"vmath_avx512", CT_ISA_AVX512, &vmath_avx512},
    {"vmath_avx2", CT_ISA_AVX2, &vmath_avx2},
    {"vmath_sse41", CT_ISA_SSE41, &vmath_sse41},
#endif
    {"vmath_scalar", CT_ISA_REF, &vmath_scalar}};

/* Distance of neighbouring floats around y. */
static double ulp_of(double y)
{
    int e;

    if (!(fabs(y) >= (double)FLT_MIN))
        return 0x1p-149;
    frexp(y, &e);
    return ldexp(1, e - 24);
}

static bool is_special(float x)
{
    return !(fabsf(x) <= FLT_MAX);
}

struct sweep {
    const struct function *function;
    uint32_t first, step;
    bool nonpositive;
    double worst;
    float worst_x;
};

/* One value in `step` of all floats. */
static void run_sweep(struct check *check, void *arg)
{
    struct sweep *s = arg;
    const struct function *f = s->function;
    enum { N = 997 }; /* not a multiple of any width */
    float *x = check_alloc_nan(check, N), *y = check_alloc_nan(check, N);
    uint64_t bits = s->first;

    while (bits <= UINT32_MAX) {
        size_t n = 0;
        for (; n < N && bits <= UINT32_MAX; bits += s->step) {
            uint32_t b = (uint32_t)bits;
            float value;
            memcpy(&value, &b, sizeof value);
            if (!(s->nonpositive && value > 0))
                x[n++] = value;
        }
        f->fn(x, y, n);
        for (size_t i = 0; i < n; i++) {
            double want = f->exact((double)x[i]), got = (double)y[i];
            if (is_special((float)want) || isnan(got)) {
                /* x * sigmoid(x) and the like: minus infinity times 0. */
                bool none = isinf(x[i]) && f->absolute > 0 && isnan(got);
                if (!none && !check_close(check, f->name, i, got, (double)(float)want, 0))
                    return;
                continue;
            }
            double error = fabs(got - want) / ulp_of(want);
            double absolute = f->absolute * 0x1p-24 * fmax(1, fabs((double)x[i]));
            if (fabs(got - want) > absolute && error > s->worst) {
                s->worst = error;
                s->worst_x = x[i];
            }
        }
    }
    if (s->worst > f->ulps)
        check_fail(check, "%.2f units in the last place at %.9g, allowed %.2f", s->worst,
                   (double)s->worst_x, f->ulps);
}

static void check_functions(struct check *check)
{
    struct function functions[FUNCTION_COUNT];
    uint32_t step = (uint32_t)(4096 / check_rounds(check));

    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        if (!check_wants(check, sets[s].name, sets[s].isa))
            continue;
        functions_of(sets[s].functions, functions);
        for (int i = 0; i < FUNCTION_COUNT; i++) {
            step = step ? step : 1;
            struct sweep sweep = {.function = &functions[i],
                                  .step = step,
                                  .first = check_random(check) % step,
                                  .nonpositive = !strcmp(functions[i].name, "exp_nonpos")};
            check_run(check, run_sweep, &sweep, "%s %s", sets[s].name, functions[i].name);
            if (check_rounds(check) > 1)
                printf("%s %s: %.2f units in the last place at %.9g\n", sets[s].name,
                       functions[i].name, sweep.worst, (double)sweep.worst_x);
        }
    }
}

struct bench {
    vmath_fn *fn;
    float *x, *y;
};

enum { BENCH_N = 2048 };

static void run_bench(struct check *check, void *arg)
{
    const struct bench *b = arg;

    (void)check;
    b->fn(b->x, b->y, BENCH_N);
}

static void bench_functions(struct check *check)
{
    static float x[BENCH_N], y[BENCH_N];
    struct function functions[FUNCTION_COUNT];

    for (int i = 0; i < BENCH_N; i++)
        x[i] = 4 * check_random_f32(check);
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        if (!check_wants(check, sets[s].name, sets[s].isa))
            continue;
        functions_of(sets[s].functions, functions);
        for (int i = 0; i < FUNCTION_COUNT; i++) {
            struct bench bench = {functions[i].fn, x, y};
            check_report_bytes(check, sets[s].name, functions[i].name, 8.0 * BENCH_N,
                               check_time(check, run_bench, &bench), sizeof x + sizeof y);
        }
    }
}

const struct check_family check_vmath_f32 = {"vmath_f32", check_functions, bench_functions};
