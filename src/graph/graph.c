#include "graph/graph.h"

#include <string.h>

/* ------------------------------------------------------------------ models */

ct_status ct_model_create(const corten_allocator *allocator, const char *source,
                          struct ct_model **model, corten_error *error)
{
    if (!allocator)
        allocator = ct_default_allocator();
    struct ct_model *m = ct_alloc_zero(allocator, sizeof *m);
    if (!m)
        return ct_fail_memory(error, sizeof *m, "a model");
    ct_arena_init(&m->arena, allocator);
    m->allocator = allocator;
    ct_map_init(&m->used_names, &m->arena);
    ct_symbols_init(&m->symbols, &m->arena);
    m->producer_name = m->producer_version = m->domain = m->doc = "";
    m->source = ct_arena_strdup(&m->arena, source);
    m->graph = ct_graph_create(m, NULL, "");
    if (!m->source || !m->graph) {
        ct_model_destroy(m);
        return ct_fail_memory(error, sizeof *m->graph, "a graph");
    }
    *model = m;
    return CORTEN_OK;
}

void ct_model_destroy(struct ct_model *model)
{
    if (!model)
        return;
    if (model->close_maps)
        model->close_maps(model);
    const corten_allocator *allocator = model->allocator;
    ct_arena_deinit(&model->arena);
    ct_release(allocator, model, sizeof *model);
}

/* The default operator set has two names. */
static const char *canonical_domain(const char *domain)
{
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static int64_t find_opset(const struct ct_opset *opsets, size_t count, const char *domain)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(canonical_domain(opsets[i].domain), domain) == 0)
            return opsets[i].version;
    }
    return -1;
}

int64_t ct_model_opset(const struct ct_model *model, const char *domain)
{
    return find_opset(model->opsets, model->n_opsets, canonical_domain(domain));
}

ct_status ct_model_import(struct ct_model *model, const char *domain, int64_t version,
                          corten_error *error)
{
    if (ct_model_opset(model, domain) >= 0)
        return CORTEN_OK;
    if (!CT_ARENA_PUSH(&model->arena, model->opsets, model->n_opsets, model->opsets_capacity))
        return ct_fail_memory(error, sizeof *model->opsets, "an operator set");
    model->opsets[model->n_opsets++] = (struct ct_opset){domain, version};
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ graphs and values */

struct ct_graph *ct_graph_create(struct ct_model *model, struct ct_graph *parent, const char *name)
{
    struct ct_graph *graph = ct_arena_alloc_zero(&model->arena, sizeof *graph);
    if (!graph)
        return NULL;
    graph->name = name;
    graph->doc = "";
    graph->model = model;
    graph->parent = parent;
    ct_map_init(&graph->names, &model->arena);
    return graph;
}

const char *ct_graph_fresh_name(struct ct_graph *graph, const char *stem)
{
    struct ct_model *model = graph->model;
    for (;;) {
        const char *name = ct_arena_printf(&model->arena, "%s_%d", stem, model->next_name++);
        if (!name || !ct_map_get(&model->used_names, name))
            return name;
    }
}

struct ct_value *ct_graph_add_value(struct ct_graph *graph, const char *name)
{
    struct ct_model *model = graph->model;
    if (!name)
        name = ct_graph_fresh_name(graph, "value");
    else if (ct_map_get(&graph->names, name))
        name = ct_graph_fresh_name(graph, name);
    if (!name || graph->n_values >= INT32_MAX)
        return NULL;
    struct ct_value *value = ct_arena_alloc_zero(&model->arena, sizeof *value);
    if (!value ||
        !CT_ARENA_PUSH(&model->arena, graph->values, graph->n_values, graph->values_capacity) ||
        !ct_map_put(&graph->names, name, value) || !ct_map_put(&model->used_names, name, value))
        return NULL;
    value->name = name;
    value->graph = graph;
    value->id = (int)graph->n_values;
    value->doc = value->type_denotation = "";
    ct_fact_init(&value->fact);
    graph->values[graph->n_values++] = value;
    return value;
}

struct ct_value *ct_graph_add_constant(struct ct_graph *graph, const char *name,
                                       const struct ct_tensor *tensor)
{
    struct ct_fact fact;
    if (ct_fact_of_tensor(&fact, tensor, &graph->model->arena, NULL) != CORTEN_OK)
        return NULL;
    struct ct_value *value = ct_graph_add_value(graph, name);
    if (!value)
        return NULL;
    value->constant = tensor;
    value->fact = fact;
    return value;
}

struct ct_value *ct_graph_add_small_constant(struct ct_graph *graph, ct_dtype dtype, int rank,
                                             const int64_t *dims, const void *data)
{
    struct ct_arena *arena = &graph->model->arena;
    size_t count, size_bytes;
    if (!ct_shape_count(rank, dims, &count) || !ct_dtype_bytes(dtype, count, &size_bytes))
        return NULL;
    struct ct_tensor *tensor = ct_arena_alloc_zero(arena, sizeof *tensor);
    void *copy = ct_arena_alloc(arena, size_bytes);
    const char *name = ct_graph_fresh_name(graph, "constant");
    if (!tensor || !copy || !name)
        return NULL;
    if (size_bytes)
        memcpy(copy, data, size_bytes);
    tensor->dtype = dtype;
    tensor->rank = rank;
    for (int i = 0; i < rank; i++)
        tensor->dims[i] = dims[i];
    tensor->data = copy;
    return ct_graph_add_constant(graph, name, tensor);
}

bool ct_graph_add_input(struct ct_graph *graph, struct ct_value *value)
{
    if (!CT_ARENA_PUSH(&graph->model->arena, graph->inputs, graph->n_inputs,
                       graph->inputs_capacity))
        return false;
    graph->inputs[graph->n_inputs++] = value;
    value->is_input = true;
    return true;
}

bool ct_graph_add_output(struct ct_graph *graph, struct ct_value *value)
{
    if (!CT_ARENA_PUSH(&graph->model->arena, graph->outputs, graph->n_outputs,
                       graph->outputs_capacity))
        return false;
    graph->outputs[graph->n_outputs++] = value;
    value->n_output_refs++;
    return true;
}

struct ct_value *ct_graph_find(const struct ct_graph *graph, const char *name)
{
    for (; graph; graph = graph->parent) {
        struct ct_value *value = ct_map_get(&graph->names, name);
        if (value)
            return value;
    }
    return NULL;
}
