/* Tree ensembles: trees that are none, NaN, and results that do not depend on threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ops/eval.h"
#include "ops/registry.h"
#include "support/builder.h"

enum { N_NODES = 5 };

/* A tree over two features: x0 ? (x1 ? leaf 2 : leaf 3) : leaf 4, as a model lists it. */
struct listing {
    int64_t trees[N_NODES], ids[N_NODES], features[N_NODES], yes[N_NODES], no[N_NODES];
    int64_t tracks[N_NODES];
    float splits[N_NODES];
    const char *modes[N_NODES];
    int64_t target_trees[3], target_nodes[3], targets[3];
    float weights[3];
};

static const struct listing good = {
    .ids = {0, 1, 2, 3, 4},
    .features = {0, 1, 0, 0, 0},
    .yes = {1, 2, 0, 0, 0},
    .no = {4, 3, 0, 0, 0},
    .splits = {0.5F, -1, 0, 0, 0},
    .modes = {"BRANCH_LEQ", "BRANCH_LT", "LEAF", "LEAF", "LEAF"},
    .target_nodes = {2, 3, 4},
    .weights = {10, 20, 30},
};

static void set_strings(struct ct_node *node, const char *name, const char *const *texts, int n)
{
    corten_string *strings = ct_arena_array(&node->graph->model->arena, (size_t)n, sizeof *strings);
    for (int i = 0; i < n; i++)
        strings[i] = (corten_string){texts[i], strlen(texts[i])};
    struct ct_attr attr = {.name = name, .type = CT_ATTR_STRINGS, .count = n, .strings = strings};
    assert_true(ct_node_set_attr(node, &attr));
}

static void set_floats(struct ct_node *node, const char *name, const float *values, int n)
{
    struct ct_attr attr = {.name = name, .type = CT_ATTR_FLOATS, .count = n, .floats = values};
    assert_true(ct_node_set_attr(node, &attr));
}

static void set_listing(struct ct_node *node, const struct listing *l)
{
    assert_true(ct_node_set_ints(node, "nodes_treeids", l->trees, N_NODES));
    assert_true(ct_node_set_ints(node, "nodes_nodeids", l->ids, N_NODES));
    assert_true(ct_node_set_ints(node, "nodes_featureids", l->features, N_NODES));
    assert_true(ct_node_set_ints(node, "nodes_truenodeids", l->yes, N_NODES));
    assert_true(ct_node_set_ints(node, "nodes_falsenodeids", l->no, N_NODES));
    assert_true(ct_node_set_ints(node, "nodes_missing_value_tracks_true", l->tracks, N_NODES));
    assert_true(ct_node_set_ints(node, "target_treeids", l->target_trees, 3));
    assert_true(ct_node_set_ints(node, "target_nodeids", l->target_nodes, 3));
    assert_true(ct_node_set_ints(node, "target_ids", l->targets, 3));
    assert_true(ct_node_set_int(node, "n_targets", 1));
    set_floats(node, "nodes_values", l->splits, N_NODES);
    set_floats(node, "target_weights", l->weights, 3);
    set_strings(node, "nodes_modes", l->modes, N_NODES);
}

static ct_status predict(const struct listing *l, struct ct_tensor *x, struct ct_tensor *y,
                         corten_error *error)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_exec exec = {.allocator = ct_default_allocator(), .error = error};
    assert_int_equal(ct_model_import(model, "ai.onnx.ml", 3, error), CORTEN_OK);
    struct ct_node *node =
        ct_graph_add_node(model->graph, NULL, "ai.onnx.ml", "TreeEnsembleRegressor", 1, 1);
    ct_node_set_input(node, 0, ct_graph_add_value(model->graph, "x"));
    ct_node_set_output(node, 0, ct_graph_add_value(model->graph, "y"));
    set_listing(node, l);
    ct_status status = ct_op_resolve(node, error);
    if (status == CORTEN_OK)
        status = ct_eval_node(node, (const struct ct_tensor *[]){x}, y, &exec);
    ct_model_destroy(model);
    return status;
}

static void assert_prediction(const struct listing *l, float x0, float x1, float expected)
{
    float row[] = {x0, x1};
    struct ct_tensor x = test_tensor(CORTEN_F32, 2, (int64_t[]){1, 2}, row), y = {0};
    corten_error error = {0};
    if (predict(l, &x, &y, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    assert_float_equal(*CT_DATA(float, &y), expected, 0);
    ct_tensor_clear(&y);
}

static void rows_end_in_their_leaf(void **state)
{
    (void)state;
    assert_prediction(&good, 0.5F, -2, 10);
    assert_prediction(&good, 0.5F, -1, 20);
    assert_prediction(&good, 0.6F, -2, 30);
    assert_prediction(&good, NAN, -2, 30);
    struct listing l = good;
    l.tracks[0] = 1;
    assert_prediction(&l, NAN, NAN, 20);
    l.modes[0] = "BRANCH_NEQ";
    assert_prediction(&l, 0.5F, 0, 30);
    assert_prediction(&l, 0.4F, 0, 20);
    l.modes[0] = "BRANCH_GTE";
    l.splits[0] = NAN; /* nothing is greater */
    assert_prediction(&l, 7, 0, 30);
}

static void assert_refused(const struct listing *l, const char *text)
{
    float row[] = {0, 0};
    struct ct_tensor x = test_tensor(CORTEN_F32, 2, (int64_t[]){1, 2}, row), y = {0};
    corten_error error = {0};
    assert_int_equal(predict(l, &x, &y, &error), CORTEN_INVALID_MODEL);
    if (!strstr(error.text, text))
        fail_msg("expected '%s' in '%s'", text, error.text);
}

static void what_is_no_tree_is_refused(void **state)
{
    (void)state;
    struct listing l = good;
    l.yes[1] = 0;
    assert_refused(&l, "leads back to itself");
    l = good;
    l.yes[0] = 0;
    assert_refused(&l, "leads back to itself");
    l = good;
    l.no[1] = 77;
    assert_refused(&l, "has a branch that is no node");
    l = good;
    l.ids[4] = 3;
    assert_refused(&l, "two nodes 3");
    l = good;
    l.features[0] = 2;
    assert_refused(&l, "the trees read 3 features, the input has 2");
    l = good;
    l.features[0] = -1;
    assert_refused(&l, "feature that is out of range");
    l = good;
    l.targets[1] = 1;
    assert_refused(&l, "votes for target 1 of 1");
    l = good;
    l.target_nodes[0] = 9;
    assert_refused(&l, "has no node 9");
    l = good;
    l.modes[0] = "BRANCH_MAYBE";
    assert_refused(&l, "unknown mode");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_end_in_their_leaf),
        cmocka_unit_test(what_is_no_tree_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
