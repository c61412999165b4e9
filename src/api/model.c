#include <string.h>

#include "api/api.h"
#include "graph/infer.h"
#include "model/writer.h"
#include "passes/pass.h"

struct corten_model {
    struct ct_model *model;
    struct ct_options options; /* names in `arena` */
    corten_allocator allocator;
    struct ct_arena arena;        /* of texts that queries return */
    const struct ct_node **nodes; /* by index */
    struct ct_value **initializers;
    size_t n_initializers;
    struct ct_pass_stats *stats; /* of each pass; NULL: not optimised yet */
    struct ct_pass_report report;
};

/* ------------------------------------------------------------------ opening */

/* Lists of nodes and initializers, made anew after each change of the graph. */
static ct_status list_parts(corten_model *m, corten_error *error)
{
    const struct ct_graph *graph = m->model->graph;
    m->nodes = ct_arena_array(&m->arena, graph->n_nodes, sizeof *m->nodes);
    m->initializers = ct_arena_array(&m->arena, graph->n_values, sizeof *m->initializers);
    if (!m->nodes || !m->initializers)
        return ct_fail_memory(error, graph->n_nodes * sizeof *m->nodes, "a model");
    size_t n = 0;
    for (const struct ct_node *node = graph->first; node; node = node->next)
        m->nodes[n++] = node;
    m->n_initializers = 0;
    for (size_t i = 0; i < graph->n_values; i++)
        if (graph->values[i]->constant && !ct_value_unused(graph->values[i]))
            m->initializers[m->n_initializers++] = graph->values[i];
    return CORTEN_OK;
}

static ct_status copy_options(corten_model *m, const struct ct_options *from, corten_error *error)
{
    m->options = *from;
    m->options.dims = NULL; /* applied when loading */
    m->options.n_dims = 0;
    m->options.n_initializers = 0;
    m->options.disabled_passes =
        ct_arena_array(&m->arena, from->n_disabled_passes, sizeof *from->disabled_passes);
    if (!m->options.disabled_passes)
        return ct_fail_memory(error, 0, "a model");
    for (size_t i = 0; i < from->n_disabled_passes; i++)
        m->options.disabled_passes[i] = from->disabled_passes[i]; /* names of passes: static */
    return CORTEN_OK;
}

corten_status corten_model_open(const char *path, const corten_options *options,
                                corten_model **model, corten_error *error)
{
    CT_REQUIRE(path, error);
    CT_REQUIRE(model, error);
    struct ct_options defaults;
    ct_options_default(&defaults);
    const struct ct_options *o = options ? &options->options : &defaults;
    corten_model *m = ct_alloc_zero(&o->allocator, sizeof *m);
    if (!m)
        return ct_fail_memory(error, sizeof *m, "a model");
    m->allocator = o->allocator;
    ct_arena_init(&m->arena, &m->allocator);
    struct ct_source source = {.path = path};
    ct_status status = copy_options(m, o, error);
    if (status == CORTEN_OK)
        status = ct_model_load(&source, o, &m->allocator, &m->model, error);
    if (status == CORTEN_OK)
        status = list_parts(m, error);
    if (status != CORTEN_OK) {
        corten_model_close(m);
        return status;
    }
    *model = m;
    return CORTEN_OK;
}

void corten_model_close(corten_model *model)
{
    if (!model)
        return;
    corten_allocator allocator = model->allocator;
    ct_model_destroy(model->model);
    ct_arena_deinit(&model->arena);
    ct_release(&allocator, model, sizeof *model);
}

/* ------------------------------------------------------------------ changing */

static ct_status check_index(const char *what, size_t index, size_t count, corten_error *error)
{
    if (index < count)
        return CORTEN_OK;
    return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s %zu does not exist; there are %zu", what,
                   index, count);
}

corten_status corten_model_infer(corten_model *model, corten_error *error)
{
    CT_REQUIRE(model, error);
    return ct_graph_infer(model->model->graph, error);
}

static void declare_values(struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_out; i++)
            if (node->out[i] && node->out[i]->fact.dtype != CORTEN_DTYPE_NONE)
                node->out[i]->declared = true;
        for (int a = 0; a < node->n_attrs; a++)
            for (int g = 0; g < ct_attr_graph_count(&node->attrs[a]); g++)
                declare_values(node->attrs[a].graphs[g]);
    }
}

