/* How fast whole GEMMs are, packed weights and one or two threads; tests/ops/test_gemm_driver.c
 * checks that they are right. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/corten_kernels.h"
#include "ops/gemm_driver.h"
#include "ops/gemm_i8_driver.h"

struct bench {
    struct ct_pool *pool;
    struct ct_gemm_problem f32;
    struct ct_gemm_i8_problem i8;
    const void *a, *b;
    void *c, *scratch;
};

static void run_f32(struct check *check, void *arg)
{
    const struct bench *b = arg;

    (void)check;
    ct_gemm_f32_run(b->pool, &b->f32, b->a, b->b, b->c, b->scratch);
}

static void run_i8(struct check *check, void *arg)
{
    const struct bench *b = arg;

    (void)check;
    ct_gemm_i8_run(b->pool, &b->i8, b->a, b->b, b->c, b->scratch);
}

static void *allocate(size_t size_bytes)
{
    void *p = ct_alloc_zero(ct_default_allocator(), size_bytes);

    if (!p)
        fprintf(stderr, "no memory for %zu bytes\n", size_bytes);
    return p;
}

/* Weights of zeros: as fast as any others. */
static void bench_shape(struct check *check, struct ct_pool *pool, const int64_t *shape, int type)
{
    static const char *const types[] = {"f32", "bf16", "u8s8"};
    static const enum check_products products[] = {CHECK_F32, CHECK_BF16, CHECK_I8};
    const corten_allocator *allocator = ct_default_allocator();
    int threads = ct_pool_threads(pool);
    int64_t m = shape[0], n = shape[1], k = shape[2];
    struct bench b = {.pool = pool};
    bool is_i8 = type == 2;

    ct_gemm_problem_init(&b.f32, m, n, k);
    ct_gemm_i8_problem_init(&b.i8, m, n, k);
    b.f32.b_dtype = type == 1 ? CORTEN_BF16 : CORTEN_F32;
    b.i8.b_signed = b.f32.b_packed = b.i8.b_packed = true;
    size_t a_bytes = (size_t)(m * k) * 4, c_bytes = (size_t)(m * n) * 4;
    size_t b_bytes = is_i8 ? ct_gemm_i8_packed_b_bytes(&b.i8) : ct_gemm_f32_packed_b_bytes(&b.f32);
    size_t scratch_bytes =
        is_i8 ? ct_gemm_i8_scratch_bytes(&b.i8) : ct_gemm_f32_scratch_bytes(&b.f32, threads);
    void *a = allocate(a_bytes), *packed = allocate(b_bytes);
    b.c = allocate(c_bytes);
    b.scratch = allocate(scratch_bytes);
    if (a && packed && b.c && b.scratch) {
        char text[80];
        memset(a, 0, a_bytes);
        memset(packed, 0, b_bytes);
        b.a = a;
        b.b = packed;
        snprintf(text, sizeof text, "%lldx%lldx%lld, %d thread%s", (long long)m, (long long)n,
                 (long long)k, threads, threads > 1 ? "s" : "");
        double seconds = check_time(check, is_i8 ? run_i8 : run_f32, &b);
        check_report_flops(check, types[type], text, 2.0 * (double)m * (double)n * (double)k,
                           seconds, ct_cpu_best(), products[type]);
        if (m == 1)
            check_report_bytes(check, types[type], "  of B", (double)b_bytes, seconds, b_bytes);
    }
    ct_release(allocator, a, a_bytes);
    ct_release(allocator, packed, b_bytes);
    ct_release(allocator, b.c, c_bytes);
    ct_release(allocator, b.scratch, scratch_bytes);
}

static void bench_driver(struct check *check)
{
    static const int64_t shapes[][3] = {
        {1024, 1024, 1024}, {128, 768, 768},  {128, 2304, 768},  {128, 3072, 768},
        {128, 768, 3072},   {1500, 768, 768}, {1500, 768, 3072}, {128, 50257, 768},
        {1, 768, 768},      {1, 3072, 768},   {1, 50257, 768},   {4, 3072, 768},
        {8, 4, 8},          {32, 32, 32},     {128, 128, 64},    {3136, 64, 576}};

    for (int type = 0; type < 3; type++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int threads = 1; threads <= 2; threads++) {
                struct ct_pool *pool;
                static const char *const names[] = {"driver_f32", "driver_bf16", "driver_u8s8"};
                if (!check_wants(check, names[type], ct_cpu_best()) ||
                    ct_pool_create(ct_default_allocator(), threads, &pool, NULL) != CORTEN_OK)
                    continue;
                ct_pool_enter(pool);
                bench_shape(check, pool, shapes[s], type);
                ct_pool_leave(pool);
                ct_pool_destroy(pool);
            }
}

const struct check_family check_gemm_driver = {"gemm_driver", NULL, bench_driver};
