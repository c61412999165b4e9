/* Kernels for weights of few bits against the reference. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "kernels/corten_kernels.h"
#include "kernels/gemm_nbits.h"

struct nbits_case {
    const struct ct_gemm_nbits_kernel *kernel;
    size_t m, n, k, block, lda, ldc;
    int bits;
    bool zeros, bias, unpack;
};

static const int all_bits[] = {2, 4, 8};

static const struct ct_gemm_nbits_functions *reference(void)
{
    return ct_gemm_nbits_select(1u << CT_ISA_REF)->fn;
}

static void fill_weights(struct check *check, const struct nbits_case *c,
                         struct ct_gemm_nbits_tile *t)
{
    size_t words = c->k * (size_t)c->bits / 32 * CT_NBITS_COLUMNS;
    size_t blocks = (c->k + c->block - 1) / c->block;
    uint32_t *b = check_alloc(check, words * sizeof *b, sizeof *b);
    for (size_t i = 0; i < words; i++)
        b[i] = check_random(check);
    t->b = b;
    t->scales = check_alloc_f32(check, blocks * CT_NBITS_COLUMNS);
    if (!c->zeros)
        return;
    float *zeros = check_alloc_f32(check, blocks * CT_NBITS_COLUMNS);
    for (size_t i = 0; i < blocks * CT_NBITS_COLUMNS; i++)
        zeros[i] *= (float)(1 << (c->bits - 1));
    t->zeros = zeros;
}

/* Sums of the blocks of A, in double: they are rounded once. */
static float *sum_blocks(struct check *check, const struct nbits_case *c, const float *a)
{
    size_t blocks = (c->k + c->block - 1) / c->block;
    float *sums = check_alloc_nan(check, c->m * blocks);
    for (size_t i = 0; i < c->m; i++)
        for (size_t b = 0; b < blocks; b++) {
            double sum = 0;
            for (size_t p = b * c->block; p < c->k && p < (b + 1) * c->block; p++)
                sum += (double)a[i * c->lda + p];
            sums[i * blocks + b] = (float)sum;
        }
    return sums;
}

static void run_case(struct check *check, void *arg)
{
    const struct nbits_case *c = arg;
    size_t rows = c->unpack ? c->k : c->m, count = (rows - 1) * c->ldc + c->n;
    struct ct_gemm_nbits_tile t = {.m = c->m,
                                   .n = c->n,
                                   .k = c->k,
                                   .block = c->block,
                                   .bits = c->bits,
                                   .lda = c->lda,
                                   .ldc = c->ldc};
    fill_weights(check, c, &t);
    if (!c->unpack) {
        t.a = check_alloc_f32(check, (c->m - 1) * c->lda + c->k);
        t.a_sums = c->zeros ? sum_blocks(check, c, t.a) : NULL;
        t.a_sums_stride = (c->k + c->block - 1) / c->block;
        t.bias = c->bias ? check_alloc_f32(check, c->n) : NULL;
    }
    float *want = check_alloc_nan(check, count), *got = check_alloc_nan(check, count);
    t.c = want;
    (c->unpack ? reference()->unpack : reference()->tile)(&t);
    t.c = got;
    (c->unpack ? c->kernel->fn->unpack : c->kernel->fn->tile)(&t);
    /* Every factor is below 1, but a weight less its zero point, which is below 2^bits. */
    double terms = c->unpack ? 4 : 4 + (double)c->k;
    double tolerance = 4 * terms * FLT_EPSILON * (double)(1 << c->bits);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < c->n; j++)
            if (!check_close(check, "c", i * c->ldc + j, (double)got[i * c->ldc + j],
                             (double)want[i * c->ldc + j], tolerance))
                return;
    for (size_t i = 0; i + 1 < rows; i++)
        for (size_t j = c->n; j < c->ldc; j++)
            if (!isnan(got[i * c->ldc + j]))
                check_fail(check, "element %zu of row %zu, past the columns, was written", j, i);
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_gemm_nbits_kernel *kernels = ct_gemm_nbits_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 96 * check_rounds(check); i++) {
            struct nbits_case c = {.kernel = &kernels[k],
                                   .m = 1 + (size_t)i % CT_NBITS_ROWS,
                                   .n = check_random_size(check, 1, CT_NBITS_COLUMNS),
                                   .k = CT_NBITS_K * check_random_size(check, 1, 20),
                                   .block = (size_t)CT_NBITS_K << check_random_size(check, 0, 4),
                                   .bits = all_bits[i / 4 % 3],
                                   .zeros = i / 12 % 2,
                                   .bias = i / 24 % 2,
                                   .unpack = i / 48 % 2};
            c.lda = c.k + check_random_size(check, 0, 3);
            c.ldc = c.n + check_random_size(check, 0, 3);
            check_run(check, run_case, &c, "%s %s bits=%d m=%zu n=%zu k=%zu block=%zu%s%s",
                      kernels[k].name, c.unpack ? "unpack" : "tile", c.bits, c.m, c.n, c.k, c.block,
                      c.zeros ? " zeros" : "", c.bias ? " bias" : "");
        }
    }
}

enum { BENCH_K = 768, BENCH_BLOCK = 32, BENCH_BLOCKS = BENCH_K / BENCH_BLOCK };

struct bench {
    const struct ct_gemm_nbits_kernel *kernel;
    struct ct_gemm_nbits_tile tile;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *bench = arg;
    (void)check;
    bench->kernel->fn->tile(&bench->tile);
}

static void bench_kernels(struct check *check)
{
    static float a[CT_NBITS_ROWS * BENCH_K], c[CT_NBITS_ROWS * CT_NBITS_COLUMNS];
    static float scales[BENCH_BLOCKS * CT_NBITS_COLUMNS];
    static uint32_t b[BENCH_K / 4 * CT_NBITS_COLUMNS];
    size_t count;
    const struct ct_gemm_nbits_kernel *kernels = ct_gemm_nbits_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 3 * CT_NBITS_ROWS; i++) {
            struct bench bench = {&kernels[k],
                                  {.m = 1 + (size_t)i % CT_NBITS_ROWS,
                                   .n = CT_NBITS_COLUMNS,
                                   .k = BENCH_K,
                                   .block = BENCH_BLOCK,
                                   .bits = all_bits[i / CT_NBITS_ROWS],
                                   .a = a,
                                   .lda = BENCH_K,
                                   .b = b,
                                   .scales = scales,
                                   .c = c,
                                   .ldc = CT_NBITS_COLUMNS}};
            char text[64];
            snprintf(text, sizeof text, "%d bits, %zux32x%d", bench.tile.bits, bench.tile.m,
                     BENCH_K);
            check_report_flops(check, kernels[k].name, text,
                               2.0 * (double)bench.tile.m * CT_NBITS_COLUMNS * BENCH_K,
                               check_time(check, run_bench, &bench), kernels[k].isa, CHECK_F32);
        }
    }
}

const struct check_family check_gemm_nbits = {"gemm_nbits", check_kernels, bench_kernels};
