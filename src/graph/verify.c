/* What the edit functions keep true, checked: for tests, and for models that come from outside. */
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct verifier {
    const struct ct_graph *graph; /* the one that was asked for */
    corten_error *error;
};

__attribute__((format(printf, 3, 4), cold)) static ct_status fail(const struct verifier *verifier,
                                                                  const struct ct_graph *graph,
                                                                  const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ct_fail(verifier->error, CORTEN_INVALID_MODEL, "%s: graph '%.64s': %s",
                   graph->model->source, graph->name, n < 0 ? "" : text);
}

static bool is_around(const struct ct_graph *outer, const struct ct_graph *graph)
{
    while (graph && graph != outer)
        graph = graph->parent;
    return graph != NULL;
}

/* The node of `outer` in whose subgraphs `graph` lies. */
static const struct ct_node *owner_in(const struct ct_graph *outer, const struct ct_graph *graph)
{
    const struct ct_node *owner = NULL;
    while (graph && graph != outer) {
        owner = graph->owner;
        graph = graph->parent;
    }
    return graph ? owner : NULL;
}

/* `value` may be read in `graph`, by the node with that mark (outputs: after the last one). */
static ct_status check_readable(const struct verifier *verifier, const struct ct_graph *graph,
                                const struct ct_value *value, int mark, const char *reader)
{
    if (!is_around(value->graph, graph))
        return fail(verifier, graph,
                    "%s reads '%.200s', which belongs to a graph that is not "
                    "around it",
                    reader, value->name);
    if (!value->producer) {
        if (value->is_input || value->constant)
            return CORTEN_OK;
        return fail(verifier, graph,
                    "%s reads '%.200s', which is no input, no constant and no node's output",
                    reader, value->name);
    }
    const struct ct_node *producer = value->producer;
    if (value->producer_index < 0 || value->producer_index >= producer->n_out ||
        producer->out[value->producer_index] != value || producer->graph != value->graph)
        return fail(verifier, graph, "'%.200s' and the node that gives it do not agree",
                    value->name);
    if (value->graph != graph) {
        const struct ct_node *owner = owner_in(value->graph, graph);
        if (!owner)
            return fail(verifier, graph, "the subgraph that reads '%.200s' belongs to no node",
                        value->name);
        mark = owner->mark;
    }
    if (producer->mark < mark)
        return CORTEN_OK;
    return fail(verifier, graph, "%s reads '%.200s' before it is there", reader, value->name);
}

static ct_status check_use(const struct verifier *verifier, const struct ct_node *node, int index)
{
    const struct ct_use *use = &node->in[index];
    char text[256];
    if (use->node != node || use->index != index)
        return fail(verifier, node->graph, "%s: input %d is not its own",
                    ct_node_describe(node, text, sizeof text), index);
    if (!use->value)
        return CORTEN_OK;
    if (!use->prev || *use->prev != use || (use->next && use->next->value != use->value))
        return fail(verifier, node->graph, "%s: input %d is missing in the uses of '%.200s'",
                    ct_node_describe(node, text, sizeof text), index, use->value->name);
    return check_readable(verifier, node->graph, use->value, node->mark,
                          ct_node_describe(node, text, sizeof text));
}

static ct_status check_graph(const struct verifier *verifier, const struct ct_graph *graph);

