/* Operators of two values, with NumPy broadcasting or that of the first operator sets. */
#include <string.h>

#include "ops/broadcast.h"
#include "ops/elementwise/loops.h"
#include "ops/elementwise/values.h"

struct binary_row {
    const char *op_type;
    enum ct_binary op;
};

static const struct binary_row rows[] = {
    {"Add", CT_BINARY_ADD},
    {"And", CT_BINARY_AND},
    {"BitShift", CT_BINARY_SHIFT_LEFT}, /* by attribute */
    {"BitwiseAnd", CT_BINARY_AND},
    {"BitwiseOr", CT_BINARY_OR},
    {"BitwiseXor", CT_BINARY_XOR},
    {"Div", CT_BINARY_DIV},
    {"Equal", CT_BINARY_EQUAL},
    {"Greater", CT_BINARY_GREATER},
    {"GreaterOrEqual", CT_BINARY_GREATER_OR_EQUAL},
    {"Less", CT_BINARY_LESS},
    {"LessOrEqual", CT_BINARY_LESS_OR_EQUAL},
    {"Mod", CT_BINARY_MOD}, /* by attribute */
    {"Mul", CT_BINARY_MUL},
    {"Or", CT_BINARY_OR},
    {"PRelu", CT_BINARY_PRELU},
    {"Pow", CT_BINARY_POW},
    {"Sub", CT_BINARY_SUB},
    {"SwiGLU", CT_BINARY_SWIGLU},
    {"Xor", CT_BINARY_XOR},
};

static enum ct_binary op_of(const struct ct_node *node)
{
    size_t i = 0;
    while (strcmp(rows[i].op_type, node->op_type) && i + 1 < sizeof rows / sizeof rows[0])
        i++;
    enum ct_binary op = rows[i].op;
    if (op == CT_BINARY_SHIFT_LEFT && ct_attr_is(node, "direction", "RIGHT", ""))
        return CT_BINARY_SHIFT_RIGHT;
    if (op == CT_BINARY_MOD && ct_attr_int(node, "fmod", 0))
        return CT_BINARY_FMOD;
    return op;
}

/* ------------------------------------------------------------------ infer */

static ct_status set_output(struct ct_infer *infer, int rank, const ct_dim *dims)
{
    enum ct_binary op = op_of(infer->node);
    const struct ct_fact *a = ct_infer_in(infer, 0), *b = ct_infer_in(infer, 1);
    bool gives_bool = ct_binary_gives_bool(op);
    ct_dtype dtype = a->dtype || op == CT_BINARY_POW ? a->dtype : b->dtype;
    ct_infer_set(infer, 0, gives_bool ? CORTEN_BOOL : dtype, rank, rank < 0 ? NULL : dims);
    if (gives_bool && op != CT_BINARY_EQUAL)
        return CORTEN_OK;
    return ct_infer_binary_values(infer, op, a, b);
}

static ct_status check_inputs(struct ct_infer *infer)
{
    if (!ct_infer_in(infer, 0) || !ct_infer_in(infer, 1))
        return ct_infer_fail(infer, "an input is missing");
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    return ct_infer_check_rank(infer, 1, 0, CT_MAX_RANK);
}

static ct_status infer_mixed(struct ct_infer *infer)
{
    ct_dim dims[CT_MAX_RANK];
    int rank;
    CT_TRY(check_inputs(infer));
    CT_TRY(ct_infer_broadcast(infer, 0, 2, &rank, dims));
    return set_output(infer, rank, dims);
}

static ct_status infer_binary(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    return infer_mixed(infer);
}

static ct_status infer_pow(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_NUMBERS));
    return infer_mixed(infer);
}

static ct_status infer_bit_shift(struct ct_infer *infer)
{
    if (!ct_attr_is(infer->node, "direction", "LEFT", "") &&
        !ct_attr_is(infer->node, "direction", "RIGHT", ""))
        return ct_infer_fail(infer, "attribute 'direction' is neither 'LEFT' nor 'RIGHT'");
    return infer_binary(infer);
}

/* Before opset 7 the slope may be one number for each channel, whatever the rank. */
static bool slope_by_channel(int x_rank, const int64_t *x_dims, int slope_rank,
                             const int64_t *slope_dims)
{
    return slope_rank == 1 && x_rank >= 2 && slope_dims[0] == x_dims[1] && slope_dims[0] != 1;
}

static ct_status infer_prelu_1(struct ct_infer *infer)
{
    CT_TRY(check_inputs(infer));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    const struct ct_fact *x = ct_infer_in(infer, 0), *slope = ct_infer_in(infer, 1);
    if (slope->rank < 0 || x->rank < 0 ||
        slope_by_channel(x->rank, x->dims, slope->rank, slope->dims)) {
        ct_infer_same(infer, 0, 0);
        return CORTEN_OK;
    }
    return infer_binary(infer);
}

