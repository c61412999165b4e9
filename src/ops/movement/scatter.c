/* Scatter, ScatterElements, ScatterND: a copy of the data with some elements replaced by, or
 * combined with, updates. One thread: indices may repeat, and the order decides. */
#include <string.h>

#include "ops/elementwise/loops.h"
#include "ops/movement/move.h"

struct scatter_state {
    int axis;
    bool reduces;
    struct ct_binary_loop loop; /* when it reduces */
};

static const struct {
    const char *name;
    enum ct_binary op;
} reductions[] = {
    {"add", CT_BINARY_ADD},
    {"mul", CT_BINARY_MUL},
    {"max", CT_BINARY_MAX},
    {"min", CT_BINARY_MIN},
};
enum { N_REDUCTIONS = sizeof reductions / sizeof reductions[0] };

/* -1: none. -2: an unknown name. Bool takes max as "or" and min as "and". */
static int find_reduction(const struct ct_node *node)
{
    for (int i = 0; i < N_REDUCTIONS; i++)
        if (ct_attr_is(node, "reduction", reductions[i].name, "none"))
            return i;
    return ct_attr_is(node, "reduction", "none", "none") ? -1 : -2;
}

static ct_status check_inputs(struct ct_infer *infer, ct_dtypes index_types)
{
    for (int i = 0; i < 3; i++)
        if (!ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d is missing", i);
    CT_TRY(ct_infer_check_dtype(infer, 1, index_types));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 2, 0, CT_MAX_RANK));
    int reduction = find_reduction(infer->node);
    if (reduction == -2)
        return ct_infer_fail(infer, "attribute 'reduction' has an unknown value");
    ct_dtype dtype = infer->in[0]->dtype;
    if (reduction >= 0 && dtype && !ct_dtype_in(dtype, CT_NUMBERS | CT_BIT(BOOL)))
        return ct_infer_fail(infer, "%s elements cannot be reduced", corten_dtype_name(dtype));
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

/* Known dims must be equal. */
static bool agree(ct_dim a, ct_dim b)
{
    return a == b || !ct_dim_known(a) || !ct_dim_known(b);
}

static ct_status infer_scatter_elements(struct ct_infer *infer)
{
    CT_TRY(check_inputs(infer, CT_BIT(I32) | CT_BIT(I64)));
    const struct ct_fact *in = infer->in[0], *indices = infer->in[1], *updates = infer->in[2];
    int axis;
    if (in->rank < 0 || indices->rank < 0 || updates->rank < 0)
        return CORTEN_OK;
    if (in->rank != indices->rank || in->rank != updates->rank)
        return ct_infer_fail(infer, "the inputs have ranks %d, %d and %d, which must be equal",
                             in->rank, indices->rank, updates->rank);
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in->rank, &axis));
    for (int i = 0; i < in->rank; i++) {
        if (!agree(indices->dims[i], updates->dims[i]))
            return ct_infer_fail(infer, "indices and updates differ on axis %d", i);
        if (i != axis && ct_dim_known(in->dims[i]) && ct_dim_known(indices->dims[i]) &&
            indices->dims[i] > in->dims[i])
            return ct_infer_fail(infer, "the indices are larger than the data on axis %d", i);
    }
    return CORTEN_OK;
}

static ct_status infer_scatter_nd(struct ct_infer *infer)
{
    CT_TRY(check_inputs(infer, CT_BIT(I64)));
    const struct ct_fact *in = infer->in[0], *indices = infer->in[1], *updates = infer->in[2];
    if (in->rank < 0 || indices->rank < 0)
        return CORTEN_OK;
    ct_dim depth = indices->dims[indices->rank - 1];
    if (!ct_dim_known(depth))
        return CORTEN_OK;
    if (depth < 0 || depth > in->rank)
        return ct_infer_fail(infer, "indices of %lld numbers into %d axes", (long long)depth,
                             in->rank);
    if (updates->rank < 0)
        return CORTEN_OK;
    int rank = indices->rank - 1 + in->rank - (int)depth;
    if (updates->rank != rank)
        return ct_infer_fail(infer, "the updates have rank %d, expected %d", updates->rank, rank);
    for (int i = 0; i < rank; i++) {
        ct_dim dim =
            i < indices->rank - 1 ? indices->dims[i] : in->dims[i - (indices->rank - 1) + depth];
        if (!agree(updates->dims[i], dim))
            return ct_infer_fail(infer, "the updates have the wrong size on axis %d", i);
    }
    return CORTEN_OK;
}

