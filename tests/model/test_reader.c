/* What a model becomes, and what is said of one that is wrong. */
#include "model/reader.h"

#include "model/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static ct_status read_proto(const struct proto *p, struct ct_model **model, corten_error *error)
{
    return ct_model_read_memory(p->bytes, p->size_bytes, NULL, NULL, "m.onnx", NULL, model, error);
}

static struct ct_model *read_good(const struct proto *p)
{
    struct ct_model *model = NULL;
    corten_error error = {0};
    if (read_proto(p, &model, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    if (ct_graph_verify(model->graph, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    return model;
}

static void expect_error(const struct proto *p, ct_status status, const char *text)
{
    struct ct_model *model = NULL;
    corten_error error = {0};
    assert_int_equal(read_proto(p, &model, &error), status);
    assert_string_equal(error.text, text);
    assert_null(model);
}

/* y = Add(x, w): w an initializer of two floats. */
static struct proto add_graph(bool w_is_input)
{
    const int64_t two = 2, symbol = -2;
    const float elements[] = {1, 2};
    struct proto graph = {.size_bytes = 0};
    struct proto node = proto_node("Add", "add", "x", "w", "y");
    struct proto w = proto_tensor("w", CORTEN_F32, 1, &two);
    struct proto x_info = proto_info("x", CORTEN_F32, 1, &symbol);
    struct proto w_info = proto_info("w", CORTEN_F32, 1, &two);
    struct proto y_info = proto_info("y", CORTEN_F32, 1, &symbol);
    proto_bytes(&w, 9, elements, sizeof elements);
    proto_message(&graph, 1, &node);
    proto_text(&graph, 2, "g");
    proto_message(&graph, 5, &w);
    if (w_is_input)
        proto_message(&graph, 11, &w_info);
    proto_message(&graph, 11, &x_info);
    proto_message(&graph, 12, &y_info);
    return graph;
}

static void a_model_is_read(void **state)
{
    (void)state;
    struct proto graph = add_graph(false), p = proto_model(&graph);
    struct ct_model *model = read_good(&p);
    assert_int_equal(model->ir_version, 10);
    assert_int_equal(ct_model_opset(model, ""), 20);
    assert_int_equal(ct_model_opset(model, "ai.onnx"), 20);
    assert_int_equal(ct_model_opset(model, "other"), -1);
    const struct ct_graph *g = model->graph;
    assert_int_equal(g->n_inputs, 1);
    assert_string_equal(g->inputs[0]->name, "x");
    assert_string_equal(ct_symbol_name(&model->symbols, g->inputs[0]->fact.dims[0]), "N");
    assert_int_equal(g->n_nodes, 1);
    assert_int_equal(g->first->opset, 20);
    const struct ct_tensor *w = ct_value_const(g->first->in[1].value);
    assert_non_null(w);
    assert_true(CT_DATA(const float, w)[1] == 2);
    assert_int_equal((uintptr_t)w->data % 16, 0); /* small ones are copied to aligned memory */
    assert_true(g->outputs[0]->producer == g->first);
    ct_model_destroy(model);
}

static void a_default_can_be_overridden_from_ir_version_4_on(void **state)
{
    (void)state;
    struct proto graph = add_graph(true), p = proto_model(&graph);
    struct ct_model *model = read_good(&p);
    struct ct_value *w = ct_graph_find(model->graph, "w");
    assert_int_equal(model->graph->n_inputs, 2);
    assert_true(w->overridable && w->is_input);
    assert_non_null(w->constant);
    assert_null(ct_value_const(w));
    ct_model_destroy(model);

    proto_varint(&p, 1, 3); /* the last one counts */
    model = read_good(&p);
    w = ct_graph_find(model->graph, "w");
    assert_int_equal(model->graph->n_inputs, 1);
    assert_false(w->overridable || w->is_input);
    assert_int_equal(w->hidden_input, 1);
    assert_non_null(ct_value_const(w));
    ct_model_destroy(model);
}

static void nodes_are_put_in_order(void **state)
{
    (void)state;
    struct proto graph = {.size_bytes = 0}, info = graph;
    struct proto last = proto_node("Neg", "last", "h", NULL, "y");
    struct proto first = proto_node("Abs", "first", "x", NULL, "h");
    const int64_t two = 2;
    struct proto x = proto_info("x", CORTEN_F32, 1, &two);
    proto_text(&info, 1, "y");
    proto_message(&graph, 1, &last);
    proto_message(&graph, 1, &first);
    proto_message(&graph, 11, &x);
    proto_message(&graph, 12, &info);
    struct proto p = proto_model(&graph);
    struct ct_model *model = read_good(&p);
    assert_string_equal(model->graph->first->name, "first");
    assert_string_equal(model->graph->last->name, "last");
    ct_model_destroy(model);
}

static void large_weights_stay_in_the_file(void **state)
{
    (void)state;
    /* A message above what struct proto holds: 128 KiB of zeros between head and tail. */
    enum { RAW = 128 * 1024 };
    static uint8_t bytes[RAW + 4096];
    const int64_t dim = RAW;
    struct proto tensor = proto_tensor("w", CORTEN_U8, 1, &dim);
    struct proto head = {.size_bytes = 0}, raw = head, graph = head;
    struct proto node = proto_node("Identity", "n", "w", NULL, "y"), info = head;
    proto_text(&info, 1, "y");
    proto_message(&graph, 1, &node);
    proto_message(&graph, 12, &info);
    proto_number(&raw, 9 << 3 | 2);
    proto_number(&raw, RAW);
    size_t tensor_bytes = tensor.size_bytes + raw.size_bytes + RAW;
    proto_number(&graph, 5 << 3 | 2);
    proto_number(&graph, tensor_bytes);
    proto_number(&head, 7 << 3 | 2);
    proto_number(&head, graph.size_bytes + tensor_bytes);
    size_t at = 0;
    const struct proto *parts[] = {&head, &graph, &tensor, &raw};
    for (int i = 0; i < 4; i++) {
        memcpy(bytes + at, parts[i]->bytes, parts[i]->size_bytes);
        at += parts[i]->size_bytes;
    }
    struct ct_model *model;
    corten_error error = {0};
    if (ct_model_read_memory(bytes, at + RAW, NULL, NULL, "m", NULL, &model, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    assert_ptr_equal(model->graph->first->in[0].value->constant->data, bytes + at);
    ct_model_destroy(model);
}

static void attributes_are_read(void **state)
{
    (void)state;
    struct proto graph = add_graph(false), node = proto_node("Op", "n", "x", NULL, "z");
    struct proto attr = {.size_bytes = 0};
    proto_text(&attr, 1, "ints");
    proto_varint(&attr, 8, 3);
    proto_bytes(&attr, 8, "\x04\x05", 2); /* packed */
    proto_varint(&attr, 20, CT_ATTR_INTS);
    proto_message(&node, 5, &attr);
    attr.size_bytes = 0;
    proto_text(&attr, 1, "scale"); /* without a type, as the first IR versions have it */
    proto_float(&attr, 2, 0.5f);
    proto_message(&node, 5, &attr);
    attr.size_bytes = 0;
    proto_text(&attr, 1, "mode");
    proto_text(&attr, 4, "edge");
    proto_varint(&attr, 20, CT_ATTR_STRING);
    proto_message(&node, 5, &attr);
    proto_message(&graph, 1, &node);
    struct proto p = proto_model(&graph);
    struct ct_model *model = read_good(&p);
    const struct ct_node *n = model->graph->last;
    const int64_t *ints;
    assert_int_equal(ct_attr_ints(n, "ints", &ints), 3);
    assert_int_equal(ints[0] * 100 + ints[1] * 10 + ints[2], 345);
    assert_true(ct_attr_float(n, "scale", 0) == 0.5f);
    assert_true(ct_attr_is(n, "mode", "edge", "constant"));
    assert_int_equal(ct_attr_int(n, "absent", 7), 7);
    ct_model_destroy(model);
}

/* ------------------------------------------------------------------ what is wrong */

static void what_is_no_model_is_called_so(void **state)
{
    (void)state;
    struct proto p = {.size_bytes = 0};
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: not a valid ONNX model: at byte 0, where it ends: it has no graph");
    proto_raw(&p, "\x89PNG\r\n\x1a\n", 8);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: not a valid ONNX model: at byte 0, in ModelProto: a field is cut off");
    p.size_bytes = 0;
    proto_text(&p, 1, "x");
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: not a valid ONNX model: at byte 0, in ModelProto: a field has the wrong "
                 "wire type");
}

static void names_are_checked(void **state)
{
    (void)state;
    struct proto graph = add_graph(false), node = proto_node("Neg", "neg", "nowhere", NULL, "z");
    proto_message(&graph, 1, &node);
    struct proto p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: node 'neg' (Neg): input 0, 'nowhere', is not the name of any node's "
                 "output, input or initializer");
    graph = add_graph(false);
    node = proto_node("Neg", "neg", "x", NULL, "y");
    proto_message(&graph, 1, &node);
    p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: node 'neg' (Neg): output 0, 'y', is already the name of what node 'add' "
                 "(Add) gives");
    graph = add_graph(false);
    struct proto info = {.size_bytes = 0};
    proto_text(&info, 1, "lost");
    proto_message(&graph, 12, &info);
    p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: graph 'g': output 1, 'lost', is not the name of any node's output, input "
                 "or initializer");
    graph = add_graph(false);
    info = proto_info("x", CORTEN_F32, 0, NULL);
    proto_message(&graph, 11, &info);
    p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL, "m.onnx: graph 'g': two inputs have the name 'x'");
}

static void a_name_with_a_nul_inside_is_refused(void **state)
{
    (void)state;
    struct proto graph = {.size_bytes = 0};
    proto_bytes(&graph, 2, "a\0b", 3);
    struct proto p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: not a valid ONNX model: at byte 6, in GraphProto: a text has a NUL "
                 "inside");
}

