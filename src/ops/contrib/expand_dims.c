/* com.microsoft.ExpandDims: one more dimension of 1, before the axis that an input tells. */
#include "ops/contrib/contrib.h"

static ct_status infer_expand_dims(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const int64_t *axes = NULL;
    int count = 0, axis, n = 0;
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I32)));
    CT_TRY(ct_contrib_scalar(infer, 1));
    CT_TRY(ct_infer_ints(infer, 1, &axes, &count));
    ct_infer_set(infer, 0, x->dtype, x->rank >= 0 && x->rank < CT_MAX_RANK ? x->rank + 1 : -1,
                 NULL);
    if (x->rank == CT_MAX_RANK)
        return ct_infer_fail(infer, "the input has %d dimensions already", CT_MAX_RANK);
    if (x->rank < 0 || !axes || count != 1)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, axes[0], x->rank + 1, &axis));
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i <= x->rank; i++)
        dims[i] = i == axis ? 1 : x->dims[n++];
    ct_infer_set(infer, 0, x->dtype, x->rank + 1, dims);
    return CORTEN_OK;
}

const struct ct_op ct_op_expand_dims = {
    .infer = infer_expand_dims, .flags = CT_OP_VIEW, .min_in = 2, .max_in = 2, .min_out = 1};
