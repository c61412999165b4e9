#include "ops/gemm_driver.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ref/act_ref.h"

/* The same numbers each time. */
static uint32_t state = 1;

static uint32_t next(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static float *random_array(size_t n)
{
    float *p = aligned_alloc(64, ct_align_up(n * sizeof(float) + 1, 64));

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(int)(next() % 2001) / 1000.0f - 1.0f;
    return p;
}

static struct ct_pool *pool_of(int threads)
{
    struct ct_pool *pool;

    assert_int_equal(ct_pool_create(ct_default_allocator(), threads, &pool, NULL), CORTEN_OK);
    return pool;
}

static void run(struct ct_pool *pool, const struct ct_gemm_problem *p, const float *a,
                const float *b, float *c)
{
    int threads = pool ? ct_pool_threads(pool) : 1;
    size_t size_bytes = ct_gemm_f32_scratch_bytes(p, threads);
    char *scratch = aligned_alloc(64, size_bytes + 64);

    assert_non_null(scratch);
    memset(scratch, 0xFF, size_bytes + 64);
    ct_gemm_f32_run(pool, p, a, b, c, scratch);
    for (size_t i = size_bytes; i < size_bytes + 64; i++)
        assert_int_equal((unsigned char)scratch[i], 0xFF); /* kept to what it asked for */
    free(scratch);
}

static double term_at(const struct ct_gemm_term *term, int64_t row, int64_t col)
{
    return term->p ? (double)term->p[row * term->row_stride + col * term->col_stride] : 0;
}

/* Compares with sums in double. */
static void assert_product(const struct ct_gemm_problem *p, const float *a, const float *b,
                           const float *c, const float *residual)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = 0, size = 0;
            for (int64_t q = 0; q < p->k; q++) {
                double x = (double)(p->a_transposed ? a[q * p->lda + i] : a[i * p->lda + q]);
                x *= (double)(p->b_transposed ? b[j * p->ldb + q] : b[q * p->ldb + j]);
                sum += x;
                size += fabs(x);
            }
            struct ct_gemm_term shifted = p->post.residual;
            shifted.p = residual;
            sum = (double)p->post.alpha * sum + term_at(&p->post.bias, i, j) +
                  (double)p->post.beta * term_at(&shifted, i, j);
            sum = (double)ct_act_f32_ref(p->post.act, p->post.act_params, (float)sum);
            double got = (double)c[i * p->ldc + j], error = fabs(got - sum);
            double tolerance = FLT_EPSILON * ((double)p->k * size + 8);
            if (!(error <= tolerance))
                fail_msg("c[%d,%d] of %dx%dx%d is %g, expected %g", (int)i, (int)j, (int)p->m,
                         (int)p->n, (int)p->k, got, sum);
        }
}

static void set_layout(struct ct_gemm_problem *p, int form)
{
    p->a_transposed = form & 1;
    p->b_transposed = form >> 1 & 1;
    p->lda = (p->a_transposed ? p->m : p->k) + (form & 4 ? 3 : 0);
    p->ldb = (p->b_transposed ? p->k : p->n) + (form & 4 ? 5 : 0);
    p->ldc = p->n + (form & 4 ? 7 : 0);
}

static size_t elems_a(const struct ct_gemm_problem *p)
{
    return (size_t)((p->a_transposed ? p->k : p->m) * p->lda);
}

static size_t elems_b(const struct ct_gemm_problem *p)
{
    return (size_t)((p->b_transposed ? p->n : p->k) * p->ldb);
}

static float *packed_copy(struct ct_pool *pool, const struct ct_gemm_problem *p, const float *b)
{
    size_t size_bytes = ct_gemm_f32_packed_b_bytes(p);
    float *packed = aligned_alloc(64, size_bytes + 64);

    assert_non_null(packed);
    ct_gemm_f32_pack_b(pool, p, b, packed);
    return packed;
}

static const int64_t shapes[][3] = {{1, 1, 1},      {1, 5, 7},      {1, 300, 129}, {3, 40, 64},
                                    {2, 2, 900},    {100, 1, 77},   {17, 2, 33},   {14, 32, 384},
                                    {15, 33, 385},  {29, 65, 1000}, {50, 70, 20},  {128, 96, 513},
                                    {13, 200, 900}, {200, 50, 3},   {61, 257, 64}, {5, 5, 0}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void test_product_is_right_in_every_layout(void **unused)
{
    struct ct_pool *pool = pool_of(2);

    (void)unused;
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 8; form++) {
            struct ct_gemm_problem p;
            ct_gemm_problem_init(&p, shapes[s][0], shapes[s][1], shapes[s][2]);
            set_layout(&p, form);
            float *a = random_array(elems_a(&p)), *b = random_array(elems_b(&p));
            float *c = random_array((size_t)(p.m * p.ldc));
            run(pool, &p, a, b, c);
            assert_product(&p, a, b, c, NULL);
            free(a);
            free(b);
            free(c);
        }
    ct_pool_destroy(pool);
}

