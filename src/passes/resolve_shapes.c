/* Shapes that a model computes (Shape, Gather, Unsqueeze, Concat, …) but that inference knows
 * become constants: whole integer values that are known, and the shape input of Reshape, where a
 * dimension that is copied from the input is 0 and one that is not known may be -1. */
#include <string.h>

#include "passes/rewrite.h"

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
        if (!value || !value->producer ||
            !ct_dtype_in(value->fact.dtype, CT_BIT(I64) | CT_BIT(I32)) ||
            !ct_fact_is_concrete(&value->fact) || value->fact.rank > 1 || !all_known(&value->fact))
            continue;
        struct ct_value *constant;
        void *data;
        const struct ct_fact *fact = &value->fact;
        CT_TRY(ct_pass_constant(context, node->graph, fact->dtype, fact->rank, fact->dims,
                                &constant, &data));
        if (ct_count(constant->constant) != (size_t)fact->n_values)
            continue;
        ct_store_i64(fact->dtype, data, 0, (size_t)fact->n_values, fact->values);
        CT_TRY(ct_pass_constant_done(context, constant));
        ct_node_set_input(node, i, constant);
        context->stats->changes++;
    }
    return CORTEN_OK;
}

/* The shape of a Reshape, as far as one constant can say it. */
static ct_status resolve_reshape(struct ct_pass_context *context, struct ct_node *node)
{
    struct ct_value *shape = node->n_in == 2 ? node->in[1].value : NULL, *constant = NULL;
    if (!ct_is_op(node, "", "Reshape") || !shape || !shape->producer || !shape->fact.values ||
        !ct_input(node, 0) || !node->out[0] || shape->fact.n_values > CT_MAX_RANK)
        return CORTEN_OK;
    const struct ct_fact *from = &ct_input(node, 0)->fact, *to = &node->out[0]->fact;
    CT_TRY(ct_pass_reshape_shape(context, node->graph, from, to->rank, to->dims, &constant));
    if (!constant)
        return CORTEN_OK;
    ct_node_set_input(node, 1, constant);
    ct_node_drop_attr(node, "allowzero");
    context->stats->changes++;
    return CORTEN_OK;
}

/* Equal shapes that are computed in several ways: readers take the first of them, so that the
 * chain behind the others goes. Of chosen operators only, to keep this linear. */
static void share_shapes(struct ct_pass_context *context, struct ct_node *node,
                         struct ct_value **first)
{
    struct ct_value *shape = node->out[0];
    bool chain = ct_is_op(node, "", "Concat") || ct_is_op(node, "", "Where") ||
                 ct_is_op(node, "", "Reshape") || ct_is_op(node, "", "Unsqueeze") ||
                 ct_is_op(node, "", "Gather") || ct_is_op(node, "", "Shape") ||
                 ct_is_op(node, "", "Cast") || ct_is_op(node, "", "Slice");
    if (!chain || !shape || shape->fact.dtype != CORTEN_I64 || !ct_fact_is_concrete(&shape->fact) ||
        !shape->fact.values || shape->n_output_refs || shape->fact.n_values < 1)
        return;
    uint64_t hash = (uint64_t)shape->fact.rank;
    for (int i = 0; i < shape->fact.n_values; i++) {
        if (shape->fact.values[i] == CT_DIM_UNKNOWN)
            return;
        hash = (hash ^ (uint64_t)shape->fact.values[i]) * UINT64_C(0x9E3779B97F4A7C15);
    }
    struct ct_value **slot = &first[hash >> 56];
    const struct ct_fact *other = *slot ? &(*slot)->fact : NULL;
    if (!other || other->rank != shape->fact.rank || other->n_values != shape->fact.n_values ||
        memcmp(other->values, shape->fact.values, (size_t)other->n_values * sizeof(ct_dim))) {
        *slot = *slot ? *slot : shape;
        return;
    }
    if (shape->uses && ct_value_replace(shape, *slot))
        context->stats->changes++;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    struct ct_value *first[256] = {NULL};
    for (struct ct_node *node = graph->first; node; node = node->next) {
        CT_TRY(resolve_known(context, node));
        CT_TRY(resolve_reshape(context, node));
        if (node->n_out == 1)
            share_shapes(context, node, first);
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_resolve_shapes = {
    .name = "resolve-shapes",
    .summary = "replaces computed shapes by constants where inference knows them",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
