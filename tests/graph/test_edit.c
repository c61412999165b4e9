/* Editing keeps uses, producers, names and order right. */
#include "graph/clone.h"
#include "graph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct ct_model *model;
    if (ct_model_create(NULL, "m.onnx", &model, NULL) != CORTEN_OK ||
        ct_model_import(model, "", 20, NULL) != CORTEN_OK)
        return -1;
    *state = model;
    return 0;
}

static int teardown(void **state)
{
    ct_model_destroy(*state);
    return 0;
}

static struct ct_value *input(struct ct_graph *graph, const char *name)
{
    struct ct_value *value = ct_graph_add_value(graph, name);
    assert_true(value && ct_graph_add_input(graph, value));
    return value;
}

static struct ct_value *unary(struct ct_graph *graph, const char *op_type, const char *name,
                              struct ct_value *x)
{
    struct ct_node *node = ct_graph_add_node(graph, NULL, "", op_type, 1, 1);
    struct ct_value *out = ct_graph_add_value(graph, name);
    assert_true(node && out);
    node->name = name;
    ct_node_set_input(node, 0, x);
    ct_node_set_output(node, 0, out);
    return out;
}

static void holds_together(const struct ct_graph *graph)
{
    corten_error error = {0};
    if (ct_graph_verify(graph, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
}

static void inputs_are_in_the_list_of_uses(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    struct ct_value *x = input(g, "x"), *y = unary(g, "Neg", "y", x);
    assert_int_equal(y->producer->opset, 20);
    assert_ptr_equal(ct_value_single_use(x), &y->producer->in[0]);
    struct ct_value *z = unary(g, "Abs", "z", x);
    assert_null(ct_value_single_use(x));
    assert_true(ct_node_resize_inputs(z->producer, 3));
    ct_node_set_input(z->producer, 2, y);
    holds_together(g);
    assert_true(ct_node_resize_inputs(z->producer, 1));
    assert_true(ct_value_unused(y));
    ct_node_set_input(z->producer, 0, NULL);
    assert_non_null(ct_value_single_use(x));
    holds_together(g);
}

static void names_are_unique(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    const struct ct_value *a = input(g, "x"), *b = ct_graph_add_value(g, "x");
    assert_string_equal(a->name, "x");
    assert_string_not_equal(b->name, "x");
    assert_ptr_equal(ct_graph_find(g, b->name), b);
}

static void an_output_keeps_its_name_when_it_is_replaced(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    struct ct_value *x = input(g, "x"), *h = unary(g, "Neg", "h", x);
    struct ct_value *y = unary(g, "Identity", "y", h);
    assert_true(ct_graph_add_output(g, y));
    assert_true(ct_value_replace(y, h));
    assert_string_equal(h->name, "y");
    assert_ptr_equal(g->outputs[0], h);
    assert_ptr_equal(ct_graph_find(g, "y"), h);
    ct_node_remove(g->last);
    assert_int_equal(g->n_nodes, 1);
    holds_together(g);
}

static void an_output_that_must_stay_is_not_replaced(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    struct ct_value *x = input(g, "x"), *h = unary(g, "Neg", "h", x);
    struct ct_value *y = unary(g, "Identity", "y", h), *z = unary(g, "Identity", "z", x);
    assert_true(ct_graph_add_output(g, h) && ct_graph_add_output(g, y) &&
                ct_graph_add_output(g, z));
    assert_false(ct_value_replace(y, h)); /* an output itself */
    assert_false(ct_value_replace(z, x)); /* an input */
    assert_string_equal(g->outputs[1]->name, "y");
    holds_together(g);
}

static void attributes_are_set_replaced_and_dropped(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    struct ct_node *node = unary(g, "Op", "y", input(g, "x"))->producer;
    const int64_t axes[] = {1, 2};
    const int64_t *found;
    assert_true(ct_node_set_int(node, "axis", 3) && ct_node_set_float(node, "alpha", 0.5f) &&
                ct_node_set_ints(node, "axes", axes, 2) &&
                ct_node_set_string(node, "mode", "linear"));
    assert_true(ct_node_set_int(node, "axis", 4));
    assert_int_equal(node->n_attrs, 4);
    assert_int_equal(ct_attr_int(node, "axis", 0), 4);
    assert_int_equal(ct_attr_ints(node, "axes", &found), 2);
    assert_int_equal(found[1], 2);
    assert_true(ct_attr_is(node, "mode", "linear", ""));
    assert_true(ct_attr_float(node, "alpha", 0) == 0.5f);
    ct_node_drop_attr(node, "axes");
    assert_int_equal(ct_attr_ints(node, "axes", &found), -1);
    assert_int_equal(ct_attr_int(node, "alpha", 9), 9); /* of another type */
}

/* y = If(c) { then: t = Neg(x) } */
static struct ct_node *branch(struct ct_graph *g, struct ct_value *c, struct ct_value *x)
{
    struct ct_node *node = unary(g, "If", "if_out", c)->producer;
    struct ct_graph *then = ct_graph_create(g->model, g, "then");
    struct ct_graph **list = ct_arena_array(&g->model->arena, 1, sizeof *list);
    assert_true(then && list);
    list[0] = then;
    assert_true(ct_graph_add_output(then, unary(then, "Neg", "t", x)));
    struct ct_attr attr = {.name = "then_branch", .type = CT_ATTR_GRAPH, .doc = "", .count = 1};
    attr.graphs = list;
    assert_true(ct_node_set_attr(node, &attr));
    return node;
}

static void captures_are_found_and_go_with_their_node(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    struct ct_value *c = input(g, "c"), *x = input(g, "x"), *h = unary(g, "Abs", "h", x);
    struct ct_node *node = branch(g, c, h);
    assert_int_equal(ct_graph_find_captures(g, NULL), CORTEN_OK);
    const struct ct_graph *then = ct_attr_graph(node, "then_branch");
    assert_int_equal(then->n_captures, 1);
    assert_ptr_equal(then->captures[0], h);
    assert_int_equal(g->n_captures, 0);
    assert_false(ct_value_unused(h));
    holds_together(g);
    ct_node_remove(node);
    assert_true(ct_value_unused(h));
    holds_together(g);
}

static void sorting_heeds_what_subgraphs_read(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    struct ct_value *c = input(g, "c"), *x = input(g, "x");
    struct ct_value *h = ct_graph_add_value(g, "h");
    struct ct_node *node = branch(g, c, h); /* reads h, which comes only now */
    struct ct_node *late = ct_graph_add_node(g, NULL, "", "Abs", 1, 1);
    ct_node_set_input(late, 0, x);
    ct_node_set_output(late, 0, h);
    corten_error error = {0};
    assert_int_equal(ct_graph_verify(g, &error), CORTEN_INVALID_MODEL);
    assert_non_null(strstr(error.text, "reads 'h' before it is there"));
    assert_int_equal(ct_graph_sort(g, NULL), CORTEN_OK);
    assert_ptr_equal(g->first, late);
    assert_ptr_equal(g->last, node);
    holds_together(g);
}

static void a_subgraph_is_cloned_into_the_graph_around_it(void **state)
{
    struct ct_graph *g = ((struct ct_model *)*state)->graph;
    struct ct_value *c = input(g, "c"), *x = input(g, "x");
    struct ct_node *node = branch(g, c, x);
    struct ct_value *output = NULL;
    struct ct_clone clone = {.from = ct_attr_graph(node, "then_branch"),
                             .into = g,
                             .before = node,
                             .outputs = &output,
                             .prefix = "if",
                             .max_nodes = 10};
    assert_int_equal(ct_graph_clone_nodes(&clone, NULL), CORTEN_OK);
    assert_int_equal(g->n_nodes, 2);
    assert_string_equal(g->first->op_type, "Neg");
    assert_string_equal(g->first->name, "if/t");
    assert_ptr_equal(g->first->in[0].value, x);
    assert_ptr_equal(output, g->first->out[0]);
    holds_together(g);
    clone.max_nodes = 0;
    assert_int_equal(ct_graph_clone_nodes(&clone, NULL), CORTEN_LIMIT_EXCEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(inputs_are_in_the_list_of_uses, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_unique, setup, teardown),
        cmocka_unit_test_setup_teardown(an_output_keeps_its_name_when_it_is_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_output_that_must_stay_is_not_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(attributes_are_set_replaced_and_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(captures_are_found_and_go_with_their_node, setup, teardown),
        cmocka_unit_test_setup_teardown(sorting_heeds_what_subgraphs_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_subgraph_is_cloned_into_the_graph_around_it, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
