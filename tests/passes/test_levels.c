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

enum { MAX_PASSES = 64, PATH_BYTES = 512 };

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

static void check_attention(const char *path)
{
    static const char *const transformers[] = {"bert", "gpt2", "vit", "whisper"};
    struct ct_model *model = load(path);
    size_t products = count_nodes(model, "Softmax");
    bool transformer = false;
    for (size_t i = 0; i < sizeof transformers / sizeof *transformers; i++)
        transformer |= strstr(path, transformers[i]) != NULL;
    optimize(model, CORTEN_LEVEL_ALL, NULL);
    if (transformer) {
        assert_true(products > 0);
        if (count_nodes(model, "MultiHeadAttention") != products)
            fail_msg("%s: %zu of %zu attention blocks are fused", path,
                     count_nodes(model, "MultiHeadAttention"), products);
        assert_int_equal(count_nodes(model, "Softmax"), 0);
    }
    ct_model_destroy(model);
}

static void every_attention_block_is_found(void **state)
{
    (void)state;
    for_each_model(check_attention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_keep_graphs_valid_and_end),
        cmocka_unit_test(any_pass_can_be_switched_off),
        cmocka_unit_test(every_attention_block_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
