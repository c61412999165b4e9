/* Pad (all versions) and CenterCropPad. Negative pads crop. */
#include <string.h>

#include "ops/movement/move.h"

enum pad_mode { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP };

static const char *const mode_names[] = {"constant", "edge", "reflect", "wrap"};

static int find_mode(const struct ct_node *node)
{
    for (int i = 0; i < 4; i++)
        if (ct_attr_is(node, "mode", mode_names[i], "constant"))
            return i;
    return -1;
}

/* ------------------------------------------------------------------ infer */

/* Pads of every axis, before and after, from the list of those that are named. */
static ct_status spread_pads(const struct ct_infer *infer, int rank, const int64_t *pads,
                             int n_pads, const int64_t *axes, int n_axes, int64_t *before,
                             int64_t *after)
{
    int n = axes ? n_axes : rank;
    uint32_t mask;
    for (int i = 0; i < rank; i++)
        before[i] = after[i] = 0;
    if (n_pads != 2 * n)
        return ct_infer_fail(infer, "%d pads for %d axes", n_pads, n);
    if (axes)
        CT_TRY(ct_infer_axes(infer, axes, n, rank, &mask));
    for (int i = 0; i < n; i++) {
        int axis = i;
        if (axes)
            CT_TRY(ct_infer_axis(infer, axes[i], rank, &axis));
        before[axis] = pads[i];
        after[axis] = pads[n + i];
    }
    return CORTEN_OK;
}

static ct_status padded_dim(const struct ct_infer *infer, int mode, ct_dim dim, int64_t before,
                            int64_t after, ct_dim *result)
{
    int64_t sum, padded;
    if (__builtin_add_overflow(before, after, &sum) || !ct_dim_known(before) ||
        !ct_dim_known(after))
        return ct_infer_fail(infer, "pads %lld and %lld are too large", (long long)before,
                             (long long)after);
    *result = ct_dim_add(infer, dim, sum);
    if (!ct_dim_known(dim))
        return CORTEN_OK;
    if (__builtin_add_overflow(dim, sum, &padded) || padded < 0 || before < -dim || after < -dim)
        return ct_infer_fail(infer, "pads %lld and %lld leave nothing of %lld elements",
                             (long long)before, (long long)after, (long long)dim);
    if (mode != PAD_CONSTANT && dim == 0 && padded > 0)
        return ct_infer_fail(infer, "an empty axis cannot be padded with its own elements");
    *result = padded;
    return CORTEN_OK;
}

static ct_status set_padded(struct ct_infer *infer, int mode, const int64_t *pads, int n_pads,
                            const int64_t *axes, int n_axes)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    int64_t before[CT_MAX_RANK], after[CT_MAX_RANK];
    ct_dim dims[CT_MAX_RANK];
    CT_TRY(spread_pads(infer, in->rank, pads, n_pads, axes, n_axes, before, after));
    for (int i = 0; i < in->rank; i++)
        CT_TRY(padded_dim(infer, mode, in->dims[i], before[i], after[i], &dims[i]));
    ct_infer_set(infer, 0, in->dtype, in->rank, dims);
    return CORTEN_OK;
}

static ct_status infer_pad(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const int64_t *pads, *axes = NULL;
    int n_pads, n_axes = 0, mode = find_mode(infer->node);
    if (mode < 0)
        return ct_infer_fail(infer, "attribute 'mode' has an unknown value");
    if (!ct_infer_in(infer, 1))
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    CT_TRY(ct_infer_check_rank(infer, 2, 0, 1));
    const struct ct_fact *value = ct_infer_in(infer, 2);
    if (value && value->rank == 1 && ct_dim_known(value->dims[0]) && value->dims[0] != 1)
        return ct_infer_fail(infer, "input 2 must be one value");
    CT_TRY(ct_infer_ints(infer, 1, &pads, &n_pads));
    CT_TRY(ct_infer_ints(infer, 3, &axes, &n_axes));
    ct_infer_set(infer, 0, in->dtype, in->rank, NULL);
    if (in->rank < 0 || !pads || (ct_infer_in(infer, 3) && !axes))
        return CORTEN_OK;
    return set_padded(infer, mode, pads, n_pads, axes, n_axes);
}

static ct_status pad_by_attribute(struct ct_infer *infer, const char *name)
{
    const int64_t *pads;
    int n_pads = ct_attr_ints(infer->node, name, &pads), mode = find_mode(infer->node);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    if (mode < 0 || mode == PAD_WRAP || n_pads < 0)
        return ct_infer_fail(infer, "attribute 'mode' or '%s' is wrong", name);
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_infer_set(infer, 0, in->dtype, in->rank, NULL);
    return in->rank < 0 ? CORTEN_OK : set_padded(infer, mode, pads, n_pads, NULL, 0);
}

