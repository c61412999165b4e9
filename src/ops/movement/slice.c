/* Slice: ranges as attributes (opset 1) or inputs. */
#include "ops/movement/move.h"

/* What is taken of every axis. */
struct ranges {
    ct_dim count[CT_MAX_RANK];                     /* may be symbolic */
    int64_t start[CT_MAX_RANK], step[CT_MAX_RANK]; /* start only where the count is a number */
};

/* The lists as they are written. */
struct lists {
    const int64_t *starts, *axes, *steps;
    const ct_dim *ends; /* numbers and symbols */
    int count;
    bool has_axes, has_steps;
    bool symbolic; /* ends may hold symbols */
};

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* Number of elements from start to end (both clamped here), for a known size. Never overflows:
 * after clamping all numbers are between -1 and dim. */
static int64_t range_of(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *first)
{
    if (start < 0)
        start = start < -dim ? (step > 0 ? 0 : -1) : start + dim;
    if (end < 0)
        end = end < -dim ? -1 : end + dim;
    if (step > 0) {
        start = clamp(start, 0, dim);
        end = clamp(end, 0, dim);
        *first = start;
        return start < end ? (end - start - 1) / step + 1 : 0;
    }
    start = clamp(start, -1, dim - 1);
    end = clamp(end, -1, dim - 1);
    *first = start < 0 ? 0 : start;
    if (start <= end)
        return 0;
    /* -step may not exist as an int64 */
    uint64_t back = 0 - (uint64_t)step;
    return (int64_t)((uint64_t)(start - end - 1) / back) + 1;
}

/* Of an axis or a range with symbols, only the whole is known. */
static ct_dim symbolic_count(const struct ct_infer *infer, ct_dim dim, int64_t start, ct_dim end,
                             int64_t step)
{
    bool to_end = end == dim || (ct_dim_known(end) && end >= INT32_MAX);
    if (start == 0 && to_end && step == 1)
        return dim;
    /* The first so many of a fixed number: x[:n]. Sizes are never negative. */
    if (start == 0 && step == 1 && ct_dim_known(dim) && !ct_dim_known(end))
        return ct_dim_min(infer, end, dim);
    return CT_DIM_UNKNOWN;
}

static ct_status set_ranges(const struct ct_infer *infer, const struct ct_fact *in,
                            const struct lists *lists, struct ranges *ranges)
{
    uint32_t seen = 0;
    for (int i = 0; i < in->rank; i++) {
        ranges->count[i] = in->dims[i];
        ranges->start[i] = 0;
        ranges->step[i] = 1;
    }
    for (int k = 0; k < lists->count; k++) {
        int axis;
        CT_TRY(ct_infer_axis(infer, lists->has_axes ? lists->axes[k] : k, in->rank, &axis));
        if (seen >> axis & 1)
            return ct_infer_fail(infer, "axis %d is named twice", axis);
        seen |= UINT32_C(1) << axis;
        int64_t step = lists->has_steps ? lists->steps[k] : 1;
        if (step == 0)
            return ct_infer_fail(infer, "the step of axis %d is 0", axis);
        ct_dim dim = in->dims[axis], end = lists->ends[k];
        ranges->step[axis] = step;
        /* A constant may hold the lowest numbers, which are no symbols then. */
        bool number = ct_dim_known(end) || !lists->symbolic;
        if (ct_dim_known(dim) && number)
            ranges->count[axis] = range_of(dim, lists->starts[k], end, step, &ranges->start[axis]);
        else
            ranges->count[axis] = symbolic_count(infer, dim, lists->starts[k], end, step);
    }
    return CORTEN_OK;
}

/* known is false when some list is there but not known. */
static ct_status get_lists(const struct ct_infer *infer, struct lists *lists, bool *known)
{
    bool inputs = infer->n_in > 1, has_starts, has_ends;
    int n_starts, n_ends, n_axes, n_steps = 0;
    *lists = (struct lists){0};
    for (int i = 1; i < infer->n_in; i++)
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_list(infer, "starts", inputs ? 1 : -1, &has_starts, &lists->starts, &n_starts));
    CT_TRY(ct_infer_list(infer, "ends", inputs ? 2 : -1, &has_ends, &lists->ends, &n_ends));
    CT_TRY(ct_infer_list(infer, "axes", inputs ? 3 : -1, &lists->has_axes, &lists->axes, &n_axes));
    if (inputs)
        CT_TRY(ct_infer_list(infer, NULL, 4, &lists->has_steps, &lists->steps, &n_steps));
    if (!has_starts || !has_ends)
        return ct_infer_fail(infer, "'starts' or 'ends' is missing");
    if (inputs && !lists->ends && infer->in[2]->values) {
        lists->ends = infer->in[2]->values;
        lists->symbolic = true;
        n_ends = infer->in[2]->n_values;
    }
    lists->count = n_starts;
    *known = !inputs || (lists->starts && lists->ends && (!lists->has_axes || lists->axes) &&
                         (!lists->has_steps || lists->steps));
    if (*known && (n_ends != n_starts || (lists->has_axes && n_axes != n_starts) ||
                   (lists->has_steps && n_steps != n_starts)))
        return ct_infer_fail(infer, "the lists of starts, ends, axes and steps differ in length");
    return CORTEN_OK;
}

