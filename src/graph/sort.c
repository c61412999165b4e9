/* Topological order. A node also depends on what the nodes of its subgraphs read from outside. */
#include "graph/graph.h"

#include <string.h>

/* Called for each value of `graph` that `owner`, or a subgraph of it, reads. */
struct walk {
    const struct ct_graph *graph;
    struct ct_node *owner;
    bool (*visit)(struct walk *walk, struct ct_node *producer);
    void *arg;
};

static bool visit_value(struct walk *walk, const struct ct_value *value)
{
    if (!value || value->graph != walk->graph || !value->producer)
        return true;
    return walk->visit(walk, value->producer);
}

static bool walk_node(struct walk *walk, const struct ct_node *node);

static bool walk_graph(struct walk *walk, const struct ct_graph *graph)
{
    for (const struct ct_node *node = graph->first; node; node = node->next) {
        if (!walk_node(walk, node))
            return false;
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (!visit_value(walk, graph->outputs[i]))
            return false;
    }
    return true;
}

static bool walk_node(struct walk *walk, const struct ct_node *node)
{
    for (int i = 0; i < node->n_in; i++) {
        if (!visit_value(walk, node->in[i].value))
            return false;
    }
    for (int a = 0; a < node->n_attrs; a++) {
        const struct ct_attr *attr = &node->attrs[a];
        for (int g = 0; g < ct_attr_graph_count(attr); g++) {
            if (!walk_graph(walk, attr->graphs[g]))
                return false;
        }
    }
    return true;
}

static bool walk_all(struct walk *walk)
{
    for (struct ct_node *node = walk->graph->first; node; node = node->next) {
        walk->owner = node;
        if (!walk_node(walk, node))
            return false;
    }
    return true;
}

static bool visit_is_before(struct walk *walk, struct ct_node *producer)
{
    return producer->mark < walk->owner->mark;
}

/* ------------------------------------------------------------------ sorting */

/* Edges by producer: those of node p are consumers[first[p]..first[p + 1]). */
struct sorter {
    struct ct_node **nodes;
    size_t n_nodes;
    size_t *first;
    int *consumers;
    int *waiting; /* producers of a node that have not been placed yet */
    int *heap;    /* nodes that wait for nothing; the least number on top */
    size_t n_heap;
};

static bool visit_count(struct walk *walk, struct ct_node *producer)
{
    struct sorter *sorter = walk->arg;
    sorter->first[producer->mark + 1]++;
    sorter->waiting[walk->owner->mark]++;
    return true;
}

/* first[p + 1] runs from the start of p's part to its end, which is the start of p + 1's. */
static bool visit_fill(struct walk *walk, struct ct_node *producer)
{
    struct sorter *sorter = walk->arg;
    sorter->consumers[sorter->first[producer->mark + 1]++] = walk->owner->mark;
    return true;
}

static void heap_push(struct sorter *sorter, int item)
{
    size_t i = sorter->n_heap++;
    while (i) {
        size_t up = (i - 1) / 2;
        if (sorter->heap[up] <= item)
            break;
        sorter->heap[i] = sorter->heap[up];
        i = up;
    }
    sorter->heap[i] = item;
}

static int heap_pop(struct sorter *sorter)
{
    int top = sorter->heap[0];
    int item = sorter->heap[--sorter->n_heap];
    size_t i = 0;
    for (;;) {
        size_t down = 2 * i + 1;
        if (down >= sorter->n_heap)
            break;
        if (down + 1 < sorter->n_heap && sorter->heap[down + 1] < sorter->heap[down])
            down++;
        if (sorter->heap[down] >= item)
            break;
        sorter->heap[i] = sorter->heap[down];
        i = down;
    }
    sorter->heap[i] = item;
    return top;
}

static ct_status fill_sorter(struct sorter *sorter, struct ct_graph *graph, struct ct_arena *arena,
                             corten_error *error)
{
    size_t n = graph->n_nodes;
    sorter->n_nodes = n;
    sorter->nodes = ct_arena_array(arena, n, sizeof(struct ct_node *));
    sorter->first = ct_arena_array(arena, n + 2, sizeof *sorter->first);
    sorter->waiting = ct_arena_array(arena, n, sizeof *sorter->waiting);
    sorter->heap = ct_arena_array(arena, n, sizeof *sorter->heap);
    if (!sorter->nodes || !sorter->first || !sorter->waiting || !sorter->heap)
        return ct_fail_memory(error, n * 32, "sorting a graph");
    for (struct ct_node *node = graph->first; node; node = node->next)
        sorter->nodes[node->mark] = node;

    struct walk walk = {.graph = graph, .visit = visit_count, .arg = sorter};
    walk_all(&walk);
    size_t total = 0;
    for (size_t p = 0; p <= n; p++) {
        size_t count = sorter->first[p + 1];
        sorter->first[p + 1] = total;
        total += count;
    }
    sorter->consumers = ct_arena_array(arena, total, sizeof *sorter->consumers);
    if (!sorter->consumers)
        return ct_fail_memory(error, total * sizeof *sorter->consumers, "sorting a graph");
    walk.visit = visit_fill;
    walk_all(&walk);
    return CORTEN_OK;
}

static ct_status place_nodes(struct sorter *sorter, struct ct_graph *graph, corten_error *error)
{
    for (size_t i = 0; i < sorter->n_nodes; i++) {
        if (!sorter->waiting[i])
            heap_push(sorter, (int)i);
    }
    struct ct_node *last = NULL;
    size_t placed = 0;
    while (sorter->n_heap) {
        int item = heap_pop(sorter);
        struct ct_node *node = sorter->nodes[item];
        node->prev = last;
        node->next = NULL;
        if (last)
            last->next = node;
        else
            graph->first = node;
        last = node;
        placed++;
        for (size_t e = sorter->first[item]; e < sorter->first[item + 1]; e++) {
            int consumer = sorter->consumers[e];
            if (--sorter->waiting[consumer] == 0)
                heap_push(sorter, consumer);
        }
    }
    graph->last = last;
    if (placed == sorter->n_nodes)
        return CORTEN_OK;

    /* Those of the cycle, and what depends on it, are not placed; they go back into the list. */
    const struct ct_node *culprit = NULL;
    for (size_t i = 0; i < sorter->n_nodes; i++) {
        struct ct_node *node = sorter->nodes[i];
        if (sorter->waiting[i]) {
            culprit = culprit ? culprit : node;
            node->prev = graph->last;
            node->next = NULL;
            if (graph->last)
                graph->last->next = node;
            else
                graph->first = node;
            graph->last = node;
        }
    }
    char text[256];
    return ct_fail(error, CORTEN_INVALID_MODEL,
                   "%s: %s depends on its own output: the graph has a cycle", graph->model->source,
                   ct_node_describe(culprit, text, sizeof text));
}

ct_status ct_graph_sort(struct ct_graph *graph, corten_error *error)
{
    if (graph->n_nodes >= INT32_MAX)
        return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "%s: a graph of %zu nodes is too large",
                       graph->model->source, graph->n_nodes);
    int index = 0;
    for (struct ct_node *node = graph->first; node; node = node->next)
        node->mark = index++;
    struct walk walk = {.graph = graph, .visit = visit_is_before};
    if (walk_all(&walk))
        return CORTEN_OK;

    struct ct_arena arena;
    ct_arena_init(&arena, graph->model->allocator);
    struct sorter sorter = {0};
    ct_status status = fill_sorter(&sorter, graph, &arena, error);
    if (status == CORTEN_OK)
        status = place_nodes(&sorter, graph, error);
    ct_arena_deinit(&arena);
    return status;
}
