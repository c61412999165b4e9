/* Reshape and Flatten: the same bytes under another shape. */
#include <string.h>

#include "ops/movement/move.h"

/* The element that is -1 takes what the others leave. */
static ct_status fill_free_dim(struct ct_infer *infer, const struct ct_fact *in, int rank,
                               ct_dim *dims, int free_dim)
{
    ct_dim total, rest;
    if (in->rank < 0) {
        if (free_dim >= 0)
            dims[free_dim] = CT_DIM_UNKNOWN;
        return CORTEN_OK;
    }
    /* Dimensions that stay are left out of both products: symbols then divide where they can. */
    ct_dim from[CT_MAX_RANK], to[CT_MAX_RANK];
    int n_from = in->rank, n_to = 0;
    memcpy(from, in->dims, (size_t)n_from * sizeof *from);
    for (int i = 0; i < rank; i++) {
        int k = 0;
        while (k < n_from && (i == free_dim || ct_dim_known(dims[i]) || dims[i] == CT_DIM_UNKNOWN ||
                              from[k] != dims[i]))
            k++;
        if (k < n_from)
            from[k] = from[--n_from];
        else if (i != free_dim)
            to[n_to++] = dims[i];
    }
    CT_TRY(ct_infer_product(infer, n_from, from, &total));
    CT_TRY(ct_infer_product(infer, n_to, to, &rest));
    bool known = ct_dim_known(total) && ct_dim_known(rest);
    if (free_dim < 0) {
        if (known && total != rest)
            return ct_infer_fail(infer, "%lld elements cannot take a shape of %lld",
                                 (long long)total, (long long)rest);
        return CORTEN_OK;
    }
    if (known && (rest == 0 ? total != 0 : total % rest != 0))
        return ct_infer_fail(infer, "%lld elements cannot be divided by %lld", (long long)total,
                             (long long)rest);
    if (known)
        dims[free_dim] = rest ? total / rest : 0;
    else
        dims[free_dim] =
            ct_dim_known(rest) && rest > 0 ? ct_dim_div(infer, total, rest) : CT_DIM_UNKNOWN;
    return CORTEN_OK;
}

static ct_status reshape_to(struct ct_infer *infer, const ct_dim *shape, int rank, bool allow_zero)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_dim dims[CT_MAX_RANK];
    int free_dim = -1;
    bool has_zero = false;
    if (rank > CT_MAX_RANK)
        return ct_infer_fail(infer, "rank %d is above %d", rank, CT_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        dims[i] = shape[i];
        has_zero |= shape[i] == 0;
        if (!ct_dim_known(shape[i]) || shape[i] > 0 || (shape[i] == 0 && allow_zero))
            continue;
        if (shape[i] == 0) {
            if (in->rank >= 0 && i >= in->rank)
                return ct_infer_fail(infer, "element %d of the shape is 0, but input 0 has rank %d",
                                     i, in->rank);
            dims[i] = in->rank < 0 ? CT_DIM_UNKNOWN : in->dims[i];
        } else if (shape[i] == -1 && free_dim < 0) {
            free_dim = i;
        } else {
            return ct_infer_fail(infer, "element %d of the shape is %lld", i, (long long)shape[i]);
        }
    }
    if (allow_zero && has_zero && free_dim >= 0)
        return ct_infer_fail(infer, "the shape has both 0 and -1");
    CT_TRY(fill_free_dim(infer, in, rank, dims, free_dim));
    ct_infer_set(infer, 0, in->dtype, rank, dims);
    return rank <= 1 ? ct_infer_pass_values(infer) : CORTEN_OK;
}

static ct_status infer_reshape(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *shape = ct_infer_in(infer, 1);
    if (!shape)
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    bool allow_zero = ct_attr_int(infer->node, "allowzero", 0) != 0;
    if (shape->values)
        return reshape_to(infer, shape->values, shape->n_values, allow_zero);
    bool known = shape->rank == 1 && ct_dim_known(shape->dims[0]);
    if (known && (shape->dims[0] < 0 || shape->dims[0] > CT_MAX_RANK))
        return ct_infer_fail(infer, "rank %lld is above %d", (long long)shape->dims[0],
                             CT_MAX_RANK);
    ct_infer_set(infer, 0, in->dtype, known ? (int)shape->dims[0] : -1, NULL);
    return CORTEN_OK;
}

static ct_status infer_reshape_1(struct ct_infer *infer)
{
    const int64_t *shape;
    int count = ct_attr_ints(infer->node, "shape", &shape);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    return reshape_to(infer, shape, count < 0 ? 0 : count, false);
}

static ct_status infer_flatten(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    ct_dim dims[2] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN};
    int64_t axis = ct_attr_int(infer->node, "axis", 1);
    if (in->rank >= 0) {
        if (axis < -in->rank || axis > in->rank)
            return ct_infer_fail(infer, "axis %lld is outside [-%d, %d]", (long long)axis, in->rank,
                                 in->rank);
        int at = (int)(axis < 0 ? axis + in->rank : axis);
        CT_TRY(ct_infer_product(infer, at, in->dims, &dims[0]));
        CT_TRY(ct_infer_product(infer, in->rank - at, in->dims + at, &dims[1]));
    }
    ct_infer_set(infer, 0, in->dtype, 2, dims);
    return CORTEN_OK;
}

const struct ct_op ct_op_reshape = {
    .infer = infer_reshape,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_reshape_1 = {
    .infer = infer_reshape_1,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_flatten = {
    .infer = infer_flatten,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};