/* Axes that no list names keep their size, even when the ranges are not known. */
static ct_status set_unknown(struct ct_infer *infer, const struct lists *lists)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < in->rank; i++)
        dims[i] = lists->has_axes && lists->axes ? in->dims[i] : CT_DIM_UNKNOWN;
    const int64_t *axes;
    bool found;
    int count;
    CT_TRY(ct_infer_list(infer, "axes", infer->n_in > 1 ? 3 : -1, &found, &axes, &count));
    for (int k = 0; axes && k < count; k++) {
        int axis;
        CT_TRY(ct_infer_axis(infer, axes[k], in->rank, &axis));
        dims[axis] = CT_DIM_UNKNOWN;
    }
    ct_infer_set(infer, 0, in->dtype, in->rank, dims);
    return CORTEN_OK;
}

static ct_status infer_values(const struct ct_infer *infer, const struct ranges *ranges)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    if (!in->values || in->rank != 1 || !ct_dim_known(ranges->count[0]) ||
        in->n_values != in->dims[0])
        return CORTEN_OK;
    ct_dim values[CT_FACT_MAX_VALUES];
    for (int64_t i = 0; i < ranges->count[0]; i++)
        values[i] = in->values[ranges->start[0] + i * ranges->step[0]];
    return ct_infer_set_values(infer, 0, values, (int)ranges->count[0]);
}

static ct_status infer_slice(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    struct lists lists;
    struct ranges ranges;
    bool known;
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    CT_TRY(get_lists(infer, &lists, &known));
    ct_infer_set(infer, 0, in->dtype, -1, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    if (!known)
        return set_unknown(infer, &lists);
    CT_TRY(set_ranges(infer, in, &lists, &ranges));
    ct_infer_set(infer, 0, in->dtype, in->rank, ranges.count);
    return infer_values(infer, &ranges);
}

/* The shapes agree with lists that may be known only at run time: whoever prepares has their data
 * then, as infer had. */
static ct_status prepare_slice(struct ct_prepare *prepare)
{
    struct ct_move *move = ct_move_alloc(prepare);
    if (!move)
        return ct_move_no_memory(prepare);
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    int64_t from_stride[CT_MAX_RANK], to_stride[CT_MAX_RANK];
    ct_dense_strides(in->rank, in->dims, from_stride);
    ct_dense_strides(out->rank, out->dims, to_stride);
    int64_t lists[4][CT_MAX_RANK];
    int count = 0;
    static const char *const names[] = {"starts", "ends", "axes"};
    bool present[4] = {false};
    for (int k = 0; k < 4; k++) {
        const int64_t *values = NULL;
        const struct ct_tensor *t = prepare->n_in > k + 1 ? prepare->in[k + 1] : NULL;
        int n = prepare->n_in == 1 && k < 3 ? ct_attr_ints(prepare->node, names[k], &values)
                : t                         ? (int)ct_count(t)
                                            : -1;
        present[k] = n >= 0;
        if (n > CT_MAX_RANK || (t && !t->data))
            return ct_fail(prepare->error, CORTEN_INTERNAL, "ranges of Slice are not known");
        for (int i = 0; i < n; i++)
            lists[k][i] = t ? ct_index_at(t, (size_t)i) : values[i];
        if (k == 0)
            count = n;
    }
    for (int i = 0; i < count; i++) {
        int64_t axis = present[2] ? lists[2][i] : i, step = present[3] ? lists[3][i] : 1, first;
        axis += axis < 0 ? in->rank : 0;
        range_of(in->dims[axis], lists[0][i], lists[1][i], step, &first);
        move->from_first += first * from_stride[axis];
        /* A step beyond the axis takes one element: it is not multiplied. */
        from_stride[axis] = out->dims[axis] > 1 ? from_stride[axis] * step : 0;
    }
    ct_strided_copy_init(&move->copy, in->dtype, out->rank, out->dims, to_stride, from_stride);
    for (int i = 1; i < prepare->n_in; i++)
        ct_prepare_not_read(prepare, i);
    return CORTEN_OK;
}

const struct ct_op ct_op_slice = {
    .infer = infer_slice,
    .prepare = prepare_slice,
    .run = ct_move_run,
    .min_in = 3,
    .max_in = 5,
};

const struct ct_op ct_op_slice_1 = {
    .infer = infer_slice,
    .prepare = prepare_slice,
    .run = ct_move_run,
    .flags = CT_OP_UNALIGNED,
    .min_in = 1,
    .max_in = 1,
};