/* The slope is broadcast to x, never x to the slope. */
static ct_status infer_prelu(struct ct_infer *infer)
{
    CT_TRY(infer_binary(infer));
    const struct ct_fact *x = ct_infer_in(infer, 0), *slope = ct_infer_in(infer, 1);
    if (x->rank < 0 || slope->rank < 0)
        return CORTEN_OK;
    bool fits = slope->rank <= x->rank;
    for (int i = 0; fits && i < slope->rank; i++) {
        ct_dim s = slope->dims[i], d = x->dims[x->rank - slope->rank + i];
        fits = s == 1 || s == d || !ct_dim_known(s) || !ct_dim_known(d);
    }
    if (!fits)
        return ct_infer_fail(infer, "the slope cannot be broadcast to the shape of input 0");
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

static ct_status infer_swiglu(struct ct_infer *infer)
{
    CT_TRY(infer_binary(infer));
    const struct ct_fact *a = ct_infer_in(infer, 0), *b = ct_infer_in(infer, 1);
    bool same = a->rank == b->rank || a->rank < 0 || b->rank < 0;
    for (int i = 0; same && a->rank >= 0 && b->rank >= 0 && i < a->rank; i++)
        same = a->dims[i] == b->dims[i] || !ct_dim_known(a->dims[i]) || !ct_dim_known(b->dims[i]);
    return same ? CORTEN_OK : ct_infer_fail(infer, "the inputs must have one shape");
}

/* Opsets 1 to 6: the axes of b are those of a from attribute 'axis' on (default: the last ones),
 * and only when attribute 'broadcast' is set. Shape of b with ones behind, aligned to the right;
 * false when it does not fit. */
static bool align_legacy(const struct ct_node *node, int a_rank, const int64_t *a_dims, int *b_rank,
                         int64_t *b_dims)
{
    int64_t axis = ct_attr_int(node, "axis", a_rank - *b_rank);
    if (!ct_attr_int(node, "broadcast", 0)) {
        axis = 0;
        if (*b_rank != a_rank)
            return false;
    }
    if (axis < 0)
        axis += a_rank;
    if (axis < 0 || axis + *b_rank > a_rank)
        return false;
    for (int i = 0; i < *b_rank; i++)
        if (b_dims[i] != 1 && b_dims[i] != a_dims[axis + i] && ct_dim_known(b_dims[i]) &&
            ct_dim_known(a_dims[axis + i]))
            return false;
    while (*b_rank < a_rank - axis)
        b_dims[(*b_rank)++] = 1;
    return true;
}

static ct_status infer_legacy(struct ct_infer *infer)
{
    CT_TRY(check_inputs(infer));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    const struct ct_fact *a = ct_infer_in(infer, 0), *b = ct_infer_in(infer, 1);
    if (a->rank >= 0 && b->rank >= 0) {
        int rank = b->rank;
        int64_t dims[CT_MAX_RANK];
        memcpy(dims, b->dims, sizeof dims);
        if (!align_legacy(infer->node, a->rank, a->dims, &rank, dims))
            return ct_infer_fail(infer, "the shape of input 1 does not fit that of input 0 with "
                                        "these 'axis' and 'broadcast'");
    }
    return set_output(infer, a->rank, a->dims);
}

/* ------------------------------------------------------------------ prepare, run */

struct binary_state {
    struct ct_broadcast broadcast;
    struct ct_binary_loop loop;
};

/* An integer base with a float exponent is computed in double. */
static enum ct_class choose_class(enum ct_binary op, ct_dtype a, ct_dtype b)
{
    if (op == CT_BINARY_POW && ct_dtype_is_int(a) && a != b)
        return ct_dtype_is_float(b) ? CT_CLASS_F64 : CT_CLASS_I64;
    return ct_class_of(a);
}

static ct_status prepare_with(struct ct_prepare *prepare, const struct ct_tensor *b)
{
    struct binary_state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    const struct ct_tensor *a = prepare->in[0], *out = prepare->out[0];
    const struct ct_tensor *const in[] = {a, b};
    enum ct_binary op = op_of(prepare->node);
    enum ct_class class_ = choose_class(op, a->dtype, b->dtype);
    ct_broadcast_init(&state->broadcast, out, 2, in);
    if (a->dtype != CORTEN_STRING)
        ct_broadcast_merge_short(&state->broadcast);
    ct_binary_loop_init(&state->loop, op, class_);
    if (op == CT_BINARY_SWIGLU)
        ct_params_set(&state->loop.params, class_, 0, ct_attr_float(prepare->node, "alpha", 1));
    prepare->state = state;
    prepare->kernel = state->loop.kernel->name;
    for (int i = 1; i >= 0; i--)
        if (in[i]->dtype == out->dtype && ct_tensor_bytes(in[i]) == ct_tensor_bytes(out))
            ct_prepare_in_place(prepare, 0, i);
    return CORTEN_OK;
}

static ct_status prepare_binary(struct ct_prepare *prepare)
{
    return prepare_with(prepare, prepare->in[1]);
}

static ct_status prepare_legacy(struct ct_prepare *prepare)
{
    struct ct_tensor b = *prepare->in[1];
    const struct ct_tensor *a = prepare->in[0];
    if (!align_legacy(prepare->node, a->rank, a->dims, &b.rank, b.dims))
        return ct_fail(prepare->error, CORTEN_INTERNAL, "shapes that infer has refused");
    return prepare_with(prepare, &b);
}

static ct_status prepare_prelu_1(struct ct_prepare *prepare)
{
    struct ct_tensor slope = *prepare->in[1];
    const struct ct_tensor *x = prepare->in[0];
    if (slope_by_channel(x->rank, x->dims, slope.rank, slope.dims))
        while (slope.rank < x->rank - 1)
            slope.dims[slope.rank++] = 1;
    return prepare_with(prepare, &slope);
}

struct binary_job {
    const struct binary_state *state;
    const struct ct_run *run;
};

static void run_row(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    const struct binary_job *job = arg;
    struct ct_tensor *const *in = job->run->in;
    struct ct_tensor *out = job->run->out[0];
    const struct ct_broadcast *broadcast = &job->state->broadcast;
    size_t period[2];
    for (int k = 0; k < 2; k++)
        period[k] = broadcast->is_periodic[k] ? (size_t)broadcast->period : 0;
    struct ct_source a = {in[0]->dtype, in[0]->data, (size_t)in_first[0], broadcast->step[0],
                          period[0]};
    struct ct_source b = {in[1]->dtype, in[1]->data, (size_t)in_first[1], broadcast->step[1],
                          period[1]};
    ct_binary_row(&job->state->loop, out->dtype, out->data, (size_t)out_first, &a, &b, (size_t)n);
}

static ct_status run_binary(const struct ct_run *run)
{
    struct binary_job job = {run->state, run};
    ct_broadcast_run(&job.state->broadcast, run->exec->pool, job.state->loop.elem_ns, run_row,
                     &job);
    return CORTEN_OK;
}

/* Equal of strings. */
static void run_string_row(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    const struct binary_job *job = arg;
    const size_t *step = job->state->broadcast.step;
    const corten_string *a = CT_DATA(const corten_string, job->run->in[0]) + in_first[0];
    const corten_string *b = CT_DATA(const corten_string, job->run->in[1]) + in_first[1];
    bool *to = CT_DATA(bool, job->run->out[0]) + out_first;
    for (size_t i = 0; i < (size_t)n; i++, a += step[0], b += step[1])
        to[i] = a->size_bytes == b->size_bytes &&
                (!a->size_bytes || !memcmp(a->data, b->data, a->size_bytes));
}

static ct_status run_equal_strings(const struct ct_run *run)
{
    struct binary_job job = {run->state, run};
    ct_broadcast_run(&job.state->broadcast, run->exec->pool, 10, run_string_row, &job);
    return CORTEN_OK;
}

static ct_status prepare_equal(struct ct_prepare *prepare)
{
    CT_TRY(prepare_binary(prepare));
    if (prepare->in[0]->dtype == CORTEN_STRING)
        prepare->run = run_equal_strings;
    return CORTEN_OK;
}

/* Add, Sub, Mul: the padding of a blocked layout stays finite. */
const struct ct_op ct_op_arithmetic = {
    .infer = infer_binary,
    .prepare = prepare_binary,
    .run = run_binary,
    .flags = CT_OP_ANY_LAYOUT,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_binary = {
    .infer = infer_binary,
    .prepare = prepare_binary,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_binary_legacy = {
    .infer = infer_legacy,
    .prepare = prepare_legacy,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_bit_shift = {
    .infer = infer_bit_shift,
    .prepare = prepare_binary,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_equal = {
    .infer = infer_binary,
    .prepare = prepare_equal,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_pow = {
    .infer = infer_pow,
    .prepare = prepare_binary,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_prelu = {
    .infer = infer_prelu,
    .prepare = prepare_binary,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_prelu_1 = {
    .infer = infer_prelu_1,
    .prepare = prepare_prelu_1,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_swiglu = {
    .infer = infer_swiglu,
    .prepare = prepare_binary,
    .run = run_binary,
    .min_in = 2,
    .max_in = 2,
};
