/* Calls of model-local functions become the nodes of their bodies. */
#include "graph/graph.h"
#include "model/reader.h"

#include "model/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct proto call(const char *function, const char *name, const char *in, const char *out,
                         float slope)
{
    struct proto node = proto_node(function, name, in, NULL, out), attr = {.size_bytes = 0};
    proto_text(&node, 7, "local");
    if (slope != 0) {
        proto_text(&attr, 1, "slope");
        proto_float(&attr, 2, slope);
        proto_varint(&attr, 20, CT_ATTR_FLOAT);
        proto_message(&node, 5, &attr);
    }
    return node;
}

/* FunctionProto NAME(a) -> r of one node, whose attribute alpha is that of the call. */
static struct proto function(const char *name, const struct proto *node, const char *output)
{
    struct proto p = {.size_bytes = 0}, opset = p;
    proto_text(&p, 1, name);
    proto_text(&p, 4, "a");
    proto_text(&p, 5, output);
    proto_text(&p, 6, "slope");
    proto_message(&p, 7, node);
    proto_varint(&opset, 2, 16);
    proto_message(&p, 9, &opset);
    proto_text(&p, 10, "local");
    return p;
}

static struct proto leaky(void)
{
    struct proto node = proto_node("LeakyRelu", "relu", "a", NULL, "r"), attr = {.size_bytes = 0};
    proto_text(&attr, 1, "alpha");
    proto_varint(&attr, 20, CT_ATTR_FLOAT);
    proto_text(&attr, 21, "slope");
    proto_message(&node, 5, &attr);
    return node;
}

static struct proto model_of(const struct proto *nodes, size_t count, const char *output)
{
    struct proto graph = {.size_bytes = 0}, info = graph;
    struct proto x = proto_info("x", CORTEN_F32, 0, NULL);
    for (size_t i = 0; i < count; i++)
        proto_message(&graph, 1, &nodes[i]);
    proto_message(&graph, 11, &x);
    proto_text(&info, 1, output);
    proto_message(&graph, 12, &info);
    return proto_model(&graph);
}

static struct ct_model *read_model(const struct proto *p)
{
    struct ct_model *model = NULL;
    corten_error error = {0};
    if (ct_model_read_memory(p->bytes, p->size_bytes, NULL, NULL, "m", NULL, &model, &error) !=
        CORTEN_OK)
        fail_msg("%s", error.text);
    return model;
}

static void attributes_of_the_call_reach_the_body(void **state)
{
    (void)state;
    struct proto nodes[] = {call("F", "one", "x", "h", 0.25f), call("F", "two", "h", "y", 0)};
    struct proto body = leaky(), f = function("F", &body, "r"), p = model_of(nodes, 2, "y");
    proto_message(&p, 25, &f);
    struct ct_model *model = read_model(&p);
    corten_error error = {0};
    assert_int_equal(ct_model_inline_functions(model, &error), CORTEN_OK);
    assert_int_equal(ct_graph_verify(model->graph, &error), CORTEN_OK);
    const struct ct_graph *g = model->graph;
    assert_int_equal(g->n_nodes, 2);
    assert_int_equal(model->n_functions, 0);
    assert_string_equal(g->first->op_type, "LeakyRelu");
    assert_string_equal(g->first->name, "one/relu");
    assert_int_equal(g->first->opset, 16); /* what the function imports */
    assert_true(ct_attr_float(g->first, "alpha", 9) == 0.25f);
    assert_null(ct_node_attr(g->last, "alpha")); /* the call says nothing: the default counts */
    assert_string_equal(g->outputs[0]->name, "y");
    ct_model_destroy(model);
}

static void an_input_handed_through_becomes_an_identity_where_it_is_an_output(void **state)
{
    (void)state;
    struct proto nodes[] = {call("F", "one", "x", "y", 0)};
    struct proto body = leaky(), f = function("F", &body, "a"), p = model_of(nodes, 1, "y");
    proto_message(&p, 25, &f);
    struct ct_model *model = read_model(&p);
    corten_error error = {0};
    assert_int_equal(ct_model_inline_functions(model, &error), CORTEN_OK);
    assert_int_equal(ct_graph_verify(model->graph, &error), CORTEN_OK);
    assert_string_equal(model->graph->outputs[0]->name, "y");
    assert_string_equal(model->graph->outputs[0]->producer->op_type, "Identity");
    ct_model_destroy(model);
}

static void functions_call_functions_but_not_themselves(void **state)
{
    (void)state;
    struct proto nodes[] = {call("G", "outer", "x", "y", 0)};
    struct proto body = leaky(), inner = call("F", "inner", "a", "r", 0.5f);
    struct proto f = function("F", &body, "r"), g = function("G", &inner, "r");
    struct proto p = model_of(nodes, 1, "y"), endless = p;
    proto_message(&p, 25, &g);
    proto_message(&p, 25, &f);
    struct ct_model *model = read_model(&p);
    corten_error error = {0};
    assert_int_equal(ct_model_inline_functions(model, &error), CORTEN_OK);
    assert_int_equal(model->graph->n_nodes, 1);
    assert_string_equal(model->graph->first->name, "outer/inner/relu");
    assert_true(ct_attr_float(model->graph->first, "alpha", 0) == 0.5f);
    ct_model_destroy(model);

    struct proto self = call("G", "self", "a", "r", 0);
    g = function("G", &self, "r");
    proto_message(&endless, 25, &g);
    model = read_model(&endless);
    assert_int_equal(ct_model_inline_functions(model, &error), CORTEN_INVALID_MODEL);
    assert_string_equal(error.text, "m: function 'G' calls itself");
    ct_model_destroy(model);
}

/* Each function calls the one before twice: 2^40 nodes from a small file. */
static void growth_without_bound_is_an_error(void **state)
{
    (void)state;
    struct proto nodes[] = {call("F30", "n", "x", "y", 0)}, p = model_of(nodes, 1, "y");
    for (int i = 0; i <= 30; i++) {
        char name[16], before[16];
        struct proto f, first, second;
        snprintf(name, sizeof name, "F%d", i);
        snprintf(before, sizeof before, "F%d", i - 1);
        first = i ? call(before, "", "a", "h", 0) : proto_node("Neg", "", "a", NULL, "h");
        second = i ? call(before, "", "h", "r", 0) : proto_node("Neg", "", "h", NULL, "r");
        f = function(name, &first, "r");
        proto_message(&f, 7, &second);
        proto_message(&p, 25, &f);
    }
    struct ct_model *model = read_model(&p);
    corten_error error = {0};
    assert_int_equal(ct_model_inline_functions(model, &error), CORTEN_LIMIT_EXCEEDED);
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_of_the_call_reach_the_body),
        cmocka_unit_test(an_input_handed_through_becomes_an_identity_where_it_is_an_output),
        cmocka_unit_test(functions_call_functions_but_not_themselves),
        cmocka_unit_test(growth_without_bound_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
