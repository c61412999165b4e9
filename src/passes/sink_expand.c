/* Expand before an operator that broadcasts: the operator broadcasts by itself, and does less. */
#include <string.h>

#include "ops/registry.h"
#include "passes/rewrite.h"

static bool broadcasts(const struct ct_node *node)
{
    static const char *const ops[] = {
        "Add",   "Sub",     "Mul",  "Div", "Pow",   "And", "Or",  "Xor",         "Where",
        "Equal", "Greater", "Less", "Mod", "PRelu", "Max", "Min", "LessOrEqual", "GreaterOrEqual"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ct_is_op(node, "", ops[i]))
            return node->opset >= 7;
    return false;
}

/* Whether the inputs give the output's shape when input `index` has the dimensions of `small`. */
static bool same_result(const struct ct_node *node, int index, const struct ct_fact *small)
{
    const struct ct_fact *out = &node->out[0]->fact;
    int rank = 0;
    for (int i = 0; i < node->n_in; i++) {
        const struct ct_fact *in = i == index ? small : &ct_input(node, i)->fact;
        rank = in->rank > rank ? in->rank : rank;
    }
    if (small->rank < 0 || rank != out->rank)
        return false;
    for (int d = 0; d < out->rank; d++) {
        bool found = out->dims[d] == 1;
        for (int i = 0; i < node->n_in && !found; i++) {
            const struct ct_fact *in = i == index ? small : &ct_input(node, i)->fact;
            int at = d - (out->rank - in->rank);
            found = in->rank >= 0 && at >= 0 && in->dims[at] == out->dims[d] &&
                    out->dims[d] != CT_DIM_UNKNOWN;
        }
        if (!found)
            return false;
    }
    return true;
}

static void drop_expand(struct ct_pass_context *context, struct ct_node *node)
{
    int first = ct_is_op(node, "", "PRelu"); /* only its slope broadcasts */
    for (int i = first; i < node->n_in; i++) {
        const struct ct_node *expand = ct_made_by(ct_input(node, i), "Expand");
        if (!expand || !same_result(node, i, &ct_input(expand, 0)->fact))
            continue;
        ct_node_set_input(node, i, ct_input(expand, 0));
        context->stats->changes++;
    }
}

/* op(Expand(x), numbers) is Expand(op(x, numbers)): it comes nearer to one that drops it. */
static ct_status swap(struct ct_pass_context *context, struct ct_node *node)
{
    int at = -1;
    for (int i = 0; i < node->n_in; i++) {
        const struct ct_value *in = ct_input(node, i);
        const struct ct_tensor *t = ct_value_const(in);
        if (t && ct_count(t) == 1 && t->rank <= 1)
            continue;
        if (at >= 0 || !ct_made_by(in, "Expand") || !ct_value_single_use(in))
            return CORTEN_OK;
        at = i;
    }
    if (at < 0)
        return CORTEN_OK;
    struct ct_node *expand = ct_input(node, at)->producer;
    struct ct_value *x = ct_input(expand, 0), *inputs[2] = {NULL, ct_input(expand, 1)};
    struct ct_fact small = x->fact;
    if (small.rank < 0 || node->out[0]->fact.rank < small.rank || !inputs[1])
        return CORTEN_OK;
    for (int i = 0; i < node->n_in; i++)
        if (i != at && ct_input(node, i)->fact.rank > small.rank)
            return CORTEN_OK; /* it would add a dimension */
    small.dtype = node->out[0]->fact.dtype;
    struct ct_value *output = node->out[0];
    ct_node_set_output(node, 0, NULL);
    ct_node_set_input(node, at, x);
    CT_TRY(ct_pass_add_output(context, node, &small, &inputs[0]));
    struct ct_node *after = ct_pass_add_node(context, node->next, "", "Expand", inputs, 2);
    if (!after)
        return CORTEN_OUT_OF_MEMORY;
    after->name = expand->name;
    ct_node_set_output(after, 0, output);
    CT_TRY(ct_op_resolve(after, context->error));
    ct_node_remove(expand);
    context->stats->changes++;
    return CORTEN_OK;
}

static bool is_complete(const struct ct_node *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (!ct_input(node, i))
            return false;
    return node->n_out == 1 && node->out[0];
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (!broadcasts(node) || !is_complete(node))
            continue;
        drop_expand(context, node);
        if (next) /* the copy goes before it */
            CT_TRY(swap(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_sink_expand = {
    .name = "sink-expand",
    .summary = "drops Expand before operators that broadcast, and moves it behind others",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
