/* What follows a convolution or a matrix product element by element goes into its last loop: a
 * bias, a residual that is added, an activation.
 *
 *     Conv, Gemm or MatMul  (+ bias)  (+ residual)  -> activation
 *
 * Conv with an activation that ONNX Runtime's FusedConv has becomes that operator; all else is
 * ai.corten's. */
#include <string.h>

#include "ops/activation.h"
#include "ops/registry.h"
#include "passes/pattern.h"

enum { BIAS = 2, RESIDUAL = 3, N_INPUTS = 4 };

struct product {
    struct ct_node *node;
    bool conv;
    struct ct_value *bias, *residual;
    bool active; /* an activation is there already: nothing more can follow */
};

static bool is_op(const struct ct_node *node, const char *domain, const char *op_type)
{
    return !strcmp(node->domain, domain) && !strcmp(node->op_type, op_type);
}

static struct ct_value *input(const struct ct_node *node, int index)
{
    return index < node->n_in ? node->in[index].value : NULL;
}

/* Gemm's C is a bias when it is one number for each column. */
static bool gemm_fits(const struct ct_node *node)
{
    const struct ct_value *c = input(node, 2);
    return !c || (ct_attr_float(node, "beta", 1) == 1 && c->fact.rank >= 0 && c->fact.rank <= 1);
}

/* The product that makes `value`, when something can be put after it. */
static bool find_product(const struct ct_value *value, struct product *p)
{
    struct ct_node *node = value ? value->producer : NULL;
    if (!node || value->producer_index || value->fact.dtype != CORTEN_F32 ||
        !ct_value_single_use(value))
        return false;
    *p = (struct product){.node = node};
    p->conv = is_op(node, "", "Conv") || is_op(node, "com.microsoft", "FusedConv") ||
              is_op(node, "ai.corten", "FusedConv");
    bool matmul = is_op(node, "", "MatMul") || is_op(node, "ai.corten", "FusedMatMul") ||
                  (is_op(node, "", "Gemm") && gemm_fits(node));
    if (!p->conv && !matmul)
        return false;
    p->bias = input(node, BIAS);
    p->residual = input(node, RESIDUAL);
    p->active = !ct_attr_is(node, "activation", "", "");
    return true;
}

static bool same_shape(const struct ct_fact *a, const struct ct_fact *b)
{
    if (a->rank < 0 || a->rank != b->rank || a->dtype != b->dtype)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i] || a->dims[i] == CT_DIM_UNKNOWN)
            return false;
    return true;
}

static bool has_attr_of(const char *name, bool conv)
{
    static const char *const of_conv[] = {
        "auto_pad", "dilations", "group",      "kernel_shape",
        "pads",     "strides",   "activation", "activation_params"};
    static const char *const of_matmul[] = {"alpha", "transA", "transB", "activation",
                                            "activation_params"};
    const char *const *names = conv ? of_conv : of_matmul;
    size_t n = conv ? sizeof of_conv / sizeof *of_conv : sizeof of_matmul / sizeof *of_matmul;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* A product with the given bias and residual that takes the place of p and `last`. */
static ct_status replace(struct ct_pass_context *context, const struct product *p,
                         struct ct_node *last, const char *domain, struct ct_node **made)
{
    struct ct_value *inputs[N_INPUTS] = {input(p->node, 0), input(p->node, 1), p->bias,
                                         p->residual};
    int n_in = p->residual ? 4 : p->bias ? 3 : 2;
    struct ct_node *node = ct_pass_add_node(context, last, domain,
                                            p->conv ? "FusedConv" : "FusedMatMul", inputs, n_in);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    for (int i = 0; i < p->node->n_attrs; i++)
        if (has_attr_of(p->node->attrs[i].name, p->conv) &&
            !ct_node_set_attr(node, &p->node->attrs[i]))
            return ct_fail_memory(context->error, 0, "an attribute");
    const char *first = p->node->origin && *p->node->origin ? p->node->origin : p->node->name;
    node->origin = ct_arena_printf(&context->model->arena, "%s + %s", first, last->name);
    *made = node;
    return CORTEN_OK;
}

static ct_status finish(struct ct_pass_context *context, const struct product *p,
                        struct ct_node *made, struct ct_node *last)
{
    CT_TRY(ct_pass_take_output(context, made, last));
    ct_node_remove(last);
    ct_node_remove(p->node);
    context->stats->changes++;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ activations */

/* What ONNX Runtime's FusedConv has. */
static bool is_portable(const char *activation)
{
    static const char *const names[] = {"Relu",      "Tanh", "Sigmoid",
                                        "LeakyRelu", "Clip", "HardSigmoid"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], activation))
            return true;
    return false;
}

