/* The layout pass: chains of convolutions run blocked and give what they gave; values are converted
 * where a chain begins and ends, and nowhere else. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "support/builder.h"

static uint32_t seed = 1;

static float random_f32(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 16777216.0f - 0.5f;
}

static struct ct_value *weight(struct ct_graph *graph, int rank, const int64_t *dims)
{
    size_t n = (size_t)ct_dims_product(dims, 0, rank);
    float *data = malloc(n * sizeof *data);
    assert_non_null(data);
    float scale = 2.0f / sqrtf((float)(rank > 1 ? n / (size_t)dims[0] : 1));
    for (size_t i = 0; i < n; i++)
        data[i] = random_f32() * scale;
    struct ct_value *value = ct_graph_add_small_constant(graph, CORTEN_F32, rank, dims, data);
    free(data);
    assert_non_null(value);
    return value;
}

static struct ct_value *conv(struct ct_graph *graph, const char *name, struct ct_value *x, int ic,
                             int oc, int kernel, int stride, int group)
{
    int64_t *ints = ct_arena_array(&graph->model->arena, 6, sizeof *ints);
    struct ct_value *y = test_node(graph, "Conv", name, x,
                                   weight(graph, 4, (int64_t[]){oc, ic / group, kernel, kernel}));
    assert_non_null(ints);
    for (int i = 0; i < 6; i++)
        ints[i] = i < 4 ? kernel / 2 : stride;
    assert_true(ct_node_set_ints(y->producer, "pads", ints, 4) &&
                ct_node_set_ints(y->producer, "strides", ints + 4, 2) &&
                ct_node_set_int(y->producer, "group", group) &&
                ct_node_resize_inputs(y->producer, 3));
    ct_node_set_input(y->producer, 2, weight(graph, 1, (int64_t[]){oc}));
    return y;
}

/* Everything that the pass knows, and at last Softmax, which works on the plain layout only. */
static void build(struct ct_graph *g)
{
    const ct_dim unknown = CT_DIM_UNKNOWN;
    struct ct_value *x =
        test_input(g, "x", CORTEN_F32, 4, (ct_dim[]){unknown, 3, unknown, unknown});
    struct ct_value *a = test_node(g, "Relu", "a", conv(g, "stem", x, 3, 24, 3, 2, 1), NULL);
    struct ct_value *b = conv(g, "depthwise", a, 24, 24, 3, 1, 24);
    struct ct_value *mean = test_node(g, "GlobalAveragePool", "mean", b, NULL);
    struct ct_value *squeeze =
        test_node(g, "Relu", "squeezed", conv(g, "sq", mean, 24, 6, 1, 1, 1), NULL);
    struct ct_value *gate =
        test_node(g, "Sigmoid", "gate", conv(g, "ex", squeeze, 6, 24, 1, 1, 1), NULL);
    struct ct_value *scaled = test_node(g, "Mul", "scaled", b, gate);
    struct ct_value *c = conv(g, "project", scaled, 24, 32, 1, 1, 1);
    struct ct_value *d = test_node(g, "Add", "sum", conv(g, "wide", c, 32, 32, 3, 1, 1), c);
    struct ct_value *e = test_node(g, "MaxPool", "pool", d, NULL);
    static const int64_t kernel[] = {3, 3}, pads[] = {1, 1, 1, 1};
    assert_true(ct_node_set_ints(e->producer, "kernel_shape", kernel, 2) &&
                ct_node_set_ints(e->producer, "pads", pads, 4));
    struct ct_value *f = test_node(g, "Concat", "both", e, d);
    assert_true(ct_node_set_int(f->producer, "axis", 1));
    struct ct_value *r = test_node(g, "Resize", "larger", f, NULL);
    assert_true(ct_node_resize_inputs(r->producer, 3) &&
                ct_node_set_string(r->producer, "mode", "nearest") &&
                ct_node_set_string(r->producer, "coordinate_transformation_mode", "asymmetric") &&
                ct_node_set_string(r->producer, "nearest_mode", "floor"));
    ct_node_set_input(r->producer, 2, test_floats(g, 4, (float[]){1, 1, 2, 2}));
    struct ct_value *y = test_node(g, "Softmax", "y", conv(g, "last", r, 64, 10, 1, 1, 1), NULL);
    assert_true(ct_graph_add_output(g, y));
}

