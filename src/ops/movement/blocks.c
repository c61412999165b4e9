/* DepthToSpace, SpaceToDepth, ReverseSequence: elements change places along axes. */
#include "ops/movement/move.h"

static ct_status check_blocks(struct ct_infer *infer, int64_t *block)
{
    *block = ct_attr_int(infer->node, "blocksize", 0);
    if (*block < 1 || *block > INT32_MAX)
        return ct_infer_fail(infer, "attribute 'blocksize' is %lld", (long long)*block);
    if (!ct_attr_is(infer->node, "mode", "DCR", "DCR") &&
        !ct_attr_is(infer->node, "mode", "CRD", "DCR"))
        return ct_infer_fail(infer, "attribute 'mode' is neither 'DCR' nor 'CRD'");
    return ct_infer_check_rank(infer, 0, 4, 4);
}

static ct_status divide(struct ct_infer *infer, ct_dim dim, int64_t by, ct_dim *result)
{
    if (ct_dim_known(dim) && dim % by)
        return ct_infer_fail(infer, "%lld is no multiple of %lld", (long long)dim, (long long)by);
    *result = ct_dim_div(infer, dim, by);
    return CORTEN_OK;
}

static ct_status multiply(struct ct_infer *infer, ct_dim dim, int64_t by, ct_dim *result)
{
    ct_dim both[] = {dim, by};
    return ct_infer_product(infer, 2, both, result);
}

