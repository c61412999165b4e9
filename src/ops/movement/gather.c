/* Gather, GatherElements, GatherND. Indices may be negative: from the end. */
#include <string.h>

#include "ops/movement/move.h"

/* Work on one dimension: where the first index out of range stands, or -1. All workers may write
 * it; any of them will do for the error. */
struct gather_state {
    int axis, batch_dims;
    int64_t outer, dim, inner; /* elements before, on and after the axis */
};

static struct gather_state *alloc_state(struct ct_prepare *prepare)
{
    struct gather_state *state = ct_prepare_alloc(prepare, sizeof *state);
    prepare->state = state;
    return state;
}

static ct_status fail_index(const struct ct_run *run, int64_t at)
{
    return ct_run_fail(run, "index %lld is %lld, which is out of range", (long long)at,
                       (long long)ct_index_at(run->in[1], (size_t)at));
}

static ct_status check_gather(struct ct_infer *infer)
{
    if (!ct_infer_in(infer, 1))
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, CT_MAX_RANK));
    return ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK);
}

/* ------------------------------------------------------------------ Gather */

static ct_status infer_gather_values(const struct ct_infer *infer)
{
    const struct ct_fact *in = infer->in[0], *indices = infer->in[1];
    if (!in->values || in->rank != 1 || !indices->values || indices->rank > 1)
        return CORTEN_OK;
    ct_dim values[CT_FACT_MAX_VALUES];
    for (int i = 0; i < indices->n_values; i++) {
        int64_t at = indices->values[i];
        at += at < 0 && ct_dim_known(at) ? in->n_values : 0;
        if (at < 0 || at >= in->n_values)
            return CORTEN_OK; /* run tells */
        values[i] = in->values[at];
    }
    return ct_infer_set_values(infer, 0, values, indices->n_values);
}

static ct_status infer_gather(struct ct_infer *infer)
{
    CT_TRY(check_gather(infer));
    const struct ct_fact *in = infer->in[0], *indices = infer->in[1];
    int axis, rank;
    ct_dim dims[2 * CT_MAX_RANK];
    ct_infer_set(infer, 0, in->dtype, -1, NULL);
    if (in->rank < 0 || indices->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in->rank, &axis));
    rank = in->rank - 1 + indices->rank;
    if (rank > CT_MAX_RANK)
        return ct_infer_fail(infer, "rank %d is above %d", rank, CT_MAX_RANK);
    for (int i = 0; i < axis; i++)
        dims[i] = in->dims[i];
    for (int i = 0; i < indices->rank; i++)
        dims[axis + i] = indices->dims[i];
    for (int i = axis + 1; i < in->rank; i++)
        dims[i - 1 + indices->rank] = in->dims[i];
    ct_infer_set(infer, 0, in->dtype, rank, dims);
    return infer_gather_values(infer);
}

static ct_status prepare_gather(struct ct_prepare *prepare)
{
    struct gather_state *state = alloc_state(prepare);
    if (!state)
        return ct_move_no_memory(prepare);
    const struct ct_tensor *in = prepare->in[0];
    int64_t axis = ct_attr_int(prepare->node, "axis", 0);
    state->axis = (int)(axis < 0 ? axis + in->rank : axis);
    state->outer = ct_dims_product(in->dims, 0, state->axis);
    state->dim = in->dims[state->axis];
    state->inner = ct_dims_product(in->dims, state->axis + 1, in->rank);
    return CORTEN_OK;
}

struct gather_job {
    const struct ct_run *run;
    const struct gather_state *state;
    int64_t n_indices;
    int64_t bad; /* atomic */
};

/* Items are pairs of outer index and index. */
static void gather_items(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    struct gather_job *job = arg;
    const struct gather_state *state = job->state;
    const struct ct_tensor *in = job->run->in[0], *indices = job->run->in[1];
    struct ct_tensor *out = job->run->out[0];
    size_t inner = (size_t)state->inner, size = ct_dtype_elem_bytes(in->dtype);
    for (int64_t item = begin; item < end; item++) {
        int64_t outer = item / job->n_indices, which = item % job->n_indices;
        int64_t at = ct_index_at(indices, (size_t)which);
        at += at < 0 ? state->dim : 0;
        if (at < 0 || at >= state->dim) {
            __atomic_store_n(&job->bad, which, __ATOMIC_RELAXED);
            return;
        }
        size_t from = (size_t)(outer * state->dim + at) * inner;
        if (size)
            memcpy((char *)out->data + (size_t)item * inner * size,
                   (const char *)in->data + from * size, inner * size);
        else
            ct_copy_elems(in->dtype, out->data, (size_t)item * inner, in->data, from, inner);
    }
}

