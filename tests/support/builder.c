#include "support/builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "graph/infer.h"
#include "ops/registry.h"
#include "providers/cpu/cpu.h"

struct ct_model *test_model(const corten_allocator *allocator)
{
    struct ct_model *model;
    corten_error error = {0};
    assert_int_equal(ct_model_create(allocator, "test", &model, &error), CORTEN_OK);
    assert_int_equal(ct_model_import(model, "", 20, &error), CORTEN_OK);
    return model;
}

struct ct_value *test_input(struct ct_graph *graph, const char *name, ct_dtype dtype, int rank,
                            const ct_dim *dims)
{
    struct ct_value *value = ct_graph_add_value(graph, name);
    assert_non_null(value);
    ct_fact_set(&value->fact, dtype, rank, dims);
    assert_true(ct_graph_add_input(graph, value));
    return value;
}

struct ct_value *test_ints(struct ct_graph *graph, int count, const int64_t *values)
{
    int64_t dims[] = {count};
    struct ct_value *value = ct_graph_add_small_constant(graph, CORTEN_I64, 1, dims, values);
    assert_non_null(value);
    return value;
}

struct ct_value *test_floats(struct ct_graph *graph, int count, const float *values)
{
    int64_t dims[] = {count};
    struct ct_value *value = ct_graph_add_small_constant(graph, CORTEN_F32, 1, dims, values);
    assert_non_null(value);
    return value;
}

struct ct_value *test_node(struct ct_graph *graph, const char *op_type, const char *name,
                           struct ct_value *a, struct ct_value *b)
{
    struct ct_node *node = ct_graph_add_node(graph, NULL, "", op_type, b ? 2 : 1, 1);
    struct ct_value *out = ct_graph_add_value(graph, name);
    assert_non_null(node);
    assert_non_null(out);
    node->name = name;
    ct_node_set_input(node, 0, a);
    if (b)
        ct_node_set_input(node, 1, b);
    ct_node_set_output(node, 0, out);
    return out;
}

static void assert_ok(ct_status status, const corten_error *error)
{
    if (status != CORTEN_OK)
        fail_msg("%s", error->text);
}

void test_finish(struct ct_model *model)
{
    corten_error error = {0};
    assert_ok(ct_ops_resolve(model, &error), &error);
    assert_ok(ct_graph_verify(model->graph, &error), &error);
    assert_ok(ct_graph_infer(model->graph, &error), &error);
    assert_ok(ct_graph_find_captures(model->graph, &error), &error);
}

static const struct ct_provider *const providers[] = {&ct_provider_cpu};

void test_program_create(struct test_program *p, struct ct_model *model,
                         const corten_allocator *allocator, int threads)
{
    corten_error error = {0};
    memset(p, 0, sizeof *p);
    p->model = model;
    p->allocator = *allocator;
    p->context = (struct ct_context){
        .allocator = &p->allocator, .providers = {providers, 1}, .model = model};
    assert_ok(ct_pool_create(&p->allocator, threads, &p->context.pool, &error), &error);
    assert_ok(ct_weights_create(&p->allocator, false, NULL, &p->context.weights, &error), &error);
    assert_ok(ct_program_create(&p->context, model->graph, &p->program, &error), &error);
}

void test_program_destroy(struct test_program *p)
{
    ct_program_destroy(p->program);
    ct_weights_destroy(p->context.weights);
    ct_pool_destroy(p->context.pool);
}

struct ct_tensor test_tensor(ct_dtype dtype, int rank, const int64_t *dims, void *data)
{
    struct ct_tensor t = {.dtype = dtype, .rank = rank, .data = data};
    memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    return t;
}
