/* The precision option: what it changes, by how much, and that threads change nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "exec/calibrate.h"
#include "support/builder.h"

enum { M = 37, K = 129, N = 70 };

static float a[M * K], b[K * N];

static void fill(void)
{
    unsigned seed = 1;
    for (int i = 0; i < M * K + K * N; i++) {
        seed = seed * 1664525u + 1013904223u;
        float x = (float)(int)(seed >> 8 & 0xffff) / 32768.0f - 1;
        if (i < M * K)
            a[i] = x;
        else
            b[i - M * K] = x;
    }
}

/* The product with a constant weight, in a program of its own. */
static void multiply(corten_precision precision, int threads, float *y)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_value *x = test_input(model->graph, "x", CORTEN_F32, 2, (ct_dim[]){M, K});
    struct ct_value *flat = test_floats(model->graph, K * N, b);
    struct ct_value *shape = test_ints(model->graph, 2, (int64_t[]){K, N});
    struct ct_value *w = test_node(model->graph, "Reshape", "w", flat, shape);
    struct ct_value *out = test_node(model->graph, "MatMul", "y", x, w);
    assert_true(ct_graph_add_output(model->graph, out));
    test_finish(model);
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), threads);
    p.context.precision = precision;
    struct ct_tensor in = test_tensor(CORTEN_F32, 2, (int64_t[]){M, K}, a);
    struct ct_tensor result = test_tensor(CORTEN_F32, 2, (int64_t[]){M, N}, y);
    const struct ct_tensor *inputs[] = {&in};
    corten_error error = {0};
    assert_int_equal(ct_program_run(p.program, inputs, &result, NULL, &error), CORTEN_OK);
    test_program_destroy(&p);
    ct_model_destroy(model);
}

static void bf16_rounds_the_operands_and_nothing_else(void **state)
{
    static float exact[M * N], low[M * N];
    float most = 0;
    (void)state;
    fill();
    multiply(CORTEN_PRECISION_F32, 1, exact);
    multiply(CORTEN_PRECISION_BF16, 1, low);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float sum_abs = 0;
            for (int p = 0; p < K; p++)
                sum_abs += fabsf(a[i * K + p] * b[p * N + j]);
            float error = fabsf(low[i * N + j] - exact[i * N + j]);
            assert_true(error <= 0.008f * sum_abs); /* two roundings of 2^-8 */
            most = error > most ? error : most;
        }
    assert_true(most > 1e-5f);
}

static void results_are_the_same_for_any_number_of_threads(void **state)
{
    static float one[M * N], two[M * N];
    (void)state;
    fill();
    multiply(CORTEN_PRECISION_BF16, 1, one);
    multiply(CORTEN_PRECISION_BF16, 2, two);
    assert_memory_equal(one, two, sizeof one);
}

/* Two products, one after the other, calibrated with the bound; returns how many took bfloat16. */
static size_t calibrate(double bound, float *y, double *error_found)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_value *x = test_input(model->graph, "x", CORTEN_F32, 2, (ct_dim[]){M, K});
    struct ct_value *shape = test_ints(model->graph, 2, (int64_t[]){K, N});
    struct ct_value *back = test_ints(model->graph, 2, (int64_t[]){N, K});
    struct ct_value *w =
        test_node(model->graph, "Reshape", "w", test_floats(model->graph, K * N, b), shape);
    struct ct_value *v =
        test_node(model->graph, "Reshape", "v", test_floats(model->graph, K * N, b), back);
    struct ct_value *first = test_node(model->graph, "MatMul", "first", x, w);
    struct ct_value *out = test_node(model->graph, "MatMul", "y", first, v);
    assert_true(ct_graph_add_output(model->graph, out));
    test_finish(model);
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    p.context.precision = CORTEN_PRECISION_AUTO;
    struct ct_tensor in = test_tensor(CORTEN_F32, 2, (int64_t[]){M, K}, a);
    struct ct_tensor result = test_tensor(CORTEN_F32, 2, (int64_t[]){M, K}, y);
    const struct ct_tensor *inputs[] = {&in};
    struct ct_calibration found = {0};
    corten_error error = {0};
    assert_int_equal(ct_calibrate(p.program, model->graph, ct_default_allocator(), inputs, bound,
                                  &found, &error),
                     CORTEN_OK);
    assert_int_equal(found.n_products, 2);
    assert_true(found.error <= bound);
    size_t n_bf16 = found.n_bf16;
    *error_found = found.error;
    assert_int_equal(ct_program_run(p.program, inputs, &result, NULL, &error), CORTEN_OK);
    ct_calibration_deinit(ct_default_allocator(), &found);
    test_program_destroy(&p);
    ct_model_destroy(model);
    return n_bf16;
}

static void auto_keeps_outputs_within_the_bound(void **state)
{
    static float exact[M * K], low[M * K];
    double all, none, some;
    (void)state;
    fill();
    assert_int_equal(calibrate(0, exact, &none), 0);
    assert_int_equal(calibrate(1, low, &all), 2);
    double most = 0, scale = 0;
    for (int i = 0; i < M * K; i++) {
        most = fmax(most, fabs((double)low[i] - (double)exact[i]));
        scale = fmax(scale, fabs((double)exact[i]));
    }
    assert_true(all > 0 && fabs(most / scale - all) < 1e-12);
    /* What both together exceed leaves room for one of them at most. */
    assert_true(calibrate(all * 0.99, low, &some) < 2);
    assert_true(some <= all * 0.99);
}

static void unknown_precisions_are_refused(void **state)
{
    corten_options *options;
    corten_error *error = NULL;
    (void)state;
    assert_int_equal(corten_options_create(&options, error), CORTEN_OK);
    assert_int_equal(corten_options_set_precision(options, CORTEN_PRECISION_BF16, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_precision(options, (corten_precision)7, NULL),
                     CORTEN_INVALID_ARGUMENT);
    corten_options_destroy(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_rounds_the_operands_and_nothing_else),
        cmocka_unit_test(results_are_the_same_for_any_number_of_threads),
        cmocka_unit_test(auto_keeps_outputs_within_the_bound),
        cmocka_unit_test(unknown_precisions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
