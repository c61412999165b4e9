/* Quantised graphs as exporters write them, to operators on bytes.
 *
 *     DequantizeLinear -> Conv (-> Relu) or MatMul -> QuantizeLinear  to QLinearConv and the like
 *     DequantizeLinear -> MaxPool, Reshape, ... -> QuantizeLinear      to that operator on bytes
 *     the same around Add, Gemm and GlobalAveragePool                  to QLinearAdd, QGemm, ...
 *     MatMulInteger -> Cast -> Mul (-> Add)                            to MatMulIntegerToFloat
 *
 * A DequantizeLinear may have other readers; it goes when the last one does. */
#include <math.h>
#include <string.h>

#include "ops/registry.h"
#include "passes/pattern.h"

static const ct_dtypes bytes = CT_BIT(U8) | CT_BIT(I8);

/* ------------------------------------------------------------------ looking */

static bool is_one_number(const struct ct_value *value)
{
    const struct ct_tensor *t = ct_value_const(value);
    return t && t->rank <= 1 && ct_count(t) == 1;
}

/* Scale and zero point of one whole tensor of bytes. */
static bool is_per_tensor(struct ct_match *match, const char *scale, const char *zero)
{
    const struct ct_value *s = ct_match_value(match, scale), *z = ct_match_value(match, zero);
    return is_one_number(s) && ct_const_f32(s) && is_one_number(z) &&
           ct_dtype_in(z->fact.dtype, bytes);
}

/* Scale and zero point of one tensor, or one of each index of `axis` (counted from the end when it
 * is negative), of which there are `count`. */
static bool is_per_line(struct ct_match *match, const char *scale, const char *zero,
                        const struct ct_node *dequantize, int axis, int64_t count)
{
    const struct ct_value *s = ct_match_value(match, scale), *z = ct_match_value(match, zero);
    if (is_per_tensor(match, scale, zero))
        return true;
    const struct ct_tensor *t = ct_const_f32(s), *zeros = ct_value_const(z);
    int rank = dequantize->in[0].value->fact.rank;
    int64_t along = ct_attr_int(dequantize, "axis", 1);
    if (!t || !zeros || rank < 1 || ct_attr_int(dequantize, "block_size", 0))
        return false;
    along += along < 0 ? rank : 0;
    return along == (axis < 0 ? axis + rank : axis) && t->rank == 1 && zeros->rank == 1 &&
           t->dims[0] == count && zeros->dims[0] == count && ct_dtype_in(zeros->dtype, bytes);
}

static float float_at(const struct ct_tensor *t, int64_t i)
{
    float x;
    memcpy(&x, (const char *)t->data + (size_t)(ct_count(t) == 1 ? 0 : i) * sizeof x, sizeof x);
    return x;
}

/* The bias counts in units of the product: its scale is that of x times that of w. */
static bool is_bias(struct ct_match *match, const struct ct_value *bias)
{
    const struct ct_tensor *b = ct_value_const(bias), *zero = NULL;
    const struct ct_tensor *scale = ct_const_f32(ct_match_value(match, "bs"));
    const struct ct_tensor *x = ct_const_f32(ct_match_value(match, "xs"));
    const struct ct_tensor *w = ct_const_f32(ct_match_value(match, "ws"));
    const struct ct_node *dequantize = ct_match_node(match, "db");
    if (!b || b->dtype != CORTEN_I32 || b->rank != 1 || !scale || !x || !w)
        return false;
    if (dequantize->n_in > 2 && dequantize->in[2].value) {
        zero = ct_value_const(dequantize->in[2].value);
        for (size_t i = 0, n = zero ? ct_tensor_bytes(zero) : 0; i < n; i++)
            if (((const uint8_t *)zero->data)[i])
                return false;
        if (!zero)
            return false;
    }
    int64_t n = b->dims[0];
    if ((ct_count(scale) != 1 && (int64_t)ct_count(scale) != n) ||
        (ct_count(w) != 1 && (int64_t)ct_count(w) != n))
        return false;
    for (int64_t i = 0; i < n; i++) {
        float expected = float_at(x, 0) * float_at(w, i);
        if (!(fabsf(float_at(scale, i) - expected) <= 1e-3f * fabsf(expected)))
            return false;
    }
    return true;
}

/* Quantising cuts off what Relu does when zero is the least number of the type. */
static bool relu_is_free(struct ct_match *match)
{
    const struct ct_value *zero = ct_match_value(match, "yz");
    int64_t number = 1;
    if (!ct_match_node(match, "relu"))
        return true;
    ct_load_i64(zero->fact.dtype, ct_value_const(zero)->data, 0, 1, &number);
    return number == (zero->fact.dtype == CORTEN_I8 ? -128 : 0);
}

