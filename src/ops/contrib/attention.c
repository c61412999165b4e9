/* com.microsoft.Attention: one product makes Q, K and V of the input, then attention with a past,
 * masks and an added matrix. Attributes do_rotary and past_present_share_buffer are refused. */
#include "ops/contrib/mha.h"
#include "ops/gemm_driver.h"
#include "ops/widen.h"

#include <stdio.h>
#include <string.h>

enum { INPUT, WEIGHTS, BIAS, MASK, PAST, ADDED, PAST_LEN };

struct sizes {
    ct_dim batch, seq, hidden;
    int64_t heads;
    ct_dim qk_hidden, v_hidden, past;
};

/* ------------------------------------------------------------------ infer */

static ct_status check_heads(const struct ct_infer *infer, int64_t heads, ct_dim hidden)
{
    if (!ct_dim_known(hidden) || (hidden > 0 && hidden % heads == 0))
        return CORTEN_OK;
    return ct_infer_fail(infer, "a hidden size of %lld cannot be split into %lld heads",
                         (long long)hidden, (long long)heads);
}

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *x = ct_infer_in(infer, INPUT), *w = ct_infer_in(infer, WEIGHTS);
    const struct ct_fact *past = ct_infer_in(infer, PAST);
    const int64_t *hidden;
    int n = ct_attr_ints(infer->node, "qkv_hidden_sizes", &hidden);
    *s = (struct sizes){x->rank == 3 ? x->dims[0] : CT_DIM_UNKNOWN,
                        x->rank == 3 ? x->dims[1] : CT_DIM_UNKNOWN,
                        x->rank == 3 ? x->dims[2] : CT_DIM_UNKNOWN,
                        0,
                        CT_DIM_UNKNOWN,
                        CT_DIM_UNKNOWN,
                        0};
    ct_dim width = w->rank == 2 ? w->dims[1] : CT_DIM_UNKNOWN;
    CT_TRY(ct_contrib_required_int(infer, "num_heads", 1, &s->heads));
    if (n > 0) {
        if (n != 3 || hidden[0] != hidden[1] || hidden[0] < 0 || hidden[2] < 0 ||
            hidden[0] > INT32_MAX || hidden[2] > INT32_MAX)
            return ct_infer_fail(infer, "qkv_hidden_sizes: three numbers, the first two equal, "
                                        "are expected");
        s->qk_hidden = hidden[0];
        s->v_hidden = hidden[2];
        CT_TRY(ct_contrib_agree(infer, "columns of weights", width, 2 * hidden[0] + hidden[2]));
    } else if (ct_dim_known(width)) {
        if (width % 3)
            return ct_infer_fail(infer, "weights have %lld columns, not a multiple of 3",
                                 (long long)width);
        s->qk_hidden = s->v_hidden = width / 3;
    }
    CT_TRY(check_heads(infer, s->heads, s->qk_hidden));
    CT_TRY(check_heads(infer, s->heads, s->v_hidden));
    if (past && past->rank == 5) {
        s->past = past->dims[3];
        CT_TRY(ct_contrib_agree(infer, "parts of past", past->dims[0], 2));
        CT_TRY(ct_contrib_agree(infer, "batch of past", past->dims[1], s->batch));
        CT_TRY(ct_contrib_agree(infer, "heads of past", past->dims[2], s->heads));
        if (ct_dim_known(s->qk_hidden))
            CT_TRY(ct_contrib_agree(infer, "head size of past", past->dims[4],
                                    s->qk_hidden / s->heads));
    } else if (past) {
        s->past = CT_DIM_UNKNOWN;
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, INPUT), *w = ct_infer_in(infer, WEIGHTS);
    struct sizes s;
    enum ct_mha_mask mask;
    CT_TRY(ct_infer_check_rank(infer, INPUT, 3, 3));
    CT_TRY(ct_infer_check_rank(infer, WEIGHTS, 2, 2));
    CT_TRY(ct_infer_check_rank(infer, PAST, 5, 5));
    for (int i = WEIGHTS; i <= ADDED; i++)
        if (i != MASK)
            CT_TRY(ct_infer_check_same_dtype(infer, INPUT, i));
    if (ct_attr_int(infer->node, "do_rotary", 0) ||
        ct_attr_int(infer->node, "past_present_share_buffer", 0) || ct_infer_in(infer, PAST_LEN))
        return ct_infer_fail(infer, "do_rotary and past_present_share_buffer are not possible");
    CT_TRY(read_sizes(infer, &s));
    if (x->rank == 3 && w->rank == 2)
        CT_TRY(ct_contrib_agree(infer, "rows of weights", w->dims[0], s.hidden));
    CT_TRY(ct_contrib_vector(infer, BIAS, w->rank == 2 ? w->dims[1] : CT_DIM_UNKNOWN));
    if ((ct_infer_in(infer, PAST) || (infer->n_out > 1 && infer->out[1])) &&
        ct_dim_known(s.qk_hidden) && s.qk_hidden != s.v_hidden)
        return ct_infer_fail(infer, "past and present need values as wide as keys");
    ct_dim total = ct_dim_add(infer, s.past, s.seq);
    CT_TRY(ct_mha_check_mask(infer, MASK, s.batch, s.seq, total, &mask));
    CT_TRY(ct_mha_check_added(infer, ADDED, s.batch, s.heads, s.seq, total));
    ct_infer_set(infer, 0, x->dtype, 3, (ct_dim[]){s.batch, s.seq, s.v_hidden});
    ct_dim size = ct_dim_known(s.qk_hidden) ? s.qk_hidden / s.heads : CT_DIM_UNKNOWN;
    ct_infer_set(infer, 1, x->dtype, 5, (ct_dim[]){2, s.batch, s.heads, total, size});
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct state {
    struct ct_mha mha;
    struct ct_widen widen;
    struct ct_gemm_problem gemm;
    const void *packed; /* NULL: the weights are read */
    int64_t qk_hidden;
    size_t qkv_at, gemm_at;
};

