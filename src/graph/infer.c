/* Shape inference over nodes and graphs. */
#include "graph/infer.h"

#include <string.h>

enum { MAX_DEPTH = 64 }; /* of nested subgraphs */

struct driver {
    int depth;
    corten_error *error;
};

static ct_status infer_graph(struct ct_graph *graph, int depth, corten_error *error);

/* Facts of a subgraph's inputs are given by its operator; then the subgraph is inferred like any
 * graph, in place. */
static ct_status infer_subgraph(struct ct_infer *infer, struct ct_graph *graph,
                                const struct ct_fact *const *in, struct ct_fact *out)
{
    struct driver *driver = infer->driver;
    for (size_t i = 0; i < graph->n_inputs; i++)
        if (in && in[i])
            ct_fact_merge(&graph->inputs[i]->fact, in[i]);
    CT_TRY(infer_graph(graph, driver->depth + 1, infer->error));
    for (size_t i = 0; out && i < graph->n_outputs; i++) {
        out[i] = graph->outputs[i]->fact;
        out[i].constant = NULL;
    }
    return CORTEN_OK;
}

static bool is_single(const struct ct_fact *fact)
{
    for (int i = 0; i < fact->rank; i++)
        if (fact->dims[i] != 1)
            return false;
    return fact->rank >= 0;
}

/* Elementwise operators run over the memory of their inputs, which must therefore lie alike, but
 * for single numbers. */
static ct_status check_layouts(const struct ct_infer *infer)
{
    const struct ct_fact *first = NULL;
    unsigned flags = infer->node->op->flags;
    for (int i = 0; i < infer->n_in && !(flags & CT_OP_LAYOUTS); i++) {
        const struct ct_fact *x = infer->in[i];
        if (!x || (is_single(x) && x->layout == CT_LAYOUT_PLAIN))
            continue;
        if (x->layout != CT_LAYOUT_PLAIN && !(flags & CT_OP_ANY_LAYOUT))
            return ct_infer_fail(infer, "input %d must be in the plain layout", i);
        if (first && (first->layout != x->layout ||
                      (x->layout != CT_LAYOUT_PLAIN && first->rank != x->rank)))
            return ct_infer_fail(infer, "input %d is in another layout than those before", i);
        first = x;
    }
    return CORTEN_OK;
}

static void set_layouts(const struct ct_infer *infer)
{
    unsigned flags = infer->node->op->flags;
    uint8_t layout = CT_LAYOUT_PLAIN;
    if ((flags & CT_OP_LAYOUTS) || !(flags & CT_OP_ANY_LAYOUT))
        return;
    for (int i = 0; i < infer->n_in; i++)
        if (infer->in[i] && infer->in[i]->layout != CT_LAYOUT_PLAIN)
            layout = infer->in[i]->layout;
    for (int i = 0; i < infer->n_out; i++)
        if (infer->out[i])
            infer->out[i]->layout = layout;
}

static ct_status infer_node(const struct ct_node *node, const struct ct_fact *const *in,
                            struct ct_fact *const *out, struct ct_symbols *symbols,
                            struct ct_arena *arena, struct driver *driver, corten_error *error)
{
    struct ct_infer infer = {
        .node = node,
        .n_in = node->n_in,
        .n_out = node->n_out,
        .in = in,
        .out = out,
        .symbols = symbols,
        .arena = arena,
        .error = error,
        .subgraph = driver ? infer_subgraph : NULL,
        .driver = driver,
    };
    for (int i = 0; i < node->n_out; i++)
        if (out[i])
            ct_fact_init(out[i]);
    if (!node->op) {
        char text[256];
        return ct_fail(error, CORTEN_INTERNAL, "%s is not resolved",
                       ct_node_describe(node, text, sizeof text));
    }
    for (int i = 0; i < node->n_in && !(node->op->flags & CT_OP_CONTAINERS); i++) {
        char text[256];
        if (in[i] && in[i]->kind != CORTEN_TENSOR)
            return ct_infer_fail(&infer, "input %d must be a tensor, found %s", i,
                                 ct_fact_describe(in[i], symbols, text, sizeof text));
    }
    if (node->op->typed_input >= 0)
        CT_TRY(ct_infer_check_dtype(&infer, node->op->typed_input, node->op_dtypes));
    CT_TRY(check_layouts(&infer));
    CT_TRY(node->op->infer(&infer));
    set_layouts(&infer);
    return CORTEN_OK;
}

ct_status ct_infer_node(const struct ct_node *node, const struct ct_fact *const *in,
                        struct ct_fact *const *out, struct ct_symbols *symbols,
                        struct ct_arena *arena, corten_error *error)
{
    return infer_node(node, in, out, symbols, arena, NULL, error);
}

/* What the node's inference found is merged with what the model declares. */
static ct_status merge_declared(struct ct_value *value, const struct ct_fact *found,
                                const struct ct_node *node, corten_error *error)
{
    struct ct_model *model = value->graph->model;
    struct ct_fact merged = *found;
    if (!ct_fact_merge(&merged, &value->fact)) {
        char a[256], b[256], text[256];
        return ct_fail(error, CORTEN_INVALID_MODEL,
                       "%s: output '%s' is declared as %s, but comes out as %s",
                       ct_node_describe(node, text, sizeof text), value->name,
                       ct_fact_describe(&value->fact, &model->symbols, a, sizeof a),
                       ct_fact_describe(found, &model->symbols, b, sizeof b));
    }
    value->fact = merged;
    return CORTEN_OK;
}

