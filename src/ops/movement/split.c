/* Split: equal parts, or sizes as attribute (before opset 13) or input. */
#include "ops/movement/move.h"

/* Size of a part when all but the last ones are equal. */
static int64_t equal_size(int64_t dim, int64_t n, int64_t part)
{
    int64_t size = dim / n + (dim % n != 0), whole = size ? dim / size : 0;
    return part < whole ? size : part == whole ? dim - whole * size : 0;
}

/* Gives every output its size on the axis. */
static ct_status set_parts(struct ct_infer *infer, int axis, const int64_t *sizes, ct_dim equal)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < in->rank; i++)
        dims[i] = in->dims[i];
    ct_dim first = 0;
    for (int i = 0; i < infer->n_out; i++) {
        dims[axis] = sizes ? sizes[i] : equal;
        if (!sizes && ct_dim_known(in->dims[axis]))
            dims[axis] = equal_size(in->dims[axis], infer->n_out, i);
        ct_infer_set(infer, i, in->dtype, in->rank, dims);
        if (in->values && in->rank == 1 && ct_dim_known(dims[axis]) &&
            first + dims[axis] <= in->n_values)
            CT_TRY(ct_infer_set_values(infer, i, in->values + first, (int)dims[axis]));
        if (ct_dim_known(dims[axis]))
            first += dims[axis];
    }
    return CORTEN_OK;
}

static ct_status set_unknown(struct ct_infer *infer, int axis)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < in->rank; i++)
        dims[i] = i == axis ? CT_DIM_UNKNOWN : in->dims[i];
    for (int i = 0; i < infer->n_out; i++)
        ct_infer_set(infer, i, in->dtype, in->rank, dims);
    return CORTEN_OK;
}

static ct_status check_sizes(struct ct_infer *infer, int axis, const int64_t *sizes, int count)
{
    ct_dim dim = ct_infer_in(infer, 0)->dims[axis], sum = 0;
    if (count != infer->n_out)
        return ct_infer_fail(infer, "%d sizes for %d outputs", count, infer->n_out);
    for (int i = 0; i < count; i++)
        if (sizes[i] < 0 || __builtin_add_overflow(sum, sizes[i], &sum))
            return ct_infer_fail(infer, "part %d has size %lld", i, (long long)sizes[i]);
    if (ct_dim_known(dim) && dim != sum)
        return ct_infer_fail(infer, "the parts add up to %lld, but the axis has %lld",
                             (long long)sum, (long long)dim);
    return CORTEN_OK;
}

static ct_status infer_parts(struct ct_infer *infer, int sizes_input, bool uneven)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const int64_t *sizes;
    int count, axis;
    bool found;
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    CT_TRY(ct_infer_list(infer, "split", sizes_input, &found, &sizes, &count));
    for (int i = 0; i < infer->n_out; i++)
        ct_infer_set(infer, i, in->dtype, in->rank, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in->rank, &axis));
    if (found && sizes) {
        CT_TRY(check_sizes(infer, axis, sizes, count));
        return set_parts(infer, axis, sizes, 0);
    }
    ct_dim dim = in->dims[axis], n = infer->n_out;
    if (found)
        return set_unknown(infer, axis);
    if (!ct_dim_known(dim))
        return set_parts(infer, axis, NULL, uneven ? CT_DIM_UNKNOWN : ct_dim_div(infer, dim, n));
    if (!uneven && dim % n)
        return ct_infer_fail(infer, "%lld elements cannot be split into %lld equal parts",
                             (long long)dim, (long long)n);
    return set_parts(infer, axis, NULL, 0);
}

static ct_status infer_split_18(struct ct_infer *infer)
{
    int64_t n = ct_attr_int(infer->node, "num_outputs", infer->n_out);
    if (n != infer->n_out)
        return ct_infer_fail(infer, "attribute 'num_outputs' is %lld, but there are %d outputs",
                             (long long)n, infer->n_out);
    return infer_parts(infer, 1, true);
}

static ct_status infer_split_13(struct ct_infer *infer)
{
    return infer_parts(infer, 1, false);
}

static ct_status infer_split_2(struct ct_infer *infer)
{
    return infer_parts(infer, -1, false);
}