/* Threads only change who computes a tile. */
static void test_bits_do_not_depend_on_threads_or_packing(void **unused)
{
    struct ct_pool *pools[] = {NULL, pool_of(2), pool_of(5)};

    (void)unused;
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 4; form++) {
            struct ct_gemm_problem p;
            ct_gemm_problem_init(&p, shapes[s][0], shapes[s][1], shapes[s][2]);
            set_layout(&p, form);
            size_t size = (size_t)(p.m * p.ldc);
            float *a = random_array(elems_a(&p)), *b = random_array(elems_b(&p));
            float *bias = random_array((size_t)p.n), *first = random_array(size);
            float *c = random_array(size), *packed = packed_copy(pools[1], &p, b);
            p.post.bias = (struct ct_gemm_term){bias, 0, 1};
            p.post.act = CT_ACT_GELU_ERF;
            run(NULL, &p, a, b, first);
            for (int t = 0; t < 3; t++) {
                memset(c, 0xFF, size * sizeof(float));
                run(pools[t], &p, a, b, c);
                assert_memory_equal(c, first, size * sizeof(float));
            }
            /* Dot products have an order of their own. */
            bool dots = !p.a_transposed && (p.b_transposed || p.n == 1) && (p.m <= 4 || p.n <= 2);
            for (int t = 0; t < 3; t++) {
                p.b_packed = true;
                run(pools[t], &p, a, packed, c);
                p.b_packed = false;
                if (!dots)
                    assert_memory_equal(c, first, size * sizeof(float));
            }
            free(a);
            free(b);
            free(bias);
            free(first);
            free(c);
            free(packed);
        }
    for (int t = 0; t < 3; t++)
        ct_pool_destroy(pools[t]);
}

static void test_residual_may_be_the_result(void **unused)
{
    static const int64_t k_values[] = {40, 2000};
    struct ct_pool *pool = pool_of(2);

    (void)unused;
    for (int i = 0; i < 4; i++) {
        struct ct_gemm_problem p;
        ct_gemm_problem_init(&p, 50, 70, k_values[i / 2]);
        float *a = random_array(elems_a(&p)), *b = random_array(elems_b(&p));
        float *c = random_array(50 * 70), *before = random_array(50 * 70);
        memcpy(before, c, 50 * 70 * sizeof(float));
        p.post.residual = (struct ct_gemm_term){c, 70, 1};
        p.post.beta = 0.5f;
        p.post.alpha = 2;
        float *packed = packed_copy(pool, &p, b);
        p.b_packed = i % 2;
        run(pool, &p, a, p.b_packed ? packed : b, c);
        assert_product(&p, a, b, c, before);
        free(a);
        free(b);
        free(c);
        free(before);
        free(packed);
    }
    ct_pool_destroy(pool);
}

/* Two heads of two sequences; then rows end to end, which the driver may merge. */
static void check_batch(struct ct_pool *pool, int64_t m, int64_t n, int64_t k, bool transposed,
                        bool shared_b)
{
    struct ct_gemm_problem p;
    ct_gemm_problem_init(&p, m, n, k);
    p.b_transposed = transposed;
    p.ldb = transposed ? k : n;
    p.batch_rank = 2;
    p.batch_dims[0] = 2;
    p.batch_dims[1] = 3;
    for (int i = 0; i < 2; i++) {
        int64_t inner = i ? 1 : 3;
        p.a_strides[i] = inner * m * k;
        p.b_strides[i] = shared_b ? 0 : inner * k * n;
        p.c_strides[i] = inner * m * n;
        p.residual_strides[i] = i ? 0 : n; /* a row for each of the first dimension */
    }
    float *a = random_array((size_t)(6 * m * k)), *b = random_array((size_t)(6 * k * n));
    float *c = random_array((size_t)(6 * m * n)), *bias = random_array((size_t)n);
    float *mask = random_array((size_t)(2 * n));
    p.post.bias = (struct ct_gemm_term){bias, 0, 1};
    p.post.residual = (struct ct_gemm_term){mask, 0, 1};
    p.post.beta = 1;
    run(pool, &p, a, b, c);
    for (int i = 0; i < 6; i++)
        assert_product(&p, a + i * m * k, b + (shared_b ? 0 : i * k * n), c + i * m * n,
                       mask + i / 3 * n);
    /* Each matrix alone has the same bits. */
    struct ct_gemm_problem one = p;
    float *alone = random_array((size_t)(m * n));
    one.batch_rank = 0;
    for (int i = 0; i < 6; i++) {
        one.post.residual.p = mask + i / 3 * n;
        run(NULL, &one, a + i * m * k, b + (shared_b ? 0 : i * k * n), alone);
        assert_memory_equal(alone, c + i * m * n, (size_t)(m * n) * sizeof(float));
    }
    free(a);
    free(b);
    free(c);
    free(bias);
    free(mask);
    free(alone);
}

