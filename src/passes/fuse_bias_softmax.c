/* Softmax of a sum with a mask, to com.microsoft.BiasSoftmax: what is left of attention that is none
 * of the known forms. ONNX Runtime's CPU provider does not have the operator, so that it is made at
 * level layout only. */
#include "passes/pattern.h"

static const char *const patterns[] = {"s:Softmax(Add(x, mask))", NULL};

/* Rows of the mask come in turn, [1,1|N,S,T], or (*inner) each for all rows of a batch, [B,1,1,T]. */
static bool repeats(const struct ct_fact *x, const struct ct_fact *mask, bool *inner)
{
    const ct_dim *a = x->dims, *b = mask->dims;
    if (x->rank != 4 || mask->rank != 4 || a[3] == CT_DIM_UNKNOWN || b[3] != a[3])
        return false;
    *inner = b[0] == a[0] && a[0] != CT_DIM_UNKNOWN && b[1] == 1 && b[2] == 1;
    return *inner || (b[0] == 1 && (b[1] == 1 || (b[1] == a[1] && a[1] != CT_DIM_UNKNOWN)) &&
                      b[2] == a[2] && a[2] != CT_DIM_UNKNOWN);
}

static ct_status rewrite(struct ct_pass_context *context, struct ct_match *match,
                         struct ct_node **made)
{
    struct ct_value *inputs[] = {ct_match_value(match, "x"), ct_match_value(match, "mask")};
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    int64_t axis = ct_attr_int(root, "axis", root->opset >= 13 ? -1 : 1);
    bool inner;
    if (context->target < CORTEN_LEVEL_LAYOUT)
        return CORTEN_OK;
    if (inputs[0]->fact.dtype != CORTEN_F32)
        return ct_match_decline(match, "'%s' is not float32", inputs[0]->name);
    if (!repeats(&inputs[0]->fact, &inputs[1]->fact, &inner)) {
        struct ct_value *first = inputs[0];
        inputs[0] = inputs[1];
        inputs[1] = first;
    }
    if (!repeats(&inputs[0]->fact, &inputs[1]->fact, &inner))
        return ct_match_decline(match, "'%s' is no mask of [1,N,S,T] or [B,1,1,T]",
                                inputs[1]->name);
    if (axis != -1 && axis != 3)
        return ct_match_decline(match, "softmax is not along the last dimension");
    *made = ct_pass_add_node(context, root, "com.microsoft", "BiasSoftmax", inputs, 2);
    if (!*made)
        return CORTEN_OUT_OF_MEMORY;
    return ct_pass_check(context, ct_node_set_int(*made, "axis", 3) &&
                                      ct_node_set_int(*made, "is_inner_broadcast", inner));
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusion = {patterns, rewrite};
    return ct_fusion_run(&fusion, context, graph);
}

const struct ct_pass ct_pass_fuse_bias_softmax = {
    .name = "fuse-bias-softmax",
    .summary = "softmax of a sum with a mask, to BiasSoftmax",
    .level = CORTEN_LEVEL_LAYOUT,
    .run = run,
};
