/* The whole optimiser on the small models of both exporters: graphs stay valid at every level and
 * with any pass switched off, a second run finds nothing to do, and blocks that make up
 * transformers are all found. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exec/session.h"
#include "passes/pass.h"

enum { MAX_PASSES = 64, PATH_BYTES = 512, SLACK = 2048 };

static struct ct_model *load(const char *path)
{
    corten_error error = {0};
    struct ct_options options = {.level = CORTEN_LEVEL_ALL, .allocator = *ct_default_allocator()};
    struct ct_source source = {.path = path};
    struct ct_model *model;
    if (ct_model_load(&source, &options, ct_default_allocator(), &model, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    return model;
}

static size_t optimize(struct ct_model *model, corten_level level, const char *without)
{
    corten_error error = {0};
    struct ct_pass_stats stats[MAX_PASSES] = {0};
    struct ct_pass_report report = {0};
    struct ct_pass_options options = {
        .level = level, .disabled = &without, .n_disabled = without ? 1 : 0};
    size_t count, changes = 0;
    ct_pass_list(&count);
    assert_in_range(count, 1, MAX_PASSES);
    if (ct_passes_run(model, &options, stats, &report, &error) != CORTEN_OK ||
        ct_graph_verify(model->graph, &error) != CORTEN_OK)
        fail_msg("%s at level %d without %s: %s", model->source, (int)level,
                 without ? without : "none", error.text);
    for (size_t i = 0; i < count; i++) {
        changes += stats[i].changes;
        if (without && !strcmp(ct_pass_list(&count)[i]->name, without))
            assert_int_equal(stats[i].changes, 0);
    }
    return changes;
}

static size_t count_nodes(const struct ct_model *model, const char *op_type)
{
    size_t n = 0;
    for (const struct ct_node *node = model->graph->first; node; node = node->next)
        n += !strcmp(node->op_type, op_type);
    return n;
}

static void for_each_model(void (*fn)(const char *path))
{
    DIR *folder = opendir("tests/models");
    assert_non_null(folder);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[PATH_BYTES];
        if (!strstr(entry->d_name, ".onnx"))
            continue;
        snprintf(path, sizeof path, "tests/models/%s", entry->d_name);
        fn(path);
        n++;
    }
    closedir(folder);
    assert_int_equal(n >= 20, 1);
}

static void check_levels(const char *path)
{
    static const corten_level levels[] = {CORTEN_LEVEL_BASIC, CORTEN_LEVEL_EXTENDED,
                                          CORTEN_LEVEL_LAYOUT, CORTEN_LEVEL_ALL};
    size_t before = SIZE_MAX;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        struct ct_model *model = load(path);
        size_t nodes = model->graph->n_nodes;
        optimize(model, levels[i], NULL);
        assert_true(model->graph->n_nodes <= nodes + 8); /* the layout's conversions */
        if (levels[i] == CORTEN_LEVEL_EXTENDED)
            assert_true(model->graph->n_nodes <= before);
        before = model->graph->n_nodes;
        assert_int_equal(optimize(model, levels[i], NULL), 0);
        ct_model_destroy(model);
    }
}

static void levels_keep_graphs_valid_and_end(void **state)
{
    (void)state;
    for_each_model(check_levels);
}

static void check_without(const char *path)
{
    size_t count;
    const struct ct_pass *const *list = ct_pass_list(&count);
    for (size_t i = 0; i < count; i++) {
        struct ct_model *model = load(path);
        optimize(model, CORTEN_LEVEL_ALL, list[i]->name);
        ct_model_destroy(model);
    }
}

static void any_pass_can_be_switched_off(void **state)
{
    (void)state;
    for_each_model(check_without);
}

/* How many blocks a model has: attention, normalisation, activation (one that a product or a
 * convolution applies counts too; gates that are plain sigmoids do not). */
struct blocks {
    const char *model;
    size_t attention, normalization, activation;
};
static const struct blocks expected[] = {
    {"bert-base", 2, 5, 3},
    {"clip-text", 2, 5, 2},
    {"clip-vision", 2, 6, 2},
    {"convnext", 0, 8, 4},
    {"detector", 0, 0, 6},
    {"distilbert", 2, 5, 2},
    {"gpt2", 2, 5, 2},
    {"gpt2-step", 2, 5, 2},
    {"llama", 2, 5, 2},
    {"llama-step", 2, 5, 2},
    {"lstm-tagger", 0, 0, 0},
    {"roberta", 2, 5, 3},
    {"swin", 4, 11, 4},
    {"t5-decoder", 4, 7, 2},
    {"t5-encoder", 2, 5, 2},
    {"unet", 1, 10, 10},
    {"vit-base", 2, 5, 2},
    {"whisper-decoder", 4, 7, 2},
    {"whisper-small-encoder", 2, 5, 4},
};

