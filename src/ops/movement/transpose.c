/* Transpose. */
#include "ops/movement/move.h"

/* The order of axes: attribute, or backwards. */
static ct_status get_order(const struct ct_node *node, int rank, int *order)
{
    const int64_t *perm;
    int count = ct_attr_ints(node, "perm", &perm);
    uint32_t seen = 0;
    if (count >= 0 && count != rank)
        return CORTEN_INVALID_MODEL;
    for (int i = 0; i < rank; i++) {
        int64_t axis = count < 0 ? rank - 1 - i : perm[i];
        axis += axis < 0 ? rank : 0;
        if (axis < 0 || axis >= rank || (seen >> axis & 1))
            return CORTEN_INVALID_MODEL;
        seen |= UINT32_C(1) << axis;
        order[i] = (int)axis;
    }
    return CORTEN_OK;
}

static ct_status infer_transpose(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    if (in->rank < 0) {
        const int64_t *perm;
        int count = ct_attr_ints(infer->node, "perm", &perm);
        ct_infer_set(infer, 0, in->dtype, count > CT_MAX_RANK ? -1 : count, NULL);
        return CORTEN_OK;
    }
    int order[CT_MAX_RANK];
    ct_dim dims[CT_MAX_RANK];
    if (get_order(infer->node, in->rank, order) != CORTEN_OK)
        return ct_infer_fail(infer, "attribute 'perm' is no permutation of %d axes", in->rank);
    for (int i = 0; i < in->rank; i++)
        dims[i] = in->dims[order[i]];
    ct_infer_set(infer, 0, in->dtype, in->rank, dims);
    return in->rank <= 1 ? ct_infer_pass_values(infer) : CORTEN_OK;
}

static ct_status prepare_transpose(struct ct_prepare *prepare)
{
    struct ct_move *move = ct_move_alloc(prepare);
    if (!move)
        return ct_move_no_memory(prepare);
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    int order[CT_MAX_RANK];
    int64_t in_stride[CT_MAX_RANK], from_stride[CT_MAX_RANK], to_stride[CT_MAX_RANK];
    CT_TRY(get_order(prepare->node, in->rank, order));
    ct_dense_strides(in->rank, in->dims, in_stride);
    ct_dense_strides(out->rank, out->dims, to_stride);
    for (int i = 0; i < in->rank; i++)
        from_stride[i] = in_stride[order[i]];
    ct_strided_copy_init(&move->copy, in->dtype, out->rank, out->dims, to_stride, from_stride);
    return CORTEN_OK;
}

const struct ct_op ct_op_transpose = {
    .infer = infer_transpose,
    .prepare = prepare_transpose,
    .run = ct_move_run,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};
