/* OneHot. */
#include <string.h>

#include "ops/movement/move.h"

static ct_status infer_depth(struct ct_infer *infer, ct_dim *depth)
{
    const struct ct_fact *fact = ct_infer_in(infer, 1);
    *depth = CT_DIM_UNKNOWN;
    if (fact->values && fact->n_values == 1) {
        *depth = fact->values[0];
    } else if (fact->constant) {
        if (ct_count(fact->constant) != 1)
            return ct_infer_fail(infer, "the depth must be one number");
        ct_convert(CORTEN_I64, depth, fact->constant->dtype, fact->constant->data, 1, true);
    }
    if (ct_dim_known(*depth) && *depth < 0)
        return ct_infer_fail(infer, "the depth is %lld", (long long)*depth);
    return CORTEN_OK;
}

static ct_status infer_one_hot(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *values = ct_infer_in(infer, 2);
    ct_dim dims[CT_MAX_RANK], depth;
    int axis;
    if (!ct_infer_in(infer, 1) || !values)
        return ct_infer_fail(infer, "an input is missing");
    CT_TRY(ct_infer_check_dtype(infer, 0, CT_NUMBERS));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_NUMBERS));
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK - 1));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, 1));
    CT_TRY(ct_infer_check_rank(infer, 2, 1, 1));
    if (values->rank == 1 && ct_dim_known(values->dims[0]) && values->dims[0] != 2)
        return ct_infer_fail(infer, "input 2 must have two elements");
    CT_TRY(infer_depth(infer, &depth));
    ct_infer_set(infer, 0, values->dtype, -1, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -1), in->rank + 1, &axis));
    memcpy(dims, in->dims, (size_t)axis * sizeof *dims);
    dims[axis] = depth;
    memcpy(dims + axis + 1, in->dims + axis, (size_t)(in->rank - axis) * sizeof *dims);
    ct_infer_set(infer, 0, values->dtype, in->rank + 1, dims);
    return CORTEN_OK;
}

static ct_status run_one_hot(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0], *values = run->in[2];
    struct ct_tensor *out = run->out[0];
    int64_t axis = ct_attr_int(run->node, "axis", -1);
    axis += axis < 0 ? out->rank : 0;
    int64_t depth = out->dims[axis], inner = ct_dims_product(out->dims, (int)axis + 1, out->rank);
    size_t n = ct_count(in);
    ct_fill_elems(out->dtype, out->data, 0, ct_count(out), values->data, 0);
    for (size_t i = 0; i < n; i++) {
        int64_t at;
        ct_convert(CORTEN_I64, &at, in->dtype,
                   (const char *)in->data + i * ct_dtype_elem_bytes(in->dtype), 1, true);
        if (at < -depth || at >= depth)
            continue; /* all off */
        at += at < 0 ? depth : 0;
        int64_t outer = (int64_t)i / inner;
        ct_copy_elems(out->dtype, out->data,
                      (size_t)((outer * depth + at) * inner + (int64_t)i % inner), values->data, 1,
                      1);
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_one_hot = {
    .infer = infer_one_hot,
    .run = run_one_hot,
    .min_in = 3,
    .max_in = 3,
    .typed_input = 2,
};
