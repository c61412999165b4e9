/* Programs: plans for given shapes, memory, and what a warm run does not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "providers/cpu/cpu.h"
#include "support/alloc.h"
#include "support/builder.h"

static const ct_dim any[] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN};

static void run_ok(struct test_program *p, const struct ct_tensor *const *in, struct ct_tensor *out)
{
    corten_error error = {0};
    if (ct_program_run(p->program, in, out, NULL, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
}

/* y = relu(x + x) reshaped to rows of two, and a second output that is the input itself. */
static struct ct_model *small_model(const corten_allocator *allocator)
{
    struct ct_model *model = test_model(allocator);
    struct ct_graph *graph = model->graph;
    struct ct_value *x = test_input(graph, "x", CORTEN_F32, 1, any);
    struct ct_value *sum = test_node(graph, "Add", "sum", x, x);
    struct ct_value *relu = test_node(graph, "Relu", "relu", sum, NULL);
    struct ct_value *y =
        test_node(graph, "Reshape", "y", relu, test_ints(graph, 2, (int64_t[]){-1, 2}));
    assert_true(ct_graph_add_output(graph, y));
    assert_true(ct_graph_add_output(graph, x));
    test_finish(model);
    return model;
}

static void assert_small_result(struct test_program *p, int n)
{
    float x[64];
    for (int i = 0; i < n; i++)
        x[i] = (float)(i - 3);
    struct ct_tensor in = test_tensor(CORTEN_F32, 1, (int64_t[]){n}, x), out[2] = {0};
    run_ok(p, (const struct ct_tensor *[]){&in}, out);
    assert_int_equal(out[0].rank, 2);
    assert_int_equal(out[0].dims[0], n / 2);
    assert_int_equal(out[0].dims[1], 2);
    for (int i = 0; i < n; i++) {
        assert_float_equal(CT_DATA(float, &out[0])[i], (float)(i > 3 ? 2 * (i - 3) : 0), 0);
        assert_float_equal(CT_DATA(float, &out[1])[i], (float)(i - 3), 0);
    }
    assert_ptr_not_equal(out[1].data, x);
    ct_tensor_clear(&out[0]);
    ct_tensor_clear(&out[1]);
}

static void shapes_may_change_from_run_to_run(void **state)
{
    (void)state;
    struct ct_model *model = small_model(ct_default_allocator());
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    for (int round = 0; round < 2; round++)
        for (int n = 2; n <= 40; n += 2) /* more shapes than plans are kept */
            assert_small_result(&p, n);
    test_program_destroy(&p);
    ct_model_destroy(model);
}

static void outputs_go_into_the_callers_memory(void **state)
{
    (void)state;
    struct ct_model *model = small_model(ct_default_allocator());
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    float x[] = {1, 2, -3, 4}, y[4], same[4];
    struct ct_tensor in = test_tensor(CORTEN_F32, 1, (int64_t[]){4}, x);
    struct ct_tensor out[] = {test_tensor(CORTEN_F32, 2, (int64_t[]){2, 2}, y),
                              test_tensor(CORTEN_F32, 1, (int64_t[]){4}, same)};
    run_ok(&p, (const struct ct_tensor *[]){&in}, out);
    assert_ptr_equal(out[0].data, y);
    assert_memory_equal(y, ((float[]){2, 4, 0, 8}), sizeof y);
    assert_memory_equal(same, x, sizeof x);
    test_program_destroy(&p);
    ct_model_destroy(model);
}

static void memory_of_the_wrong_shape_is_refused(void **state)
{
    (void)state;
    struct ct_model *model = small_model(ct_default_allocator());
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    float x[4] = {0}, y[6];
    struct ct_tensor in = test_tensor(CORTEN_F32, 1, (int64_t[]){4}, x);
    struct ct_tensor out[] = {test_tensor(CORTEN_F32, 2, (int64_t[]){3, 2}, y), {0}};
    corten_error error = {0};
    assert_int_equal(
        ct_program_run(p.program, (const struct ct_tensor *[]){&in}, out, NULL, &error),
        CORTEN_INVALID_ARGUMENT);
    assert_string_equal(error.text,
                        "output 'y' is float32[2,2], the memory given for it is float32[3,2]");
    assert_null(out[1].data);
    test_program_destroy(&p);
    ct_model_destroy(model);
}

static void a_warm_run_allocates_nothing(void **state)
{
    (void)state;
    struct test_alloc counting = {0};
    corten_allocator allocator = test_allocator(&counting);
    struct ct_model *model = small_model(&allocator);
    struct test_program p;
    test_program_create(&p, model, &allocator, 2);
    float x[] = {1, 2, -3, 4}, y[4], same[4];
    struct ct_tensor in = test_tensor(CORTEN_F32, 1, (int64_t[]){4}, x);
    for (int i = 0; i < 3; i++) {
        struct ct_tensor out[] = {test_tensor(CORTEN_F32, 2, (int64_t[]){2, 2}, y),
                                  test_tensor(CORTEN_F32, 1, (int64_t[]){4}, same)};
        int before = counting.calls;
        run_ok(&p, (const struct ct_tensor *[]){&in}, out);
        assert_true(i == 0 || counting.calls == before);
    }
    test_program_destroy(&p);
    ct_model_destroy(model);
    assert_int_equal(counting.live, 0);
    assert_int_equal(counting.errors, 0);
}

