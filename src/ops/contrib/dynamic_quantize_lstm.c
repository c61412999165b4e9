/* DynamicQuantizeLSTM: an LSTM whose weights are bytes, [directions, inputs, 4 * hidden]. The input
 * as a whole, and the hidden state of each step, are made bytes over their range when they are
 * multiplied; gates, cells and sums are floats. Activations are Sigmoid, Tanh, Tanh. */
#include <math.h>
#include <string.h>

#include "ops/contrib/qlinear.h"
#include "ops/gemm_i8_driver.h"

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, P, W_SCALE, W_ZERO, R_SCALE, R_ZERO };

struct sizes {
    ct_dim seq, batch, input;
    int64_t hidden, directions;
    bool reverse; /* the first direction */
};

/* ------------------------------------------------------------------ infer */

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *x = ct_infer_in(infer, X);
    s->seq = x->rank == 3 ? x->dims[0] : CT_DIM_UNKNOWN;
    s->batch = x->rank == 3 ? x->dims[1] : CT_DIM_UNKNOWN;
    s->input = x->rank == 3 ? x->dims[2] : CT_DIM_UNKNOWN;
    s->reverse = ct_attr_is(infer->node, "direction", "reverse", "forward");
    bool both = ct_attr_is(infer->node, "direction", "bidirectional", "forward");
    if (!both && !s->reverse && !ct_attr_is(infer->node, "direction", "forward", "forward"))
        return ct_infer_fail(infer, "direction: forward, reverse or bidirectional is expected");
    s->directions = both ? 2 : 1;
    CT_TRY(ct_contrib_required_int(infer, "hidden_size", 1, &s->hidden));
    if (s->hidden > INT32_MAX / 8)
        return ct_infer_fail(infer, "hidden_size is %lld", (long long)s->hidden);
    return CORTEN_OK;
}

static ct_status check_dims(const struct ct_infer *infer, int index, int rank, const ct_dim *dims)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_rank(infer, index, rank, rank));
    for (int i = 0; f && i < f->rank; i++)
        if (ct_dim_known(f->dims[i]) && ct_dim_known(dims[i]) && f->dims[i] != dims[i])
            return ct_infer_fail(infer, "dimension %d of input %d is %lld, %lld is expected", i,
                                 index, (long long)f->dims[i], (long long)dims[i]);
    return CORTEN_OK;
}