static void initializers_are_checked(void **state)
{
    (void)state;
    struct proto graph = add_graph(false);
    const int64_t two = 2, three = 3;
    struct proto tensor = proto_tensor("w", CORTEN_F32, 1, &two);
    proto_bytes(&tensor, 9, "abcdefgh", 8);
    proto_message(&graph, 5, &tensor);
    struct proto p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL, "m.onnx: two initializers have the name 'w'");

    graph = add_graph(false);
    struct proto info = proto_info("w", CORTEN_F32, 1, &three);
    proto_message(&graph, 11, &info);
    p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: initializer 'w' is float32[2], but the input of that name is declared as "
                 "float32[3]");
}

static void a_cycle_is_named(void **state)
{
    (void)state;
    struct proto graph = add_graph(false);
    struct proto a = proto_node("Neg", "a", "q", NULL, "p");
    struct proto b = proto_node("Neg", "b", "p", NULL, "q");
    proto_message(&graph, 1, &a);
    proto_message(&graph, 1, &b);
    struct proto p = proto_model(&graph);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: node 'a' (Neg) depends on its own output: the graph has a cycle");
}

static void subgraphs_are_not_nested_without_bound(void **state)
{
    (void)state;
    struct proto graph = {.size_bytes = 0};
    for (int i = 0; i < 70; i++) {
        struct proto attr = {.size_bytes = 0}, outer = attr;
        struct proto node = proto_node("If", "", NULL, NULL, NULL);
        proto_text(&attr, 1, "b");
        proto_message(&attr, 6, &graph);
        proto_message(&node, 5, &attr);
        proto_message(&outer, 1, &node);
        graph = outer;
    }
    struct proto p = proto_model(&graph);
    expect_error(&p, CORTEN_LIMIT_EXCEEDED, "m.onnx: subgraphs are nested more than 64 deep");
}