static ct_status absorb_activation(struct ct_pass_context *context, struct ct_node *node,
                                   bool portable_only)
{
    float params[2];
    int n_params;
    struct product p;
    const char *activation = ct_activation_of(node, params, &n_params);
    if (!activation || !node->out[0] || !find_product(input(node, 0), &p) || p.active)
        return CORTEN_OK;
    bool portable = p.conv && is_portable(activation) && strcmp(p.node->domain, "ai.corten") != 0;
    if (portable_only && !portable)
        return CORTEN_OK;
    struct ct_node *made;
    CT_TRY(replace(context, &p, node, portable ? "com.microsoft" : "ai.corten", &made));
    float *kept = ct_arena_array(&context->model->arena, 2, sizeof *kept);
    if (!kept || !ct_node_set_string(made, "activation", activation))
        return ct_fail_memory(context->error, 0, "an attribute");
    if (n_params) {
        memcpy(kept, params, (size_t)n_params * sizeof *kept);
        struct ct_attr attr = {
            .name = "activation_params", .type = CT_ATTR_FLOATS, .count = n_params, .floats = kept};
        if (!ct_node_set_attr(made, &attr))
            return ct_fail_memory(context->error, 0, "an attribute");
    }
    return finish(context, &p, made, node);
}

/* ------------------------------------------------------------------ additions */

/* One constant for each column of a product, the last dimension. */
static bool is_bias(const struct product *p, const struct ct_value *value)
{
    const struct ct_tensor *t = ct_value_const(value);
    if (p->conv || p->bias || p->residual || !t || t->dtype != CORTEN_F32)
        return false;
    const struct ct_fact *y = &p->node->out[0]->fact;
    return t->rank == 1 && y->rank >= 2 && t->dims[0] == y->dims[y->rank - 1];
}

static ct_status absorb_addition(struct ct_pass_context *context, struct ct_node *node)
{
    if (!is_op(node, "", "Add") || node->opset < 7 || !node->out[0] ||
        input(node, 0) == input(node, 1))
        return CORTEN_OK;
    for (int k = 1; k >= 0; k--) {
        struct product p;
        struct ct_value *other = input(node, 1 - k);
        if (!find_product(input(node, k), &p) || p.active)
            continue;
        if (is_bias(&p, other))
            p.bias = other;
        else if (!p.residual && same_shape(&other->fact, &p.node->out[0]->fact))
            p.residual = other;
        else
            continue;
        struct ct_node *made;
        CT_TRY(replace(context, &p, node, "ai.corten", &made));
        return finish(context, &p, made, node);
    }
    return CORTEN_OK;
}

static ct_status run_portable(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        CT_TRY(absorb_activation(context, node, true));
    }
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (is_op(node, "", "Add"))
            CT_TRY(absorb_addition(context, node));
        else
            CT_TRY(absorb_activation(context, node, false));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_conv_activation = {
    .name = "fuse-conv-activation",
    .summary = "Conv and the activation after it, as ONNX Runtime's FusedConv",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run_portable,
};

const struct ct_pass ct_pass_fuse_epilogue = {
    .name = "fuse-epilogue",
    .summary = "bias, residual and activation after Conv, Gemm and MatMul",
    .level = CORTEN_LEVEL_LAYOUT,
    .run = run,
};
