/* Channels last (CT_LAYOUT_NXC) for chains of convolutions of bytes: products of bytes read the
 * channels of a pixel one after the other. A QLinearAdd of a convolution's result becomes a part of the
 * convolution. */
#include "graph/op.h"
#include "passes/layout.h"

bool ct_layout_is_bytes(const struct ct_value *value)
{
    return value && value->fact.kind == CORTEN_TENSOR && value->fact.rank == 4 &&
           (value->fact.dtype == CORTEN_U8 || value->fact.dtype == CORTEN_I8) &&
           value->fact.layout == CT_LAYOUT_PLAIN;
}

static ct_status convert_conv(struct ct_layout_pass *layout, struct ct_node *node)
{
    enum { WEIGHT = 3, INPUTS = 9 };
    struct ct_value *inputs[INPUTS];
    for (int i = 0; i < INPUTS; i++)
        inputs[i] = ct_input(node, i);
    if (!ct_layout_is_bytes(inputs[0]) || !ct_value_const(inputs[WEIGHT]))
        return CORTEN_OK;
    CT_TRY(ct_layout_get_twin(layout, inputs[0], node, &inputs[0]));
    return ct_layout_replace_by(layout, node, "ai.corten", "QLinearConv", inputs,
                                inputs[INPUTS - 1] ? INPUTS : INPUTS - 1);
}

/* The convolution that makes an operand for this reader only, and that has no residual yet. */
static struct ct_node *find_conv(const struct ct_layout_pass *layout, const struct ct_value *value)
{
    enum { WITHOUT_RESIDUAL = 9 };
    struct ct_value *twin = ct_layout_twin_of(layout, value);
    struct ct_node *conv = twin ? twin->producer : NULL;
    bool fits = conv && ct_is_op(conv, "ai.corten", "QLinearConv") &&
                conv->n_in <= WITHOUT_RESIDUAL && ct_attr_int(conv, "group", 1) == 1 &&
                conv->graph == value->graph;
    return fits && ct_value_single_use(value) && ct_value_single_use(twin) ? conv : NULL;
}

/* A convolution and the addition that follows. `own`: which input of the addition it makes. */
static ct_status add_residual(struct ct_layout_pass *layout, struct ct_node *add, int own,
                              struct ct_node *conv)
{
    enum { OPERAND_INPUTS = 3, SUM = 6, RESIDUAL = 9, INPUTS = 14 };
    struct ct_value *value = ct_input(add, own), *inputs[INPUTS];
    int other = OPERAND_INPUTS - own;
    for (int i = 0; i < RESIDUAL; i++)
        inputs[i] = ct_input(conv, i);
    for (int i = 0; i < OPERAND_INPUTS; i++)
        inputs[RESIDUAL + i] = ct_input(add, other + i);
    CT_TRY(ct_layout_get_twin(layout, inputs[RESIDUAL], add, &inputs[RESIDUAL]));
    inputs[INPUTS - 2] = ct_input(add, SUM);
    inputs[INPUTS - 1] = ct_input(add, SUM + 1);
    struct ct_node *node =
        ct_pass_add_node(layout->context, add, "ai.corten", "QLinearConv", inputs, INPUTS);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    for (int i = 0; i < conv->n_attrs; i++)
        CT_TRY(ct_pass_check(layout->context, ct_node_set_attr(node, &conv->attrs[i])));
    CT_TRY(ct_layout_replace(layout, node, add));
    layout->twins[value->id] = NULL;
    ct_node_remove(value->producer); /* the Reorder to the plain layout */
    ct_node_remove(conv);
    return CORTEN_OK;
}

static ct_status convert_add(struct ct_layout_pass *layout, struct ct_node *node)
{
    enum { LEFT = 0, RIGHT = 3, ZEROS = 8 };
    struct ct_value *a = ct_input(node, LEFT), *b = ct_input(node, RIGHT);
    bool whole = a != b && ct_same_type(&a->fact, &b->fact) && ct_layout_is_bytes(a);
    for (int i = 0; i < ZEROS; i++)
        whole = whole && ct_input(node, i);
    struct ct_node *left = whole ? find_conv(layout, a) : NULL;
    struct ct_node *right = whole ? find_conv(layout, b) : NULL;
    if (left)
        return add_residual(layout, node, LEFT, left);
    return right ? add_residual(layout, node, RIGHT, right) : ct_layout_elementwise(layout, node);
}

static ct_status convert_concat(struct ct_layout_pass *layout, struct ct_node *node)
{
    enum { FIRST = 2, STEP = 3 };
    struct ct_value *inputs[CT_LAYOUT_INPUTS];
    if (node->n_in > CT_LAYOUT_INPUTS)
        return CORTEN_OK;
    for (int i = 0; i < node->n_in; i++) {
        inputs[i] = ct_input(node, i);
        if (i >= FIRST && (i - FIRST) % STEP == 0)
            inputs[i] = ct_layout_twin_of(layout, inputs[i]);
        if (!inputs[i])
            return CORTEN_OK;
    }
    return ct_layout_replace_by(layout, node, node->domain, node->op_type, inputs, node->n_in);
}

/* The same operator, with the twin for input 0. */
static ct_status convert_first(struct ct_layout_pass *layout, struct ct_node *node,
                               const char *domain, const char *op_type)
{
    struct ct_value *inputs[CT_LAYOUT_INPUTS] = {ct_layout_twin_of(layout, ct_input(node, 0))};
    if (!inputs[0] || node->n_in > CT_LAYOUT_INPUTS || ct_attr_int(node, "channels_last", 0))
        return CORTEN_OK;
    for (int i = 1; i < node->n_in; i++)
        inputs[i] = ct_input(node, i);
    return ct_layout_replace_by(layout, node, domain, op_type, inputs, node->n_in);
}

ct_status ct_layout_convert_bytes(struct ct_layout_pass *layout, struct ct_node *node)
{
    static const char contrib[] = "com.microsoft";
    struct ct_value *twin = ct_layout_twin_of(layout, ct_input(node, 0));
    if (ct_is_op(node, "", "QLinearConv"))
        return convert_conv(layout, node);
    if (ct_is_op(node, contrib, "QLinearAdd"))
        return convert_add(layout, node);
    if (ct_is_op(node, contrib, "QLinearConcat"))
        return convert_concat(layout, node);
    if (ct_is_op(node, contrib, "QLinearAveragePool"))
        return convert_first(layout, node, contrib, "QLinearAveragePool");
    if (ct_is_op(node, "", "MaxPool") && node->n_out == 1)
        return convert_first(layout, node, "ai.corten", "ChannelsLastMaxPool");
    /* Its result has one pixel and is plain. */
    if (ct_is_op(node, contrib, "QLinearGlobalAveragePool") && twin &&
        !ct_attr_int(node, "channels_last", 0)) {
        ct_node_set_input(node, 0, twin);
        layout->context->stats->changes++;
        return CORTEN_OK;
    }
    return (node->op->flags & CT_OP_ANY_LAYOUT) && node->n_out == 1
               ? ct_layout_elementwise(layout, node)
               : CORTEN_OK;
}