static ct_status check_activations(const struct ct_infer *infer)
{
    static const char *const names[] = {"Sigmoid", "Tanh", "Tanh"};
    const struct ct_attr *a = ct_node_attr(infer->node, "activations");
    for (int i = 0; a && a->type == CT_ATTR_STRINGS && i < a->count; i++) {
        const corten_string *s = &a->strings[i];
        const char *want = names[i % 3];
        if (s->size_bytes != strlen(want) || memcmp(s->data, want, s->size_bytes) != 0)
            return ct_infer_fail(infer, "activations other than Sigmoid, Tanh, Tanh are not "
                                        "possible here");
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    struct sizes s;
    static const int weights[] = {W, R};
    CT_TRY(ct_infer_check_rank(infer, X, 3, 3));
    CT_TRY(read_sizes(infer, &s));
    CT_TRY(check_activations(infer));
    for (int i = 0; i < 2; i++) {
        int w = weights[i], scale = i ? R_SCALE : W_SCALE, zero = i ? R_ZERO : W_ZERO;
        if (!ct_infer_in(infer, w) || !ct_infer_in(infer, scale) || !ct_infer_in(infer, zero))
            return ct_infer_fail(infer, "input %d, its scale or its zero point is missing", w);
        CT_TRY(ct_infer_check_dtype(infer, w, CT_BIT(U8) | CT_BIT(I8)));
        CT_TRY(check_dims(infer, w, 3,
                          (ct_dim[]){s.directions, i ? s.hidden : s.input, 4 * s.hidden}));
        CT_TRY(ct_infer_check_dtype(infer, scale, CT_BIT(F32)));
        CT_TRY(ct_infer_check_same_dtype(infer, w, zero));
        for (int k = 0; k < 2; k++) {
            int index = k ? zero : scale;
            CT_TRY(ct_infer_check_rank(infer, index, 1, 2));
            CT_TRY(check_dims(infer, index, ct_infer_in(infer, index)->rank == 2 ? 2 : 1,
                              (ct_dim[]){s.directions, 4 * s.hidden}));
        }
    }
    CT_TRY(ct_infer_check_dtype(infer, LENGTHS, CT_BIT(I32)));
    for (int i = INITIAL_H; i <= P; i++)
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, B, CT_BIT(F32)));
    CT_TRY(check_dims(infer, B, 2, (ct_dim[]){s.directions, 8 * s.hidden}));
    CT_TRY(check_dims(infer, LENGTHS, 1, (ct_dim[]){s.batch}));
    CT_TRY(check_dims(infer, INITIAL_H, 3, (ct_dim[]){s.directions, s.batch, s.hidden}));
    CT_TRY(check_dims(infer, INITIAL_C, 3, (ct_dim[]){s.directions, s.batch, s.hidden}));
    CT_TRY(check_dims(infer, P, 2, (ct_dim[]){s.directions, 3 * s.hidden}));
    ct_infer_set(infer, 0, CORTEN_F32, 4, (ct_dim[]){s.seq, s.directions, s.batch, s.hidden});
    for (int i = 1; i < 3; i++)
        ct_infer_set(infer, i, CORTEN_F32, 3, (ct_dim[]){s.directions, s.batch, s.hidden});
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct state {
    struct sizes s;
    struct ct_gemm_i8_problem input, recurrent; /* all steps; one step */
    size_t gates_at, step_at, bytes_at, scales_at, h_at, c_at, gemm_at, zero_at;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, &st->s));
    const struct sizes *s = &st->s;
    int64_t width = 4 * s->hidden;
    ct_gemm_i8_problem_init(&st->input, s->seq * s->batch, width, s->input);
    ct_gemm_i8_problem_init(&st->recurrent, s->batch, width, s->hidden);
    st->input.b_signed = prepare->in[W]->dtype == CORTEN_I8;
    st->recurrent.b_signed = prepare->in[R]->dtype == CORTEN_I8;
    size_t gates, step, bytes = ct_count(prepare->in[X]), states;
    if (!ct_shape_count(3, (int64_t[]){s->seq, s->batch, width}, &gates) ||
        !ct_shape_count(2, (int64_t[]){s->batch, width}, &step))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the gates are too large");
    states = step / 4;
    CT_TRY(ct_contrib_reserve(prepare, gates, sizeof(float), &st->gates_at));
    CT_TRY(ct_contrib_reserve(prepare, step, sizeof(float), &st->step_at));
    CT_TRY(ct_contrib_reserve(prepare, bytes > states ? bytes : states, 1, &st->bytes_at));
    CT_TRY(ct_contrib_reserve(prepare, (size_t)width, sizeof(float), &st->scales_at));
    CT_TRY(ct_contrib_reserve(prepare, states, sizeof(float), &st->h_at));
    CT_TRY(ct_contrib_reserve(prepare, states, sizeof(float), &st->c_at));
    CT_TRY(ct_contrib_reserve(prepare, 1, CT_ALIGN, &st->zero_at));
    size_t a = ct_gemm_i8_scratch_bytes(&st->input), b = ct_gemm_i8_scratch_bytes(&st->recurrent);
    CT_TRY(ct_contrib_reserve(prepare, a > b ? a : b, 1, &st->gemm_at));
    prepare->state = st;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

