#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "graph/infer.h"
#include "ops/eval.h"
#include "ops/registry.h"
#include "support/one_node.h"

void one_node_init(struct one_node *one, const char *domain, const char *op_type, int opset,
                   int n_in, int n_out)
{
    memset(one, 0, sizeof *one);
    assert_int_equal(ct_model_create(ct_default_allocator(), "test", &one->model, NULL), CORTEN_OK);
    assert_int_equal(ct_model_import(one->model, domain, opset, NULL), CORTEN_OK);
    one->node = ct_graph_add_node(one->model->graph, NULL, domain, op_type, n_in, n_out);
    assert_non_null(one->node);
    one->node->name = "node";
    for (int i = 0; i < n_out; i++)
        ct_node_set_output(one->node, i, ct_graph_add_value(one->model->graph, NULL));
}

/* Once the inputs are there: it checks that none that must be is missing. */
static void resolve(struct one_node *one)
{
    if (!one->node->op)
        assert_int_equal(ct_op_resolve(one->node, &one->error), CORTEN_OK);
}

static void drop_outputs(struct one_node *one)
{
    for (int i = 0; i < ONE_NODE_MAX; i++)
        ct_tensor_clear(&one->out[i]);
}

void one_node_deinit(struct one_node *one)
{
    drop_outputs(one);
    ct_pool_destroy(one->pool);
    ct_model_destroy(one->model);
}

void one_node_threads(struct one_node *one, int threads)
{
    ct_pool_destroy(one->pool);
    one->pool = NULL;
    assert_int_equal(ct_pool_create(ct_default_allocator(), threads, &one->pool, NULL), CORTEN_OK);
}

void one_node_int(struct one_node *one, const char *name, int64_t value)
{
    struct ct_attr attr = {.name = name, .type = CT_ATTR_INT, .count = 1, .i = value};
    assert_true(ct_node_set_attr(one->node, &attr));
}

void one_node_float(struct one_node *one, const char *name, float value)
{
    struct ct_attr attr = {.name = name, .type = CT_ATTR_FLOAT, .count = 1, .f = value};
    assert_true(ct_node_set_attr(one->node, &attr));
}

void one_node_ints(struct one_node *one, const char *name, int count, const int64_t *values)
{
    struct ct_attr attr = {.name = name, .type = CT_ATTR_INTS, .count = count, .ints = values};
    assert_true(ct_node_set_attr(one->node, &attr));
}

void one_node_text(struct one_node *one, const char *name, const char *value)
{
    struct ct_attr attr = {
        .name = name, .type = CT_ATTR_STRING, .count = 1, .s = {value, strlen(value)}};
    assert_true(ct_node_set_attr(one->node, &attr));
}

void one_node_input(struct one_node *one, int index, ct_dtype dtype, int rank, const int64_t *dims,
                    const void *data)
{
    struct ct_tensor *t = &one->in[index];
    *t = (struct ct_tensor){.dtype = dtype, .rank = rank};
    if (rank)
        memcpy(t->dims, dims, (size_t)rank * sizeof *dims);
    memcpy(&t->data, &data, sizeof data);
    if (!one->present[index])
        ct_node_set_input(one->node, index, ct_graph_add_value(one->model->graph, NULL));
    one->present[index] = true;
}

ct_status one_node_infer(struct one_node *one, struct ct_fact *out)
{
    struct ct_fact facts[ONE_NODE_MAX];
    const struct ct_fact *in[ONE_NODE_MAX] = {NULL};
    struct ct_fact *outs[ONE_NODE_MAX];
    struct ct_arena *arena = &one->model->arena;
    resolve(one);
    for (int i = 0; i < one->node->n_in; i++) {
        if (!one->present[i])
            continue;
        if (one->in[i].data)
            assert_int_equal(ct_fact_of_tensor(&facts[i], &one->in[i], arena, NULL), CORTEN_OK);
        else
            ct_fact_set(&facts[i], one->in[i].dtype, one->in[i].rank, one->in[i].dims);
        in[i] = &facts[i];
    }
    for (int i = 0; i < one->node->n_out; i++)
        outs[i] = &out[i];
    return ct_infer_node(one->node, in, outs, &one->model->symbols, arena, &one->error);
}

ct_status one_node_run(struct one_node *one)
{
    const struct ct_tensor *in[ONE_NODE_MAX] = {NULL};
    struct ct_exec exec = {.pool = one->pool,
                           .allocator = ct_default_allocator(),
                           .error = &one->error,
                           .precision = one->precision};
    resolve(one);
    drop_outputs(one);
    for (int i = 0; i < one->node->n_in; i++)
        in[i] = one->present[i] ? &one->in[i] : NULL;
    return ct_eval_node(one->node, in, one->out, &exec);
}