static ct_status pack(void *arg, const struct ct_tensor *weights, void *packed,
                      struct ct_pool *pool, corten_error *error)
{
    size_t n = ct_count(weights), bytes = n * sizeof(float);
    float *copy = ct_alloc(ct_default_allocator(), bytes);
    if (!copy)
        return ct_fail_memory(error, bytes, "packing a weight");
    ct_load_f32(weights->dtype, weights->data, 0, n, copy);
    ct_gemm_f32_pack_b(pool, arg, copy, packed);
    ct_release(ct_default_allocator(), copy, bytes);
    return CORTEN_OK;
}

static ct_status prepare_product(struct ct_prepare *prepare, struct state *s, int64_t rows)
{
    const struct ct_tensor *w = prepare->in[WEIGHTS];
    struct ct_gemm_problem *p = &s->gemm;
    ct_gemm_problem_init(p, rows, w->dims[1], w->dims[0]);
    if (ct_prepare_may_pack(prepare, WEIGHTS) && ct_count(w) > 0 && ct_gemm_f32_wants_packed_b(p)) {
        char key[64];
        snprintf(key, sizeof key, "attention:%s:%lldx%lld",
                 ct_gemm_f32_select(ct_cpu_features())->name + sizeof "ct_gemm" - 1,
                 (long long)p->k, (long long)p->n);
        CT_TRY(ct_prepare_pack(prepare, WEIGHTS, key, ct_gemm_f32_packed_b_bytes(p), pack, p,
                               &s->packed));
        p->b_packed = true;
    }
    if (ct_contrib_in(prepare, BIAS))
        p->post.bias = (struct ct_gemm_term){NULL, 0, 1};
    size_t count;
    if (!ct_shape_count(2, (int64_t[]){p->m, p->n}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "Q, K and V are too large");
    CT_TRY(ct_contrib_reserve(prepare, count, sizeof(float), &s->qkv_at));
    size_t bytes = ct_gemm_f32_scratch_bytes(p, prepare->threads);
    size_t alone = ct_gemm_f32_scratch_bytes(p, 1);
    return ct_contrib_reserve(prepare, bytes > alone ? bytes : alone, 1, &s->gemm_at);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    struct ct_contrib_facts facts;
    struct sizes s;
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, &s));
    CT_TRY(prepare_product(prepare, state, s.batch * s.seq));
    int64_t width = 2 * s.qk_hidden + s.v_hidden;
    int64_t size = s.qk_hidden / s.heads, v_size = s.v_hidden / s.heads;
    state->qk_hidden = s.qk_hidden;
    state->mha = (struct ct_mha){
        .batch = s.batch,
        .heads = s.heads,
        .q_len = s.seq,
        .new_len = s.seq,
        .past_len = s.past,
        .q = {s.seq * width, size, width},
        .k = {.strides = {s.seq * width, size, width}, .size = size},
        .v = {.strides = {s.seq * width, v_size, width}, .size = v_size},
        .causal = ct_attr_int(prepare->node, "unidirectional", 0) != 0,
        .scale = ct_attr_float(prepare->node, "scale", 0),
        .filter = ct_attr_float(prepare->node, "mask_filter_value", -10000.0f),
    };
    state->mha.k.present = state->mha.v.present = ct_contrib_out(prepare, 1);
    CT_TRY(ct_mha_check_mask(&facts.infer, MASK, s.batch, s.seq, s.past + s.seq, &state->mha.mask));
    ct_mha_read_masks(&state->mha, prepare, MASK, ADDED);
    unsigned floats = 1u << INPUT | 1u << BIAS | 1u << PAST | 1u << ADDED;
    if (!state->packed)
        floats |= 1u << WEIGHTS;
    CT_TRY(ct_widen_init(&state->widen, prepare, CORTEN_F32, floats, 3));
    prepare->state = state;
    return ct_mha_prepare(&state->mha, prepare);
}

