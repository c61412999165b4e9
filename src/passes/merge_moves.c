/* Chains of moves become one: Reshape after Reshape (Flatten, Squeeze and Unsqueeze count as
 * such), Transpose after Transpose, Cast after Cast, Concat of Concat. */
#include <string.h>

#include "passes/rewrite.h"

/* ------------------------------------------------------------------ reshapes */

static bool is_reshape(const struct ct_node *node)
{
    static const char *const ops[] = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ct_is_op(node, "", ops[i]))
            return true;
    return false;
}

/* One form for all of them, from the start of the chain: a Reshape with a constant shape. */
static ct_status merge_reshape(struct ct_pass_context *context, struct ct_node *node)
{
    struct ct_value *from = ct_input(node, 0), *inputs[2];
    bool chain = false;
    if (!is_reshape(node) || !from || ct_model_opset(context->model, "") < 5)
        return CORTEN_OK;
    while (is_reshape(from->producer) && ct_input(from->producer, 0)) {
        from = ct_input(from->producer, 0);
        chain = true;
    }
    if (!chain && !strcmp(node->op_type, "Reshape"))
        return CORTEN_OK;
    const struct ct_fact *to = &node->out[0]->fact;
    inputs[0] = from;
    CT_TRY(
        ct_pass_reshape_shape(context, node->graph, &from->fact, to->rank, to->dims, &inputs[1]));
    if (!inputs[1])
        return CORTEN_OK;
    struct ct_node *made = ct_pass_add_node(context, node, "", "Reshape", inputs, 2);
    return made ? ct_pass_replace_node(context, node, made) : CORTEN_OUT_OF_MEMORY;
}

/* ------------------------------------------------------------------ transposes */

static ct_status merge_transpose(struct ct_pass_context *context, struct ct_node *node)
{
    int64_t outer[CT_MAX_RANK], inner[CT_MAX_RANK], both[CT_MAX_RANK];
    int rank = node->out[0]->fact.rank;
    const struct ct_node *first = ct_made_by(ct_input(node, 0), "Transpose");
    if (!ct_is_op(node, "", "Transpose") || !first || !ct_transpose_perm(node, rank, outer) ||
        !ct_transpose_perm(first, rank, inner))
        return CORTEN_OK;
    for (int i = 0; i < rank; i++)
        both[i] = inner[outer[i]];
    CT_TRY(ct_pass_check(context, ct_node_set_ints(node, "perm", both, rank)));
    ct_node_set_input(node, 0, ct_input(first, 0));
    context->stats->changes++;
    return CORTEN_OK;
}

/* Matrices of several batch dimensions, transposed as a list of matrices:
 * Reshape([a*b,c,d]), Transpose([0,2,1]), Reshape([a,b,d,c]). */
static ct_status merge_batched(struct ct_pass_context *context, struct ct_node *node)
{
    static const int64_t swap_last[] = {0, 2, 1}, whole[] = {0, 1, 3, 2};
    const struct ct_node *transpose = ct_made_by(ct_input(node, 0), "Transpose");
    const struct ct_node *first =
        transpose && ct_input(transpose, 0) ? ct_made_by(ct_input(transpose, 0), "Reshape") : NULL;
    if (!ct_is_op(node, "", "Reshape") || !first || !ct_is_perm(transpose, 3, swap_last))
        return CORTEN_OK;
    struct ct_value *x = ct_input(first, 0);
    const struct ct_fact *in = &x->fact, *mid = &first->out[0]->fact, *out = &node->out[0]->fact;
    if (in->rank != 4 || out->rank != 4 || mid->rank != 3)
        return CORTEN_OK;
    for (int i = 0; i < 4; i++)
        if (out->dims[i] != in->dims[whole[i]] || out->dims[i] == CT_DIM_UNKNOWN)
            return CORTEN_OK;
    if (mid->dims[1] != in->dims[2] || mid->dims[2] != in->dims[3])
        return CORTEN_OK;
    struct ct_node *made = ct_pass_add_node(context, node, "", "Transpose", &x, 1);
    if (!made)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_node_set_ints(made, "perm", whole, 4)));
    return ct_pass_replace_node(context, node, made);
}