static ct_status run_gather(const struct ct_run *run)
{
    const struct gather_state *state = run->state;
    struct gather_job job = {run, state, (int64_t)ct_count(run->in[1]), -1};
    size_t size = ct_dtype_elem_bytes(run->in[0]->dtype);
    double item_ns = 8 + 0.1 * (double)state->inner * (double)size;
    int64_t n = state->outer * job.n_indices;
    if (!ct_count(run->out[0]))
        return CORTEN_OK;
    if (size)
        ct_run_parallel(run, n, item_ns, gather_items, &job);
    else
        gather_items(&job, 0, n, 0);
    return job.bad < 0 ? CORTEN_OK : fail_index(run, job.bad);
}

/* ------------------------------------------------------------------ GatherElements */

static ct_status infer_gather_elements(struct ct_infer *infer)
{
    CT_TRY(check_gather(infer));
    const struct ct_fact *in = infer->in[0], *indices = infer->in[1];
    int axis;
    if (in->rank >= 0 && indices->rank >= 0) {
        if (in->rank != indices->rank)
            return ct_infer_fail(infer, "inputs have ranks %d and %d, which must be equal",
                                 in->rank, indices->rank);
        CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in->rank, &axis));
        for (int i = 0; i < in->rank; i++)
            if (i != axis && ct_dim_known(in->dims[i]) && ct_dim_known(indices->dims[i]) &&
                indices->dims[i] > in->dims[i])
                return ct_infer_fail(infer, "the indices are larger than the data on axis %d", i);
    }
    ct_infer_set(infer, 0, in->dtype, indices->rank, indices->rank < 0 ? NULL : indices->dims);
    return CORTEN_OK;
}

/* Rows of the output along its last axis; strides of the data with those of the axis apart. */
static void gather_element_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    struct gather_job *job = arg;
    const struct ct_tensor *in = job->run->in[0], *indices = job->run->in[1];
    struct ct_tensor *out = job->run->out[0];
    int rank = in->rank, axis = job->state->axis;
    int64_t stride[CT_MAX_RANK], cols = out->dims[rank - 1];
    ct_dense_strides(rank, in->dims, stride);
    for (int64_t row = begin; row < end; row++) {
        int64_t rest = row, base = 0;
        for (int i = rank - 2; i >= 0; i--) {
            base += i == axis ? 0 : rest % out->dims[i] * stride[i];
            rest /= out->dims[i];
        }
        for (int64_t j = 0; j < cols; j++) {
            int64_t which = row * cols + j, at = ct_index_at(indices, (size_t)which);
            at += at < 0 ? in->dims[axis] : 0;
            if (at < 0 || at >= in->dims[axis]) {
                __atomic_store_n(&job->bad, which, __ATOMIC_RELAXED);
                return;
            }
            int64_t from = base + at * stride[axis] + (axis == rank - 1 ? 0 : j);
            ct_copy_elems(in->dtype, out->data, (size_t)which, in->data, (size_t)from, 1);
        }
    }
}

static ct_status run_gather_elements(const struct ct_run *run)
{
    const struct ct_tensor *out = run->out[0];
    struct gather_job job = {run, run->state, 0, -1};
    size_t n = ct_count(out);
    if (!n)
        return CORTEN_OK;
    int64_t cols = out->dims[out->rank - 1];
    ct_run_parallel(run, (int64_t)n / cols, 8 * (double)cols, gather_element_rows, &job);
    return job.bad < 0 ? CORTEN_OK : fail_index(run, job.bad);
}

/* ------------------------------------------------------------------ GatherND */

