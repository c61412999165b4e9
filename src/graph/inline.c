#include "graph/clone.h"

#include <string.h>

enum {
    MAX_NODES = 1000000,
    MAX_DEPTH = 256 /* of graphs in functions that are called from graphs */
};

/* Bodies are inlined into bodies first, each once, so that a call is one copy of a flat body. */
enum state { NEW, BUSY, FLAT };

struct inliner {
    struct ct_model *model;
    struct ct_arena arena; /* for the time of inlining */
    struct ct_map entries; /* struct entry by "domain:name:overload" */
    size_t nodes_left;
    int depth;
    corten_error *error;
};

struct entry {
    struct ct_function *function;
    enum state state;
};

static ct_status no_memory(const struct inliner *inliner)
{
    return ct_fail_memory(inliner->error, sizeof(struct entry), "inlining functions");
}

static ct_status collect(struct inliner *inliner)
{
    const struct ct_model *model = inliner->model;
    for (size_t i = 0; i < model->n_functions; i++) {
        struct ct_function *function = model->functions[i];
        struct entry *entry = ct_arena_alloc_zero(&inliner->arena, sizeof *entry);
        const char *key = ct_arena_printf(&inliner->arena, "%s:%s:%s", function->domain,
                                          function->name, function->overload);
        if (!entry || !key || !ct_map_put(&inliner->entries, key, entry))
            return no_memory(inliner);
        entry->function = function;
    }
    return CORTEN_OK;
}

static ct_status find(struct inliner *inliner, const struct ct_node *node, struct entry **entry)
{
    char text[256];
    size_t need = strlen(node->domain) + strlen(node->op_type) + strlen(node->overload) + 3;
    char *key = text;
    if (need > sizeof text && !(key = ct_arena_alloc(&inliner->arena, need)))
        return no_memory(inliner);
    char *at = stpcpy(key, node->domain);
    *at++ = ':';
    at = stpcpy(at, node->op_type);
    *at++ = ':';
    stpcpy(at, node->overload);
    *entry = ct_map_get(&inliner->entries, key);
    return CORTEN_OK;
}

/* An output of the body that is an input of it, a constant, or given twice, needs a node to carry
 * the name that the call's output has. */
static ct_status add_identity(struct inliner *inliner, struct ct_node *call, struct ct_value *from,
                              struct ct_value *to)
{
    struct ct_node *node = ct_graph_add_node(call->graph, call, "", "Identity", 1, 1);
    if (!node)
        return no_memory(inliner);
    node->opset = node->opset ? node->opset : 1;
    node->name = call->name;
    ct_node_set_input(node, 0, from);
    ct_node_set_output(node, 0, to);
    return CORTEN_OK;
}

static ct_status bind_output(struct inliner *inliner, struct ct_node *call, int index,
                             struct ct_value *result)
{
    struct ct_value *output = call->out[index];
    if (!output)
        return CORTEN_OK;
    if (!result) {
        char text[256];
        return ct_fail(inliner->error, CORTEN_INVALID_MODEL,
                       "%s: %s: output %d of the function is an input that the call leaves out",
                       inliner->model->source, ct_node_describe(call, text, sizeof text), index);
    }
    ct_node_set_output(call, index, NULL);
    if (ct_value_replace(output, result))
        return CORTEN_OK;
    return add_identity(inliner, call, result, output);
}

static ct_status inline_call(struct inliner *inliner, struct ct_node *call,
                             const struct ct_function *function)
{
    const struct ct_graph *body = function->body;
    char text[256];
    if ((size_t)call->n_in > body->n_inputs || (size_t)call->n_out > body->n_outputs)
        return ct_fail(inliner->error, CORTEN_INVALID_MODEL,
                       "%s: %s has %d inputs and %d outputs, its function has %zu and %zu",
                       inliner->model->source, ct_node_describe(call, text, sizeof text),
                       call->n_in, call->n_out, body->n_inputs, body->n_outputs);
    struct ct_value **inputs =
        ct_arena_array(&inliner->arena, body->n_inputs, sizeof(struct ct_value *));
    struct ct_value **outputs =
        ct_arena_array(&inliner->arena, body->n_outputs, sizeof(struct ct_value *));
    if (!inputs || !outputs)
        return no_memory(inliner);
    for (int i = 0; i < call->n_in; i++)
        inputs[i] = call->in[i].value;
    struct ct_clone clone = {.from = body,
                             .into = call->graph,
                             .before = call,
                             .inputs = inputs,
                             .outputs = outputs,
                             .prefix = call->name,
                             .call = call,
                             .defaults = function->defaults,
                             .n_defaults = function->n_defaults,
                             .max_nodes = inliner->nodes_left};
    CT_TRY(ct_graph_clone_nodes(&clone, inliner->error));
    inliner->nodes_left = clone.max_nodes;
    for (int i = 0; i < call->n_out; i++)
        CT_TRY(bind_output(inliner, call, i, outputs[i]));
    ct_node_remove(call);
    return CORTEN_OK;
}

static ct_status inline_graph(struct inliner *inliner, struct ct_graph *graph);

static ct_status flatten(struct inliner *inliner, struct entry *entry)
{
    if (entry->state == FLAT)
        return CORTEN_OK;
    if (entry->state == BUSY)
        return ct_fail(inliner->error, CORTEN_INVALID_MODEL, "%s: function '%.200s' calls itself",
                       inliner->model->source, entry->function->name);
    entry->state = BUSY;
    CT_TRY(inline_graph(inliner, entry->function->body));
    entry->state = FLAT;
    return CORTEN_OK;
}

static ct_status inline_graph(struct inliner *inliner, struct ct_graph *graph)
{
    if (++inliner->depth > MAX_DEPTH)
        return ct_fail(inliner->error, CORTEN_LIMIT_EXCEEDED,
                       "%s: functions and subgraphs are nested more than %d deep",
                       inliner->model->source, MAX_DEPTH);
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        for (int a = 0; a < node->n_attrs; a++) {
            for (int g = 0; g < ct_attr_graph_count(&node->attrs[a]); g++)
                CT_TRY(inline_graph(inliner, node->attrs[a].graphs[g]));
        }
        struct entry *entry;
        CT_TRY(find(inliner, node, &entry));
        if (!entry)
            continue;
        CT_TRY(flatten(inliner, entry));
        CT_TRY(inline_call(inliner, node, entry->function));
    }
    inliner->depth--;
    return CORTEN_OK;
}

/* The sets that the bodies use become sets that the model uses. */
static ct_status import_opsets(struct inliner *inliner)
{
    struct ct_model *model = inliner->model;
    for (size_t i = 0; i < model->n_functions; i++) {
        const struct ct_function *function = model->functions[i];
        for (size_t k = 0; k < function->n_opsets; k++)
            CT_TRY(ct_model_import(model, function->opsets[k].domain, function->opsets[k].version,
                                   inliner->error));
    }
    return CORTEN_OK;
}

ct_status ct_model_inline_functions(struct ct_model *model, corten_error *error)
{
    if (!model->n_functions)
        return CORTEN_OK;
    struct inliner inliner = {.model = model, .nodes_left = MAX_NODES, .error = error};
    ct_arena_init(&inliner.arena, model->allocator);
    ct_map_init(&inliner.entries, &inliner.arena);
    ct_status status = collect(&inliner);
    if (status == CORTEN_OK)
        status = import_opsets(&inliner);
    if (status == CORTEN_OK)
        status = inline_graph(&inliner, model->graph);
    ct_arena_deinit(&inliner.arena);
    if (status == CORTEN_OK)
        model->n_functions = 0;
    return status;
}
