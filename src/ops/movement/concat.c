/* Concat. */
#include "ops/movement/move.h"

static ct_status infer_axis(struct ct_infer *infer, int64_t axis)
{
    const struct ct_fact *first = NULL;
    ct_dim dims[CT_MAX_RANK];
    int at = 0;
    for (int i = 0; i < infer->n_in; i++) {
        const struct ct_fact *in = infer->in[i];
        if (!in)
            return ct_infer_fail(infer, "input %d is missing", i);
        CT_TRY(ct_infer_check_rank(infer, i, 1, CT_MAX_RANK));
        CT_TRY(ct_infer_check_same_dtype(infer, 0, i));
        if (in->rank >= 0 && first && in->rank != first->rank)
            return ct_infer_fail(infer, "input %d has rank %d, expected %d", i, in->rank,
                                 first->rank);
        if (in->rank >= 0 && !first)
            first = in;
    }
    ct_infer_set(infer, 0, infer->in[0]->dtype, -1, NULL);
    if (!first)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, axis, first->rank, &at));
    for (int d = 0; d < first->rank; d++)
        dims[d] = d == at ? 0 : CT_DIM_UNKNOWN;
    for (int i = 0; i < infer->n_in; i++) {
        const struct ct_fact *in = infer->in[i];
        for (int d = 0; d < first->rank; d++) {
            ct_dim dim = in->rank < 0 ? CT_DIM_UNKNOWN : in->dims[d];
            if (d == at)
                dims[d] = ct_dim_add(infer, dims[d], dim);
            else if (ct_dim_known(dims[d]) && ct_dim_known(dim) && dims[d] != dim)
                return ct_infer_fail(infer, "input %d has size %lld on axis %d, expected %lld", i,
                                     (long long)dim, d, (long long)dims[d]);
            else if (ct_dim_known(dim) || dims[d] == CT_DIM_UNKNOWN)
                dims[d] = dim;
        }
    }
    ct_infer_set(infer, 0, infer->in[0]->dtype, first->rank, dims);
    return CORTEN_OK;
}

/* Shapes are put together so; an element that is not known does not hide the others. */
static ct_status infer_values(struct ct_infer *infer)
{
    ct_dim values[CT_FACT_MAX_VALUES];
    int n = 0;
    for (int i = 0; i < infer->n_in; i++) {
        const struct ct_fact *in = infer->in[i];
        bool is_int = in->dtype == CORTEN_I64 || in->dtype == CORTEN_I32;
        if (!is_int || in->rank != 1 || !ct_dim_known(in->dims[0]) ||
            in->dims[0] > CT_FACT_MAX_VALUES - n)
            return CORTEN_OK;
        for (int k = 0; k < in->dims[0]; k++)
            values[n++] = in->values && k < in->n_values ? in->values[k] : CT_DIM_UNKNOWN;
    }
    return ct_infer_set_values(infer, 0, values, n);
}

static ct_status infer_concat(struct ct_infer *infer)
{
    if (!ct_node_attr(infer->node, "axis"))
        return ct_infer_fail(infer, "attribute 'axis' is missing");
    CT_TRY(infer_axis(infer, ct_attr_int(infer->node, "axis", 0)));
    return infer_values(infer);
}

static ct_status infer_concat_1(struct ct_infer *infer)
{
    return infer_axis(infer, ct_attr_int(infer->node, "axis", 1));
}

struct concat_part {
    struct ct_strided_copy copy;
    int64_t to_first;
};

static ct_status prepare_axis(struct ct_prepare *prepare, int64_t axis)
{
    const struct ct_tensor *out = prepare->out[0];
    size_t size_bytes = (size_t)prepare->n_in * sizeof(struct concat_part);
    struct concat_part *parts = ct_prepare_alloc(prepare, size_bytes);
    if (!parts)
        return ct_fail_memory(prepare->error, size_bytes, "an operator's state");
    axis += axis < 0 ? out->rank : 0;
    int64_t to_stride[CT_MAX_RANK], from_stride[CT_MAX_RANK], at = 0;
    ct_dense_strides(out->rank, out->dims, to_stride);
    for (int i = 0; i < prepare->n_in; i++) {
        const struct ct_tensor *in = prepare->in[i];
        ct_dense_strides(in->rank, in->dims, from_stride);
        ct_strided_copy_init(&parts[i].copy, in->dtype, in->rank, in->dims, to_stride, from_stride);
        parts[i].to_first = at * to_stride[axis];
        at += in->dims[axis];
    }
    prepare->state = parts;
    return CORTEN_OK;
}

static ct_status prepare_concat(struct ct_prepare *prepare)
{
    return prepare_axis(prepare, ct_attr_int(prepare->node, "axis", 0));
}

static ct_status prepare_concat_1(struct ct_prepare *prepare)
{
    return prepare_axis(prepare, ct_attr_int(prepare->node, "axis", 1));
}

static ct_status run_concat(const struct ct_run *run)
{
    const struct concat_part *parts = run->state;
    for (int i = 0; i < run->n_in; i++)
        ct_strided_copy_run(&parts[i].copy, run->exec->pool, run->out[0]->data, parts[i].to_first,
                            run->in[i]->data, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_concat = {
    .infer = infer_concat,
    .prepare = prepare_concat,
    .run = run_concat,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = -1,
};

const struct ct_op ct_op_concat_1 = {
    .infer = infer_concat_1,
    .prepare = prepare_concat_1,
    .run = run_concat,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = -1,
};
