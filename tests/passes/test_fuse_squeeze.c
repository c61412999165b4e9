/* Squeeze and excite: means come with what they are of, factors go into the weights of the 1 x 1
 * convolution that reads the product, where those are fewer; results stay what they were. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "support/builder.h"

enum { BATCH = 2, CHANNELS = 24, WIDE = 56, NARROW = 6, MOST_SIZE = 19 };

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

static struct ct_model *make(bool optimised, int size)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *g = model->graph;
    corten_error error = {0};
    seed = 1;
    struct ct_value *x = test_input(g, "x", CORTEN_F32, 4, (ct_dim[]){BATCH, CHANNELS, size, size});
    struct ct_value *stem = conv(g, "stem", x, CHANNELS, CHANNELS, 1, 1);
    struct ct_value *wide =
        test_node(g, "Relu", "wide", conv(g, "expand", stem, CHANNELS, WIDE, 1, 1), NULL);
    struct ct_value *deep = conv(g, "depthwise", wide, WIDE, WIDE, 3, WIDE);
    struct ct_value *mean = test_node(g, "GlobalAveragePool", "mean", deep, NULL);
    struct ct_value *gate = test_node(
        g, "Sigmoid", "gate",
        conv(g, "excite", conv(g, "squeeze", mean, WIDE, NARROW, 1, 1), NARROW, WIDE, 1, 1), NULL);
    struct ct_value *scaled = test_node(g, "Mul", "scaled", deep, gate);
    assert_true(ct_graph_add_output(g, conv(g, "project", scaled, WIDE, CHANNELS, 1, 1)));
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

static void run(struct ct_model *model, int size, int threads, struct ct_tensor *y)
{
    static float data[BATCH * CHANNELS * MOST_SIZE * MOST_SIZE];
    struct test_program p;
    corten_error error = {0};
    seed = 7;
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        data[i] = random_f32();
    struct ct_tensor x = test_tensor(CORTEN_F32, 4, (int64_t[]){BATCH, CHANNELS, size, size}, data);
    const struct ct_tensor *in[] = {&x};
    test_program_create(&p, model, ct_default_allocator(), threads);
    *y = (struct ct_tensor){0};
    if (ct_program_run(p.program, in, y, NULL, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    test_program_destroy(&p);
}

static void check_results(int size, int muls)
{
    struct ct_model *plain = make(false, size), *fused = make(true, size);
    struct ct_tensor want, got, threaded;
    assert_int_equal(count(fused, "BlockedExpandDepthwise"), 1);
    assert_int_equal(count(fused, "BlockedGlobalAveragePool"), 0);
    assert_int_equal(count(fused, "Mul"), muls);
    run(plain, size, 1, &want);
    run(fused, size, 1, &got);
    run(fused, size, 3, &threaded);
    assert_true(ct_same_shape(&want, &got));
    for (size_t k = 0; k < ct_count(&want); k++)
        assert_true(fabsf(CT_DATA(float, &want)[k] - CT_DATA(float, &got)[k]) < 2e-5f);
    assert_memory_equal(got.data, threaded.data, ct_tensor_bytes(&got));
    ct_tensor_clear(&want);
    ct_tensor_clear(&got);
    ct_tensor_clear(&threaded);
    ct_model_destroy(plain);
    ct_model_destroy(fused);
}

static void factors_go_into_the_weights_of_large_images(void **state)
{
    (void)state;
    check_results(MOST_SIZE, 0);
}

static void small_images_are_multiplied_themselves(void **state)
{
    (void)state;
    check_results(4, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_go_into_the_weights_of_large_images),
        cmocka_unit_test(small_images_are_multiplied_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
