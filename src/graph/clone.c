#include "graph/clone.h"

#include <string.h>

enum { MAX_DEPTH = 128 /* of subgraphs */ };

/* Which value of the copy stands for which of the original, for a graph and those around it. */
struct scope {
    const struct ct_graph *from;
    struct ct_value **map; /* by id; NULL: not copied (yet) */
    const struct scope *outer;
};

struct cloner {
    struct ct_clone *clone;
    struct ct_arena *arena; /* of the model: what the copy keeps */
    struct ct_arena *maps;  /* freed in the end */
    corten_error *error;
};

static ct_status no_memory(const struct cloner *cloner)
{
    return ct_fail_memory(cloner->error, sizeof(struct ct_node), "copying a graph");
}

/* Values of graphs that are not being copied stand for themselves. */
static struct ct_value *mapped(const struct scope *scope, struct ct_value *value)
{
    for (; value && scope; scope = scope->outer) {
        if (scope->from == value->graph)
            return scope->map[value->id];
    }
    return value;
}

static ct_status add_scope(struct cloner *cloner, const struct ct_graph *from,
                           const struct scope *outer, struct scope *scope)
{
    *scope = (struct scope){from, NULL, outer};
    scope->map = ct_arena_array(cloner->maps, from->n_values, sizeof(struct ct_value *));
    return scope->map ? CORTEN_OK : no_memory(cloner);
}

static ct_status copy_value(struct cloner *cloner, const struct scope *scope, struct ct_graph *into,
                            const struct ct_value *value)
{
    const char *name = value->name;
    if (ct_map_get(&into->model->used_names, name))
        name = ct_graph_fresh_name(into, name);
    struct ct_value *copy = name ? ct_graph_add_value(into, name) : NULL;
    if (!copy)
        return no_memory(cloner);
    copy->constant = value->constant;
    copy->overridable = value->overridable;
    /* Symbols of a function's body are its own: the same name means something else outside. */
    if (!cloner->clone->call || value->constant) {
        copy->declared = value->declared;
        copy->fact = value->fact;
        copy->type_proto = value->type_proto;
    }
    copy->doc = value->doc;
    copy->type_denotation = value->type_denotation;
    memcpy(copy->denotations, value->denotations, sizeof copy->denotations);
    copy->metadata = value->metadata;
    copy->init_extra = value->init_extra;
    copy->sparse = value->sparse;
    copy->info_extra = value->info_extra;
    scope->map[value->id] = copy;
    return CORTEN_OK;
}