static ct_status copy_attrs(struct ct_pass_context *context, const struct ct_node *from,
                            struct ct_node *to)
{
    for (int i = 0; i < from->n_attrs; i++)
        CT_TRY(ct_pass_check(context, ct_node_set_attr(to, &from->attrs[i])));
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ convolutions */

#define CONV_X "DequantizeLinear&(x, c:xs, c:xz)"
#define CONV_W "dw:DequantizeLinear&(c:w, c:ws, c:wz)"

static const char *const conv_patterns[] = {
    "QuantizeLinear(relu:Relu?(conv:Conv(" CONV_X ", " CONV_W
    ", db:DequantizeLinear&(c:b, c:bs, ...))), c:ys, c:yz)",
    "QuantizeLinear(relu:Relu?(conv:Conv(" CONV_X ", " CONV_W ")), c:ys, c:yz)",
    NULL,
};

static ct_status make_conv(struct ct_pass_context *context, struct ct_match *match,
                           struct ct_node **made)
{
    static const char *const names[] = {"x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"};
    struct ct_node *conv = ct_match_node(match, "conv"), *root = match->nodes[match->n_nodes - 1];
    const struct ct_tensor *w = ct_value_const(ct_match_value(match, "w"));
    struct ct_value *inputs[9], *b = ct_match_value(match, "b");
    if (!w || w->rank < 3 || !ct_dtype_in(w->dtype, bytes))
        return ct_match_decline(match, "the weight is not of bytes");
    if (!is_per_tensor(match, "xs", "xz") || !is_per_tensor(match, "ys", "yz"))
        return ct_match_decline(match, "input or output is not quantised as a whole, to bytes");
    if (!is_per_line(match, "ws", "wz", ct_match_node(match, "dw"), 0, w->dims[0]))
        return ct_match_decline(match, "the weight is not quantised as a whole or by filter");
    if (b && !is_bias(match, b))
        return ct_match_decline(match, "the bias is not in units of the product");
    if (!relu_is_free(match))
        return ct_match_decline(match, "zero is not the least number of the output");
    for (int i = 0; i < 9; i++)
        inputs[i] = ct_match_value(match, names[i]);
    struct ct_node *node = ct_pass_add_node(context, root, "", "QLinearConv", inputs, b ? 9 : 8);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(copy_attrs(context, conv, node));
    *made = node;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ products */

static const char *const matmul_patterns[] = {
    "QuantizeLinear(MatMul(DequantizeLinear&(a, c:as, c:az), db:DequantizeLinear&(b, c:bs, c:bz)), "
    "c:ys, c:yz)",
    NULL,
};

static ct_status make_matmul(struct ct_pass_context *context, struct ct_match *match,
                             struct ct_node **made)
{
    static const char *const names[] = {"a", "as", "az", "b", "bs", "bz", "ys", "yz"};
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    const struct ct_fact *b = &ct_match_value(match, "b")->fact;
    struct ct_value *inputs[8];
    if (!is_per_tensor(match, "as", "az") || !is_per_tensor(match, "ys", "yz"))
        return ct_match_decline(match, "input or output is not quantised as a whole, to bytes");
    bool whole = is_per_tensor(match, "bs", "bz");
    if (!whole && (b->rank != 2 ||
                   !is_per_line(match, "bs", "bz", ct_match_node(match, "db"), 1, b->dims[1])))
        return ct_match_decline(match, "the weight is not quantised as a whole or by column");
    for (int i = 0; i < 8; i++)
        inputs[i] = ct_match_value(match, names[i]);
    *made = ct_pass_add_node(context, root, "", "QLinearMatMul", inputs, 8);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

/* ------------------------------------------------------------------ moves */

static bool same_constant(const struct ct_value *a, const struct ct_value *b)
{
    const struct ct_tensor *x = ct_value_const(a), *y = ct_value_const(b);
    return x && y && ct_count(x) == 1 && ct_count(y) == 1 && x->dtype == y->dtype &&
           !memcmp(x->data, y->data, ct_tensor_bytes(x));
}

/* Operators whose results are elements of input 0. */
static bool is_move(const struct ct_node *node)
{
    static const char *const names[] = {"MaxPool", "Reshape",   "Flatten", "Transpose",
                                        "Squeeze", "Unsqueeze", "Slice",   "Gather"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ct_is_op(node, "", names[i]))
            return true;
    return false;
}

/* Both ends have one scale and one zero point: the bytes can be moved as they are. */
static ct_status move_bytes(struct ct_pass_context *context, struct ct_node *quantize)
{
    struct ct_value *moved = ct_input(quantize, 0);
    struct ct_node *move = moved ? moved->producer : NULL;
    if (!move || !ct_value_single_use(moved) || !is_move(move) || move->n_out > 1)
        return CORTEN_OK;
    struct ct_node *dequantize = ct_made_by(ct_input(move, 0), "DequantizeLinear");
    if (!dequantize || !same_constant(ct_input(dequantize, 1), ct_input(quantize, 1)) ||
        !same_constant(ct_input(dequantize, 2), ct_input(quantize, 2)))
        return CORTEN_OK;
    struct ct_value *inputs[8];
    if (move->n_in > 8)
        return CORTEN_OK;
    for (int i = 0; i < move->n_in; i++)
        inputs[i] = i ? ct_input(move, i) : ct_input(dequantize, 0);
    if (!ct_dtype_in(inputs[0]->fact.dtype, bytes) ||
        (ct_is_op(move, "", "MaxPool") && ct_model_opset(context->model, "") < 12))
        return CORTEN_OK;
    struct ct_node *node =
        ct_pass_add_node(context, quantize, "", move->op_type, inputs, move->n_in);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(copy_attrs(context, move, node));
    CT_TRY(ct_pass_replace_node(context, quantize, node));
    ct_node_remove(move);
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion conv = {conv_patterns, make_conv};
    static const struct ct_fusion matmul = {matmul_patterns, make_matmul};
    if (ct_model_opset(context->model, "") < 10)
        return CORTEN_OK;
    CT_TRY(ct_fusion_run(&conv, context, graph));
    CT_TRY(ct_fusion_run(&matmul, context, graph));
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (ct_is_op(node, "", "QuantizeLinear"))
            CT_TRY(move_bytes(context, node));
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ dynamic quantisation */

static const char *const dynamic_patterns[] = {
    "Mul(Cast[to=1](mm:MatMulInteger(a, b, az, bz)), as, c:bs)",
    "Mul(Cast[to=1](mm:MatMulInteger(a, b, az, bz)), Mul&(as, c:bs))",
    NULL,
};

static ct_status make_to_float(struct ct_pass_context *context, struct ct_match *match,
                               struct ct_node **made)
{
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    struct ct_value *as = ct_match_value(match, "as"), *bs = ct_match_value(match, "bs");
    const struct ct_fact *b = &ct_match_value(match, "b")->fact;
    const struct ct_fact *az = &ct_match_value(match, "az")->fact;
    const struct ct_tensor *scale = ct_const_f32(bs);
    bool one_a = as->fact.dtype == CORTEN_F32 &&
                 (as->fact.rank == 0 || (as->fact.rank == 1 && as->fact.dims[0] == 1)) &&
                 (az->rank == 0 || (az->rank == 1 && az->dims[0] == 1));
    if (!one_a)
        return ct_match_decline(match, "the left operand is not quantised as a whole");
    if (b->rank != 2 || !scale || scale->rank > 1 ||
        (ct_count(scale) != 1 && (ct_dim)ct_count(scale) != b->dims[1]))
        return ct_match_decline(match, "the weight is not quantised as a whole or by column");
    struct ct_value *inputs[] = {ct_match_value(match, "a"),  ct_match_value(match, "b"), as, bs,
                                 ct_match_value(match, "az"), ct_match_value(match, "bz")};
    *made = ct_pass_add_node(context, root, "com.microsoft", "MatMulIntegerToFloat", inputs, 6);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

static const char *const bias_patterns[] = {
    "Add(mm:ms.MatMulIntegerToFloat(a, b, as, bs, az, bz), c:bias)",
    NULL,
};

static ct_status make_biased(struct ct_pass_context *context, struct ct_match *match,
                             struct ct_node **made)
{
    static const char *const names[] = {"a", "b", "as", "bs", "az", "bz", "bias"};
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    const struct ct_tensor *bias = ct_const_f32(ct_match_value(match, "bias"));
    const struct ct_fact *b = &ct_match_value(match, "b")->fact;
    struct ct_value *inputs[7];
    if (!bias || bias->rank != 1 || bias->dims[0] != b->dims[1])
        return ct_match_decline(match, "the addend is not one number for each column");
    for (int i = 0; i < 7; i++)
        inputs[i] = ct_match_value(match, names[i]);
    *made = ct_pass_add_node(context, root, "com.microsoft", "MatMulIntegerToFloat", inputs, 7);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

/* ------------------------------------------------------------------ com.microsoft */

static const char *const add_patterns[] = {
    "QuantizeLinear(relu:Relu?(Add(DequantizeLinear&(a, c:as, c:az), "
    "DequantizeLinear&(b, c:bs, c:bz))), c:ys, c:yz)",
    NULL,
};

static ct_status make_add(struct ct_pass_context *context, struct ct_match *match,
                          struct ct_node **made)
{
    static const char *const names[] = {"a", "as", "az", "b", "bs", "bz", "ys", "yz"};
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    struct ct_value *inputs[8];
    if (!is_per_tensor(match, "as", "az") || !is_per_tensor(match, "bs", "bz") ||
        !is_per_tensor(match, "ys", "yz"))
        return ct_match_decline(match, "an operand is not quantised as a whole, to bytes");
    ct_dtype dtype = ct_match_value(match, "yz")->fact.dtype;
    if (ct_match_value(match, "az")->fact.dtype != dtype ||
        ct_match_value(match, "bz")->fact.dtype != dtype || !relu_is_free(match))
        return ct_match_decline(match, "operands and result have not one type");
    for (int i = 0; i < 8; i++)
        inputs[i] = ct_match_value(match, names[i]);
    *made = ct_pass_add_node(context, root, "com.microsoft", "QLinearAdd", inputs, 8);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

static const char *const pool_patterns[] = {
    "QuantizeLinear(GlobalAveragePool(DequantizeLinear&(x, c:xs, c:xz)), c:ys, c:yz)",
    NULL,
};

static ct_status make_pool(struct ct_pass_context *context, struct ct_match *match,
                           struct ct_node **made)
{
    static const char *const names[] = {"x", "xs", "xz", "ys", "yz"};
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    struct ct_value *inputs[5];
    if (!is_per_tensor(match, "xs", "xz") || !is_per_tensor(match, "ys", "yz") ||
        ct_match_value(match, "xz")->fact.dtype != ct_match_value(match, "yz")->fact.dtype)
        return ct_match_decline(match, "input or output is not quantised as a whole, to bytes");
    for (int i = 0; i < 5; i++)
        inputs[i] = ct_match_value(match, names[i]);
    *made = ct_pass_add_node(context, root, "com.microsoft", "QLinearGlobalAveragePool", inputs, 5);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

static const char *const gemm_patterns[] = {
    "QuantizeLinear(gemm:Gemm(" CONV_X ", " CONV_W ", db:DequantizeLinear&(c:b, c:bs, ...)), "
    "c:ys, c:yz)",
    NULL,
};

static ct_status make_gemm(struct ct_pass_context *context, struct ct_match *match,
                           struct ct_node **made)
{
    static const char *const names[] = {"x", "xs", "xz", "w", "ws", "wz", "b", "ys", "yz"};
    struct ct_node *gemm = ct_match_node(match, "gemm"), *root = match->nodes[match->n_nodes - 1];
    const struct ct_tensor *w = ct_value_const(ct_match_value(match, "w"));
    struct ct_value *inputs[9];
    int cols = ct_attr_int(gemm, "transB", 0) ? 0 : 1;
    if (!w || w->rank != 2 || !ct_dtype_in(w->dtype, bytes) || !is_per_tensor(match, "xs", "xz") ||
        !is_per_tensor(match, "ys", "yz") || ct_attr_int(gemm, "transA", 0))
        return ct_match_decline(match, "input or output is not quantised as a whole, to bytes");
    if (!is_per_line(match, "ws", "wz", ct_match_node(match, "dw"), cols, w->dims[cols]))
        return ct_match_decline(match, "the weight is not quantised as a whole or by column");
    if (!is_bias(match, ct_match_value(match, "b")) || ct_attr_float(gemm, "alpha", 1) != 1 ||
        ct_attr_float(gemm, "beta", 1) != 1)
        return ct_match_decline(match, "the bias is not in units of the product");
    for (int i = 0; i < 9; i++)
        inputs[i] = ct_match_value(match, names[i]);
    struct ct_node *node = ct_pass_add_node(context, root, "com.microsoft", "QGemm", inputs, 9);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_node_set_int(node, "transB", !cols)));
    *made = node;
    return CORTEN_OK;
}

static ct_status run_extended(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusions[] = {{dynamic_patterns, make_to_float},
                                               {bias_patterns, make_biased},
                                               {add_patterns, make_add},
                                               {pool_patterns, make_pool},
                                               {gemm_patterns, make_gemm}};
    for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++)
        CT_TRY(ct_fusion_run(&fusions[i], context, graph));
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_qdq = {
    .name = "fuse-qdq",
    .summary = "operators between DequantizeLinear and QuantizeLinear, on bytes",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};

const struct ct_pass ct_pass_fuse_quantized = {
    .name = "fuse-quantized",
    .summary = "quantised Add, Gemm, GlobalAveragePool and MatMul, as ONNX Runtime's operators",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run_extended,
};