static ct_status infer_gather_nd(struct ct_infer *infer)
{
    CT_TRY(check_gather(infer));
    const struct ct_fact *in = infer->in[0], *indices = infer->in[1];
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, CT_MAX_RANK));
    ct_infer_set(infer, 0, in->dtype, -1, NULL);
    if (in->rank < 0 || indices->rank < 0 || !ct_dim_known(indices->dims[indices->rank - 1]))
        return CORTEN_OK;
    int64_t batch = ct_attr_int(infer->node, "batch_dims", 0);
    int64_t depth = indices->dims[indices->rank - 1];
    if (batch < 0 || batch >= in->rank || batch >= indices->rank)
        return ct_infer_fail(infer, "attribute 'batch_dims' is %lld", (long long)batch);
    if (depth < 1 || depth > in->rank - batch)
        return ct_infer_fail(infer, "indices of %lld numbers into %d axes", (long long)depth,
                             in->rank - (int)batch);
    for (int i = 0; i < batch; i++)
        if (ct_dim_known(in->dims[i]) && ct_dim_known(indices->dims[i]) &&
            in->dims[i] != indices->dims[i])
            return ct_infer_fail(infer, "the inputs differ on batch axis %d", i);
    int tail = in->rank - (int)(batch + depth), rank = indices->rank - 1 + tail;
    ct_dim dims[2 * CT_MAX_RANK];
    if (rank > CT_MAX_RANK)
        return ct_infer_fail(infer, "rank %d is above %d", rank, CT_MAX_RANK);
    memcpy(dims, indices->dims, (size_t)(indices->rank - 1) * sizeof *dims);
    memcpy(dims + indices->rank - 1, in->dims + batch + depth, (size_t)tail * sizeof *dims);
    ct_infer_set(infer, 0, in->dtype, rank, dims);
    return CORTEN_OK;
}

static ct_status prepare_gather_nd(struct ct_prepare *prepare)
{
    struct gather_state *state = alloc_state(prepare);
    if (!state)
        return ct_move_no_memory(prepare);
    const struct ct_tensor *in = prepare->in[0], *indices = prepare->in[1];
    int depth = (int)indices->dims[indices->rank - 1];
    state->batch_dims = (int)ct_attr_int(prepare->node, "batch_dims", 0);
    state->axis = depth;
    state->outer = ct_dims_product(in->dims, 0, state->batch_dims);
    state->dim = ct_dims_product(in->dims, state->batch_dims, state->batch_dims + depth);
    state->inner = ct_dims_product(in->dims, state->batch_dims + depth, in->rank);
    return CORTEN_OK;
}

static void gather_nd_items(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    struct gather_job *job = arg;
    const struct gather_state *state = job->state;
    const struct ct_tensor *in = job->run->in[0];
    const int64_t *dims = in->dims + state->batch_dims;
    int depth = state->axis;
    size_t inner = (size_t)state->inner;
    for (int64_t item = begin; item < end; item++) {
        const int64_t *index = CT_DATA(const int64_t, job->run->in[1]) + item * depth;
        int64_t at = item / job->n_indices; /* the batch */
        for (int i = 0; i < depth; i++) {
            int64_t k = index[i] < 0 ? index[i] + dims[i] : index[i];
            if (k < 0 || k >= dims[i]) {
                __atomic_store_n(&job->bad, item * depth + i, __ATOMIC_RELAXED);
                return;
            }
            at = at * dims[i] + k;
        }
        ct_copy_elems(in->dtype, job->run->out[0]->data, (size_t)item * inner, in->data,
                      (size_t)at * inner, inner);
    }
}

static ct_status run_gather_nd(const struct ct_run *run)
{
    const struct gather_state *state = run->state;
    int64_t n = (int64_t)ct_count(run->in[1]) / state->axis;
    struct gather_job job = {run, state, state->outer ? n / state->outer : 1, -1};
    if (!ct_count(run->out[0]))
        return CORTEN_OK;
    ct_run_parallel(run, n, 10 + (double)state->inner, gather_nd_items, &job);
    return job.bad < 0 ? CORTEN_OK : fail_index(run, job.bad);
}

const struct ct_op ct_op_gather = {
    .infer = infer_gather,
    .prepare = prepare_gather,
    .run = run_gather,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_gather_elements = {
    .infer = infer_gather_elements,
    .prepare = prepare_gather,
    .run = run_gather_elements,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_gather_nd = {
    .infer = infer_gather_nd,
    .prepare = prepare_gather_nd,
    .run = run_gather_nd,
    .min_in = 2,
    .max_in = 2,
};