static ct_status infer_pad_2(struct ct_infer *infer)
{
    return pad_by_attribute(infer, "pads");
}

static ct_status infer_pad_1(struct ct_infer *infer)
{
    return pad_by_attribute(infer, "paddings");
}

/* ------------------------------------------------------------------ prepare */

struct pad_state {
    enum pad_mode mode;
    bool fills;                  /* some elements are the constant */
    struct ct_strided_copy copy; /* of what stays */
    int64_t to_first, from_first;
    int64_t begin[CT_MAX_RANK]; /* where the input's first element stands; may be negative */
    double value;               /* of an attribute */
};

static ct_status prepare_mode(struct ct_prepare *prepare, enum pad_mode mode, const int64_t *begin)
{
    struct pad_state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    int64_t from_stride[CT_MAX_RANK], to_stride[CT_MAX_RANK], dims[CT_MAX_RANK];
    ct_dense_strides(in->rank, in->dims, from_stride);
    ct_dense_strides(out->rank, out->dims, to_stride);
    state->mode = mode;
    for (int i = 0; i < in->rank; i++) {
        int64_t to = begin[i] > 0 ? begin[i] : 0, from = begin[i] < 0 ? -begin[i] : 0;
        int64_t left = in->dims[i] - from, room = out->dims[i] - to;
        dims[i] = left < room ? left : room;
        dims[i] = dims[i] < 0 ? 0 : dims[i];
        state->fills |= dims[i] != out->dims[i];
        state->to_first += to * to_stride[i];
        state->from_first += from * from_stride[i];
        state->begin[i] = begin[i];
    }
    ct_strided_copy_init(&state->copy, in->dtype, in->rank, dims, to_stride, from_stride);
    state->value = (double)ct_attr_float(prepare->node, "value", 0);
    prepare->state = state;
    return CORTEN_OK;
}

static ct_status prepare_pad(struct ct_prepare *prepare)
{
    const struct ct_tensor *pads = prepare->in[1];
    const struct ct_tensor *axes = prepare->n_in > 3 ? prepare->in[3] : NULL;
    int64_t begin[CT_MAX_RANK] = {0};
    int rank = prepare->in[0]->rank, n = axes ? (int)ct_count(axes) : rank;
    if (!pads->data || (axes && !axes->data))
        return ct_fail(prepare->error, CORTEN_INTERNAL, "pads are not known");
    for (int i = 0; i < n; i++) {
        int64_t axis = axes ? ct_index_at(axes, (size_t)i) : i;
        begin[axis < 0 ? axis + rank : axis] = ct_index_at(pads, (size_t)i);
    }
    ct_prepare_not_read(prepare, 1);
    ct_prepare_not_read(prepare, 3);
    return prepare_mode(prepare, (enum pad_mode)find_mode(prepare->node), begin);
}

static ct_status prepare_pad_1(struct ct_prepare *prepare)
{
    const int64_t *pads;
    int64_t begin[CT_MAX_RANK] = {0};
    if (ct_attr_ints(prepare->node, "pads", &pads) < 0)
        ct_attr_ints(prepare->node, "paddings", &pads);
    for (int i = 0; i < prepare->in[0]->rank; i++)
        begin[i] = pads[i];
    return prepare_mode(prepare, (enum pad_mode)find_mode(prepare->node), begin);
}

/* ------------------------------------------------------------------ run */

static int64_t floor_mod(int64_t x, int64_t n)
{
    int64_t r = x % n;
    return r < 0 ? r + n : r;
}

/* Which of n elements stands at `at`, counted from the first one. */
static int64_t source_of(enum pad_mode mode, int64_t at, int64_t n)
{
    if (at >= 0 && at < n)
        return at;
    if (mode == PAD_EDGE || n == 1)
        return at < 0 ? 0 : n - 1;
    if (mode == PAD_WRAP)
        return floor_mod(at, n);
    int64_t period = 2 * (n - 1), r = floor_mod(at, period); /* 0 1 2 3 2 1 0 … */
    return r < n ? r : period - r;
}

struct pad_job {
    const struct pad_state *state;
    const struct ct_tensor *in;
    struct ct_tensor *out;
};

/* Rows of the output: the middle in one piece, the ends one by one. */
static void mirror_rows(void *arg, int64_t first_row, int64_t last_row, int worker)
{
    (void)worker;
    const struct pad_job *job = arg;
    const struct pad_state *state = job->state;
    const struct ct_tensor *in = job->in;
    struct ct_tensor *out = job->out;
    int last = in->rank - 1;
    int64_t n = in->dims[last], cols = out->dims[last], begin = state->begin[last];
    int64_t to_middle = begin > 0 ? begin : 0, end = begin + n < cols ? begin + n : cols;
    for (int64_t row = first_row; row < last_row; row++) {
        int64_t rest = row, from = 0, stride = n;
        for (int i = last - 1; i >= 0; i--) {
            int64_t at = rest % out->dims[i] - state->begin[i];
            from += source_of(state->mode, at, in->dims[i]) * stride;
            stride *= in->dims[i];
            rest /= out->dims[i];
        }
        for (int64_t j = 0; j < cols; j++) {
            if (j == to_middle && end > to_middle) {
                ct_copy_elems(in->dtype, out->data, (size_t)(row * cols + j), in->data,
                              (size_t)(from + j - begin), (size_t)(end - to_middle));
                j = end - 1;
                continue;
            }
            ct_copy_elems(in->dtype, out->data, (size_t)(row * cols + j), in->data,
                          (size_t)(from + source_of(state->mode, j - begin, n)), 1);
        }
    }
}

