/* The forms of GELU that exporters write, to one Gelu. */
#include "passes/pattern.h"

/* x / 2 * (1 + erf(x / sqrt(2))): D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016. */
static const char *const exact[] = {
    "Mul(0.5, x, Add(1, Erf(Mul(x, 0.70710678))))",
    "Mul(0.5, x, Add(1, Erf(Div(x, 1.41421356))))",
    NULL,
};

/* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))). */
static const char *const by_tanh[] = {
    "Mul(0.5, x, Add(1, Tanh(Mul(0.7978845608, Add(x, Mul(0.044715, Pow(x, 3)))))))",
    "Mul(0.5, x, Add(1, Tanh(Mul(0.7978845608, Add(x, Mul(0.044715, x, Mul(x, x)))))))",
    "Mul(0.5, x, Add(1, Tanh(Mul(0.7978845608, x, Add(1, Mul(0.044715, x, x))))))",
    NULL,
};

/* x * sigmoid(alpha x); with alpha = 1 it is SiLU. */
static const char *const quick[] = {
    "Mul(x, Sigmoid(Mul(x, c:alpha)))",
    "Mul(x, Sigmoid(x))",
    NULL,
};

/* ai.onnx has Gelu from opset 20 on; before that, com.microsoft's operators stand in. */
static ct_status make(struct ct_pass_context *context, struct ct_match *match,
                      struct ct_node **made, bool tanh_form)
{
    struct ct_value *x = ct_match_value(match, "x");
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    bool standard = ct_model_opset(context->model, "") >= 20;
    struct ct_node *node = ct_pass_add_node(context, root, standard ? "" : "com.microsoft",
                                            standard || !tanh_form ? "Gelu" : "FastGelu", &x, 1);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    if (standard && !ct_node_set_string(node, "approximate", tanh_form ? "tanh" : "none"))
        return ct_fail_memory(context->error, 0, "an attribute");
    *made = node;
    return CORTEN_OK;
}

static ct_status make_exact(struct ct_pass_context *context, struct ct_match *match,
                            struct ct_node **made)
{
    return make(context, match, made, false);
}

static ct_status make_by_tanh(struct ct_pass_context *context, struct ct_match *match,
                              struct ct_node **made)
{
    return make(context, match, made, true);
}

static ct_status make_quick(struct ct_pass_context *context, struct ct_match *match,
                            struct ct_node **made)
{
    struct ct_value *x = ct_match_value(match, "x"), *constant = ct_match_value(match, "alpha");
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    double alpha = 1;
    if (constant && (!ct_value_number(constant, &alpha) || constant->fact.rank > x->fact.rank))
        return ct_match_decline(match, "'%s' is not one number", constant->name);
    struct ct_node *node = ct_pass_add_node(context, root, "com.microsoft", "QuickGelu", &x, 1);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    if (!ct_node_set_float(node, "alpha", (float)alpha))
        return ct_fail_memory(context->error, 0, "an attribute");
    *made = node;
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusions[] = {
        {exact, make_exact}, {by_tanh, make_by_tanh}, {quick, make_quick}};
    for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++)
        CT_TRY(ct_fusion_run(&fusions[i], context, graph));
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_gelu = {
    .name = "fuse-gelu",
    .summary = "GELU in its exact, tanh and quick forms, and SiLU",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};
