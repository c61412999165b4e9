/* If, Loop and Scan: results of bodies, types that change, and bodies that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "graph/infer.h"
#include "ops/registry.h"
#include "support/builder.h"

static struct ct_graph *body_of(struct ct_node *node, const char *name)
{
    struct ct_graph *body = ct_graph_create(node->graph->model, node->graph, name);
    struct ct_graph **graphs = ct_arena_array(&node->graph->model->arena, 1, sizeof *graphs);
    assert_non_null(body);
    assert_non_null(graphs);
    graphs[0] = body;
    body->owner = node;
    struct ct_attr attr = {.name = name, .type = CT_ATTR_GRAPH, .count = 1, .graphs = graphs};
    assert_true(ct_node_set_attr(node, &attr));
    return body;
}

static struct ct_node *node_of(struct ct_graph *graph, const char *op_type, int n_in, int n_out)
{
    struct ct_node *node = ct_graph_add_node(graph, NULL, "", op_type, n_in, n_out);
    assert_non_null(node);
    for (int i = 0; i < n_out; i++) {
        struct ct_value *out = ct_graph_add_value(graph, NULL);
        assert_non_null(out);
        ct_node_set_output(node, i, out);
    }
    return node;
}

/* Strings s are collected by a loop of M rounds: scan = [s, s, …], carried: k = k + 1. */
static struct ct_model *string_loop(void)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *graph = model->graph;
    struct ct_value *count = test_input(graph, "count", CORTEN_I64, 0, NULL);
    struct ct_value *k = test_input(graph, "k", CORTEN_I64, 0, NULL);
    struct ct_value *s = test_input(graph, "s", CORTEN_STRING, 1, (ct_dim[]){2});
    struct ct_node *loop = node_of(graph, "Loop", 3, 2);
    ct_node_set_input(loop, 0, count);
    ct_node_set_input(loop, 2, k);
    struct ct_graph *body = body_of(loop, "body");
    test_input(body, "i", CORTEN_I64, 0, NULL);
    struct ct_value *cond = test_input(body, "cond", CORTEN_BOOL, 0, NULL);
    struct ct_value *old = test_input(body, "old", CORTEN_I64, 0, NULL);
    struct ct_value *one = ct_graph_add_small_constant(body, CORTEN_I64, 0, NULL, &(int64_t){1});
    assert_true(ct_graph_add_output(body, test_node(body, "Identity", "cond_out", cond, NULL)));
    assert_true(ct_graph_add_output(body, test_node(body, "Add", "new", old, one)));
    assert_true(ct_graph_add_output(body, test_node(body, "Identity", "line", s, NULL)));
    assert_true(ct_graph_add_output(graph, loop->out[0]));
    assert_true(ct_graph_add_output(graph, loop->out[1]));
    test_finish(model);
    return model;
}

static void strings_collected_by_a_loop_outlive_it(void **state)
{
    (void)state;
    struct ct_model *model = string_loop();
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    corten_string words[] = {{"one", 3}, {"two", 3}};
    for (int64_t count = 0; count < 4; count++) {
        int64_t k = 10;
        corten_error error = {0};
        struct ct_tensor out[2] = {0};
        struct ct_tensor c = test_tensor(CORTEN_I64, 0, (int64_t[]){0}, &count);
        struct ct_tensor kt = test_tensor(CORTEN_I64, 0, (int64_t[]){0}, &k);
        struct ct_tensor s = test_tensor(CORTEN_STRING, 1, (int64_t[]){2}, words);
        const struct ct_tensor *in[] = {&c, &kt, &s};
        if (ct_program_run(p.program, in, out, NULL, &error) != CORTEN_OK)
            fail_msg("%s", error.text);
        assert_int_equal(*CT_DATA(int64_t, &out[0]), 10 + count);
        assert_int_equal(out[1].rank, 2);
        assert_int_equal(out[1].dims[0], count);
        for (int64_t i = 0; i < count; i++)
            assert_memory_equal(CT_DATA(corten_string, &out[1])[2 * i + 1].data, "two", 3);
        ct_tensor_clear(&out[0]);
        ct_tensor_clear(&out[1]);
    }
    test_program_destroy(&p);
    ct_model_destroy(model);
}

static void assert_not_inferred(struct ct_model *model, const char *text)
{
    corten_error error = {0};
    ct_status status = ct_ops_resolve(model, &error);
    if (status == CORTEN_OK)
        status = ct_graph_infer(model->graph, &error);
    assert_int_not_equal(status, CORTEN_OK);
    if (!strstr(error.text, text))
        fail_msg("expected '%s' in '%s'", text, error.text);
    ct_model_destroy(model);
}

