/* Shape and Size: known as soon as the shape is. */
#include "ops/movement/move.h"

static void clamp_range(const struct ct_node *node, int rank, int *start, int *end)
{
    int64_t s = ct_attr_int(node, "start", 0), e = ct_attr_int(node, "end", rank);
    s += s < 0 ? rank : 0;
    e += e < 0 ? rank : 0;
    *start = (int)(s < 0 ? 0 : s > rank ? rank : s);
    *end = (int)(e < *start ? *start : e > rank ? rank : e);
}

static ct_status infer_shape(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    if (in->rank < 0) {
        ct_infer_set(infer, 0, CORTEN_I64, 1, NULL);
        return CORTEN_OK;
    }
    int start, end;
    clamp_range(infer->node, in->rank, &start, &end);
    ct_dim count = end - start;
    ct_infer_set(infer, 0, CORTEN_I64, 1, &count);
    return ct_infer_set_values(infer, 0, in->dims + start, (int)count);
}

static ct_status run_shape(const struct ct_run *run)
{
    int start, end;
    clamp_range(run->node, run->in[0]->rank, &start, &end);
    for (int i = start; i < end; i++)
        CT_DATA(int64_t, run->out[0])[i - start] = run->in[0]->dims[i];
    return CORTEN_OK;
}

static ct_status infer_size(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    ct_infer_set(infer, 0, CORTEN_I64, 0, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    ct_dim size;
    CT_TRY(ct_infer_product(infer, in->rank, in->dims, &size));
    return ct_infer_set_values(infer, 0, &size, 1);
}

static ct_status run_size(const struct ct_run *run)
{
    *CT_DATA(int64_t, run->out[0]) = (int64_t)ct_count(run->in[0]);
    return CORTEN_OK;
}

static ct_status prepare_shape(struct ct_prepare *prepare)
{
    ct_prepare_not_read(prepare, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_shape = {
    .infer = infer_shape,
    .prepare = prepare_shape,
    .run = run_shape,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_size = {
    .infer = infer_size,
    .prepare = prepare_shape,
    .run = run_size,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};
