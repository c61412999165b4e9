/* Chains of elementwise operators on float32, to ai.corten.Elementwise, which goes over memory
 * once. Only values that nobody else reads, and that have the shape of the result, vanish; so it
 * never computes or moves more. */
#include <string.h>

#include "ops/elementwise/chain.h"
#include "ops/registry.h"
#include "passes/rewrite.h"

enum { SHORT_ROW = 32 }; /* below it the operators themselves have better loops for broadcasting */

/* A chain as it grows from its last node backwards. */
struct group {
    struct ct_node *nodes[CT_CHAIN_STEPS]; /* the last one first */
    int n_nodes;
    struct ct_value *inputs[CT_CHAIN_INPUTS + 1];
    int n_inputs;
};

static int operands_of(const struct ct_node *node)
{
    struct ct_chain_step step;
    return !ct_chain_step_of(node, &step) ? 0 : step.binary ? 2 : 1;
}

/* Inputs other than single numbers and those of the result's shape must come in long rows. */
static bool has_long_rows(const struct ct_value *value, const struct ct_fact *y)
{
    const struct ct_fact *f = &value->fact;
    if (f->kind != CORTEN_TENSOR || f->dtype != CORTEN_F32 || f->rank < 0 || f->layout != y->layout)
        return false;
    if (ct_same_dims(f, y))
        return true;
    bool one = true;
    for (int i = 0; i < f->rank; i++)
        one &= f->dims[i] == 1;
    ct_dim last = y->rank ? y->dims[y->rank - 1] : 1;
    return one || (ct_dim_known(last) && last >= SHORT_ROW);
}

static bool can_start(const struct ct_node *node)
{
    int n = operands_of(node);
    const struct ct_fact *y = node->n_out == 1 && node->out[0] ? &node->out[0]->fact : NULL;
    if (!n || !y || y->kind != CORTEN_TENSOR || y->dtype != CORTEN_F32 || y->rank < 0 ||
        y->layout != CT_LAYOUT_PLAIN)
        return false;
    for (int i = 0; i < n; i++)
        if (!ct_input(node, i) || !has_long_rows(ct_input(node, i), y))
            return false;
    return true;
}

static void add_input(struct group *g, struct ct_value *value)
{
    for (int i = 0; i < g->n_inputs; i++)
        if (g->inputs[i] == value)
            return;
    g->inputs[g->n_inputs++] = value;
}

/* False: there are too many. */
static bool list_inputs(struct group *g)
{
    g->n_inputs = 0;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < operands_of(g->nodes[i]); k++) {
            struct ct_value *value = ct_input(g->nodes[i], k);
            bool inner = false;
            for (int j = 0; j < g->n_nodes; j++)
                inner |= value->producer == g->nodes[j];
            if (!inner)
                add_input(g, value);
            if (g->n_inputs > CT_CHAIN_INPUTS)
                return false;
        }
    return true;
}

/* Whether the value is read by nodes of the group only. */
static bool is_inner(const struct group *g, const struct ct_value *value)
{
    if (value->n_output_refs)
        return false;
    for (const struct ct_use *use = value->uses; use; use = use->next) {
        bool found = false;
        for (int i = 0; i < g->n_nodes; i++)
            found |= use->node == g->nodes[i];
        if (!found)
            return false;
    }
    return true;
}

/* Takes in a producer of one of the inputs; false: none fits. */
static bool grow(struct group *g)
{
    const struct ct_fact *y = &g->nodes[0]->out[0]->fact;
    for (int i = 0; i < g->n_inputs && g->n_nodes < CT_CHAIN_STEPS; i++) {
        struct ct_value *value = g->inputs[i];
        struct ct_node *node = value->producer;
        if (!node || node->graph != g->nodes[0]->graph || !can_start(node) ||
            !ct_same_type(&value->fact, y) || !is_inner(g, value))
            continue;
        g->nodes[g->n_nodes++] = node;
        if (list_inputs(g))
            return true;
        g->n_nodes--;
        list_inputs(g);
    }
    return false;
}

/* A value's place among the operands: an input's index, or that of a step behind them. */
static int operand_of(const struct group *g, struct ct_node *const *order,
                      const struct ct_value *value)
{
    for (int i = 0; i < g->n_inputs; i++)
        if (g->inputs[i] == value)
            return i;
    for (int i = 0; i < g->n_nodes; i++)
        if (order[i] == value->producer)
            return g->n_inputs + i;
    return -1;
}

/* The group's nodes in the graph's order. */
static void sort(const struct group *g, struct ct_node **order)
{
    int n = 0;
    struct ct_node *node = g->nodes[0];
    for (; n < g->n_nodes; node = node->prev)
        for (int i = 0; i < g->n_nodes; i++)
            if (g->nodes[i] == node)
                order[g->n_nodes - 1 - n++] = node;
}

static ct_status replace(struct ct_pass_context *context, const struct group *g)
{
    struct ct_node *order[CT_CHAIN_STEPS];
    struct ct_chain chain = {.n_in = g->n_inputs, .n_steps = g->n_nodes};
    const char *origin = "";
    sort(g, order);
    for (int i = 0; i < g->n_nodes; i++) {
        struct ct_chain_step *step = &chain.steps[i];
        ct_chain_step_of(order[i], step);
        for (int k = 0; k < (step->binary ? 2 : 1); k++)
            step->operand[k] = operand_of(g, order, ct_input(order[i], k));
        const char *own = order[i]->origin && *order[i]->origin ? order[i]->origin : order[i]->name;
        origin = ct_arena_printf(&context->model->arena, "%s%s%s", origin, i ? " + " : "", own);
        if (!origin)
            return ct_fail_memory(context->error, 0, "a name");
    }
    struct ct_node *node =
        ct_pass_add_node(context, g->nodes[0], "ai.corten", "Elementwise", g->inputs, g->n_inputs);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_chain_write(node, &chain)));
    node->origin = origin;
    CT_TRY(ct_pass_replace_node(context, g->nodes[0], node));
    for (int i = g->n_nodes - 1; i > 0; i--)
        ct_node_remove(order[i - 1]);
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->last, *previous; node; node = previous) {
        struct group g = {.nodes = {node}, .n_nodes = 1};
        previous = node->prev;
        if (!can_start(node) || !list_inputs(&g))
            continue;
        while (grow(&g))
            ;
        if (g.n_nodes < 2)
            continue;
        /* The walk goes on before all of them. */
        for (bool again = true; again;) {
            again = false;
            for (int i = 1; i < g.n_nodes; i++)
                if (previous == g.nodes[i]) {
                    previous = previous->prev;
                    again = true;
                }
        }
        CT_TRY(replace(context, &g));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_elementwise = {
    .name = "fuse-elementwise",
    .summary = "chains of elementwise operators in one pass over memory",
    .level = CORTEN_LEVEL_ALL,
    .run = run,
};