/* Opset 1 has both; its sizes are of the type of the data. */
static ct_status infer_split_1(struct ct_infer *infer)
{
    if (!ct_infer_in(infer, 1))
        return infer_parts(infer, -1, false);
    const struct ct_fact *in = ct_infer_in(infer, 0), *list = ct_infer_in(infer, 1);
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    for (int i = 0; i < infer->n_out; i++)
        ct_infer_set(infer, i, in->dtype, in->rank, NULL);
    if (in->rank < 0 || !list->constant)
        return CORTEN_OK;
    int axis;
    double wide[CT_FACT_MAX_VALUES];
    int64_t sizes[CT_FACT_MAX_VALUES];
    size_t n = ct_count(list->constant);
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in->rank, &axis));
    if (n > CT_FACT_MAX_VALUES)
        return ct_infer_fail(infer, "too many parts");
    ct_load_f64(list->dtype, list->constant->data, 0, n, wide);
    ct_convert(CORTEN_I64, sizes, CORTEN_F64, wide, n, true);
    CT_TRY(check_sizes(infer, axis, sizes, (int)n));
    return set_parts(infer, axis, sizes, 0);
}

struct split_part {
    struct ct_strided_copy copy;
    int64_t from_first;
};

/* Size of a part whose output is not wanted. */
static int64_t unwanted_size(const struct ct_prepare *prepare, int64_t dim, int part)
{
    const int64_t *sizes;
    const struct ct_tensor *list = prepare->n_in > 1 ? prepare->in[1] : NULL;
    int64_t size, n = prepare->n_out;
    if (list) {
        ct_convert(CORTEN_I64, &size, list->dtype,
                   (const char *)list->data + (size_t)part * ct_dtype_elem_bytes(list->dtype), 1,
                   true);
        return size;
    }
    if (ct_attr_ints(prepare->node, "split", &sizes) == prepare->n_out)
        return sizes[part];
    return equal_size(dim, n, part);
}

static ct_status prepare_split(struct ct_prepare *prepare)
{
    const struct ct_tensor *in = prepare->in[0];
    size_t size_bytes = (size_t)prepare->n_out * sizeof(struct split_part);
    struct split_part *parts = ct_prepare_alloc(prepare, size_bytes);
    if (!parts)
        return ct_fail_memory(prepare->error, size_bytes, "an operator's state");
    int64_t axis = ct_attr_int(prepare->node, "axis", 0);
    axis += axis < 0 ? in->rank : 0;
    int64_t to_stride[CT_MAX_RANK], from_stride[CT_MAX_RANK], at = 0;
    ct_dense_strides(in->rank, in->dims, from_stride);
    for (int i = 0; i < prepare->n_out; i++) {
        const struct ct_tensor *out = prepare->out[i];
        if (!out) {
            at += unwanted_size(prepare, in->dims[axis], i);
            continue;
        }
        ct_dense_strides(out->rank, out->dims, to_stride);
        ct_strided_copy_init(&parts[i].copy, in->dtype, out->rank, out->dims, to_stride,
                             from_stride);
        parts[i].from_first = at * from_stride[axis];
        at += out->dims[axis];
    }
    prepare->state = parts;
    return CORTEN_OK;
}

static ct_status run_split(const struct ct_run *run)
{
    const struct split_part *parts = run->state;
    for (int i = 0; i < run->n_out; i++)
        if (run->out[i])
            ct_strided_copy_run(&parts[i].copy, run->exec->pool, run->out[i]->data, 0,
                                run->in[0]->data, parts[i].from_first);
    return CORTEN_OK;
}

const struct ct_op ct_op_split_1 = {
    .infer = infer_split_1,
    .prepare = prepare_split,
    .run = run_split,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 2,
    .max_out = -1,
};

const struct ct_op ct_op_split_2 = {
    .infer = infer_split_2,
    .prepare = prepare_split,
    .run = run_split,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
    .max_out = -1,
};

const struct ct_op ct_op_split_13 = {
    .infer = infer_split_13,
    .prepare = prepare_split,
    .run = run_split,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 2,
    .max_out = -1,
};

const struct ct_op ct_op_split_18 = {
    .infer = infer_split_18,
    .prepare = prepare_split,
    .run = run_split,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 2,
    .max_out = -1,
};
