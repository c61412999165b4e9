#include "graph/graph.h"

/* value->mark is the number of the graph that last took the value as a capture. */
struct finder {
    int graph_number;
    corten_error *error;
};

static ct_status capture(struct ct_graph *graph, int number, struct ct_value *value,
                         corten_error *error)
{
    if (!value || value->graph == graph || value->mark == number)
        return CORTEN_OK;
    if (!CT_ARENA_PUSH(&graph->model->arena, graph->captures, graph->n_captures,
                       graph->captures_capacity))
        return ct_fail_memory(error, sizeof *graph->captures, "captures of a subgraph");
    graph->captures[graph->n_captures++] = value;
    value->mark = number;
    return CORTEN_OK;
}

static ct_status find_in_graph(struct finder *finder, struct ct_graph *graph);

static ct_status find_in_subgraphs(struct finder *finder, struct ct_node *node)
{
    for (int a = 0; a < node->n_attrs; a++) {
        const struct ct_attr *attr = &node->attrs[a];
        for (int g = 0; g < ct_attr_graph_count(attr); g++)
            CT_TRY(find_in_graph(finder, attr->graphs[g]));
    }
    return CORTEN_OK;
}

/* Subgraphs first: a mark then tells of the graph that is being filled, and of no other. */
static ct_status find_in_graph(struct finder *finder, struct ct_graph *graph)
{
    graph->n_captures = 0;
    for (struct ct_node *node = graph->first; node; node = node->next)
        CT_TRY(find_in_subgraphs(finder, node));

    int number = ++finder->graph_number;
    for (struct ct_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_in; i++)
            CT_TRY(capture(graph, number, node->in[i].value, finder->error));
        for (int a = 0; a < node->n_attrs; a++) {
            const struct ct_attr *attr = &node->attrs[a];
            for (int g = 0; g < ct_attr_graph_count(attr); g++) {
                const struct ct_graph *inner = attr->graphs[g];
                for (size_t c = 0; c < inner->n_captures; c++)
                    CT_TRY(capture(graph, number, inner->captures[c], finder->error));
            }
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++)
        CT_TRY(capture(graph, number, graph->outputs[i], finder->error));
    return CORTEN_OK;
}

static void clear_marks(struct ct_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++)
        graph->values[i]->mark = 0;
    for (struct ct_node *node = graph->first; node; node = node->next) {
        for (int a = 0; a < node->n_attrs; a++) {
            const struct ct_attr *attr = &node->attrs[a];
            for (int g = 0; g < ct_attr_graph_count(attr); g++)
                clear_marks(attr->graphs[g]);
        }
    }
}

ct_status ct_graph_find_captures(struct ct_graph *graph, corten_error *error)
{
    for (struct ct_graph *outer = graph->parent; outer; outer = outer->parent) {
        for (size_t i = 0; i < outer->n_values; i++)
            outer->values[i]->mark = 0;
    }
    clear_marks(graph);
    struct finder finder = {0, error};
    return find_in_graph(&finder, graph);
}

size_t ct_node_captures_before(const struct ct_node *node, const struct ct_graph *graph)
{
    size_t n = 0;
    for (int i = 0; i < node->n_attrs; i++)
        for (int j = 0; j < ct_attr_graph_count(&node->attrs[i]); j++) {
            if (node->attrs[i].graphs[j] == graph)
                return n;
            n += node->attrs[i].graphs[j]->n_captures;
        }
    return n;
}