corten_status corten_model_declare_values(corten_model *model, corten_error *error)
{
    CT_REQUIRE(model, error);
    declare_values(model->model->graph);
    return CORTEN_OK;
}

/* With numbers of this run only. */
static ct_status run_passes(corten_model *model, const struct ct_pass_options *passes,
                            corten_error *error)
{
    size_t count;
    ct_pass_list(&count);
    model->stats = ct_arena_alloc_zero(&model->arena, count * sizeof *model->stats);
    model->report.n_notes = 0;
    if (!model->stats)
        return ct_fail_memory(error, count * sizeof *model->stats, "a report");
    return ct_passes_run(model->model, passes, model->stats, &model->report, error);
}

corten_status corten_model_optimize(corten_model *model, corten_error *error)
{
    CT_REQUIRE(model, error);
    struct ct_pass_options passes = {
        .level = model->options.level,
        .disabled = model->options.disabled_passes,
        .n_disabled = model->options.n_disabled_passes,
    };
    if (model->options.level != CORTEN_LEVEL_DISABLE)
        CT_TRY(run_passes(model, &passes, error));
    return list_parts(model, error);
}

size_t corten_model_pass_count(const corten_model *model)
{
    size_t count = 0;
    if (model)
        ct_pass_list(&count);
    return count;
}

corten_status corten_model_pass(const corten_model *model, size_t index, corten_pass_info *info,
                                corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(info, error);
    size_t count;
    const struct ct_pass *const *list = ct_pass_list(&count);
    CT_TRY(check_index("pass", index, count, error));
    const struct ct_pass *pass = list[index];
    *info = (corten_pass_info){.name = pass->name, .summary = pass->summary, .level = pass->level};
    if (model->stats) {
        info->changes = model->stats[index].changes;
        info->time_s = (double)model->stats[index].time_ns * 1e-9;
    }
    return CORTEN_OK;
}

size_t corten_model_note_count(const corten_model *model)
{
    return model ? model->report.n_notes : 0;
}

corten_status corten_model_note(const corten_model *model, size_t index, corten_pass_note *note,
                                corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(note, error);
    CT_TRY(check_index("note", index, model->report.n_notes, error));
    const struct ct_pass_note *n = &model->report.notes[index];
    *note = (corten_pass_note){.pass = n->pass, .node = n->node, .text = n->text};
    return CORTEN_OK;
}

corten_status corten_model_save(corten_model *model, const char *path, bool external,
                                corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(path, error);
    return ct_model_write_file(model->model, path, external, error);
}

/* ------------------------------------------------------------------ looking */

static const char *text_of(const char *text)
{
    return text ? text : "";
}

void corten_model_get_info(const corten_model *model, corten_model_info *info)
{
    if (!info)
        return;
    *info = (corten_model_info){
        .producer_name = "", .producer_version = "", .domain = "", .doc = "", .graph_name = ""};
    if (!model)
        return;
    const struct ct_model *m = model->model;
    *info = (corten_model_info){
        .ir_version = m->ir_version,
        .producer_name = text_of(m->producer_name),
        .producer_version = text_of(m->producer_version),
        .domain = text_of(m->domain),
        .doc = text_of(m->doc),
        .graph_name = text_of(m->graph->name),
        .model_version = m->model_version,
        .node_count = m->graph->n_nodes,
        .opset_count = m->n_opsets,
        .metadata_count = m->metadata.count,
        .input_count = m->graph->n_inputs,
        .output_count = m->graph->n_outputs,
        .initializer_count = model->n_initializers,
        .function_count = m->n_functions,
    };
}

corten_status corten_model_opset(const corten_model *model, size_t index, const char **domain,
                                 int64_t *version, corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(domain, error);
    CT_REQUIRE(version, error);
    CT_TRY(check_index("operator set", index, model->model->n_opsets, error));
    *domain = model->model->opsets[index].domain;
    *version = model->model->opsets[index].version;
    return CORTEN_OK;
}

corten_status corten_model_metadata(const corten_model *model, size_t index, const char **key,
                                    const char **value, corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(key, error);
    CT_REQUIRE(value, error);
    CT_TRY(check_index("metadata entry", index, model->model->metadata.count, error));
    *key = text_of(model->model->metadata.items[index].key);
    *value = text_of(model->model->metadata.items[index].value);
    return CORTEN_OK;
}