static void types_are_not_nested_without_bound(void **state)
{
    (void)state;
    struct proto type = {.size_bytes = 0}, graph = type, info = type;
    for (int i = 0; i < 70; i++) {
        struct proto sequence = {.size_bytes = 0}, outer = sequence;
        proto_message(&sequence, 1, &type);
        proto_message(&outer, 4, &sequence);
        type = outer;
    }
    proto_text(&info, 1, "x");
    proto_message(&info, 2, &type);
    proto_message(&graph, 11, &info);
    struct proto p = proto_model(&graph);
    expect_error(&p, CORTEN_LIMIT_EXCEEDED, "m.onnx: types are nested more than 64 deep");
}

static void a_sparse_initializer_does_not_grow_without_bound(void **state)
{
    (void)state;
    const int64_t zero = 0;
    struct proto values = proto_tensor("s", CORTEN_F32, 1, &zero), graph = {.size_bytes = 0};
    struct proto indices = proto_tensor(NULL, CORTEN_I64, 1, &zero), sparse = graph;
    proto_message(&sparse, 1, &values);
    proto_message(&sparse, 2, &indices);
    proto_varint(&sparse, 3, UINT64_C(1) << 40);
    proto_message(&graph, 15, &sparse);
    struct proto p = proto_model(&graph);
    struct ct_model *model;
    corten_error error = {0};
    assert_int_equal(read_proto(&p, &model, &error), CORTEN_LIMIT_EXCEEDED);
    assert_non_null(strstr(error.text, "sparse tensor 's' is out of proportion"));
}

