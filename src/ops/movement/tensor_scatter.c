/* TensorScatter: writes a run of the sequence axis of a cache, at a place of its own for each
 * sample of the batch. */
#include "ops/movement/move.h"

static ct_status infer_tensor_scatter(struct ct_infer *infer)
{
    const struct ct_fact *cache = ct_infer_in(infer, 0), *more = ct_infer_in(infer, 1);
    const struct ct_fact *indices = ct_infer_in(infer, 2);
    int axis;
    if (!cache || !more)
        return ct_infer_fail(infer, "an input is missing");
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_dtype(infer, 2, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 0, 2, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 2, 1, 1));
    if (!ct_attr_is(infer->node, "mode", "linear", "linear") &&
        !ct_attr_is(infer->node, "mode", "circular", "linear"))
        return ct_infer_fail(infer, "attribute 'mode' is neither 'linear' nor 'circular'");
    ct_infer_same(infer, 0, 0);
    if (cache->rank < 0 || more->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -2), cache->rank, &axis));
    if (axis == 0 || more->rank != cache->rank)
        return ct_infer_fail(infer, "the axis is the batch, or the ranks differ");
    for (int i = 0; i < cache->rank; i++) {
        ct_dim a = cache->dims[i], b = more->dims[i];
        if (ct_dim_known(a) && ct_dim_known(b) && (i == axis ? b > a : b != a))
            return ct_infer_fail(infer, "the update does not fit the cache on axis %d", i);
    }
    if (indices && indices->rank == 1 && ct_dim_known(indices->dims[0]) &&
        ct_dim_known(cache->dims[0]) && indices->dims[0] != cache->dims[0])
        return ct_infer_fail(infer, "there must be one write index for each sample");
    return CORTEN_OK;
}

static ct_status prepare_tensor_scatter(struct ct_prepare *prepare)
{
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static ct_status run_tensor_scatter(const struct ct_run *run)
{
    const struct ct_tensor *cache = run->in[0], *more = run->in[1];
    const struct ct_tensor *indices = run->n_in > 2 ? run->in[2] : NULL;
    struct ct_tensor *out = run->out[0];
    int64_t axis = ct_attr_int(run->node, "axis", -2);
    axis += axis < 0 ? cache->rank : 0;
    bool circular = ct_attr_is(run->node, "mode", "circular", "linear");
    int64_t most = cache->dims[axis], length = more->dims[axis];
    int64_t middle = ct_dims_product(cache->dims, 1, (int)axis);
    int64_t inner = ct_dims_product(cache->dims, (int)axis + 1, cache->rank);
    if (cache->data != out->data)
        ct_copy_elems(out->dtype, out->data, 0, cache->data, 0, ct_count(cache));
    for (int64_t sample = 0; sample < cache->dims[0] && length; sample++) {
        int64_t first = indices ? CT_DATA(const int64_t, indices)[sample] : 0;
        if (first < 0 || (!circular && first > most - length))
            return ct_run_fail(run, "write index %lld of sample %lld is out of range",
                               (long long)first, (long long)sample);
        first %= most;
        int64_t head = length < most - first ? length : most - first; /* the rest wraps around */
        for (int64_t m = sample * middle; m < (sample + 1) * middle; m++) {
            ct_copy_elems(out->dtype, out->data, (size_t)((m * most + first) * inner), more->data,
                          (size_t)(m * length * inner), (size_t)(head * inner));
            if (head < length)
                ct_copy_elems(out->dtype, out->data, (size_t)(m * most * inner), more->data,
                              (size_t)((m * length + head) * inner),
                              (size_t)((length - head) * inner));
        }
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_tensor_scatter = {
    .infer = infer_tensor_scatter,
    .prepare = prepare_tensor_scatter,
    .run = run_tensor_scatter,
    .min_in = 2,
    .max_in = 3,
};
