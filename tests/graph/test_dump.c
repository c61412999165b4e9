/* Dumps: text that tells a node in one line, and Graphviz that no name can break. */
#include "graph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ct_model *build(const char *input_name)
{
    struct ct_model *model;
    const int64_t dims[] = {2}, values[] = {5, -6};
    const ct_dim shape[] = {CT_DIM_UNKNOWN, 3};
    assert_int_equal(ct_model_create(NULL, "m.onnx", &model, NULL), CORTEN_OK);
    assert_int_equal(ct_model_import(model, "", 20, NULL), CORTEN_OK);
    struct ct_graph *g = model->graph;
    g->name = "g";
    struct ct_value *x = ct_graph_add_value(g, input_name);
    struct ct_value *c = ct_graph_add_small_constant(g, CORTEN_I64, 1, dims, values);
    struct ct_value *y = ct_graph_add_value(g, "y");
    assert_true(x && c && y && ct_graph_add_input(g, x) && ct_graph_add_output(g, y));
    ct_fact_set(&x->fact, CORTEN_F32, 2, shape);
    struct ct_node *node = ct_graph_add_node(g, NULL, "", "Reshape", 3, 1);
    assert_non_null(node);
    node->name = "reshape";
    ct_node_set_input(node, 0, x);
    ct_node_set_input(node, 2, c);
    ct_node_set_output(node, 0, y);
    assert_true(ct_node_set_int(node, "allowzero", 1));
    return model;
}

static void text_has_types_attributes_and_small_constants(void **state)
{
    (void)state;
    struct ct_model *model = build("x");
    assert_string_equal(ct_graph_dump_text(model->graph, &model->arena),
                        "model m.onnx, IR version 0, ai.onnx 20\n"
                        "graph g\n"
                        "  input x: float32[?,3]\n"
                        "  const constant_0: int64[2] {5, -6}\n"
                        "  y: ? = Reshape(x, _, constant_0) [allowzero=1]  # reshape\n"
                        "  output y: ?\n");
    ct_model_destroy(model);
}

static void names_cannot_break_out_of_a_label(void **state)
{
    (void)state;
    struct ct_model *model = build("x\"];\n\\ evil");
    const char *dot = ct_graph_dump_dot(model->graph, &model->arena);
    assert_non_null(strstr(dot, "label=\"x\\\"];?\\\\ evil\""));
    assert_non_null(strstr(dot, "label=\"float32[?,3]\""));
    assert_non_null(strstr(dot, "label=\"Reshape\\nint64[2]\""));
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_types_attributes_and_small_constants),
        cmocka_unit_test(names_cannot_break_out_of_a_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