/* Gemm transposes a matrix itself. */
static ct_status merge_into_gemm(struct ct_pass_context *context, struct ct_node *node)
{
    static const char *const names[] = {"transA", "transB"};
    static const int64_t swap[] = {1, 0};
    if (!ct_is_op(node, "", "Gemm"))
        return CORTEN_OK;
    for (int i = 0; i < 2; i++) {
        const struct ct_node *transpose = ct_made_by(ct_input(node, i), "Transpose");
        if (!transpose || !ct_is_perm(transpose, 2, swap))
            continue;
        bool before = ct_attr_int(node, names[i], 0) != 0;
        CT_TRY(ct_pass_check(context, ct_node_set_int(node, names[i], !before)));
        ct_node_set_input(node, i, ct_input(transpose, 0));
        context->stats->changes++;
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ casts */

/* Whether every value of `from` is one of `to`. */
static bool holds_all(ct_dtype from, ct_dtype to)
{
    static const struct {
        ct_dtype from;
        ct_dtypes to;
    } rows[] = {
        {CORTEN_BOOL, CT_INTS_8_64 | CT_BIT(F16) | CT_BIT(BF16) | CT_BIT(F32) | CT_BIT(F64)},
        {CORTEN_I8,
         CT_BIT(I16) | CT_BIT(I32) | CT_BIT(I64) | CT_BIT(F16) | CT_BIT(F32) | CT_BIT(F64)},
        {CORTEN_U8, CT_BIT(I16) | CT_BIT(U16) | CT_BIT(I32) | CT_BIT(U32) | CT_BIT(I64) |
                        CT_BIT(U64) | CT_BIT(F16) | CT_BIT(F32) | CT_BIT(F64)},
        {CORTEN_I16, CT_BIT(I32) | CT_BIT(I64) | CT_BIT(F32) | CT_BIT(F64)},
        {CORTEN_U16,
         CT_BIT(I32) | CT_BIT(U32) | CT_BIT(I64) | CT_BIT(U64) | CT_BIT(F32) | CT_BIT(F64)},
        {CORTEN_I32, CT_BIT(I64) | CT_BIT(F64)},
        {CORTEN_U32, CT_BIT(I64) | CT_BIT(U64) | CT_BIT(F64)},
        {CORTEN_F16, CT_BIT(F32) | CT_BIT(F64)},
        {CORTEN_BF16, CT_BIT(F32) | CT_BIT(F64)},
        {CORTEN_F32, CT_BIT(F64)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].from == from)
            return ct_dtype_in(to, rows[i].to);
    return false;
}

static void merge_cast(struct ct_pass_context *context, struct ct_node *node)
{
    const struct ct_node *first = ct_made_by(ct_input(node, 0), "Cast");
    if (!ct_is_op(node, "", "Cast") || !first || !ct_input(first, 0) ||
        !holds_all(ct_input(first, 0)->fact.dtype, first->out[0]->fact.dtype))
        return;
    ct_node_set_input(node, 0, ct_input(first, 0));
    context->stats->changes++;
}

/* ------------------------------------------------------------------ concat */

static int concat_axis(const struct ct_node *node)
{
    int rank = node->out[0]->fact.rank;
    int64_t axis = ct_attr_int(node, "axis", 0);
    return rank < 0 || axis < -rank || axis >= rank ? -1 : (int)(axis < 0 ? axis + rank : axis);
}

/* An inner Concat along the same axis is copied once instead of twice. */
static ct_status merge_concat(struct ct_pass_context *context, struct ct_node *node)
{
    int axis = ct_is_op(node, "", "Concat") ? concat_axis(node) : -1;
    for (int i = 0; axis >= 0 && i < node->n_in; i++) {
        struct ct_node *inner = ct_made_by(ct_input(node, i), "Concat");
        if (!inner || concat_axis(inner) != axis || !ct_value_single_use(inner->out[0]))
            continue;
        int n = node->n_in, more = inner->n_in - 1;
        CT_TRY(ct_pass_check(context, ct_node_resize_inputs(node, n + more)));
        for (int k = n - 1; k > i; k--)
            ct_node_set_input(node, k + more, ct_input(node, k));
        for (int k = 0; k < inner->n_in; k++)
            ct_node_set_input(node, i + k, ct_input(inner, k));
        ct_node_remove(inner);
        context->stats->changes++;
    }
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (*node->domain || node->n_out != 1 || !node->out[0] || !node->n_in || !ct_input(node, 0))
            continue;
        CT_TRY(merge_transpose(context, node));
        CT_TRY(merge_into_gemm(context, node));
        merge_cast(context, node);
        CT_TRY(merge_concat(context, node));
        size_t before = context->stats->changes; /* the last two take the node away */
        CT_TRY(merge_batched(context, node));
        if (context->stats->changes == before)
            CT_TRY(merge_reshape(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_merge_moves = {
    .name = "merge-moves",
    .summary = "one Reshape, Transpose, Cast or Concat for a chain of them",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