static ct_status run_with(const struct ct_run *run, const void *value)
{
    const struct pad_state *state = run->state;
    const struct ct_tensor *in = run->in[0];
    struct ct_tensor *out = run->out[0];
    size_t n = ct_count(out);
    if (state->fills && state->mode != PAD_CONSTANT && n) {
        struct pad_job job = {state, in, out};
        int64_t cols = out->dims[out->rank - 1];
        int64_t rows = (int64_t)n / cols;
        if (ct_dtype_elem_bytes(in->dtype))
            ct_run_parallel(run, rows, 30 + (double)cols, mirror_rows, &job);
        else
            mirror_rows(&job, 0, rows, 0); /* rows share bytes */
        return CORTEN_OK;
    }
    if (state->fills)
        ct_fill_elems(out->dtype, out->data, 0, n, value, 0);
    ct_strided_copy_run(&state->copy, run->exec->pool, out->data, state->to_first, in->data,
                        state->from_first);
    return CORTEN_OK;
}

static ct_status run_pad(const struct ct_run *run)
{
    static const uint64_t zero[2]; /* also the empty string */
    const struct ct_tensor *value = run->n_in > 2 ? run->in[2] : NULL;
    return run_with(run, value ? value->data : zero);
}

static ct_status run_pad_1(const struct ct_run *run)
{
    const struct pad_state *state = run->state;
    uint64_t value[2];
    ct_convert(run->out[0]->dtype, value, CORTEN_F64, &state->value, 1, true);
    return run_with(run, value);
}

/* ------------------------------------------------------------------ CenterCropPad */

static ct_status infer_center(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *shape = ct_infer_in(infer, 1);
    const int64_t *axes;
    int n_axes = ct_attr_ints(infer->node, "axes", &axes);
    ct_dim dims[CT_MAX_RANK];
    if (!shape)
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    ct_infer_set(infer, 0, in->dtype, in->rank, NULL);
    if (in->rank < 0 || !shape->values)
        return CORTEN_OK;
    int n = n_axes < 0 ? in->rank : n_axes;
    uint32_t mask;
    if (shape->n_values != n)
        return ct_infer_fail(infer, "%d sizes for %d axes", shape->n_values, n);
    if (n_axes >= 0)
        CT_TRY(ct_infer_axes(infer, axes, n, in->rank, &mask));
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n; i++) {
        int axis = i;
        if (n_axes >= 0)
            CT_TRY(ct_infer_axis(infer, axes[i], in->rank, &axis));
        if (ct_dim_known(shape->values[i]) && shape->values[i] < 0)
            return ct_infer_fail(infer, "size %lld", (long long)shape->values[i]);
        dims[axis] = shape->values[i];
    }
    ct_infer_set(infer, 0, in->dtype, in->rank, dims);
    return CORTEN_OK;
}

/* Odd differences: padding has one more after, cropping takes one more away before… the window
 * starts at the rounded-down half. */
static ct_status prepare_center(struct ct_prepare *prepare)
{
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    int64_t begin[CT_MAX_RANK];
    for (int i = 0; i < in->rank; i++) {
        int64_t more = out->dims[i] - in->dims[i];
        begin[i] = more >= 0 ? more / 2 : -(-more / 2);
    }
    ct_prepare_not_read(prepare, 1);
    return prepare_mode(prepare, PAD_CONSTANT, begin);
}

static ct_status run_center(const struct ct_run *run)
{
    static const uint64_t zero[2];
    return run_with(run, zero);
}

const struct ct_op ct_op_pad = {
    .infer = infer_pad,
    .prepare = prepare_pad,
    .run = run_pad,
    .min_in = 2,
    .max_in = 4,
};

const struct ct_op ct_op_pad_2 = {
    .infer = infer_pad_2,
    .prepare = prepare_pad_1,
    .run = run_pad_1,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_pad_1 = {
    .infer = infer_pad_1,
    .prepare = prepare_pad_1,
    .run = run_pad_1,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_center_crop_pad = {
    .infer = infer_center,
    .prepare = prepare_center,
    .run = run_center,
    .min_in = 2,
    .max_in = 2,
};
