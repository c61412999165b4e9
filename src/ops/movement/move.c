#include "ops/movement/move.h"

struct ct_move *ct_move_alloc(struct ct_prepare *prepare)
{
    struct ct_move *move = ct_prepare_alloc(prepare, sizeof *move);
    prepare->state = move;
    return move;
}

ct_status ct_move_no_memory(struct ct_prepare *prepare)
{
    return ct_fail_memory(prepare->error, sizeof(struct ct_move), "an operator's state");
}

ct_status ct_move_run(const struct ct_run *run)
{
    const struct ct_move *move = run->state;
    ct_strided_copy_run(&move->copy, run->exec->pool, run->out[0]->data, move->to_first,
                        run->in[0]->data, move->from_first);
    return CORTEN_OK;
}

ct_status ct_infer_pass_values(const struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    if (!in || !in->values)
        return CORTEN_OK;
    return ct_infer_set_values(infer, 0, in->values, in->n_values);
}

ct_status ct_infer_product(const struct ct_infer *infer, int rank, const ct_dim *dims,
                           ct_dim *product)
{
    *product = 1;
    for (int i = 0; i < rank; i++) {
        int64_t number;
        if (ct_dim_known(*product) && ct_dim_known(dims[i]) &&
            __builtin_mul_overflow(*product, dims[i], &number))
            return ct_fail(infer->error, CORTEN_LIMIT_EXCEEDED, "a shape has too many elements");
        *product = ct_dim_mul(infer, *product, dims[i]);
    }
    return CORTEN_OK;
}

ct_status ct_infer_list(const struct ct_infer *infer, const char *attr, int index, bool *found,
                        const int64_t **values, int *count)
{
    *values = NULL;
    *count = 0;
    if (index < 0) {
        *count = ct_attr_ints(infer->node, attr, values);
        *found = *count >= 0;
        return CORTEN_OK;
    }
    *found = ct_infer_in(infer, index) != NULL;
    return ct_infer_ints(infer, index, values, count);
}

ct_status ct_infer_axes(const struct ct_infer *infer, const int64_t *axes, int count, int rank,
                        uint32_t *mask)
{
    *mask = 0;
    for (int i = 0; i < count; i++) {
        int axis;
        CT_TRY(ct_infer_axis(infer, axes[i], rank, &axis));
        if (*mask >> axis & 1)
            return ct_infer_fail(infer, "axis %d is named twice", axis);
        *mask |= UINT32_C(1) << axis;
    }
    return CORTEN_OK;
}
