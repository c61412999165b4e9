#include "ops/gemm_i8_driver.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static uint32_t state = 1;

static uint32_t next(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static uint8_t *random_bytes(size_t n)
{
    uint8_t *p = malloc(n + 1);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)next();
    return p;
}

static int value_of(uint8_t byte, bool is_signed)
{
    return is_signed ? (int8_t)byte : byte;
}

static int zero_of(const void *zeros, int stride, bool is_signed, int64_t i)
{
    return zeros ? value_of(((const uint8_t *)zeros)[stride ? i : 0], is_signed) : 0;
}

static int32_t sum_at(const struct ct_gemm_i8_problem *p, const uint8_t *a, const uint8_t *b,
                      int64_t i, int64_t j)
{
    int32_t sum = 0;
    int za = zero_of(p->a_zero, p->a_zero_stride, p->a_signed, i);
    int zb = zero_of(p->b_zero, p->b_zero_stride, p->b_signed, j);

    for (int64_t q = 0; q < p->k; q++)
        sum += (value_of(a[p->a_transposed ? q * p->lda + i : i * p->lda + q], p->a_signed) - za) *
               (value_of(b[p->b_transposed ? j * p->ldb + q : q * p->ldb + j], p->b_signed) - zb);
    return sum;
}

static void run(struct ct_pool *pool, struct ct_gemm_i8_problem *p, const void *a, const void *b,
                void *c)
{
    size_t size_bytes = ct_gemm_i8_scratch_bytes(p);
    char *scratch = aligned_alloc(64, size_bytes + 64);
    char *packed = aligned_alloc(64, ct_gemm_i8_packed_b_bytes(p));

    assert_non_null(scratch);
    assert_non_null(packed);
    memset(scratch, 0xEE, size_bytes + 64);
    if (p->b_packed)
        ct_gemm_i8_pack_b(pool, p, b, packed);
    ct_gemm_i8_run(pool, p, a, p->b_packed ? packed : b, c, scratch);
    for (size_t i = size_bytes; i < size_bytes + 64; i++)
        assert_int_equal((unsigned char)scratch[i], 0xEE);
    free(scratch);
    free(packed);
}

/* All layouts, signs, zero points; every kernel of the machine; one and two threads. */
static void test_sums_are_exact(void **unused)
{
    static const int64_t shapes[][3] = {{1, 1, 1},    {1, 70, 40},   {13, 31, 5},  {30, 33, 66},
                                        {61, 200, 7}, {40, 64, 301}, {49, 80, 128}};
    struct ct_pool *pool;
    size_t count;
    const struct ct_gemm_i8_kernel *rows = ct_gemm_i8_kernels(&count);

    (void)unused;
    assert_int_equal(ct_pool_create(ct_default_allocator(), 2, &pool, NULL), CORTEN_OK);
    for (int s = 0; s < 7; s++)
        for (unsigned form = 0; form < 64; form++) {
            struct ct_gemm_i8_problem p;
            ct_gemm_i8_problem_init(&p, shapes[s][0], shapes[s][1], shapes[s][2]);
            p.a_signed = form & 1;
            p.b_signed = form >> 1 & 1;
            p.a_transposed = form >> 2 & 1;
            p.b_transposed = form >> 3 & 1;
            p.b_packed = form >> 4 & 1;
            p.lda = (p.a_transposed ? p.m : p.k) + 1;
            p.ldb = (p.b_transposed ? p.k : p.n) + 2;
            p.ldc = p.n + 3;
            uint8_t *a = random_bytes((size_t)((p.m + p.k) * p.lda));
            uint8_t *b = random_bytes((size_t)((p.n + p.k) * p.ldb));
            uint8_t *zeros = random_bytes((size_t)(p.m + p.n));
            int32_t *c = malloc((size_t)(p.m * p.ldc) * sizeof *c);
            if (form >> 5) {
                p.a_zero = zeros;
                p.b_zero = zeros + p.m;
                p.a_zero_stride = form & 1;
                p.b_zero_stride = form >> 1 & 1;
            }
            for (size_t r = 0; r < count; r++) {
                if (!(ct_cpu_features() >> rows[r].isa & 1))
                    continue;
                p.kernel = &rows[r];
                run(r % 2 ? NULL : pool, &p, a, b, c);
                for (int64_t i = 0; i < p.m; i++)
                    for (int64_t j = 0; j < p.n; j++)
                        assert_int_equal(c[i * p.ldc + j], sum_at(&p, a, b, i, j));
            }
            free(a);
            free(b);
            free(c);
            free(zeros);
        }
    ct_pool_destroy(pool);
}

/* 255 * 127 twice is more than an int16 holds. */
static void test_extreme_values_do_not_saturate(void **unused)
{
    struct ct_gemm_i8_problem p;
    uint8_t a[2 * 64], b[64 * 40];
    int32_t c[2 * 40];

    (void)unused;
    ct_gemm_i8_problem_init(&p, 2, 40, 64);
    p.b_signed = true;
    memset(a, 255, sizeof a);
    memset(b, 127, sizeof b);
    run(NULL, &p, a, b, c);
    for (int i = 0; i < 80; i++)
        assert_int_equal(c[i], 64 * 255 * 127);
    memset(b, -128, sizeof b);
    run(NULL, &p, a, b, c);
    for (int i = 0; i < 80; i++)
        assert_int_equal(c[i], 64 * 255 * -128);
}

static void test_requantised_and_dequantised(void **unused)
{
    enum { M = 20, N = 37, K = 50 };
    struct ct_gemm_i8_problem p;
    uint8_t *a = random_bytes(M * K), *b = random_bytes(K * N), c[M * N];
    float scale[N], shift[N], f[M * N];
    int32_t bias[N];
    const uint8_t a_zero = 120;

    (void)unused;
    ct_gemm_i8_problem_init(&p, M, N, K);
    p.b_signed = true;
    p.a_zero = &a_zero;
    for (int j = 0; j < N; j++) {
        scale[j] = 0.001f * (float)(1 + j);
        shift[j] = (float)j;
        bias[j] = 100 * j;
    }
    p.bias = bias;
    p.post = (struct ct_gemm_i8_post){.output = CT_GEMM_I8_TO_BYTE,
                                      .scale = scale,
                                      .scale_stride = 1,
                                      .zero = 7,
                                      .low = 7,
                                      .high = 255};
    run(NULL, &p, a, b, c);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float x = rintf((float)(sum_at(&p, a, b, i, j) + bias[j]) * scale[j]) + 7;
            assert_int_equal(c[i * N + j], x < 7 ? 7 : x > 255 ? 255 : (int)x);
        }
    p.bias = NULL;
    p.post = (struct ct_gemm_i8_post){
        .output = CT_GEMM_I8_TO_F32, .scale = scale, .bias_f32 = shift, .act = CT_ACT_RELU};
    run(NULL, &p, a, b, f);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float x = (float)sum_at(&p, a, b, i, j) * scale[0] + shift[j];
            assert_true(f[i * N + j] == (x < 0 ? 0 : x));
        }
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_exact),
        cmocka_unit_test(test_extreme_values_do_not_saturate),
        cmocka_unit_test(test_requantised_and_dequantised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
