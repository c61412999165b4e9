/* A convolution of 1 x 1 is made with the depthwise one after it when nobody else reads what lies
 * between; results stay what they were. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "support/builder.h"

enum { CHANNELS = 24, WIDE = 96, SIZE = 19 };

static uint32_t seed = 1;

static float random_f32(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 16777216.0f - 0.5f;
}

static struct ct_value *weight(struct ct_graph *graph, int rank, const int64_t *dims)
{
    static float data[WIDE * WIDE];
    for (int64_t i = 0; i < ct_dims_product(dims, 0, rank); i++)
        data[i] = random_f32();
    struct ct_value *value = ct_graph_add_small_constant(graph, CORTEN_F32, rank, dims, data);
    assert_non_null(value);
    return value;
}

static struct ct_value *conv(struct ct_graph *graph, const char *name, struct ct_value *x, int ic,
                             int oc, int kernel, int group)
{
    static const int64_t none[4], one[] = {1, 1, 1, 1};
    struct ct_value *y = test_node(graph, "Conv", name, x,
                                   weight(graph, 4, (int64_t[]){oc, ic / group, kernel, kernel}));
    assert_true(ct_node_set_ints(y->producer, "pads", kernel > 1 ? one : none, 4) &&
                ct_node_set_int(y->producer, "group", group));
    return y;
}

/* Expand, depthwise, project; `read_twice`: the expanded value is the graph's output, too. */
static struct ct_model *make(bool optimised, bool read_twice)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *g = model->graph;
    corten_error error = {0};
    seed = 1;
    struct ct_value *x = test_input(g, "x", CORTEN_F32, 4, (ct_dim[]){1, CHANNELS, SIZE, SIZE});
    struct ct_value *stem = conv(g, "stem", x, CHANNELS, CHANNELS, 1, 1);
    struct ct_value *wide =
        test_node(g, "Relu", "wide", conv(g, "expand", stem, CHANNELS, WIDE, 1, 1), NULL);
    struct ct_value *deep =
        test_node(g, "Sigmoid", "deep", conv(g, "depthwise", wide, WIDE, WIDE, 3, WIDE), NULL);
    assert_true(ct_graph_add_output(g, conv(g, "project", deep, WIDE, CHANNELS, 1, 1)));
    if (read_twice)
        assert_true(ct_graph_add_output(g, wide));
    test_finish(model);
    struct ct_pass_options options = {.level = CORTEN_LEVEL_LAYOUT};
    if (optimised && ct_passes_run(model, &options, NULL, NULL, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    if (optimised && (ct_graph_verify(model->graph, &error) != CORTEN_OK ||
                      ct_graph_find_captures(model->graph, &error) != CORTEN_OK))
        fail_msg("%s", error.text);
    return model;
}

static int count(const struct ct_model *model, const char *op_type)
{
    int n = 0;
    for (const struct ct_node *node = model->graph->first; node; node = node->next)
        n += !strcmp(node->op_type, op_type);
    return n;
}

static void run(struct ct_model *model, struct ct_tensor *y)
{
    static float data[CHANNELS * SIZE * SIZE];
    struct test_program p;
    corten_error error = {0};
    seed = 7;
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        data[i] = random_f32();
    struct ct_tensor x = test_tensor(CORTEN_F32, 4, (int64_t[]){1, CHANNELS, SIZE, SIZE}, data);
    const struct ct_tensor *in[] = {&x};
    test_program_create(&p, model, ct_default_allocator(), 2);
    *y = (struct ct_tensor){0};
    if (ct_program_run(p.program, in, y, NULL, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    test_program_destroy(&p);
}

static void both_become_one_and_results_stay(void **state)
{
    struct ct_model *plain = make(false, false), *fused = make(true, false);
    struct ct_tensor want, got;
    (void)state;
    assert_int_equal(count(fused, "BlockedExpandDepthwise"), 1);
    assert_int_equal(count(fused, "BlockedConv"), 2);
    run(plain, &want);
    run(fused, &got);
    assert_true(ct_same_shape(&want, &got));
    for (size_t k = 0; k < ct_count(&want); k++)
        assert_true(fabsf(CT_DATA(float, &want)[k] - CT_DATA(float, &got)[k]) < 1e-4f);
    ct_tensor_clear(&want);
    ct_tensor_clear(&got);
    ct_model_destroy(plain);
    ct_model_destroy(fused);
}

static void a_value_that_others_read_stays(void **state)
{
    struct ct_model *model = make(true, true);
    (void)state;
    assert_int_equal(count(model, "BlockedExpandDepthwise"), 0);
    assert_int_equal(count(model, "BlockedConv"), 4);
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_become_one_and_results_stay),
        cmocka_unit_test(a_value_that_others_read_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
