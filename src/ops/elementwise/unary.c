/* Operators of one value: a table of what each computes and with which attributes. */
#include <string.h>

#include "ops/elementwise/loops.h"

struct unary_attr {
    const char *name;
    float fallback;
};

struct unary_row {
    const char *op_type;
    enum ct_unary op;
    struct unary_attr attrs[2];
};

static const struct unary_row rows[] = {
    {"Abs", CT_UNARY_ABS, {{0}}},
    {"Acos", CT_UNARY_ACOS, {{0}}},
    {"Acosh", CT_UNARY_ACOSH, {{0}}},
    {"Asin", CT_UNARY_ASIN, {{0}}},
    {"Asinh", CT_UNARY_ASINH, {{0}}},
    {"Atan", CT_UNARY_ATAN, {{0}}},
    {"Atanh", CT_UNARY_ATANH, {{0}}},
    {"BitwiseNot", CT_UNARY_BITWISE_NOT, {{0}}},
    {"Ceil", CT_UNARY_CEIL, {{0}}},
    {"Celu", CT_UNARY_CELU, {{"alpha", 1}}},
    {"Cos", CT_UNARY_COS, {{0}}},
    {"Cosh", CT_UNARY_COSH, {{0}}},
    {"Elu", CT_UNARY_ELU, {{"alpha", 1}}},
    {"Erf", CT_UNARY_ERF, {{0}}},
    {"Exp", CT_UNARY_EXP, {{0}}},
    {"Floor", CT_UNARY_FLOOR, {{0}}},
    {"Gelu", CT_UNARY_GELU, {{0}}},
    {"HardSigmoid", CT_UNARY_HARD_SIGMOID, {{"alpha", 0.2f}, {"beta", 0.5f}}},
    {"HardSwish", CT_UNARY_HARD_SWISH, {{0}}},
    {"LeakyRelu", CT_UNARY_LEAKY_RELU, {{"alpha", 0.01f}}},
    {"Log", CT_UNARY_LOG, {{0}}},
    {"Mish", CT_UNARY_MISH, {{0}}},
    {"Neg", CT_UNARY_NEG, {{0}}},
    {"Not", CT_UNARY_NOT, {{0}}},
    {"Reciprocal", CT_UNARY_RECIPROCAL, {{0}}},
    {"Relu", CT_UNARY_RELU, {{0}}},
    {"Round", CT_UNARY_ROUND, {{0}}},
    {"Selu",
     CT_UNARY_SELU,
     {{"alpha", 1.67326319217681884765625f}, {"gamma", 1.05070102214813232421875f}}},
    {"Shrink", CT_UNARY_SHRINK, {{"lambd", 0.5f}, {"bias", 0}}},
    {"Sigmoid", CT_UNARY_SIGMOID, {{0}}},
    {"Sign", CT_UNARY_SIGN, {{0}}},
    {"Sin", CT_UNARY_SIN, {{0}}},
    {"Sinh", CT_UNARY_SINH, {{0}}},
    {"Softplus", CT_UNARY_SOFTPLUS, {{0}}},
    {"Softsign", CT_UNARY_SOFTSIGN, {{0}}},
    {"Sqrt", CT_UNARY_SQRT, {{0}}},
    {"Swish", CT_UNARY_SWISH, {{"alpha", 1}}},
    {"Tan", CT_UNARY_TAN, {{0}}},
    {"Tanh", CT_UNARY_TANH, {{0}}},
    {"ThresholdedRelu", CT_UNARY_THRESHOLDED_RELU, {{"alpha", 1}}},
};

/* Opset 1 had rounder numbers. */
static const struct unary_row selu_1 = {
    "Selu", CT_UNARY_SELU, {{"alpha", 1.6732f}, {"gamma", 1.0507f}}};

static ct_status infer_gelu(struct ct_infer *infer)
{
    if (!ct_attr_is(infer->node, "approximate", "none", "none") &&
        !ct_attr_is(infer->node, "approximate", "tanh", "none"))
        return ct_infer_fail(infer, "attribute 'approximate' is neither 'none' nor 'tanh'");
    return ct_infer_unary(infer);
}

/* Signs are turned in shape arithmetic. */
static ct_status infer_neg(struct ct_infer *infer)
{
    CT_TRY(ct_infer_unary(infer));
    const struct ct_fact *in = ct_infer_in(infer, 0);
    if (!in || !in->values)
        return CORTEN_OK;
    ct_dim values[CT_FACT_MAX_VALUES];
    for (int i = 0; i < in->n_values; i++)
        values[i] = ct_dim_sub(infer, 0, in->values[i]);
    return ct_infer_set_values(infer, 0, values, in->n_values);
}

static ct_status prepare_row(struct ct_prepare *prepare, const struct unary_row *row)
{
    struct ct_unary_loop *loop = ct_prepare_alloc(prepare, sizeof *loop);
    if (!loop)
        return ct_fail_memory(prepare->error, sizeof *loop, "an operator's state");
    enum ct_class class_ = ct_class_of(prepare->in[0]->dtype);
    enum ct_unary op = row->op;
    bool is_float = class_ == CT_CLASS_F32 || class_ == CT_CLASS_F64;
    if (!is_float && (op == CT_UNARY_ERF || op == CT_UNARY_SHRINK))
        class_ = CT_CLASS_F64; /* old versions take integers */
    if (op == CT_UNARY_GELU && ct_attr_is(prepare->node, "approximate", "tanh", "none"))
        op = CT_UNARY_GELU_TANH;
    ct_unary_loop_init(loop, op, class_);
    for (int i = 0; i < 2 && row->attrs[i].name; i++)
        ct_params_set(&loop->params, class_, i,
                      ct_attr_float(prepare->node, row->attrs[i].name, row->attrs[i].fallback));
    prepare->state = loop;
    prepare->kernel = loop->kernel->name;
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_unary(struct ct_prepare *prepare)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i].op_type, prepare->node->op_type))
            return prepare_row(prepare, &rows[i]);
    return ct_fail(prepare->error, CORTEN_INTERNAL, "no row for operator '%s'",
                   prepare->node->op_type);
}

static ct_status prepare_selu_1(struct ct_prepare *prepare)
{
    return prepare_row(prepare, &selu_1);
}

static ct_status run_unary(const struct ct_run *run)
{
    ct_unary_run(run->state, run->exec->pool, run->out[0], run->in[0]);
    return CORTEN_OK;
}

/* Any layout: the padding of a blocked one is 0 and stays finite. */
const struct ct_op ct_op_unary = {
    .infer = ct_infer_unary,
    .prepare = prepare_unary,
    .run = run_unary,
    .flags = CT_OP_ANY_LAYOUT,
    .min_in = 1,
    .max_in = 1,
};

/* Those that are not finite at 0. */
const struct ct_op ct_op_unary_plain = {
    .infer = ct_infer_unary,
    .prepare = prepare_unary,
    .run = run_unary,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_neg = {
    .infer = infer_neg,
    .prepare = prepare_unary,
    .run = run_unary,
    .flags = CT_OP_ANY_LAYOUT,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_gelu = {
    .infer = infer_gelu,
    .prepare = prepare_unary,
    .run = run_unary,
    .flags = CT_OP_ANY_LAYOUT,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_selu_1 = {
    .infer = ct_infer_unary,
    .prepare = prepare_selu_1,
    .run = run_unary,
    .flags = CT_OP_ANY_LAYOUT,
    .min_in = 1,
    .max_in = 1,
};
