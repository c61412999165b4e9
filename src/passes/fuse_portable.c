/* Fusions for models that other runtimes run too, with operators of com.microsoft: a residual and
 * the layer normalisation after it, a bias and the GELU after it, a factor of a matrix product and
 * transposes before it. At level layout and above, the first two are left to the epilogues of
 * products, which do the same with less memory traffic. */
#include <string.h>

#include "ops/registry.h"
#include "passes/pattern.h"

/* ------------------------------------------------------------------ SkipLayerNormalization */

static bool ends_below_layout(const struct ct_pass_context *context)
{
    return context->target < CORTEN_LEVEL_LAYOUT;
}

/* The sum is input 0 of `norm`; the operator gives it too (output 3), for others that read it. */
static ct_status fuse_skip(struct ct_pass_context *context, struct ct_node *norm)
{
    bool simple = ct_is_op(norm, "", "SimplifiedLayerNormalization");
    if (!simple && !ct_is_op(norm, "", "LayerNormalization"))
        return CORTEN_OK;
    struct ct_value *sum = ct_input(norm, 0), *gamma = ct_input(norm, 1);
    struct ct_node *add = ct_made_by(sum, "Add");
    int64_t axis = ct_attr_int(norm, "axis", -1);
    const char *op_type = simple ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization";
    if (!add || sum->n_output_refs || sum->fact.rank != 3 || (axis != -1 && axis != 2) ||
        sum->fact.dtype != CORTEN_F32 || !gamma || gamma->fact.rank != 1 ||
        (norm->n_out > 1 && norm->out[1]) || (norm->n_out > 2 && norm->out[2]) ||
        !ct_op_find("com.microsoft", op_type, 1))
        return CORTEN_OK;
    if (!ct_same_type(&ct_input(add, 0)->fact, &sum->fact) ||
        !ct_same_type(&ct_input(add, 1)->fact, &sum->fact)) {
        ct_pass_note(context, norm, "the terms of '%s' have other shapes than it", sum->name);
        return CORTEN_OK;
    }
    struct ct_value *inputs[4] = {ct_input(add, 0), ct_input(add, 1), gamma,
                                  simple ? NULL : ct_input(norm, 2)};
    if (ct_model_import(context->model, "com.microsoft", 1, context->error) != CORTEN_OK)
        return CORTEN_OUT_OF_MEMORY;
    struct ct_node *node =
        ct_graph_add_node(norm->graph, add->next, "com.microsoft", op_type, inputs[3] ? 4 : 3, 4);
    if (!node)
        return ct_fail_memory(context->error, sizeof *node, "a node");
    for (int i = 0; i < node->n_in; i++)
        ct_node_set_input(node, i, inputs[i]);
    CT_TRY(ct_pass_check(
        context, ct_node_set_float(node, "epsilon", ct_attr_float(norm, "epsilon", 1e-5f))));
    node->origin = ct_arena_printf(&context->model->arena, "%s + %s", add->name, norm->name);
    bool alone = ct_value_single_use(sum) != NULL;
    ct_node_set_output(add, 0, NULL);
    ct_node_set_input(norm, 0, NULL);
    if (!alone)
        ct_node_set_output(node, 3, sum);
    CT_TRY(ct_pass_replace_node(context, norm, node));
    ct_node_remove(add);
    return CORTEN_OK;
}

/* Gamma and beta may come after the sum in the graph's order: only constants are sure. */
static bool weights_are_constant(const struct ct_node *norm)
{
    return ct_value_const(ct_input(norm, 1)) &&
           (!ct_input(norm, 2) || ct_value_const(ct_input(norm, 2)));
}

/* ------------------------------------------------------------------ BiasGelu */