/* Shapes that depend on data: indices of the positive elements, and what comes after them. */
static void steps_after_a_data_dependent_shape_run(void **state)
{
    (void)state;
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *graph = model->graph;
    struct ct_value *x = test_input(graph, "x", CORTEN_F32, 1, any);
    struct ct_value *relu = test_node(graph, "Relu", "relu", x, NULL);
    struct ct_value *found = test_node(graph, "NonZero", "found", relu, NULL);
    struct ct_value *twice = test_node(graph, "Add", "twice", found, found);
    assert_true(ct_graph_add_output(graph, twice));
    test_finish(model);
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    float few[] = {-1, 2, -3, -4}, many[] = {1, 2, -3, 4};
    struct ct_tensor out = {0};
    struct ct_tensor in = test_tensor(CORTEN_F32, 1, (int64_t[]){4}, few);
    run_ok(&p, (const struct ct_tensor *[]){&in}, &out);
    assert_int_equal(out.dims[1], 1);
    assert_int_equal(CT_DATA(int64_t, &out)[0], 2);
    ct_tensor_clear(&out);
    in.data = many;
    run_ok(&p, (const struct ct_tensor *[]){&in}, &out);
    assert_int_equal(out.dims[1], 3);
    assert_memory_equal(out.data, ((int64_t[]){0, 2, 6}), 24);
    ct_tensor_clear(&out);
    test_program_destroy(&p);
    ct_model_destroy(model);
}

/* A value that is read twice must not be overwritten by the first reader. */
static void memory_is_not_reused_while_it_is_read(void **state)
{
    (void)state;
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *graph = model->graph;
    struct ct_value *x = test_input(graph, "x", CORTEN_F32, 1, any);
    struct ct_value *a = test_node(graph, "Neg", "a", x, NULL);
    struct ct_value *b = test_node(graph, "Neg", "b", a, NULL);
    struct ct_value *c = test_node(graph, "Add", "c", a, b);
    struct ct_value *d = test_node(graph, "Mul", "d", b, c);
    struct ct_value *e = test_node(graph, "Sub", "e", d, a);
    assert_true(ct_graph_add_output(graph, e));
    test_finish(model);
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    float x_data[] = {1, 2, 3};
    struct ct_tensor out = {0}, in = test_tensor(CORTEN_F32, 1, (int64_t[]){3}, x_data);
    for (int i = 0; i < 2; i++) {
        run_ok(&p, (const struct ct_tensor *[]){&in}, &out);
        assert_memory_equal(out.data, ((float[]){1, 2, 3}), 12);
        ct_tensor_clear(&out);
    }
    test_program_destroy(&p);
    ct_model_destroy(model);
}

static ct_status everything(const corten_allocator *allocator, void *arg, corten_error *error)
{
    struct ct_model *model = arg;
    struct test_program p = {.allocator = *allocator};
    p.context = (struct ct_context){.allocator = &p.allocator, .model = model};
    const struct ct_provider *const providers[] = {&ct_provider_cpu};
    p.context.providers = (struct ct_providers){providers, 1};
    float x[] = {1, 2, -3, 4};
    struct ct_tensor in = test_tensor(CORTEN_F32, 1, (int64_t[]){4}, x), out[2] = {0};
    ct_status status = ct_pool_create(&p.allocator, 2, &p.context.pool, error);
    if (status == CORTEN_OK)
        status = ct_weights_create(&p.allocator, false, NULL, &p.context.weights, error);
    if (status == CORTEN_OK)
        status = ct_program_create(&p.context, model->graph, &p.program, error);
    if (status == CORTEN_OK)
        status = ct_program_run(p.program, (const struct ct_tensor *[]){&in}, out, NULL, error);
    ct_tensor_clear(&out[0]);
    ct_tensor_clear(&out[1]);
    test_program_destroy(&p);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct ct_model *model = small_model(ct_default_allocator());
    assert_true(test_each_allocation_failure(everything, model) > 5);
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_may_change_from_run_to_run),
        cmocka_unit_test(outputs_go_into_the_callers_memory),
        cmocka_unit_test(memory_of_the_wrong_shape_is_refused),
        cmocka_unit_test(a_warm_run_allocates_nothing),
        cmocka_unit_test(steps_after_a_data_dependent_shape_run),
        cmocka_unit_test(memory_is_not_reused_while_it_is_read),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