static ct_status infer_in_place(struct ct_node *node, struct ct_arena *scratch,
                                struct driver *driver)
{
    struct ct_model *model = node->graph->model;
    size_t n_in = (size_t)node->n_in, n_out = (size_t)node->n_out;
    const struct ct_fact **in = ct_arena_array(scratch, n_in, sizeof *in);
    struct ct_fact **out = ct_arena_array(scratch, n_out, sizeof *out);
    struct ct_fact *found = ct_arena_array(scratch, n_out, sizeof *found);
    if (!in || !out || !found)
        return ct_fail_memory(driver->error, 0, "shape inference");
    for (size_t i = 0; i < n_in; i++)
        in[i] = node->in[i].value ? &node->in[i].value->fact : NULL;
    for (size_t i = 0; i < n_out; i++)
        out[i] = node->out[i] ? &found[i] : NULL;
    CT_TRY(infer_node(node, in, out, &model->symbols, &model->arena, driver, driver->error));
    for (size_t i = 0; i < n_out; i++)
        if (node->out[i])
            CT_TRY(merge_declared(node->out[i], &found[i], node, driver->error));
    return CORTEN_OK;
}

static ct_status infer_graph(struct ct_graph *graph, int depth, corten_error *error)
{
    if (depth > MAX_DEPTH)
        return ct_fail(error, CORTEN_INVALID_MODEL, "graph '%s': subgraphs nested deeper than %d",
                       graph->name, MAX_DEPTH);
    struct driver driver = {.depth = depth, .error = error};
    for (size_t i = 0; i < graph->n_values; i++) {
        struct ct_value *value = graph->values[i];
        const struct ct_tensor *constant = ct_value_const(value);
        if (constant && !value->fact.constant)
            CT_TRY(ct_fact_of_tensor(&value->fact, constant, &graph->model->arena, error));
    }
    struct ct_arena scratch;
    ct_arena_init(&scratch, graph->model->allocator);
    ct_status status = CORTEN_OK;
    for (struct ct_node *node = graph->first; node && status == CORTEN_OK; node = node->next) {
        status = infer_in_place(node, &scratch, &driver);
        if (scratch.used_bytes > (1u << 20)) {
            ct_arena_deinit(&scratch);
            ct_arena_init(&scratch, graph->model->allocator);
        }
    }
    ct_arena_deinit(&scratch);
    return status;
}

ct_status ct_graph_infer(struct ct_graph *graph, corten_error *error)
{
    return infer_graph(graph, 0, error);
}

/* ------------------------------------------------------------------ cost */

static double fact_bytes(const struct ct_fact *fact)
{
    double n = (double)corten_dtype_bits(fact->dtype) / 8;
    for (int i = 0; i < fact->rank; i++)
        n *= (double)fact->dims[i];
    return n;
}

bool ct_node_cost_of(const struct ct_node *node, const struct ct_fact *const *in,
                     struct ct_fact *const *out, struct ct_arena *arena, struct ct_cost *cost)
{
    *cost = (struct ct_cost){0};
    double elems = 0;
    for (int i = 0; i < node->n_in; i++) {
        if (!in[i])
            continue;
        if (!ct_fact_is_concrete(in[i]))
            return false;
        bool again = false; /* it is read once */
        for (int k = 0; k < i; k++)
            again |= node->in[k].value == node->in[i].value;
        cost->bytes += again ? 0 : fact_bytes(in[i]);
    }
    for (int i = 0; i < node->n_out; i++) {
        if (!out[i])
            continue;
        if (!ct_fact_is_concrete(out[i]))
            return false;
        cost->bytes += fact_bytes(out[i]);
        elems += fact_bytes(out[i]) * 8 / (double)corten_dtype_bits(out[i]->dtype);
    }
    struct ct_infer infer = {.node = node,
                             .n_in = node->n_in,
                             .n_out = node->n_out,
                             .in = in,
                             .out = out,
                             .arena = arena};
    if (node->op->flags & CT_OP_VIEW)
        *cost = (struct ct_cost){0};
    else if (node->op->cost)
        node->op->cost(&infer, cost);
    else
        cost->flops = elems;
    return true;
}

bool ct_node_cost(const struct ct_node *node, struct ct_arena *arena, struct ct_cost *cost)
{
    *cost = (struct ct_cost){0};
    const struct ct_fact **in = ct_arena_array(arena, (size_t)node->n_in, sizeof *in);
    struct ct_fact **out = ct_arena_array(arena, (size_t)node->n_out, sizeof *out);
    if (!in || !out || !node->op)
        return false;
    for (int i = 0; i < node->n_in; i++)
        in[i] = node->in[i].value ? &node->in[i].value->fact : NULL;
    for (int i = 0; i < node->n_out; i++)
        out[i] = node->out[i] ? &node->out[i]->fact : NULL;
    return ct_node_cost_of(node, in, out, arena, cost);
}