static ct_status fuse_bias_gelu(struct ct_pass_context *context, struct ct_node *gelu)
{
    bool own = ct_is_op(gelu, "com.microsoft", "Gelu");
    if (!own && !(ct_is_op(gelu, "", "Gelu") && ct_attr_is(gelu, "approximate", "none", "none")))
        return CORTEN_OK;
    struct ct_node *add = ct_made_by(ct_input(gelu, 0), "Add");
    if (!add || !ct_value_single_use(add->out[0]))
        return CORTEN_OK;
    const struct ct_fact *x = &ct_input(add, 0)->fact, *bias = &ct_input(add, 1)->fact;
    if (!ct_value_const(ct_input(add, 1)) || bias->rank != 1 || x->rank < 1 ||
        !ct_same_type(x, &add->out[0]->fact) || bias->dims[0] != x->dims[x->rank - 1] ||
        x->dtype != CORTEN_F32)
        return CORTEN_OK;
    struct ct_value *inputs[2] = {ct_input(add, 0), ct_input(add, 1)};
    struct ct_node *node = ct_pass_add_node(context, gelu, "com.microsoft", "BiasGelu", inputs, 2);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    node->origin = ct_arena_printf(&context->model->arena, "%s + %s", add->name, gelu->name);
    CT_TRY(ct_pass_replace_node(context, gelu, node));
    ct_node_remove(add);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ FusedMatMul */

static bool swaps_last_two(const struct ct_node *transpose)
{
    int64_t perm[CT_MAX_RANK];
    int rank = transpose->out[0]->fact.rank;
    if (rank < 2 || !ct_transpose_perm(transpose, rank, perm))
        return false;
    for (int i = 0; i < rank - 2; i++)
        if (perm[i] != i)
            return false;
    return perm[rank - 1] == rank - 2;
}

/* A product with the given inputs and flags, as FusedMatMul, in place of `last`. */
static ct_status make_matmul(struct ct_pass_context *context, const struct ct_node *product,
                             struct ct_node *last, struct ct_value *const *inputs, bool trans_a,
                             bool trans_b, double alpha)
{
    struct ct_node *node =
        ct_pass_add_node(context, last, "com.microsoft", "FusedMatMul", inputs, 2);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_node_set_int(node, "transA", trans_a) &&
                                      ct_node_set_int(node, "transB", trans_b) &&
                                      ct_node_set_float(node, "alpha", (float)alpha)));
    if (product != last)
        node->origin =
            ct_arena_printf(&context->model->arena, "%s + %s", product->name, last->name);
    return ct_pass_replace_node(context, last, node);
}

static bool is_product(const struct ct_node *node)
{
    return (ct_is_op(node, "", "MatMul") ||
            (ct_is_op(node, "com.microsoft", "FusedMatMul") &&
             !ct_attr_int(node, "transBatchA", 0) && !ct_attr_int(node, "transBatchB", 0))) &&
           node->out[0]->fact.dtype == CORTEN_F32 && ct_input(node, 0)->fact.rank >= 2 &&
           ct_input(node, 1)->fact.rank >= 2;
}

static ct_status fuse_transposes(struct ct_pass_context *context, struct ct_node *node)
{
    struct ct_value *inputs[2];
    bool trans[2] = {ct_attr_int(node, "transA", 0) != 0, ct_attr_int(node, "transB", 0) != 0};
    bool any = false;
    for (int i = 0; i < 2; i++) {
        inputs[i] = ct_input(node, i);
        const struct ct_node *transpose = ct_made_by(inputs[i], "Transpose");
        if (!transpose || !ct_value_single_use(inputs[i]) || !swaps_last_two(transpose))
            continue;
        inputs[i] = ct_input(transpose, 0);
        trans[i] = !trans[i];
        any = true;
    }
    return any ? make_matmul(context, node, node, inputs, trans[0], trans[1],
                             ct_attr_float(node, "alpha", 1))
               : CORTEN_OK;
}

/* Mul(product, number). */
static ct_status fuse_factor(struct ct_pass_context *context, struct ct_node *mul)
{
    double factor;
    struct ct_value *y = ct_input(mul, 0);
    struct ct_node *product = y && !y->producer_index ? y->producer : NULL;
    if (mul->n_in != 2 || !product || !product->n_out || !product->out[0] || !is_product(product) ||
        !ct_value_single_use(y) || !ct_value_number(ct_input(mul, 1), &factor) ||
        !ct_same_type(&y->fact, &mul->out[0]->fact))
        return CORTEN_OK;
    struct ct_value *inputs[2] = {ct_input(product, 0), ct_input(product, 1)};
    CT_TRY(make_matmul(context, product, mul, inputs, ct_attr_int(product, "transA", 0) != 0,
                       ct_attr_int(product, "transB", 0) != 0,
                       ct_attr_float(product, "alpha", 1) * factor));
    ct_node_remove(product);
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (!node->n_out || !node->out[0] || !node->n_in || !ct_input(node, 0))
            continue;
        if (ends_below_layout(context) && node->n_in > 1 && weights_are_constant(node))
            CT_TRY(fuse_skip(context, node));
        else if (ends_below_layout(context) && node->n_in == 1)
            CT_TRY(fuse_bias_gelu(context, node));
    }
    return CORTEN_OK;
}

static ct_status run_matmul(struct ct_pass_context *context, struct ct_graph *graph)
{
    if (!ct_op_find("com.microsoft", "FusedMatMul", 1))
        return CORTEN_OK;
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (node->n_out != 1 || !node->out[0] || node->n_in != 2 || !ct_input(node, 0) ||
            !ct_input(node, 1))
            continue;
        if (ct_is_op(node, "", "Mul"))
            CT_TRY(fuse_factor(context, node));
        else if (is_product(node))
            CT_TRY(fuse_transposes(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_portable = {
    .name = "fuse-skip-norm",
    .summary = "residual and layer normalisation, bias and GELU, as operators of com.microsoft",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};

const struct ct_pass ct_pass_fuse_matmul = {
    .name = "fuse-matmul",
    .summary = "factors and transposes of matrix products, to FusedMatMul",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run_matmul,
};
