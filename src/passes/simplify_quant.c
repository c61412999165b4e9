/* Quantised values that are made float only to be moved, and quantised again in the same way, stay
 * quantised: QuantizeLinear(move(DequantizeLinear(x))) is move(x). Nothing is rounded. */
#include <string.h>

#include "graph/op.h"
#include "ops/registry.h"
#include "passes/pattern.h"

/* Operators that only move elements, or choose the largest. */
static bool only_moves(const struct ct_node *node)
{
    static const char *const ops[] = {"Reshape", "Transpose", "Flatten",      "Squeeze",
                                      "Slice",   "Unsqueeze", "DepthToSpace", "SpaceToDepth",
                                      "MaxPool", "Expand",    "Gather"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ct_is_op(node, "", ops[i]))
            return node->n_out == 1;
    return false;
}

/* Both constants of one value, or both absent. */
static bool same_number(const struct ct_value *a, const struct ct_value *b)
{
    double x, y;
    if (!a || !b)
        return a == b;
    return a == b || (a->fact.dtype == b->fact.dtype && ct_value_number(a, &x) &&
                      ct_value_number(b, &y) && x == y);
}

/* One scale and zero point for the whole tensor, the same in both. */
static bool same_parameters(const struct ct_node *quantize, const struct ct_node *dequantize)
{
    const struct ct_value *scale = ct_input(quantize, 1);
    double number;
    return scale && ct_value_number(scale, &number) && ct_count(scale->constant) == 1 &&
           same_number(scale, ct_input(dequantize, 1)) &&
           same_number(ct_input(quantize, 2), ct_input(dequantize, 2)) &&
           ct_input(dequantize, 0)->fact.dtype == quantize->out[0]->fact.dtype &&
           ct_input(dequantize, 0)->fact.dtype != CORTEN_DTYPE_NONE;
}

/* Whether there is a form of the operator for the quantised type. */
static bool takes(const struct ct_node *move, ct_dtype dtype)
{
    const struct ct_op_row *row = ct_op_find(move->domain, move->op_type, move->opset);
    return row && (row->op->typed_input < 0 || ct_dtype_in(dtype, row->dtypes));
}

static ct_status stay_quantized(struct ct_pass_context *context, struct ct_node *quantize)
{
    struct ct_value *value = ct_input(quantize, 0);
    struct ct_node *dequantize = ct_made_by(value, "DequantizeLinear");
    if (dequantize && same_parameters(quantize, dequantize)) {
        ct_pass_bypass(context, quantize, ct_input(dequantize, 0));
        return CORTEN_OK;
    }
    struct ct_node *move = value->producer;
    if (!move || !only_moves(move) || !ct_value_single_use(value) || !ct_input(move, 0))
        return CORTEN_OK;
    dequantize = ct_made_by(ct_input(move, 0), "DequantizeLinear");
    if (!dequantize || !same_parameters(quantize, dequantize) ||
        !takes(move, ct_input(dequantize, 0)->fact.dtype))
        return CORTEN_OK;
    struct ct_value *output = quantize->out[0];
    ct_node_set_output(quantize, 0, NULL);
    ct_node_set_input(quantize, 0, NULL);
    ct_node_set_output(move, 0, NULL);
    ct_node_set_input(move, 0, ct_input(dequantize, 0));
    ct_node_set_output(move, 0, output);
    ct_node_remove(quantize);
    context->stats->changes++;
    return ct_op_resolve(move, context->error);
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (ct_is_op(node, "", "QuantizeLinear") && ct_input(node, 0) && node->out[0])
            CT_TRY(stay_quantized(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_simplify_quant = {
    .name = "simplify-quantization",
    .summary = "values that are dequantised, moved and quantised again stay quantised",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
