/* Model bytes: read, verify, dump, inline, sort, write, and read what was written. Seeds:
 * tests/fuzz/corpus/fuzz_model (scripted in tests/fuzz/make_model_seeds.py). */
#include "graph/graph.h"
#include "model/reader.h"
#include "model/writer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void dump(const struct ct_model *model)
{
    struct ct_arena arena;
    ct_arena_init(&arena, ct_default_allocator());
    require(ct_graph_dump_text(model->graph, &arena) != NULL);
    require(ct_graph_dump_dot(model->graph, &arena) != NULL);
    ct_arena_deinit(&arena);
}

/* What was read can be written, and what was written is read again. */
static void round_trip(const struct ct_model *model)
{
    void *bytes;
    size_t size_bytes;
    struct ct_model *again;
    corten_error error;
    require(ct_model_write_memory(model, NULL, &bytes, &size_bytes, &error) == CORTEN_OK);
    require(ct_model_read_memory(bytes, size_bytes, NULL, NULL, "<again>", NULL, &again, &error) ==
            CORTEN_OK);
    require(again->graph->n_nodes == model->graph->n_nodes);
    ct_model_destroy(again);
    ct_release(ct_default_allocator(), bytes, size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct ct_model *model;
    corten_error error;
    if (ct_model_read_memory(data, size_bytes, NULL, NULL, "<fuzz>", NULL, &model, &error) !=
        CORTEN_OK)
        return 0;
    require(ct_graph_verify(model->graph, &error) == CORTEN_OK);
    round_trip(model);
    dump(model);
    if (ct_model_inline_functions(model, &error) == CORTEN_OK) {
        require(ct_graph_sort(model->graph, &error) == CORTEN_OK);
        require(ct_graph_find_captures(model->graph, &error) == CORTEN_OK);
        require(ct_graph_verify(model->graph, &error) == CORTEN_OK);
        dump(model);
    }
    ct_model_destroy(model);
    return 0;
}