static bool is_one_of(const struct ct_node *node, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(node->op_type, *names))
            return true;
    return false;
}

static struct blocks count_blocks(const struct ct_model *model)
{
    static const char *const attention[] = {"MultiHeadAttention", "Attention", NULL};
    static const char *const normalization[] = {
        "LayerNormalization", "SkipLayerNormalization",  "SimplifiedLayerNormalization",
        "RMSNormalization",   "EmbedLayerNormalization", "SkipSimplifiedLayerNormalization",
        "GroupNormalization", "InstanceNormalization",   NULL};
    static const char *const activation[] = {"Gelu", "FastGelu", "QuickGelu", "HardSwish", "Relu",
                                             "Mish", "Swish",    "Softplus",  NULL};
    static const char *const steps[] = {"gelu", "swish", "mish", "softplus"};
    struct blocks found = {.model = ""};
    for (const struct ct_node *node = model->graph->first; node; node = node->next) {
        found.attention += is_one_of(node, attention);
        found.normalization += is_one_of(node, normalization);
        found.activation += is_one_of(node, activation) || !ct_attr_is(node, "activation", "", "");
        const struct ct_attr *ops = ct_node_attr(node, "ops"); /* of an elementwise chain */
        for (int i = 0; ops && i < ops->count; i++)
            for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
                found.activation += ops->strings[i].size_bytes == strlen(steps[k]) &&
                                    !memcmp(ops->strings[i].data, steps[k], strlen(steps[k]));
    }
    return found;
}

static void check_blocks(const char *path)
{
    struct ct_model *model = load(path);
    optimize(model, CORTEN_LEVEL_ALL, NULL);
    struct blocks found = count_blocks(model);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct blocks *e = &expected[i];
        size_t n = strlen(e->model);
        const char *name = strrchr(path, '/') + 1;
        if (strncmp(name, e->model, n) != 0 ||
            (strncmp(name + n, "-classic", 8) != 0 && strncmp(name + n, "-dynamo", 7) != 0))
            continue;
        if (found.attention != e->attention || found.normalization != e->normalization ||
            found.activation != e->activation)
            fail_msg("%s: attention %zu of %zu, normalisation %zu of %zu, activation %zu of %zu",
                     path, found.attention, e->attention, found.normalization, e->normalization,
                     found.activation, e->activation);
    }
    assert_int_equal(count_nodes(model, "Softmax"), 0);
    ct_model_destroy(model);
}

static void every_block_is_found(void **state)
{
    (void)state;
    for_each_model(check_blocks);
}

/* Estimated. What a pass adds, such as a table cut in halves, is small. product-rows takes a bias out
 * of Gemm, which the epilogues of products take in again: the two are reckoned together. The layout
 * pays for conversions with faster kernels, which the estimate does not know. */
static void check_costs(const char *path)
{
    corten_error error = {0};
    struct ct_pass_stats stats[MAX_PASSES] = {0};
    struct ct_pass_report report = {0};
    struct ct_pass_options options = {.level = CORTEN_LEVEL_ALL};
    struct ct_model *model = load(path);
    size_t count;
    const struct ct_pass *const *list = ct_pass_list(&count);
    struct ct_cost bias = {0};
    assert_int_equal(ct_passes_run(model, &options, stats, &report, &error), CORTEN_OK);
    for (size_t i = 0; i < count; i++) {
        struct ct_cost saved = stats[i].saved;
        if (stats[i].unknown || !strcmp(list[i]->name, "layout"))
            continue;
        if (!strcmp(list[i]->name, "product-rows")) {
            bias = saved;
            continue;
        }
        if (!strcmp(list[i]->name, "fuse-epilogue")) {
            saved.flops += bias.flops;
            saved.bytes += bias.bytes;
        }
        if (saved.flops < -SLACK || saved.bytes < -SLACK)
            fail_msg("%s: %s adds %g FLOPs and %g bytes", path, list[i]->name, -saved.flops,
                     -saved.bytes);
    }
    ct_model_destroy(model);
}

static void no_pass_makes_a_model_dearer(void **state)
{
    (void)state;
    for_each_model(check_costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_keep_graphs_valid_and_end),
        cmocka_unit_test(any_pass_can_be_switched_off),
        cmocka_unit_test(every_block_is_found),
        cmocka_unit_test(no_pass_makes_a_model_dearer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