/* ------------------------------------------------------------------ run */

static const float *floats_of(const struct state *state, const struct ct_run *run, int input)
{
    return ct_contrib_run_in(run, input) ? ct_widen_in(&state->widen, run, input) : NULL;
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    const struct ct_mha *m = &s->mha;
    struct ct_gemm_problem p = s->gemm;
    float *qkv = ct_contrib_scratch(run, s->qkv_at);
    p.post.bias.p = floats_of(s, run, BIAS);
    ct_gemm_f32_run(run->exec->pool, &p, floats_of(s, run, INPUT),
                    s->packed ? s->packed : floats_of(s, run, WEIGHTS), qkv,
                    ct_contrib_scratch(run, s->gemm_at));
    struct ct_mha_data data = {
        .q = qkv,
        .k = qkv + s->qk_hidden,
        .v = qkv + 2 * s->qk_hidden,
        .past_k = floats_of(s, run, PAST),
        .added = floats_of(s, run, ADDED),
        .mask = m->mask ? CT_DATA(const int32_t, run->in[MASK]) : NULL,
        .y = ct_widen_out(&s->widen, run, 0),
        .past_len = m->past_len,
    };
    if (data.past_k)
        data.past_v = data.past_k + m->batch * m->heads * m->past_len * m->k.size;
    if (ct_contrib_run_out(run, 1)) {
        data.present_k = ct_widen_out(&s->widen, run, 1);
        data.present_v = data.present_k + m->batch * m->heads * m->problem.kv_len * m->k.size;
    }
    ct_mha_run(m, run, &data);
    ct_widen_done(&s->widen, run, 0);
    if (data.present_k)
        ct_widen_done(&s->widen, run, 1);
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct sizes s;
    if (read_sizes(infer, &s) != CORTEN_OK)
        return;
    double rows = (double)s.batch * (double)s.seq, width = (double)(2 * s.qk_hidden + s.v_hidden);
    cost->flops += 2 * rows * (double)s.hidden * width;
    cost->flops += 2 * rows * (double)(s.past + s.seq) * (double)(s.qk_hidden + s.v_hidden);
}

const struct ct_op ct_op_contrib_attention = {.infer = infer,
                                              .prepare = prepare,
                                              .run = run,
                                              .cost = cost,
                                              .min_in = 2,
                                              .max_in = 7,
                                              .min_out = 1,
                                              .max_out = 2};
