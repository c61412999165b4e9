/* Shapes that a model computes (Shape, Gather, Unsqueeze, Concat, …) but that inference knows
 * become constants: whole integer values that are known, and the shape input of Reshape, where a
 * dimension that is copied from the input is 0 and one that is not known may be -1. */
#include <string.h>

#include "graph/infer.h"
#include "passes/pass.h"

static ct_status set_constant_input(struct ct_pass_context *context, struct ct_node *node,
                                    int index, const int64_t *values, int count)
{
    struct ct_value *constant =
        ct_graph_add_small_constant(node->graph, CORTEN_I64, 1, (int64_t[]){count}, values);
    if (!constant)
        return ct_fail_memory(context->error, 0, "a shape");
    CT_TRY(ct_fact_of_tensor(&constant->fact, constant->constant, &context->model->arena,
                             context->error));
    ct_node_set_input(node, index, constant);
    context->stats->changes++;
    return CORTEN_OK;
}

static bool all_known(const struct ct_fact *fact)
{
    for (int i = 0; i < fact->n_values; i++)
        if (!ct_dim_known(fact->values[i]))
            return false;
    return fact->values != NULL;
}

/* Any input whose elements are all known, though a node computes it. */
static ct_status resolve_known(struct ct_pass_context *context, struct ct_node *node)
{
    for (int i = 0; i < node->n_in; i++) {
        struct ct_value *value = node->in[i].value;
        if (!value || !value->producer || value->fact.dtype != CORTEN_I64 ||
            value->fact.rank != 1 || !all_known(&value->fact))
            continue;
        CT_TRY(set_constant_input(context, node, i, value->fact.values, value->fact.n_values));
    }
    return CORTEN_OK;
}

/* Shape of a Reshape: numbers as they are, symbols of the input's own dimension at that place as 0,
 * and one more as -1. */
static ct_status resolve_reshape(struct ct_pass_context *context, struct ct_node *node)
{
    if (strcmp(node->op_type, "Reshape") || *node->domain || node->n_in < 2 || !node->in[1].value ||
        !node->in[1].value->producer || ct_attr_int(node, "allowzero", 0) != 0)
        return CORTEN_OK;
    const struct ct_fact *shape = &node->in[1].value->fact, *in = &node->in[0].value->fact;
    int64_t values[CT_MAX_RANK];
    int n_open = 0;
    if (!shape->values || shape->n_values > CT_MAX_RANK || in->rank < 0)
        return CORTEN_OK;
    for (int i = 0; i < shape->n_values; i++) {
        ct_dim d = shape->values[i];
        if (ct_dim_known(d)) {
            values[i] = d;
            n_open += d == -1;
        } else if (d != CT_DIM_UNKNOWN && i < in->rank && in->dims[i] == d) {
            values[i] = 0;
        } else {
            values[i] = -1;
            n_open++;
        }
    }
    if (n_open > 1)
        return CORTEN_OK;
    return set_constant_input(context, node, 1, values, shape->n_values);
}

/* Sizes are never negative, but a difference of sizes might be. */
static bool is_size(const struct ct_symbols *symbols, ct_dim d)
{
    return ct_dim_known(d) ? d >= 0
                           : d != CT_DIM_UNKNOWN && !strchr(ct_symbol_name(symbols, d), '-');
}

/* Where(Equal(shape, -1), ones, shape), which exporters write for expand(), is the shape. */
static void resolve_where(struct ct_pass_context *context, struct ct_node *node)
{
    if (strcmp(node->op_type, "Where") || *node->domain || node->n_in < 3 || !node->out[0])
        return;
    const struct ct_value *test = node->in[0].value;
    struct ct_value *shape = node->in[2].value;
    const struct ct_node *equal = test ? test->producer : NULL;
    if (!equal || strcmp(equal->op_type, "Equal") || !shape || equal->in[0].value != shape ||
        !shape->fact.values || shape->fact.rank != 1)
        return;
    const struct ct_value *other = equal->in[1].value;
    if (!other || !other->fact.values || other->fact.rank > 1)
        return;
    for (int i = 0; i < shape->fact.n_values; i++)
        if (!is_size(&context->model->symbols, shape->fact.values[i]))
            return;
    for (int i = 0; i < other->fact.n_values; i++)
        if (!ct_dim_known(other->fact.values[i]) || other->fact.values[i] >= 0)
            return;
    if (ct_value_replace(node->out[0], shape))
        context->stats->changes++;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first; node; node = node->next) {
        CT_TRY(resolve_known(context, node));
        CT_TRY(resolve_reshape(context, node));
        resolve_where(context, node);
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_resolve_shapes = {
    .name = "resolve-shapes",
    .summary = "replaces computed shapes by constants where inference knows them",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