static void bodies_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_value *x = test_input(model->graph, "x", CORTEN_F32, 1, (ct_dim[]){3});
    struct ct_node *loop = node_of(model->graph, "Loop", 3, 1);
    ct_node_set_input(loop, 2, x);
    body_of(loop, "body");
    assert_not_inferred(model, "the body has 0 inputs, expected 3");

    model = test_model(ct_default_allocator());
    x = test_input(model->graph, "x", CORTEN_BOOL, 0, NULL);
    struct ct_node *branch = node_of(model->graph, "If", 1, 1);
    ct_node_set_input(branch, 0, x);
    assert_not_inferred(model, "then_branch and else_branch are required");

    model = test_model(ct_default_allocator());
    x = test_input(model->graph, "x", CORTEN_F32, 1, (ct_dim[]){3});
    struct ct_node *scan = node_of(model->graph, "Scan", 1, 1);
    ct_node_set_input(scan, 0, x);
    assert_true(ct_node_set_int(scan, "num_scan_inputs", INT64_MAX));
    body_of(scan, "body");
    assert_not_inferred(model, "num_scan_inputs is 9223372036854775807");
}

static void a_sequence_is_no_condition(void **state)
{
    (void)state;
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_node *empty = node_of(model->graph, "SequenceEmpty", 0, 1);
    struct ct_node *branch = node_of(model->graph, "If", 1, 1);
    ct_node_set_input(branch, 0, empty->out[0]);
    body_of(branch, "then_branch");
    body_of(branch, "else_branch");
    assert_not_inferred(model, "must be a tensor");
}

/* sum: state + slice, along the last axis, backwards; the running sums come out in order. */
static void a_scan_runs_backwards(void **state)
{
    (void)state;
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *graph = model->graph;
    struct ct_value *start = test_input(graph, "start", CORTEN_F32, 1, (ct_dim[]){2});
    struct ct_value *x = test_input(graph, "x", CORTEN_F32, 2, (ct_dim[]){2, 3});
    struct ct_node *scan = node_of(graph, "Scan", 2, 2);
    ct_node_set_input(scan, 0, start);
    ct_node_set_input(scan, 1, x);
    assert_true(ct_node_set_int(scan, "num_scan_inputs", 1));
    assert_true(ct_node_set_ints(scan, "scan_input_axes", (int64_t[]){-1}, 1));
    assert_true(ct_node_set_ints(scan, "scan_input_directions", (int64_t[]){1}, 1));
    struct ct_graph *body = body_of(scan, "body");
    struct ct_value *sum = test_input(body, "sum", CORTEN_F32, 1, (ct_dim[]){2});
    struct ct_value *slice = test_input(body, "slice", CORTEN_F32, 1, (ct_dim[]){2});
    struct ct_value *next = test_node(body, "Add", "next", sum, slice);
    assert_true(ct_graph_add_output(body, next));
    assert_true(ct_graph_add_output(body, test_node(body, "Identity", "out", next, NULL)));
    assert_true(ct_graph_add_output(graph, scan->out[0]));
    assert_true(ct_graph_add_output(graph, scan->out[1]));
    test_finish(model);
    struct test_program p;
    test_program_create(&p, model, ct_default_allocator(), 1);
    float zero[] = {0, 0}, values[] = {1, 2, 3, 10, 20, 30};
    corten_error error = {0};
    struct ct_tensor out[2] = {0};
    struct ct_tensor a = test_tensor(CORTEN_F32, 1, (int64_t[]){2}, zero);
    struct ct_tensor b = test_tensor(CORTEN_F32, 2, (int64_t[]){2, 3}, values);
    if (ct_program_run(p.program, (const struct ct_tensor *[]){&a, &b}, out, NULL, &error))
        fail_msg("%s", error.text);
    assert_memory_equal(out[0].data, ((float[]){6, 60}), 8);
    assert_memory_equal(out[1].data, ((float[]){3, 30, 5, 50, 6, 60}), 24);
    ct_tensor_clear(&out[0]);
    ct_tensor_clear(&out[1]);
    test_program_destroy(&p);
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_collected_by_a_loop_outlive_it),
        cmocka_unit_test(bodies_that_do_not_fit_are_refused),
        cmocka_unit_test(a_sequence_is_no_condition),
        cmocka_unit_test(a_scan_runs_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