static void a_sparse_initializer_becomes_dense(void **state)
{
    (void)state;
    const int64_t two = 2, at[] = {1, 5};
    const float elements[] = {3, 4};
    struct proto values = proto_tensor("s", CORTEN_F32, 1, &two), sparse = {.size_bytes = 0};
    struct proto indices = proto_tensor(NULL, CORTEN_I64, 1, &two), graph = sparse;
    proto_bytes(&values, 9, elements, 8);
    proto_bytes(&indices, 9, at, 16);
    proto_message(&sparse, 1, &values);
    proto_message(&sparse, 2, &indices);
    proto_varint(&sparse, 3, 2);
    proto_varint(&sparse, 3, 3);
    proto_message(&graph, 15, &sparse);
    struct proto p = proto_model(&graph);
    struct ct_model *model = read_good(&p);
    const struct ct_value *s = ct_graph_find(model->graph, "s");
    const float dense[] = {0, 3, 0, 0, 0, 4};
    assert_int_equal(s->constant->rank, 2);
    assert_memory_equal(s->constant->data, dense, sizeof dense);
    assert_non_null(s->sparse);
    ct_model_destroy(model);
}

static void newer_versions_are_read_but_found_by_the_check(void **state)
{
    (void)state;
    struct proto graph = add_graph(false), p = proto_model(&graph);
    proto_varint(&p, 1, 99);
    struct ct_model *model = read_good(&p);
    const struct ct_known_opset known = {"", 20}, older = {"", 19};
    corten_error error = {0};
    assert_int_equal(ct_model_check_versions(model, 99, &known, 1, &error), CORTEN_OK);
    assert_int_equal(ct_model_check_versions(model, 14, &known, 1, &error), CORTEN_UNSUPPORTED);
    assert_string_equal(error.text, "m.onnx: IR version 99 is newer than the newest known, 14");
    assert_int_equal(ct_model_check_versions(model, 99, &older, 1, &error), CORTEN_UNSUPPORTED);
    assert_string_equal(error.text, "m.onnx: version 20 of operator set 'ai.onnx' is newer than "
                                    "the newest known, 19");
    ct_model_destroy(model);
}

static void a_missing_file_is_no_such_file(void **state)
{
    (void)state;
    struct ct_model *model = NULL;
    corten_error error = {0};
    assert_int_equal(ct_model_read_file("/nonexistent/m.onnx", NULL, NULL, &model, &error),
                     CORTEN_NO_SUCH_FILE);
    assert_non_null(strstr(error.text, "/nonexistent/m.onnx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_read),
        cmocka_unit_test(a_default_can_be_overridden_from_ir_version_4_on),
        cmocka_unit_test(nodes_are_put_in_order),
        cmocka_unit_test(large_weights_stay_in_the_file),
        cmocka_unit_test(attributes_are_read),
        cmocka_unit_test(what_is_no_model_is_called_so),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(a_name_with_a_nul_inside_is_refused),
        cmocka_unit_test(initializers_are_checked),
        cmocka_unit_test(a_cycle_is_named),
        cmocka_unit_test(subgraphs_are_not_nested_without_bound),
        cmocka_unit_test(types_are_not_nested_without_bound),
        cmocka_unit_test(a_sparse_initializer_does_not_grow_without_bound),
        cmocka_unit_test(a_sparse_initializer_becomes_dense),
        cmocka_unit_test(newer_versions_are_read_but_found_by_the_check),
        cmocka_unit_test(a_missing_file_is_no_such_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
