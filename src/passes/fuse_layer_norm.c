/* Layer normalisation, and RMS normalisation, from the operators that exporters spell them out in.
 *
 *   d = x - mean(x);  y = d / sqrt(mean(d * d) + epsilon) * gamma + beta
 *
 * J. L. Ba et al., "Layer Normalization", arXiv:1607.06450; B. Zhang, R. Sennrich, "Root Mean Square
 * Layer Normalization", arXiv:1910.07467. Powers, divisions by constants and the order of operands
 * are in one form already (simplify_algebra.c). */
#include <string.h>

#include "ops/registry.h"
#include "passes/pattern.h"

#define DEVIATION "d:Sub&(x, m:ReduceMean&(x, ...))"
#define VARIANCE "Sqrt(Add(v:ReduceMean(Mul(d, d), ...), c:eps))"
#define NORMAL "Div(" DEVIATION ", " VARIANCE ")"
#define NORMAL_2 "Mul(" DEVIATION ", Reciprocal(" VARIANCE "))"
#define NORMAL_3 "Mul(" DEVIATION ", Div(1, " VARIANCE "))"

static const char *const affine[] = {
    "Add(Mul(" NORMAL ", c:gamma), c:beta)",
    "Add(Mul(" NORMAL_2 ", c:gamma), c:beta)",
    "Add(Mul(" NORMAL_3 ", c:gamma), c:beta)",
    "Add(Mul(c:gamma, " DEVIATION ", Reciprocal(" VARIANCE ")), c:beta)",
    NULL,
};
static const char *const scaled[] = {
    "Mul(" NORMAL ", c:gamma)",
    "Mul(" NORMAL_2 ", c:gamma)",
    "Mul(" NORMAL_3 ", c:gamma)",
    NULL,
};
static const char *const plain[] = {NORMAL, NORMAL_2, NORMAL_3, NULL};

#define ROOT_MEAN "Sqrt(Add(v:ReduceMean(Mul(x, x), ...), c:eps))"
static const char *const rms[] = {
    "Mul(Div(x, " ROOT_MEAN "), c:gamma)",
    "Mul(Mul(x, Reciprocal(" ROOT_MEAN ")), c:gamma)",
    "Mul(Mul(x, Div(1, " ROOT_MEAN ")), c:gamma)",
    NULL,
};

static const char *const plain_rms[] = {
    "Div(x, " ROOT_MEAN ")",
    "Mul(x, Reciprocal(" ROOT_MEAN "))",
    "Mul(x, Div(1, " ROOT_MEAN "))",
    NULL,
};

/* The mean is over the last dimensions, and keeps them. *axis: the first of them. */
static bool reduces_last(const struct ct_node *node, int rank, int *axis)
{
    const int64_t *axes;
    int n = node->n_in > 1 ? ct_const_ints(node, 1, &axes) : ct_attr_ints(node, "axes", &axes);
    uint32_t seen = 0;
    if (rank < 1 || n < 1 || n > rank || ct_attr_int(node, "keepdims", 1) == 0)
        return false;
    for (int i = 0; i < n; i++) {
        int64_t a = axes[i] + (axes[i] < 0 ? rank : 0);
        if (a < rank - n || a >= rank)
            return false;
        seen |= UINT32_C(1) << (a - (rank - n));
    }
    *axis = rank - n;
    return seen == (UINT32_C(1) << n) - 1;
}

/* A constant of the normalised dimensions. */
static bool is_weight(const struct ct_value *value, const struct ct_value *x, int axis)
{
    const struct ct_fact *w = &value->fact, *in = &x->fact;
    if (w->rank != in->rank - axis || w->dtype != in->dtype)
        return false;
    for (int i = 0; i < w->rank; i++)
        if (w->dims[i] != in->dims[axis + i] || !ct_dim_known(w->dims[i]))
            return false;
    return true;
}

static ct_status add_ones(struct ct_pass_context *context, struct ct_graph *graph,
                          const struct ct_fact *in, int axis, struct ct_value **made)
{
    void *data;
    *made = NULL;
    for (int i = axis; i < in->rank; i++)
        if (!ct_dim_known(in->dims[i]) || in->dims[i] > 1 << 20)
            return CORTEN_OK;
    CT_TRY(
        ct_pass_constant(context, graph, in->dtype, in->rank - axis, in->dims + axis, made, &data));
    double one = 1;
    for (size_t i = 0; i < ct_count((*made)->constant); i++)
        ct_store_f64(in->dtype, data, i, 1, &one);
    return ct_pass_constant_done(context, *made);
}

static ct_status make(struct ct_pass_context *context, struct ct_match *match, const char *op_type,
                      struct ct_node **made)
{
    struct ct_value *x = ct_match_value(match, "x"), *gamma = ct_match_value(match, "gamma");
    struct ct_value *beta = ct_match_value(match, "beta");
    const struct ct_node *mean = ct_match_node(match, "m");
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    int axis, mean_axis;
    double epsilon;
    if (!ct_dtype_in(x->fact.dtype, CT_BIT(F32) | CT_BIT(F64)))
        return ct_match_decline(match, "'%s' is not float32 or float64", x->name);
    if (!reduces_last(ct_match_node(match, "v"), x->fact.rank, &axis) ||
        (mean && (!reduces_last(mean, x->fact.rank, &mean_axis) || mean_axis != axis)))
        return ct_match_decline(match, "the mean is not over the last dimensions");
    if (!ct_value_number(ct_match_value(match, "eps"), &epsilon) || !(epsilon >= 0))
        return ct_match_decline(match, "epsilon is not one number");
    if (gamma && !is_weight(gamma, x, axis))
        return ct_match_decline(match, "'%s' is not of the normalised shape", gamma->name);
    if (beta && !is_weight(beta, x, axis))
        return ct_match_decline(match, "'%s' is not of the normalised shape", beta->name);
    if (!gamma)
        CT_TRY(add_ones(context, root->graph, &x->fact, axis, &gamma));
    if (!gamma)
        return ct_match_decline(match, "the normalised shape is not known");
    struct ct_value *inputs[3] = {x, gamma, beta};
    struct ct_node *node = ct_pass_add_node(context, root, "", op_type, inputs, beta ? 3 : 2);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    *made = node;
    return ct_pass_check(context, ct_node_set_int(node, "axis", axis - x->fact.rank) &&
                                      ct_node_set_float(node, "epsilon", (float)epsilon));
}

static ct_status make_layer_norm(struct ct_pass_context *context, struct ct_match *match,
                                 struct ct_node **made)
{
    return make(context, match, "LayerNormalization", made);
}

static ct_status make_rms(struct ct_pass_context *context, struct ct_match *match,
                          struct ct_node **made)
{
    bool standard = ct_model_opset(context->model, "") >= 23;
    return make(context, match, standard ? "RMSNormalization" : "SimplifiedLayerNormalization",
                made);
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    /* The longest first: a shorter form is part of it. */
    static const struct ct_fusion fusions[] = {{affine, make_layer_norm},
                                               {scaled, make_layer_norm},
                                               {plain, make_layer_norm},
                                               {rms, make_rms},
                                               {plain_rms, make_rms}};
    for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++)
        CT_TRY(ct_fusion_run(&fusions[i], context, graph));
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_layer_norm = {
    .name = "fuse-layer-norm",
    .summary = "layer and RMS normalisation from their means, differences and roots",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};
