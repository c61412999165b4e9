/* Expand and Tile. */
#include "ops/movement/move.h"

static ct_status infer_expand(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *shape = ct_infer_in(infer, 1);
    ct_dim dims[CT_MAX_RANK];
    int rank;
    if (!shape)
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    ct_infer_set(infer, 0, in->dtype, -1, NULL);
    if (!shape->values) {
        if (in->rank >= 0 && shape->rank == 1 && ct_dim_known(shape->dims[0]) &&
            shape->dims[0] <= CT_MAX_RANK)
            ct_infer_set(infer, 0, in->dtype,
                         shape->dims[0] > in->rank ? (int)shape->dims[0] : in->rank, NULL);
        return CORTEN_OK;
    }
    if (shape->n_values > CT_MAX_RANK)
        return ct_infer_fail(infer, "rank %d is above %d", shape->n_values, CT_MAX_RANK);
    for (int i = 0; i < shape->n_values; i++)
        if (ct_dim_known(shape->values[i]) && shape->values[i] < 0)
            return ct_infer_fail(infer, "element %d of the shape is %lld", i,
                                 (long long)shape->values[i]);
    if (in->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_broadcast_dims(infer, in->rank, in->dims, shape->n_values, shape->values, &rank,
                                   dims));
    ct_infer_set(infer, 0, in->dtype, rank, dims);
    if (in->values && in->n_values == 1 && rank == 1 && ct_dim_known(dims[0]) &&
        dims[0] <= CT_FACT_MAX_VALUES) {
        ct_dim values[CT_FACT_MAX_VALUES];
        for (int i = 0; i < dims[0]; i++)
            values[i] = in->values[0];
        return ct_infer_set_values(infer, 0, values, (int)dims[0]);
    }
    return CORTEN_OK;
}

static ct_status prepare_expand(struct ct_prepare *prepare)
{
    struct ct_move *move = ct_move_alloc(prepare);
    if (!move)
        return ct_move_no_memory(prepare);
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    int64_t in_stride[CT_MAX_RANK], from_stride[CT_MAX_RANK], to_stride[CT_MAX_RANK];
    ct_dense_strides(in->rank, in->dims, in_stride);
    ct_dense_strides(out->rank, out->dims, to_stride);
    for (int i = 0; i < out->rank; i++) {
        int k = i - (out->rank - in->rank);
        from_stride[i] = k < 0 || in->dims[k] == 1 ? 0 : in_stride[k];
    }
    ct_strided_copy_init(&move->copy, in->dtype, out->rank, out->dims, to_stride, from_stride);
    ct_prepare_not_read(prepare, 1);
    if (ct_same_shape(in, out))
        ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static ct_status run_expand(const struct ct_run *run)
{
    return run->in[0]->data == run->out[0]->data ? CORTEN_OK : ct_move_run(run);
}

/* ------------------------------------------------------------------ Tile */

static ct_status infer_tile(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *repeats = ct_infer_in(infer, 1);
    ct_dim dims[CT_MAX_RANK];
    if (!repeats)
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    ct_infer_set(infer, 0, in->dtype, in->rank, NULL);
    if (in->rank < 0 || !repeats->values)
        return CORTEN_OK;
    if (repeats->n_values != in->rank)
        return ct_infer_fail(infer, "%d repeats for %d axes", repeats->n_values, in->rank);
    for (int i = 0; i < in->rank; i++) {
        ct_dim n = repeats->values[i];
        if (ct_dim_known(n) && n < 0)
            return ct_infer_fail(infer, "axis %d is repeated %lld times", i, (long long)n);
        ct_dim both[] = {in->dims[i], n};
        CT_TRY(ct_infer_product(infer, 2, both, &dims[i]));
    }
    ct_infer_set(infer, 0, in->dtype, in->rank, dims);
    return CORTEN_OK;
}

/* Opset 1: one axis, and counts of the type of the data. */
static ct_status infer_tile_1(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    double numbers[2];
    int64_t tiles;
    int axis;
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    ct_infer_set(infer, 0, in->dtype, in->rank, NULL);
    for (int i = 1; i < 3; i++) {
        const struct ct_fact *number = ct_infer_in(infer, i);
        CT_TRY(ct_infer_check_dtype(infer, i, CT_NUMBERS));
        if (!number || !number->constant || in->rank < 0)
            return CORTEN_OK;
        if (ct_count(number->constant) != 1)
            return ct_infer_fail(infer, "input %d must be one number", i);
        ct_load_f64(number->dtype, number->constant->data, 0, 1, &numbers[i - 1]);
    }
    if (!(numbers[0] >= 0 && numbers[0] < 1e15 && numbers[1] > -1e9 && numbers[1] < 1e9))
        return ct_infer_fail(infer, "tiles or axis is out of range");
    tiles = (int64_t)numbers[0];
    CT_TRY(ct_infer_axis(infer, (int64_t)numbers[1], in->rank, &axis));
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < in->rank; i++)
        dims[i] = in->dims[i];
    ct_dim both[] = {dims[axis], tiles};
    CT_TRY(ct_infer_product(infer, 2, both, &dims[axis]));
    ct_infer_set(infer, 0, in->dtype, in->rank, dims);
    return CORTEN_OK;
}

/* Every axis becomes two: which repetition, and where in it. */
static ct_status prepare_tile(struct ct_prepare *prepare)
{
    struct ct_move *move = ct_move_alloc(prepare);
    if (!move)
        return ct_move_no_memory(prepare);
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    int64_t in_stride[CT_MAX_RANK], out_stride[CT_MAX_RANK];
    int64_t dims[CT_STRIDED_MAX_RANK], from_stride[CT_STRIDED_MAX_RANK];
    int64_t to_stride[CT_STRIDED_MAX_RANK];
    ct_dense_strides(in->rank, in->dims, in_stride);
    ct_dense_strides(out->rank, out->dims, out_stride);
    for (int i = 0; i < in->rank; i++) {
        dims[2 * i] = in->dims[i] ? out->dims[i] / in->dims[i] : 0;
        dims[2 * i + 1] = in->dims[i];
        to_stride[2 * i] = out_stride[i] * in->dims[i];
        to_stride[2 * i + 1] = out_stride[i];
        from_stride[2 * i] = 0;
        from_stride[2 * i + 1] = in_stride[i];
    }
    ct_strided_copy_init(&move->copy, in->dtype, 2 * in->rank, dims, to_stride, from_stride);
    for (int i = 1; i < prepare->n_in; i++)
        ct_prepare_not_read(prepare, i);
    return CORTEN_OK;
}

const struct ct_op ct_op_expand = {
    .infer = infer_expand,
    .prepare = prepare_expand,
    .run = run_expand,
    .flags = CT_OP_UNALIGNED,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_tile = {
    .infer = infer_tile,
    .prepare = prepare_tile,
    .run = ct_move_run,
    .flags = CT_OP_UNALIGNED,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_tile_1 = {
    .infer = infer_tile_1,
    .prepare = prepare_tile,
    .run = ct_move_run,
    .min_in = 3,
    .max_in = 3,
};
