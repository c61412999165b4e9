/* Squeeze and Unsqueeze, with axes as attribute (before opset 13) or input. */
#include "ops/movement/move.h"

static ct_status squeeze(struct ct_infer *infer, int axes_input)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const int64_t *axes;
    int count, rank = 0;
    bool found;
    ct_dim dims[CT_MAX_RANK];
    uint32_t mask = 0;
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    CT_TRY(ct_infer_list(infer, "axes", axes_input, &found, &axes, &count));
    ct_infer_set(infer, 0, in->dtype, -1, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    if (found && !axes && axes_input >= 0) {
        const struct ct_fact *list = ct_infer_in(infer, axes_input);
        int n = list->rank == 1 && list->dims[0] >= 0 && list->dims[0] <= in->rank
                    ? (int)list->dims[0]
                    : -1;
        ct_infer_set(infer, 0, in->dtype, n < 0 ? -1 : in->rank - n, NULL);
        return CORTEN_OK;
    }
    CT_TRY(ct_infer_axes(infer, axes, found ? count : 0, in->rank, &mask));
    for (int i = 0; i < in->rank; i++) {
        bool named = mask >> i & 1;
        if (!found && !ct_dim_known(in->dims[i]))
            return CORTEN_OK; /* it may be 1 or not */
        if (named && ct_dim_known(in->dims[i]) && in->dims[i] != 1)
            return ct_infer_fail(infer, "axis %d has size %lld, not 1", i, (long long)in->dims[i]);
        if (!named && (found || in->dims[i] != 1))
            dims[rank++] = in->dims[i];
    }
    ct_infer_set(infer, 0, in->dtype, rank, dims);
    return ct_infer_pass_values(infer);
}

static ct_status unsqueeze(struct ct_infer *infer, int axes_input)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const int64_t *axes;
    int count;
    bool found;
    ct_dim dims[CT_MAX_RANK];
    uint32_t mask = 0;
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    CT_TRY(ct_infer_list(infer, "axes", axes_input, &found, &axes, &count));
    if (!found)
        return ct_infer_fail(infer, "'axes' is missing");
    ct_infer_set(infer, 0, in->dtype, -1, NULL);
    if (!axes && axes_input >= 0) {
        const struct ct_fact *list = ct_infer_in(infer, axes_input);
        if (in->rank >= 0 && list->rank == 1 && list->dims[0] >= 0 &&
            list->dims[0] <= CT_MAX_RANK - in->rank)
            ct_infer_set(infer, 0, in->dtype, in->rank + (int)list->dims[0], NULL);
        return CORTEN_OK;
    }
    if (in->rank < 0)
        return CORTEN_OK;
    if (count > CT_MAX_RANK - in->rank)
        return ct_infer_fail(infer, "rank %d and %d more axes are above %d", in->rank, count,
                             CT_MAX_RANK);
    int rank = in->rank + count, at = 0;
    CT_TRY(ct_infer_axes(infer, axes, count, rank, &mask));
    for (int i = 0; i < rank; i++)
        dims[i] = mask >> i & 1 ? 1 : in->dims[at++];
    ct_infer_set(infer, 0, in->dtype, rank, dims);
    return rank <= 1 ? ct_infer_pass_values(infer) : CORTEN_OK;
}

static ct_status infer_squeeze(struct ct_infer *infer)
{
    return squeeze(infer, 1);
}

static ct_status infer_squeeze_1(struct ct_infer *infer)
{
    return squeeze(infer, -1);
}

static ct_status infer_unsqueeze(struct ct_infer *infer)
{
    return unsqueeze(infer, 1);
}

static ct_status infer_unsqueeze_1(struct ct_infer *infer)
{
    return unsqueeze(infer, -1);
}

const struct ct_op ct_op_squeeze = {
    .infer = infer_squeeze,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 2,
};

const struct ct_op ct_op_squeeze_1 = {
    .infer = infer_squeeze_1,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_unsqueeze = {
    .infer = infer_unsqueeze,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_unsqueeze_1 = {
    .infer = infer_unsqueeze_1,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};
