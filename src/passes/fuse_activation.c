/* Activations that exporters spell out: hard-swish, hard-sigmoid, Mish, Softplus, Softsign. */
#include <string.h>

#include "ops/registry.h"
#include "passes/pattern.h"

/* x * min(max(x + 3, 0), 6) / 6: A. Howard et al., "Searching for MobileNetV3", 2019. */
static const char *const hard_swish[] = {
    "Mul(0.16666667, x, Clip(Add(x, 3), 0, 6))",
    "Mul(x, h:HardSigmoid(x))",
    NULL,
};
static const char *const hard_sigmoid[] = {"Mul(Clip(Add(x, 3), 0, 6), 0.16666667)", NULL};
/* x * tanh(log(1 + exp(x))): D. Misra, "Mish", arXiv:1908.08681. */
static const char *const mish[] = {"Mul(x, Tanh(Softplus(x)))", NULL};
static const char *const softplus[] = {"Log(Add(Exp(x), 1))", NULL};
static const char *const softsign[] = {"Div(x, Add(Abs(x), 1))", NULL};

static ct_status make(struct ct_pass_context *context, struct ct_match *match, const char *op_type,
                      struct ct_node **made)
{
    struct ct_value *x = ct_match_value(match, "x");
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    int opset = (int)ct_model_opset(context->model, "");
    if (!ct_op_find("", op_type, opset))
        return ct_match_decline(match, "opset %d has no %s", opset, op_type);
    if (!ct_same_type(&x->fact, &root->out[0]->fact))
        return ct_match_decline(match, "the shapes of '%s' and '%s' may differ", x->name,
                                root->out[0]->name);
    *made = ct_pass_add_node(context, root, "", op_type, &x, 1);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

static ct_status make_hard_swish(struct ct_pass_context *context, struct ct_match *match,
                                 struct ct_node **made)
{
    const struct ct_node *inner = ct_match_node(match, "h");
    if (inner && (ct_attr_float(inner, "alpha", 0.2f) < 0.16666f ||
                  ct_attr_float(inner, "alpha", 0.2f) > 0.16667f ||
                  ct_attr_float(inner, "beta", 0.5f) != 0.5f))
        return ct_match_decline(match, "the HardSigmoid is not x / 6 + 1 / 2");
    return make(context, match, "HardSwish", made);
}

static ct_status make_hard_sigmoid(struct ct_pass_context *context, struct ct_match *match,
                                   struct ct_node **made)
{
    CT_TRY(make(context, match, "HardSigmoid", made));
    return !*made ? CORTEN_OK
                  : ct_pass_check(context, ct_node_set_float(*made, "alpha", 1.0f / 6) &&
                                               ct_node_set_float(*made, "beta", 0.5f));
}

static ct_status make_mish(struct ct_pass_context *context, struct ct_match *match,
                           struct ct_node **made)
{
    return make(context, match, "Mish", made);
}

static ct_status make_softplus(struct ct_pass_context *context, struct ct_match *match,
                               struct ct_node **made)
{
    return make(context, match, "Softplus", made);
}

static ct_status make_softsign(struct ct_pass_context *context, struct ct_match *match,
                               struct ct_node **made)
{
    return make(context, match, "Softsign", made);
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusions[] = {{hard_swish, make_hard_swish},
                                               {hard_sigmoid, make_hard_sigmoid},
                                               {softplus, make_softplus},
                                               {mish, make_mish},
                                               {softsign, make_softsign}};
    for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++)
        CT_TRY(ct_fusion_run(&fusions[i], context, graph));
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_activation = {
    .name = "fuse-activation",
    .summary = "hard-swish, hard-sigmoid, Mish, Softplus and Softsign from their formulas",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};