static struct ct_model *make(bool optimised)
{
    struct ct_model *model = test_model(ct_default_allocator());
    corten_error error = {0};
    seed = 1;
    build(model->graph);
    test_finish(model);
    struct ct_pass_options options = {.level = CORTEN_LEVEL_LAYOUT};
    if (optimised && ct_passes_run(model, &options, NULL, NULL, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    if (optimised && (ct_graph_verify(model->graph, &error) != CORTEN_OK ||
                      ct_graph_find_captures(model->graph, &error) != CORTEN_OK))
        fail_msg("%s", error.text);
    return model;
}

static void run(struct ct_model *model, int threads, int64_t batch, int64_t size,
                struct ct_tensor *y)
{
    struct test_program p;
    corten_error error = {0};
    int64_t dims[] = {batch, 3, size, size + 5};
    size_t n = (size_t)ct_dims_product(dims, 0, 4);
    float *data = malloc(n * sizeof *data);
    assert_non_null(data);
    seed = 7;
    for (size_t i = 0; i < n; i++)
        data[i] = random_f32();
    struct ct_tensor x = test_tensor(CORTEN_F32, 4, dims, data);
    const struct ct_tensor *in[] = {&x};
    test_program_create(&p, model, ct_default_allocator(), threads);
    *y = (struct ct_tensor){0};
    if (ct_program_run(p.program, in, y, NULL, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    test_program_destroy(&p);
    free(data);
}

static int count(const struct ct_model *model, const char *op_type)
{
    int n = 0;
    for (const struct ct_node *node = model->graph->first; node; node = node->next)
        n += !strcmp(node->op_type, op_type);
    return n;
}

static void results_stay_the_same(void **state)
{
    static const int64_t sizes[] = {17, 32, 70};
    struct ct_model *plain = make(false), *blocked = make(true);
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ct_tensor want, got, threaded;
        run(plain, 1, 2, sizes[i], &want);
        run(blocked, 1, 2, sizes[i], &got);
        run(blocked, 3, 2, sizes[i], &threaded);
        assert_true(ct_same_shape(&want, &got));
        for (size_t k = 0; k < ct_count(&want); k++)
            assert_true(fabsf(CT_DATA(float, &want)[k] - CT_DATA(float, &got)[k]) < 1e-5f);
        assert_memory_equal(got.data, threaded.data, ct_tensor_bytes(&got));
        ct_tensor_clear(&want);
        ct_tensor_clear(&got);
        ct_tensor_clear(&threaded);
    }
    ct_model_destroy(plain);
    ct_model_destroy(blocked);
}

static void a_chain_is_converted_only_at_its_end(void **state)
{
    struct ct_model *model = make(true);
    (void)state;
    assert_int_equal(count(model, "BlockedConv"), 7);
    assert_int_equal(count(model, "BlockedMaxPool"), 1);
    assert_int_equal(count(model, "BlockedConcat"), 1);
    assert_int_equal(count(model, "BlockedUpsample"), 1);
    assert_int_equal(count(model, "BlockedGlobalAveragePool"), 1);
    assert_int_equal(count(model, "Reorder"), 1); /* the stem reads the plain input */
    ct_model_destroy(model);
}

static void a_small_convolution_alone_stays_plain(void **state)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *g = model->graph;
    corten_error error = {0};
    struct ct_value *x = test_input(g, "x", CORTEN_F32, 4, (ct_dim[]){1, 16, 20, 20});
    (void)state;
    assert_true(ct_graph_add_output(g, conv(g, "y", x, 16, 16, 1, 1, 1)));
    test_finish(model);
    struct ct_pass_options options = {.level = CORTEN_LEVEL_LAYOUT};
    assert_int_equal(ct_passes_run(model, &options, NULL, NULL, &error), CORTEN_OK);
    assert_int_equal(count(model, "BlockedConv"), 0);
    assert_int_equal(count(model, "Reorder"), 0);
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_stay_the_same),
        cmocka_unit_test(a_chain_is_converted_only_at_its_end),
        cmocka_unit_test(a_small_convolution_alone_stays_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