static ct_status infer_depth_to_space(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    int64_t b;
    CT_TRY(check_blocks(infer, &b));
    ct_infer_set(infer, 0, in->dtype, 4, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    ct_dim dims[4] = {in->dims[0]};
    CT_TRY(divide(infer, in->dims[1], b * b, &dims[1]));
    CT_TRY(multiply(infer, in->dims[2], b, &dims[2]));
    CT_TRY(multiply(infer, in->dims[3], b, &dims[3]));
    ct_infer_set(infer, 0, in->dtype, 4, dims);
    return CORTEN_OK;
}

static ct_status infer_space_to_depth(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    int64_t b;
    CT_TRY(check_blocks(infer, &b));
    ct_infer_set(infer, 0, in->dtype, 4, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    ct_dim dims[4] = {in->dims[0]};
    CT_TRY(multiply(infer, in->dims[1], b * b, &dims[1]));
    CT_TRY(divide(infer, in->dims[2], b, &dims[2]));
    CT_TRY(divide(infer, in->dims[3], b, &dims[3]));
    ct_infer_set(infer, 0, in->dtype, 4, dims);
    return CORTEN_OK;
}

/* Strides of the deep tensor's axes: batch, row and column in the block, channel, row, column. */
static void deep_strides(const struct ct_tensor *deep, int64_t block, bool depth_first,
                         int64_t stride[6])
{
    int64_t plane = deep->dims[2] * deep->dims[3], channels = deep->dims[1] / (block * block);
    stride[0] = deep->dims[1] * plane;
    stride[1] = (depth_first ? channels : 1) * block * plane;
    stride[2] = (depth_first ? channels : 1) * plane;
    stride[3] = (depth_first ? 1 : block * block) * plane;
    stride[4] = deep->dims[3];
    stride[5] = 1;
}

static ct_status prepare_blocks(struct ct_prepare *prepare, bool to_space)
{
    struct ct_move *move = ct_move_alloc(prepare);
    if (!move)
        return ct_move_no_memory(prepare);
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    const struct ct_tensor *deep = to_space ? in : out, *wide = to_space ? out : in;
    int64_t b = ct_attr_int(prepare->node, "blocksize", 1), deep_stride[6], wide_stride[6];
    int64_t channels = wide->dims[1], plane = wide->dims[2] * wide->dims[3];
    int64_t all[6] = {wide->dims[0], b, b, channels, deep->dims[2], deep->dims[3]};
    bool depth_first = ct_attr_is(prepare->node, "mode", "DCR", "DCR");
    deep_strides(deep, b, depth_first, deep_stride);
    wide_stride[0] = channels * plane;
    wide_stride[1] = wide->dims[3];
    wide_stride[2] = 1;
    wide_stride[3] = plane;
    wide_stride[4] = wide->dims[3] * b;
    wide_stride[5] = b;
    /* Axes in the order of the output. */
    static const int wide_order[6] = {0, 3, 4, 1, 5, 2}, dcr_order[6] = {0, 1, 2, 3, 4, 5};
    static const int crd_order[6] = {0, 3, 1, 2, 4, 5};
    const int *order = to_space ? wide_order : depth_first ? dcr_order : crd_order;
    int64_t dims[6], to_stride[6], from_stride[6];
    for (int i = 0; i < 6; i++) {
        dims[i] = all[order[i]];
        to_stride[i] = (to_space ? wide_stride : deep_stride)[order[i]];
        from_stride[i] = (to_space ? deep_stride : wide_stride)[order[i]];
    }
    ct_strided_copy_init(&move->copy, in->dtype, 6, dims, to_stride, from_stride);
    return CORTEN_OK;
}

static ct_status prepare_depth_to_space(struct ct_prepare *prepare)
{
    return prepare_blocks(prepare, true);
}

static ct_status prepare_space_to_depth(struct ct_prepare *prepare)
{
    return prepare_blocks(prepare, false);
}

/* ------------------------------------------------------------------ ReverseSequence */

static ct_status get_axes(const struct ct_node *node, int64_t *batch, int64_t *time)
{
    *batch = ct_attr_int(node, "batch_axis", 1);
    *time = ct_attr_int(node, "time_axis", 0);
    return *batch + *time == 1 && *batch * *time == 0 ? CORTEN_OK : CORTEN_INVALID_MODEL;
}

static ct_status infer_reverse(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *lens = ct_infer_in(infer, 1);
    int64_t batch, time;
    if (!lens)
        return ct_infer_fail(infer, "input 1 is missing");
    if (get_axes(infer->node, &batch, &time) != CORTEN_OK)
        return ct_infer_fail(infer, "'batch_axis' and 'time_axis' must be 0 and 1");
    CT_TRY(ct_infer_check_rank(infer, 0, 2, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    if (in->rank >= 0 && lens->rank >= 0 && ct_dim_known(in->dims[batch]) &&
        ct_dim_known(lens->dims[0]) && in->dims[batch] != lens->dims[0])
        return ct_infer_fail(infer, "there must be one length for each of %lld samples",
                             (long long)in->dims[batch]);
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

static ct_status run_reverse(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    int64_t batch, time;
    CT_TRY(get_axes(run->node, &batch, &time));
    int64_t samples = in->dims[batch], length = in->dims[time];
    size_t inner = (size_t)ct_dims_product(in->dims, 2, in->rank);
    int64_t sample_stride = batch ? 1 : length, time_stride = batch ? samples : 1;
    for (int64_t s = 0; s < samples; s++) {
        int64_t n = CT_DATA(const int64_t, run->in[1])[s];
        if (n < 0 || n > length)
            return ct_run_fail(run, "length %lld of sample %lld is outside [0, %lld]", (long long)n,
                               (long long)s, (long long)length);
        for (int64_t t = 0; t < length; t++) {
            int64_t from = t < n ? n - 1 - t : t;
            ct_copy_elems(in->dtype, run->out[0]->data,
                          (size_t)(s * sample_stride + t * time_stride) * inner, in->data,
                          (size_t)(s * sample_stride + from * time_stride) * inner, inner);
        }
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_depth_to_space = {
    .infer = infer_depth_to_space,
    .prepare = prepare_depth_to_space,
    .run = ct_move_run,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_space_to_depth = {
    .infer = infer_space_to_depth,
    .prepare = prepare_space_to_depth,
    .run = ct_move_run,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_reverse_sequence = {
    .infer = infer_reverse,
    .run = run_reverse,
    .min_in = 2,
    .max_in = 2,
};
