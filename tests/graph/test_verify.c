/* The verifier finds what an edit past the edit functions breaks. */
#include "graph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct parts {
    struct ct_model *model;
    struct ct_graph *graph;
    struct ct_value *x, *y;
    struct ct_node *node;
};

static struct parts build(void)
{
    struct parts p;
    assert_int_equal(ct_model_create(NULL, "m", &p.model, NULL), CORTEN_OK);
    p.graph = p.model->graph;
    p.x = ct_graph_add_value(p.graph, "x");
    p.y = ct_graph_add_value(p.graph, "y");
    p.node = ct_graph_add_node(p.graph, NULL, "", "Neg", 1, 1);
    assert_true(p.x && p.y && p.node && ct_graph_add_input(p.graph, p.x) &&
                ct_graph_add_output(p.graph, p.y));
    p.node->name = "neg";
    ct_node_set_input(p.node, 0, p.x);
    ct_node_set_output(p.node, 0, p.y);
    assert_int_equal(ct_graph_verify(p.graph, NULL), CORTEN_OK);
    return p;
}

static void expect(struct parts *p, const char *text)
{
    corten_error error = {0};
    assert_int_equal(ct_graph_verify(p->graph, &error), CORTEN_INVALID_MODEL);
    assert_string_equal(error.text, text);
    ct_model_destroy(p->model);
}

static void a_value_without_origin(void **state)
{
    (void)state;
    struct parts p = build();
    p.x->is_input = false;
    p.graph->n_inputs = 0;
    expect(&p, "m: graph '': node 'neg' (Neg) reads 'x', which is no input, no constant and no "
               "node's output");
}

static void an_output_whose_node_is_gone(void **state)
{
    (void)state;
    struct parts p = build();
    ct_node_remove(p.node);
    expect(&p, "m: graph '': output 0 reads 'y', which is no input, no constant and no node's "
               "output");
}

static void an_input_outside_of_the_uses(void **state)
{
    (void)state;
    struct parts p = build();
    p.x->uses = NULL;
    expect(&p, "m: graph '': node 'neg' (Neg): input 0 is missing in the uses of 'x'");
}

static void a_constant_of_another_type(void **state)
{
    (void)state;
    struct parts p = build();
    const float one = 1;
    struct ct_value *c = ct_graph_add_small_constant(p.graph, CORTEN_F32, 0, NULL, &one);
    assert_non_null(c);
    c->fact.dtype = CORTEN_I64;
    expect(&p, "m: graph '': constant 'constant_0' is of type float32, but is said to be int64");
}

static void a_value_of_a_graph_elsewhere(void **state)
{
    (void)state;
    struct parts p = build();
    struct ct_graph *other = ct_graph_create(p.model, NULL, "other");
    struct ct_value *far = ct_graph_add_value(other, "far");
    assert_true(far && ct_graph_add_input(other, far));
    ct_node_set_input(p.node, 0, far);
    expect(&p, "m: graph '': node 'neg' (Neg) reads 'far', which belongs to a graph that is not "
               "around it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_without_origin),
        cmocka_unit_test(an_output_whose_node_is_gone),
        cmocka_unit_test(an_input_outside_of_the_uses),
        cmocka_unit_test(a_constant_of_another_type),
        cmocka_unit_test(a_value_of_a_graph_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
