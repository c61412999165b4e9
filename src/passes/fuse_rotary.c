/* Rotary position embeddings over heads, to RotaryEmbedding.
 *
 *   y = x * cos + concat(-x[..., H/2:], x[..., :H/2]) * sin
 *
 * J. Su et al., "RoFormer", arXiv:2104.09864. The two halves of cos are alike, as are those of sin;
 * the operator takes one. */
#include <string.h>

#include "passes/pattern.h"

static const char *const patterns[] = {
    "Add(Mul(x, cos), Mul(Concat[axis=-1](Neg(high), low), sin))",
    "Add(Mul(x, cos), Mul(Concat[axis=3](Neg(high), low), sin))",
    NULL,
};

/* The given half of x along its last dimension, by Slice or Split. */
static bool is_half(const struct ct_value *value, const struct ct_value *x, int64_t half, bool high)
{
    const struct ct_node *node = value->producer;
    int last = x->fact.rank - 1;
    const int64_t *begin, *end, *axes, *steps;
    if (!node || ct_input(node, 0) != x || value->fact.rank != x->fact.rank ||
        value->fact.dims[last] != half)
        return false;
    if (ct_is_op(node, "", "Split")) {
        int64_t axis = ct_attr_int(node, "axis", 0);
        return node->n_out == 2 && (axis == -1 || axis == last) && value->producer_index == high;
    }
    if (!ct_is_op(node, "", "Slice") || ct_const_ints(node, 1, &begin) != 1 ||
        ct_const_ints(node, 2, &end) != 1 || ct_const_ints(node, 3, &axes) != 1 ||
        (ct_input(node, 4) && (ct_const_ints(node, 4, &steps) != 1 || *steps != 1)))
        return false;
    int64_t from = *begin < 0 ? *begin + 2 * half : *begin;
    return (*axes == -1 || *axes == last) && from == (high ? half : 0);
}

/* Whether the halves of the value's last dimension are alike: a constant, or a function of
 * Concat(f, f). */
static bool has_equal_halves(const struct ct_value *value, int64_t half)
{
    double number;
    const struct ct_tensor *t = ct_const_f32(value);
    if (t) {
        size_t row = (size_t)half * sizeof(float);
        for (size_t i = 0; i < ct_count(t) / (size_t)(2 * half); i++)
            if (memcmp((const char *)t->data + 2 * i * row,
                       (const char *)t->data + (2 * i + 1) * row, row) != 0)
                return false;
        return true;
    }
    const struct ct_node *node = value->producer;
    if (!node || value->producer_index || value->fact.rank < 1 ||
        value->fact.dims[value->fact.rank - 1] != 2 * half)
        return false;
    if (ct_is_op(node, "", "Concat")) {
        int64_t axis = ct_attr_int(node, "axis", 0);
        return node->n_in == 2 && ct_input(node, 0) == ct_input(node, 1) &&
               (axis == -1 || axis == value->fact.rank - 1);
    }
    bool maps = ct_is_op(node, "", "Cos") || ct_is_op(node, "", "Sin") ||
                ct_is_op(node, "", "Reshape") || ct_is_op(node, "", "Unsqueeze") ||
                (ct_is_op(node, "", "Mul") && ct_value_number(ct_input(node, 1), &number));
    return maps && has_equal_halves(ct_input(node, 0), half);
}

/* [1,1,S,H] to [S,H/2]. */
static ct_status take_half(struct ct_pass_context *context, struct ct_node *before,
                           struct ct_value *value, int64_t half, struct ct_value **made)
{
    const int64_t numbers[] = {0, half, 3};
    struct ct_value *inputs[4] = {value}, *sliced;
    struct ct_fact fact;
    for (int i = 0; i < 3; i++)
        CT_TRY(ct_pass_ints(context, before->graph, 1, &numbers[i], &inputs[1 + i]));
    struct ct_node *node = ct_pass_add_node(context, before, "", "Slice", inputs, 4);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    ct_dim dims[] = {1, 1, value->fact.dims[2], half};
    ct_fact_set(&fact, value->fact.dtype, 4, dims);
    CT_TRY(ct_pass_add_output(context, node, &fact, &sliced));
    return ct_pass_reshape(context, before, sliced, 2, dims + 2, made);
}

static bool is_table(const struct ct_value *value, const struct ct_fact *x)
{
    const struct ct_fact *f = &value->fact;
    return f->rank == 4 && f->dims[0] == 1 && f->dims[1] == 1 && f->dims[2] == x->dims[2] &&
           f->dims[3] == x->dims[3];
}

static ct_status rewrite(struct ct_pass_context *context, struct ct_match *match,
                         struct ct_node **made)
{
    struct ct_value *x = ct_match_value(match, "x");
    struct ct_value *tables[] = {ct_match_value(match, "cos"), ct_match_value(match, "sin")};
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    const int64_t zero = 0;
    if (x->fact.dtype != CORTEN_F32 || x->fact.rank != 4 || x->fact.dims[2] == CT_DIM_UNKNOWN ||
        !ct_dim_known(x->fact.dims[3]) || x->fact.dims[3] % 2)
        return ct_match_decline(match, "'%s' is not float32 of [B,N,S,H]", x->name);
    int64_t half = x->fact.dims[3] / 2;
    if (!is_half(ct_match_value(match, "high"), x, half, true) ||
        !is_half(ct_match_value(match, "low"), x, half, false))
        return ct_match_decline(match, "the halves of '%s' are not what is put together", x->name);
    for (int i = 0; i < 2; i++) {
        if (!is_table(tables[i], &x->fact))
            return ct_match_decline(match, "'%s' is not [1,1,S,H]", tables[i]->name);
        if (!has_equal_halves(tables[i], half))
            return ct_match_decline(match, "the halves of '%s' may differ", tables[i]->name);
    }
    if (ct_model_opset(context->model, "") < 10)
        return ct_match_decline(match, "opset %d has no Slice with inputs",
                                (int)ct_model_opset(context->model, ""));
    struct ct_value *inputs[4] = {x};
    CT_TRY(ct_pass_ints(context, root->graph, 1, &zero, &inputs[1]));
    for (int i = 0; i < 2; i++) {
        CT_TRY(take_half(context, root, tables[i], half, &inputs[2 + i]));
        if (!inputs[2 + i])
            return ct_match_decline(match, "the shape of '%s' is not known", tables[i]->name);
    }
    *made = ct_pass_add_node(context, root, "com.microsoft", "RotaryEmbedding", inputs, 4);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusion = {patterns, rewrite};
    return ct_fusion_run(&fusion, context, graph);
}

const struct ct_pass ct_pass_fuse_rotary = {
    .name = "fuse-rotary",
    .summary = "rotary position embeddings over heads, to RotaryEmbedding",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};