/* Constants are no node's outputs: they come along when the nodes do. */
static ct_status copy_constants(struct cloner *cloner, const struct scope *scope,
                                struct ct_graph *into)
{
    for (size_t i = 0; i < scope->from->n_values; i++) {
        const struct ct_value *value = scope->from->values[i];
        if (value->constant && !value->producer && !scope->map[i] && !ct_value_unused(value))
            CT_TRY(copy_value(cloner, scope, into, value));
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ attributes */

static ct_status copy_graph(struct cloner *cloner, const struct scope *scope, struct ct_graph *from,
                            struct ct_node *owner, struct ct_graph **copy);

/* What a reference to an attribute of the call stands for; NULL: nothing, it is left out. */
static const struct ct_attr *referenced(const struct cloner *cloner, const char *name)
{
    const struct ct_clone *clone = cloner->clone;
    const struct ct_attr *attr = ct_node_attr(clone->call, name);
    if (attr)
        return attr;
    for (size_t i = 0; i < clone->n_defaults; i++) {
        if (strcmp(clone->defaults[i].name, name) == 0)
            return &clone->defaults[i];
    }
    return NULL;
}

static ct_status copy_attr(struct cloner *cloner, const struct scope *scope,
                           const struct ct_attr *attr, struct ct_node *node)
{
    struct ct_attr copy = *attr;
    if (attr->ref_name && cloner->clone->call) {
        const struct ct_attr *value = referenced(cloner, attr->ref_name);
        if (!value)
            return CORTEN_OK;
        copy = *value;
        copy.name = attr->name;
        scope = NULL; /* a graph of the call reads what the call sees, not the body */
    }
    int n_graphs = ct_attr_graph_count(&copy);
    if (n_graphs) {
        struct ct_graph **graphs =
            ct_arena_array(cloner->arena, (size_t)n_graphs, sizeof(struct ct_graph *));
        if (!graphs)
            return no_memory(cloner);
        for (int i = 0; i < n_graphs; i++)
            CT_TRY(copy_graph(cloner, scope, copy.graphs[i], node, &graphs[i]));
        copy.graphs = graphs;
    }
    node->attrs[node->n_attrs++] = copy;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ nodes and graphs */

static ct_status copy_node(struct cloner *cloner, const struct scope *scope,
                           const struct ct_node *node, struct ct_graph *into,
                           struct ct_node *before, const char *prefix)
{
    struct ct_clone *clone = cloner->clone;
    if (!clone->max_nodes--) {
        clone->max_nodes = 0;
        return ct_fail(cloner->error, CORTEN_LIMIT_EXCEEDED,
                       "%s: too many nodes where graph '%.200s' is copied", into->model->source,
                       clone->from->name);
    }
    struct ct_node *copy =
        ct_graph_add_node(into, before, node->domain, node->op_type, node->n_in, node->n_out);
    if (!copy)
        return no_memory(cloner);
    copy->name = node->name;
    if (prefix && prefix[0] &&
        !(copy->name = ct_arena_printf(cloner->arena, "%s/%s", prefix, node->name)))
        return no_memory(cloner);
    copy->overload = node->overload;
    copy->opset = node->opset;
    copy->op = node->op;
    copy->op_dtypes = node->op_dtypes;
    copy->doc = node->doc;
    copy->origin = node->origin;
    copy->metadata = node->metadata;
    copy->extra = node->extra;
    for (int i = 0; i < node->n_in; i++)
        ct_node_set_input(copy, i, mapped(scope, node->in[i].value));
    for (int i = 0; i < node->n_out; i++) {
        if (!node->out[i])
            continue;
        CT_TRY(copy_value(cloner, scope, into, node->out[i]));
        ct_node_set_output(copy, i, scope->map[node->out[i]->id]);
    }
    copy->attrs = ct_arena_array(cloner->arena, (size_t)node->n_attrs, sizeof *copy->attrs);
    if (!copy->attrs)
        return no_memory(cloner);
    for (int i = 0; i < node->n_attrs; i++)
        CT_TRY(copy_attr(cloner, scope, &node->attrs[i], copy));
    return CORTEN_OK;
}

static ct_status copy_into_graph(struct cloner *cloner, const struct scope *scope,
                                 struct ct_graph *copy)
{
    const struct ct_graph *from = scope->from;
    for (size_t i = 0; i < from->n_inputs; i++) {
        CT_TRY(copy_value(cloner, scope, copy, from->inputs[i]));
        if (!ct_graph_add_input(copy, scope->map[from->inputs[i]->id]))
            return no_memory(cloner);
    }
    CT_TRY(copy_constants(cloner, scope, copy));
    for (const struct ct_node *node = from->first; node; node = node->next)
        CT_TRY(copy_node(cloner, scope, node, copy, NULL, NULL));
    for (size_t i = 0; i < from->n_outputs; i++) {
        struct ct_value *output = mapped(scope, from->outputs[i]);
        if (!output)
            return ct_fail(cloner->error, CORTEN_INVALID_MODEL,
                           "%s: output '%.200s' of graph '%.200s' stands for an input that is "
                           "absent",
                           copy->model->source, from->outputs[i]->name, from->name);
        if (!ct_graph_add_output(copy, output))
            return no_memory(cloner);
    }
    return CORTEN_OK;
}

/* A function may be called from a subgraph of a function that is called from a subgraph. */
static ct_status check_depth(const struct cloner *cloner, const struct ct_graph *graph)
{
    int depth = 0;
    for (; graph; graph = graph->parent)
        depth++;
    if (depth < MAX_DEPTH)
        return CORTEN_OK;
    return ct_fail(cloner->error, CORTEN_LIMIT_EXCEEDED,
                   "%s: subgraphs are nested more than %d deep where graph '%.200s' is copied",
                   cloner->clone->into->model->source, MAX_DEPTH, cloner->clone->from->name);
}

static ct_status copy_graph(struct cloner *cloner, const struct scope *scope, struct ct_graph *from,
                            struct ct_node *owner, struct ct_graph **copy)
{
    CT_TRY(check_depth(cloner, owner->graph));
    struct ct_graph *graph = ct_graph_create(from->model, owner->graph, from->name);
    struct scope inner;
    if (!graph)
        return no_memory(cloner);
    graph->owner = owner;
    graph->doc = from->doc;
    graph->metadata = from->metadata;
    graph->extra = from->extra;
    CT_TRY(add_scope(cloner, from, scope, &inner));
    *copy = graph;
    return copy_into_graph(cloner, &inner, graph);
}

static ct_status clone_nodes(struct cloner *cloner)
{
    struct ct_clone *clone = cloner->clone;
    const struct ct_graph *from = clone->from;
    struct scope scope;
    CT_TRY(add_scope(cloner, from, NULL, &scope));
    for (size_t i = 0; i < from->n_inputs; i++)
        scope.map[from->inputs[i]->id] = clone->inputs[i];
    CT_TRY(copy_constants(cloner, &scope, clone->into));
    for (const struct ct_node *node = from->first; node; node = node->next)
        CT_TRY(copy_node(cloner, &scope, node, clone->into, clone->before, clone->prefix));
    for (size_t i = 0; i < from->n_outputs; i++)
        clone->outputs[i] = mapped(&scope, from->outputs[i]);
    return CORTEN_OK;
}

ct_status ct_graph_clone_nodes(struct ct_clone *clone, corten_error *error)
{
    struct ct_arena maps;
    struct ct_model *model = clone->into->model;
    ct_arena_init(&maps, model->allocator);
    struct cloner cloner = {clone, &model->arena, &maps, error};
    ct_status status = clone_nodes(&cloner);
    ct_arena_deinit(&maps);
    return status;
}
