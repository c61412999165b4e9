/* bfloat16 GEMM kernels, packing included, against sums in double of the rounded A. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "kernels/corten_kernels.h"
#include "kernels/gemm.h"

struct tile_case {
    const struct ct_gemm_f32_kernel *kernel;
    size_t m, n, k, ldc;
    bool a_transposed, b_transposed, accumulate;
};

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static void run_tile_case(struct check *check, void *arg)
{
    static const float bias = 0.25f;
    const struct tile_case *t = arg;
    const struct ct_gemm_f32_functions *fn = t->kernel->fn;
    size_t m = t->m, n = t->n, k = t->k, units = round_up(k, t->kernel->k_step) / 2;
    size_t lda = (t->a_transposed ? m : k) + 1, ldb = (t->b_transposed ? k : n) + 2;
    size_t a_row = t->a_transposed ? 1 : lda, a_k = t->a_transposed ? lda : 1;
    size_t b_col = t->b_transposed ? ldb : 1, b_k = t->b_transposed ? 1 : ldb;
    size_t b_count = (n - 1) * b_col + (k - 1) * b_k + 1;
    const float *a = check_alloc_f32(check, (m - 1) * a_row + (k - 1) * a_k + 1);
    uint16_t *b = check_alloc(check, b_count * 2, 2);
    float *pa = check_alloc_nan(check, round_up(m, t->kernel->m_step) * units),
          *pb = check_alloc_nan(check, units * t->kernel->nr);
    float *c = check_alloc_f32(check, (m - 1) * t->ldc + n);
    double before[32 * 64];
    struct ct_gemm_post post = {.alpha = 0.5f, .bias = {&bias, 0, 0}};
    struct ct_gemm_f32_tile tile = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .a = pa,
                                    .lda = m,
                                    .b = pb,
                                    .ldb = t->kernel->nr,
                                    .c = c,
                                    .ldc = t->ldc,
                                    .accumulate = t->accumulate,
                                    .post = &post};

    for (size_t i = 0; i < b_count; i++)
        b[i] = ct_f32_to_bf16(check_random_f32(check));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            before[i * n + j] = t->accumulate ? (double)c[i * t->ldc + j] : 0;
    fn->pack_a(m, k, a, a_row, a_k, pa);
    fn->pack_b_bf16(k, n, b, b_k, b_col, pb);
    if (fn->enter)
        fn->enter();
    fn->tile_kmajor(&tile);
    if (fn->leave)
        fn->leave();
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = before[i * n + j], size = fabs(sum);
            for (size_t p = 0; p < k; p++) {
                float x = ct_bf16_to_f32(ct_f32_to_bf16(a[i * a_row + p * a_k]));
                double y = (double)x * (double)ct_bf16_to_f32(b[p * b_k + j * b_col]);
                sum += y;
                size += fabs(y);
            }
            /* Products whose result is denormal are lost: far below this. */
            if (!check_close(check, "c", i * n + j, (double)c[i * t->ldc + j], 0.5 * sum + 0.25,
                             ((double)k + 4) * FLT_EPSILON * (size + 1)))
                return;
        }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_gemm_f32_kernel *rows = ct_gemm_bf16_kernels(&count);

    for (size_t r = 0; r < count; r++) {
        const struct ct_gemm_f32_kernel *kernel = &rows[r];
        if (!check_wants(check, kernel->name, kernel->isa))
            continue;
        for (int round = 0; round < check_rounds(check); round++)
            for (size_t m = 1; m <= kernel->mr; m++)
                for (size_t n = 1; n <= kernel->nr; n++) {
                    uint32_t bits = check_random(check);
                    struct tile_case t = {kernel,
                                          m,
                                          n,
                                          check_random_size(check, 1, 90),
                                          n + bits % 3,
                                          bits >> 8 & 1,
                                          bits >> 9 & 1,
                                          bits >> 10 & 1};
                    check_run(check, run_tile_case, &t,
                              "%s m=%zu n=%zu k=%zu ldc=%zu transposed=%d,%d accumulate=%d",
                              kernel->name, m, n, t.k, t.ldc, t.a_transposed, t.b_transposed,
                              t.accumulate);
                }
    }
}

struct bench {
    const struct ct_gemm_f32_kernel *kernel;
    struct ct_gemm_f32_tile tile;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *b = arg;

    (void)check;
    b->kernel->fn->tile_kmajor(&b->tile);
}

static void bench_kernels(struct check *check)
{
    enum { K = 1024 };
    static float a[32 * K / 2], b[K / 2 * 64], c[32 * 64];
    size_t count;
    const struct ct_gemm_f32_kernel *rows = ct_gemm_bf16_kernels(&count);

    for (size_t r = 0; r < count; r++) {
        const struct ct_gemm_f32_kernel *kernel = &rows[r];
        if (!check_wants(check, kernel->name, kernel->isa))
            continue;
        for (size_t m = 1; m <= kernel->mr; m++) {
            struct bench bench = {kernel,
                                  {.m = m,
                                   .n = kernel->nr,
                                   .k = K,
                                   .a = a,
                                   .lda = m,
                                   .b = b,
                                   .ldb = kernel->nr,
                                   .c = c,
                                   .ldc = kernel->nr}};
            char text[80];
            snprintf(text, sizeof text, "%zux%zux%d", m, kernel->nr, K);
            if (kernel->fn->enter)
                kernel->fn->enter();
            double seconds = check_time(check, run_bench, &bench);
            if (kernel->fn->leave)
                kernel->fn->leave();
            check_report_flops(check, kernel->name, text, 2.0 * K * (double)(m * kernel->nr),
                               seconds, kernel->isa, CHECK_BF16);
        }
    }
}

const struct check_family check_gemm_bf16 = {"gemm_bf16", check_kernels, bench_kernels};