static ct_status prepare_scatter(struct ct_prepare *prepare)
{
    struct scatter_state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    const struct ct_tensor *in = prepare->in[0];
    int64_t axis = ct_attr_int(prepare->node, "axis", 0);
    state->axis = (int)(axis < 0 ? axis + in->rank : axis);
    int reduction = find_reduction(prepare->node);
    state->reduces = reduction >= 0;
    if (state->reduces) {
        enum ct_binary op = reductions[reduction].op;
        if (in->dtype == CORTEN_BOOL)
            op = op == CT_BINARY_ADD || op == CT_BINARY_MAX ? CT_BINARY_OR : CT_BINARY_AND;
        ct_binary_loop_init(&state->loop, op, ct_class_of(in->dtype));
    }
    prepare->state = state;
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static void copy_data(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    if (in->data != run->out[0]->data)
        ct_copy_elems(in->dtype, run->out[0]->data, 0, in->data, 0, ct_count(in));
}

/* Updates n elements. */
static void update(const struct ct_run *run, size_t to_first, size_t from_first, size_t n)
{
    const struct scatter_state *state = run->state;
    struct ct_tensor *out = run->out[0];
    const struct ct_tensor *updates = run->in[2];
    if (!state->reduces) {
        ct_copy_elems(out->dtype, out->data, to_first, updates->data, from_first, n);
        return;
    }
    struct ct_source a = {out->dtype, out->data, to_first, 1, 0};
    struct ct_source b = {updates->dtype, updates->data, from_first, 1, 0};
    ct_binary_row(&state->loop, out->dtype, out->data, to_first, &a, &b, n);
}

static ct_status run_scatter_elements(const struct ct_run *run)
{
    const struct scatter_state *state = run->state;
    const struct ct_tensor *in = run->in[0], *indices = run->in[1];
    int rank = in->rank, axis = state->axis;
    size_t n = ct_count(indices);
    int64_t stride[CT_MAX_RANK], index[CT_MAX_RANK] = {0};
    ct_dense_strides(rank, in->dims, stride);
    copy_data(run);
    for (size_t i = 0; i < n; i++) {
        int64_t at = ct_index_at(indices, i), to = 0;
        at += at < 0 ? in->dims[axis] : 0;
        if (at < 0 || at >= in->dims[axis])
            return ct_run_fail(run, "index %zu is %lld, which is out of range", i,
                               (long long)ct_index_at(indices, i));
        for (int d = 0; d < rank; d++)
            to += (d == axis ? at : index[d]) * stride[d];
        update(run, (size_t)to, i, 1);
        for (int d = rank - 1; d >= 0 && ++index[d] == indices->dims[d]; d--)
            index[d] = 0;
    }
    return CORTEN_OK;
}

static ct_status run_scatter_nd(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0], *indices = run->in[1];
    int depth = (int)indices->dims[indices->rank - 1];
    size_t n = (size_t)ct_dims_product(indices->dims, 0, indices->rank - 1);
    size_t inner = (size_t)ct_dims_product(in->dims, depth, in->rank);
    const int64_t *index = indices->data;
    copy_data(run);
    for (size_t i = 0; i < n; i++, index += depth) {
        int64_t to = 0;
        for (int d = 0; d < depth; d++) {
            int64_t at = index[d] < 0 ? index[d] + in->dims[d] : index[d];
            if (at < 0 || at >= in->dims[d])
                return ct_run_fail(run, "index %zu is %lld on axis %d, which is out of range", i,
                                   (long long)index[d], d);
            to = to * in->dims[d] + at;
        }
        update(run, (size_t)to * inner, i * inner, inner);
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_scatter_elements = {
    .infer = infer_scatter_elements,
    .prepare = prepare_scatter,
    .run = run_scatter_elements,
    .min_in = 3,
    .max_in = 3,
};

const struct ct_op ct_op_scatter_nd = {
    .infer = infer_scatter_nd,
    .prepare = prepare_scatter,
    .run = run_scatter_nd,
    .min_in = 3,
    .max_in = 3,
};