static void fill_value(const corten_model *model, const struct ct_value *value,
                       corten_value_info *info)
{
    /* Texts of nested types are kept until the model is closed. */
    struct ct_arena *arena = (struct ct_arena *)&model->arena;
    ct_fill_info(info, value->name, &value->fact, &model->model->symbols,
                 ct_type_text(&value->fact, arena));
}

corten_status corten_model_input(const corten_model *model, size_t index, corten_value_info *info,
                                 corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(info, error);
    CT_TRY(check_index("input", index, model->model->graph->n_inputs, error));
    fill_value(model, model->model->graph->inputs[index], info);
    return CORTEN_OK;
}

corten_status corten_model_output(const corten_model *model, size_t index, corten_value_info *info,
                                  corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(info, error);
    CT_TRY(check_index("output", index, model->model->graph->n_outputs, error));
    fill_value(model, model->model->graph->outputs[index], info);
    return CORTEN_OK;
}

corten_status corten_model_initializer(const corten_model *model, size_t index,
                                       corten_value_info *info, size_t *size_bytes,
                                       corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(info, error);
    CT_REQUIRE(size_bytes, error);
    CT_TRY(check_index("initializer", index, model->n_initializers, error));
    const struct ct_value *value = model->initializers[index];
    struct ct_fact fact;
    ct_fact_set(&fact, value->constant->dtype, value->constant->rank, value->constant->dims);
    ct_fill_info(info, value->name, &fact, &model->model->symbols, "");
    *size_bytes = ct_tensor_bytes(value->constant);
    return CORTEN_OK;
}

corten_status corten_model_node(const corten_model *model, size_t index, corten_node_info *info,
                                corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(info, error);
    CT_TRY(check_index("node", index, model->model->graph->n_nodes, error));
    const struct ct_node *node = model->nodes[index];
    struct ct_arena scratch;
    struct ct_cost cost;
    ct_arena_init(&scratch, &model->allocator);
    bool known = ct_node_cost(node, &scratch, &cost);
    ct_arena_deinit(&scratch);
    *info = (corten_node_info){
        .name = text_of(node->name),
        .domain = node->domain,
        .op_type = node->op_type,
        .origin = text_of(node->origin),
        .flops = known ? (int64_t)cost.flops : -1,
        .bytes = known ? (int64_t)cost.bytes : -1,
        .input_count = (size_t)node->n_in,
        .output_count = (size_t)node->n_out,
    };
    return CORTEN_OK;
}

corten_status corten_model_node_value(const corten_model *model, size_t node, bool output,
                                      size_t index, corten_value_info *info, corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(info, error);
    CT_TRY(check_index("node", node, model->model->graph->n_nodes, error));
    const struct ct_node *n = model->nodes[node];
    CT_TRY(check_index(output ? "output of the node" : "input of the node", index,
                       (size_t)(output ? n->n_out : n->n_in), error));
    const struct ct_value *value = output ? n->out[index] : n->in[index].value;
    if (value) {
        fill_value(model, value, info);
    } else {
        struct ct_fact unknown;
        ct_fact_init(&unknown);
        ct_fill_info(info, "", &unknown, &model->model->symbols, "");
    }
    return CORTEN_OK;
}

corten_status corten_model_dump(const corten_model *model, corten_dump_format format, char **text,
                                corten_error *error)
{
    CT_REQUIRE(model, error);
    CT_REQUIRE(text, error);
    if (format != CORTEN_DUMP_TEXT && format != CORTEN_DUMP_DOT)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "format is %d, expected 0 or 1",
                       (int)format);
    struct ct_arena scratch;
    ct_arena_init(&scratch, &model->allocator);
    const struct ct_graph *graph = model->model->graph;
    const char *dump = format == CORTEN_DUMP_DOT ? ct_graph_dump_dot(graph, &scratch)
                                                 : ct_graph_dump_text(graph, &scratch);
    char *copy = NULL;
    if (dump) {
        size_t size_bytes = strlen(dump) + 1;
        copy = ct_alloc(ct_default_allocator(), size_bytes);
        if (copy)
            memcpy(copy, dump, size_bytes);
    }
    ct_arena_deinit(&scratch);
    if (!copy)
        return ct_fail_memory(error, 0, "a dump");
    *text = copy;
    return CORTEN_OK;
}