static ct_status check_node(const struct verifier *verifier, const struct ct_node *node)
{
    const struct ct_graph *graph = node->graph;
    char text[256];
    for (int i = 0; i < node->n_in; i++)
        CT_TRY(check_use(verifier, node, i));
    for (int i = 0; i < node->n_out; i++) {
        const struct ct_value *value = node->out[i];
        if (!value)
            continue;
        if (value->graph != graph || value->producer != node || value->producer_index != i)
            return fail(verifier, graph, "%s: output %d, '%.200s', is not its own",
                        ct_node_describe(node, text, sizeof text), i, value->name);
        if (value->is_input)
            return fail(verifier, graph, "%s: output %d, '%.200s', is an input of the graph",
                        ct_node_describe(node, text, sizeof text), i, value->name);
    }
    for (int a = 0; a < node->n_attrs; a++) {
        for (int g = 0; g < ct_attr_graph_count(&node->attrs[a]); g++) {
            const struct ct_graph *inner = node->attrs[a].graphs[g];
            if (!inner || inner->owner != node || inner->parent != graph)
                return fail(verifier, graph, "%s: its subgraph in '%.64s' is not its own",
                            ct_node_describe(node, text, sizeof text), node->attrs[a].name);
            CT_TRY(check_graph(verifier, inner));
        }
    }
    return CORTEN_OK;
}

static ct_status check_value(const struct verifier *verifier, const struct ct_graph *graph,
                             const struct ct_value *value, size_t id)
{
    if (value->graph != graph || (size_t)value->id != id)
        return fail(verifier, graph, "value %zu, '%.200s', is not its own", id, value->name);
    if (!value->name[0] || ct_map_get(&graph->names, value->name) != value)
        return fail(verifier, graph, "value %zu has no name, or one that is not its own: '%.200s'",
                    id, value->name);
    if (value->n_output_refs < 0 || (value->uses && value->uses->value != value))
        return fail(verifier, graph, "the uses of '%.200s' are not its own", value->name);
    if (value->constant && value->producer)
        return fail(verifier, graph, "constant '%.200s' is the output of a node too", value->name);
    if (value->constant && value->fact.dtype != CORTEN_DTYPE_NONE &&
        value->fact.dtype != value->constant->dtype)
        return fail(verifier, graph, "constant '%.200s' is of type %s, but is said to be %s",
                    value->name, corten_dtype_name(value->constant->dtype),
                    corten_dtype_name(value->fact.dtype));
    return CORTEN_OK;
}

static ct_status check_list(const struct verifier *verifier, const struct ct_graph *graph)
{
    const struct ct_node *last = NULL;
    size_t count = 0;
    int mark = 0;
    for (struct ct_node *node = graph->first; node; node = node->next) {
        if (node->graph != graph || node->prev != last || ++count > graph->n_nodes)
            return fail(verifier, graph, "its list of nodes is broken");
        node->mark = ++mark;
        last = node;
    }
    if (graph->last != last || count != graph->n_nodes)
        return fail(verifier, graph, "its list of nodes is broken");
    return CORTEN_OK;
}

static ct_status check_graph(const struct verifier *verifier, const struct ct_graph *graph)
{
    CT_TRY(check_list(verifier, graph));
    for (size_t i = 0; i < graph->n_values; i++)
        CT_TRY(check_value(verifier, graph, graph->values[i], i));
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const struct ct_value *value = graph->inputs[i];
        if (value->graph != graph || !value->is_input)
            return fail(verifier, graph, "input %zu, '%.200s', is not its own", i, value->name);
    }
    for (const struct ct_node *node = graph->first; node; node = node->next)
        CT_TRY(check_node(verifier, node));
    for (size_t i = 0; i < graph->n_outputs; i++) {
        char text[64];
        snprintf(text, sizeof text, "output %zu", i);
        if (!graph->outputs[i]->n_output_refs)
            return fail(verifier, graph, "%s, '%.200s', is not counted", text,
                        graph->outputs[i]->name);
        CT_TRY(check_readable(verifier, graph, graph->outputs[i], INT32_MAX, text));
    }
    return CORTEN_OK;
}

ct_status ct_graph_verify(const struct ct_graph *graph, corten_error *error)
{
    /* Order is checked against the nodes around a subgraph too. */
    struct verifier verifier = {graph, error};
    for (const struct ct_graph *outer = graph->parent; outer; outer = outer->parent)
        CT_TRY(check_list(&verifier, outer));
    return check_graph(&verifier, graph);
}