static void test_batch(void **unused)
{
    struct ct_pool *pool = pool_of(2);

    (void)unused;
    for (int transposed = 0; transposed < 2; transposed++)
        for (int shared = 0; shared < 2; shared++) {
            check_batch(pool, 40, 50, 16, transposed, shared);
            check_batch(pool, 130, 64, 600, transposed, shared);
            check_batch(NULL, 33, 40, 20, transposed, shared);
        }
    check_batch(pool, 1, 64, 100, true, false);
    ct_pool_destroy(pool);
}

static void test_rows_end_to_end_with_bias_and_residual(void **unused)
{
    struct ct_gemm_problem p;
    (void)unused;
    ct_gemm_problem_init(&p, 7, 33, 20);
    p.batch_rank = 1;
    p.batch_dims[0] = 9;
    p.a_strides[0] = 7 * 20;
    p.c_strides[0] = 7 * 33;
    p.residual_strides[0] = 7 * 33;
    float *a = random_array(63 * 20), *b = random_array(20 * 33), *c = random_array(63 * 33);
    float *bias = random_array(33), *residual = random_array(63 * 33);
    p.post.bias = (struct ct_gemm_term){bias, 0, 1};
    p.post.residual = (struct ct_gemm_term){residual, 33, 1};
    p.post.beta = -1;
    p.post.act = CT_ACT_RELU;
    run(NULL, &p, a, b, c);
    for (int i = 0; i < 9; i++)
        assert_product(&p, a + i * 140, b, c + i * 231, residual + i * 231);
    free(a);
    free(b);
    free(c);
    free(bias);
    free(residual);
}

static void test_every_activation_and_bias(void **unused)
{
    (void)unused;
    for (int act = 0; act < CT_ACT_COUNT; act++)
        for (int form = 0; form < 4; form++) {
            struct ct_gemm_problem p;
            ct_gemm_problem_init(&p, 20, 45, 30);
            float *a = random_array(elems_a(&p)), *b = random_array(elems_b(&p));
            float *c = random_array(20 * 45), *bias = random_array(20 * 45);
            p.post.act = (enum ct_act)act;
            p.post.act_params[0] = -0.5f;
            p.post.act_params[1] = 0.75f;
            p.post.bias = (struct ct_gemm_term){bias,
                                                form == 1   ? 1
                                                : form == 2 ? 45
                                                            : 0,
                                                form == 0 || form == 2};
            run(NULL, &p, a, b, c);
            assert_product(&p, a, b, c, NULL);
            free(a);
            free(b);
            free(c);
            free(bias);
        }
}

/* A of values that bfloat16 holds, so that rounding it changes nothing. */
static void test_bfloat16_b(void **unused)
{
    struct ct_pool *pool = pool_of(2);

    (void)unused;
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 8; form++) {
            struct ct_gemm_problem p;
            ct_gemm_problem_init(&p, shapes[s][0], shapes[s][1], shapes[s][2]);
            set_layout(&p, form);
            p.b_dtype = CORTEN_BF16;
            size_t n_a = elems_a(&p), n_b = elems_b(&p), n_c = (size_t)(p.m * p.ldc);
            float *a = random_array(n_a), *b = random_array(n_b), *c = random_array(n_c);
            float *other = random_array(n_c);
            uint16_t *half = malloc(n_b * sizeof *half + 1);
            for (size_t i = 0; i < n_a; i++)
                a[i] = ct_bf16_to_f32(ct_f32_to_bf16(a[i]));
            for (size_t i = 0; i < n_b; i++) {
                half[i] = ct_f32_to_bf16(b[i]);
                b[i] = ct_bf16_to_f32(half[i]);
            }
            run(pool, &p, a, (float *)(void *)half, c);
            assert_product(&p, a, b, c, NULL);
            float *packed = packed_copy(pool, &p, (float *)(void *)half);
            p.b_packed = true;
            memcpy(other, c, n_c * sizeof(float));
            run(NULL, &p, a, packed, other);
            assert_memory_equal(other, c, n_c * sizeof(float));
            free(a);
            free(b);
            free(c);
            free(other);
            free(half);
            free(packed);
        }
    ct_pool_destroy(pool);
}

static void test_empty(void **unused)
{
    struct ct_gemm_problem p;
    float c = 5;

    (void)unused;
    ct_gemm_problem_init(&p, 0, 3, 3);
    run(NULL, &p, &c, &c, &c);
    ct_gemm_problem_init(&p, 3, 0, 3);
    run(NULL, &p, &c, &c, &c);
    assert_true(c == 5);
    ct_gemm_problem_init(&p, 1, 1, 0);
    run(NULL, &p, &c, &c, &c);
    assert_true(c == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product_is_right_in_every_layout),
        cmocka_unit_test(test_bits_do_not_depend_on_threads_or_packing),
        cmocka_unit_test(test_residual_may_be_the_result),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_rows_end_to_end_with_bias_and_residual),
        cmocka_unit_test(test_every_activation_and_bias),
        cmocka_unit_test(test_bfloat16_b),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