/* y = x times a direction of weights, x as bytes. */
static void product(const struct ct_run *run, const struct ct_gemm_i8_problem *problem,
                    const float *x, int weight, int64_t direction, float *y)
{
    const struct state *st = run->state;
    struct ct_gemm_i8_problem p = *problem;
    const struct ct_tensor *scale = run->in[weight == W ? W_SCALE : R_SCALE];
    const struct ct_tensor *zero = run->in[weight == W ? W_ZERO : R_ZERO];
    uint8_t *bytes = ct_contrib_scratch(run, st->bytes_at);
    uint8_t *x_zero = ct_contrib_scratch(run, st->zero_at);
    float *scales = ct_contrib_scratch(run, st->scales_at);
    float factor = ct_qlinear_dynamic(x, (size_t)(p.m * p.k), bytes, x_zero);
    for (int64_t j = 0; j < p.n; j++)
        scales[j] =
            factor *
            ct_contrib_f32(scale, (size_t)(scale->rank == 2 ? direction * p.n + j : direction), 1);
    p.a_zero = x_zero;
    p.b_zero = CT_DATA(const char, zero) + (zero->rank == 2 ? direction * p.n : direction);
    p.b_zero_stride = zero->rank == 2;
    p.post =
        (struct ct_gemm_i8_post){.output = CT_GEMM_I8_TO_F32, .scale = scales, .scale_stride = 1};
    ct_gemm_i8_run(run->exec->pool, &p, bytes,
                   CT_DATA(const char, run->in[weight]) + direction * p.k * p.n, y,
                   ct_contrib_scratch(run, st->gemm_at));
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

struct cell {
    const float *gates, *recurrent; /* i, o, f, c of one sequence at one step */
    const float *bias, *peephole;   /* or NULL */
    int64_t hidden;
    float clip;
    bool input_forget;
    float *h, *c;
};

static float gate(const struct cell *cell, int64_t index, float more)
{
    float x = cell->gates[index] + cell->recurrent[index] + more;
    if (cell->bias)
        x += cell->bias[index] + cell->bias[4 * cell->hidden + index];
    return cell->clip > 0 ? fminf(fmaxf(x, -cell->clip), cell->clip) : x;
}

static void one_step(const struct cell *cell)
{
    int64_t n = cell->hidden;
    const float *p = cell->peephole;
    for (int64_t i = 0; i < n; i++) {
        float old = cell->c[i];
        float in = sigmoid(gate(cell, i, p ? p[i] * old : 0));
        float forget = cell->input_forget
                           ? 1 - in
                           : sigmoid(gate(cell, 2 * n + i, p ? p[2 * n + i] * old : 0));
        float now = forget * old + in * tanhf(gate(cell, 3 * n + i, 0));
        float out = sigmoid(gate(cell, n + i, p ? p[n + i] * now : 0));
        cell->c[i] = now;
        cell->h[i] = out * tanhf(now);
    }
}

static void load_states(const struct ct_run *run, int input, int64_t direction, size_t n, float *to)
{
    const struct ct_tensor *t = ct_contrib_run_in(run, input);
    if (t)
        memcpy(to, CT_DATA(const float, t) + (size_t)direction * n, n * sizeof *to);
    else
        memset(to, 0, n * sizeof *to);
}

static int64_t length_of(const struct ct_run *run, int64_t b, int64_t seq)
{
    const struct ct_tensor *t = ct_contrib_run_in(run, LENGTHS);
    int64_t length = t ? ct_contrib_i64(t, (size_t)b) : seq;
    return length < 0 ? 0 : length > seq ? seq : length;
}

static void one_direction(const struct ct_run *run, int64_t direction)
{
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    struct ct_tensor *y = ct_contrib_run_out(run, 0);
    const struct ct_tensor *bias = ct_contrib_run_in(run, B), *peep = ct_contrib_run_in(run, P);
    bool reverse = s->reverse || direction == 1;
    int64_t n = s->hidden;
    size_t states = (size_t)(s->batch * n);
    float *gates = ct_contrib_scratch(run, st->gates_at);
    float *recurrent = ct_contrib_scratch(run, st->step_at);
    float *h = ct_contrib_scratch(run, st->h_at), *c = ct_contrib_scratch(run, st->c_at);
    struct cell cell = {.hidden = n,
                        .clip = ct_attr_float(run->node, "clip", 0),
                        .input_forget = ct_attr_int(run->node, "input_forget", 0) != 0};
    if (bias)
        cell.bias = CT_DATA(const float, bias) + direction * 8 * n;
    if (peep)
        cell.peephole = CT_DATA(const float, peep) + direction * 3 * n;
    load_states(run, INITIAL_H, direction, states, h);
    load_states(run, INITIAL_C, direction, states, c);
    product(run, &st->input, run->in[X]->data, W, direction, gates);
    for (int64_t t = 0; t < s->seq; t++) {
        product(run, &st->recurrent, h, R, direction, recurrent);
        for (int64_t b = 0; b < s->batch; b++) {
            int64_t length = length_of(run, b, s->seq), at = reverse ? length - 1 - t : t;
            if (t >= length) {
                if (y)
                    memset(CT_DATA(float, y) + ((t * s->directions + direction) * s->batch + b) * n,
                           0, (size_t)n * sizeof(float));
                continue;
            }
            cell.gates = gates + (at * s->batch + b) * 4 * n;
            cell.recurrent = recurrent + b * 4 * n;
            cell.h = h + b * n;
            cell.c = c + b * n;
            one_step(&cell);
            if (y)
                memcpy(CT_DATA(float, y) + ((at * s->directions + direction) * s->batch + b) * n,
                       cell.h, (size_t)n * sizeof(float));
        }
    }
    struct ct_tensor *last[] = {ct_contrib_run_out(run, 1), ct_contrib_run_out(run, 2)};
    for (int i = 0; i < 2; i++)
        if (last[i])
            memcpy(CT_DATA(float, last[i]) + (size_t)direction * states, i ? c : h,
                   states * sizeof(float));
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    for (int64_t d = 0; d < st->s.directions; d++)
        one_direction(run, d);
    return CORTEN_OK;
}

const struct ct_op ct_op_dynamic_quantize_lstm = {.infer = infer,
                                                  .prepare = prepare,
                                                  .run = run,
                                                  .min_in = 1,
                                                  .max_in = 12,
                                                  .min_out = 0,
                                                  .max_out = 3};
