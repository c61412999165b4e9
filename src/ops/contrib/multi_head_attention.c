/* com.microsoft.MultiHeadAttention, and DecoderMaskedMultiHeadAttention, which has the same inputs in
 * another order (after them beam_width, which cache_indirection tells too), one query in each
 * sequence, and Q, K and V side by side, [B,1,N*H + N*H + N*Hv], when key is absent.
 * Inputs: query [B,S,N*H] (or QKV packed: [B,S,N,3,H]), key [B,L,N*H] or [B,N,L,H] (or KV packed:
 * [B,L,N,2,H]), value [B,L,N*Hv] or [B,N,L,Hv], bias [N*H + N*H + N*Hv], key_padding_mask ([B],
 * [3B+2], [B,T] or [B,S,T] of int32), attention_bias [1|B,1|N,S,T], past_key [B,N,P,H], past_value
 * [B,N,P,Hv]. T = P + L.
 * past_sequence_length and cache_indirection: past and present are caches of one capacity, [B,N,M,H].
 * Outputs: [B,S,N*Hv], present_key [B,N,T,H], present_value [B,N,T,Hv], scores [B,N,S,T].
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
#include "ops/contrib/mha.h"
#include "ops/widen.h"

enum { QUERY, KEY, VALUE, BIAS, PADDING, ADDED, PAST_KEY, PAST_VALUE, PAST_LEN, INDIRECTION };

/* What the shapes say. */
struct sizes {
    int64_t batch, q_len, new_len, past_len, heads, head_size, v_head_size;
    int packed;       /* 3: QKV in query, 2: KV in key, 1: apart, 0: side by side in query */
    bool heads_first; /* key and value are [B,N,L,H] */
};

/* ------------------------------------------------------------------ the decoder's inputs */

/* Where the decoder has what is above. */
enum { DECODER_INPUTS = 11, N_INPUTS = INDIRECTION + 1 };
static const int decoder_places[N_INPUTS] = {0, 1, 2, 10, 3, 4, 5, 6, 7, 9};

static bool is_decoder(const struct ct_node *node)
{
    return node->op_type[0] == 'D';
}

/* ------------------------------------------------------------------ infer */

static ct_status read_shapes(const struct ct_infer *infer, struct sizes *s, bool *known)
{
    const struct ct_fact *q = ct_infer_in(infer, QUERY), *k = ct_infer_in(infer, KEY);
    const struct ct_fact *v = ct_infer_in(infer, VALUE), *past = ct_infer_in(infer, PAST_KEY);
    *known = false;
    *s = (struct sizes){.heads = ct_attr_int(infer->node, "num_heads", 0), .packed = 1};
    if (s->heads < 1)
        return ct_infer_fail(infer, "num_heads is %lld, expected at least 1", (long long)s->heads);
    if (q->rank >= 0 && q->rank != 3 && q->rank != 5)
        return ct_infer_fail(infer, "query has rank %d, expected 3 or 5", q->rank);
    bool side_by_side = !k && q->rank == 3;
    if (side_by_side && !is_decoder(infer->node))
        return ct_infer_fail(infer, "key is missing");
    for (int i = 0; i < infer->n_in; i++)
        if (infer->in[i] && infer->in[i]->rank < 0)
            return CORTEN_OK;
    s->packed = side_by_side ? 0 : q->rank == 5 ? 3 : k->rank == 5 ? 2 : 1;
    if (s->packed == 1 && (!v || (k->rank != 3 && k->rank != 4) || v->rank != k->rank))
        return ct_infer_fail(infer, "key and value must both be of rank 3 or both of rank 4");
    if (past && past->rank != 4)
        return ct_infer_fail(infer, "past_key has rank %d, expected 4", past->rank);
    if (past && !ct_infer_in(infer, PAST_VALUE))
        return ct_infer_fail(infer, "past_value is missing");
    if (past && ct_infer_in(infer, PAST_VALUE)->rank != 4)
        return ct_infer_fail(infer, "past_value must have rank 4");
    *known = true;
    return CORTEN_OK;
}

/* The last dimension of a [.., N*H] tensor, by head. */
static ct_status head_size(const struct ct_infer *infer, ct_dim hidden, int64_t heads, ct_dim *size)
{
    if (ct_dim_known(hidden) && hidden % heads)
        return ct_infer_fail(infer, "%lld is not a multiple of num_heads, %lld", (long long)hidden,
                             (long long)heads);
    *size = ct_dim_known(hidden) ? hidden / heads : CT_DIM_UNKNOWN;
    return CORTEN_OK;
}

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *q = ct_infer_in(infer, QUERY), *k = ct_infer_in(infer, KEY);
    const struct ct_fact *v = ct_infer_in(infer, VALUE), *past = ct_infer_in(infer, PAST_KEY);
    s->batch = q->dims[0];
    s->q_len = q->dims[1];
    if (s->packed == 0) {
        CT_TRY(head_size(infer, q->dims[2], 3 * s->heads, &s->head_size));
        s->new_len = s->q_len;
        s->v_head_size = s->head_size;
    } else if (s->packed == 3) {
        CT_TRY(ct_contrib_agree(infer, "heads of the packed query", q->dims[2], s->heads));
        CT_TRY(ct_contrib_agree(infer, "packed matrices", q->dims[3], 3));
        s->new_len = s->q_len;
        s->head_size = s->v_head_size = q->dims[4];
    } else {
        CT_TRY(head_size(infer, q->dims[2], s->heads, &s->head_size));
        CT_TRY(ct_contrib_agree(infer, "batch of query and key", s->batch, k->dims[0]));
        s->heads_first = k->rank == 4;
        s->new_len = k->dims[s->heads_first ? 2 : 1];
        if (s->packed == 2) {
            CT_TRY(ct_contrib_agree(infer, "heads of the packed key", k->dims[2], s->heads));
            CT_TRY(ct_contrib_agree(infer, "packed matrices", k->dims[3], 2));
            CT_TRY(ct_contrib_agree(infer, "head size", k->dims[4], s->head_size));
            s->v_head_size = k->dims[4];
        } else if (s->heads_first) {
            CT_TRY(ct_contrib_agree(infer, "heads of key", k->dims[1], s->heads));
            CT_TRY(ct_contrib_agree(infer, "heads of value", v->dims[1], s->heads));
            CT_TRY(ct_contrib_agree(infer, "head size", k->dims[3], s->head_size));
            CT_TRY(ct_contrib_agree(infer, "length of key and value", v->dims[2], s->new_len));
            s->v_head_size = v->dims[3];
        } else {
            CT_TRY(ct_contrib_agree(infer, "hidden size of query and key", q->dims[2], k->dims[2]));
            CT_TRY(ct_contrib_agree(infer, "length of key and value", v->dims[1], s->new_len));
            CT_TRY(head_size(infer, v->dims[2], s->heads, &s->v_head_size));
        }
        if (v)
            CT_TRY(ct_contrib_agree(infer, "batch of query and value", s->batch, v->dims[0]));
    }
    if (past) {
        const struct ct_fact *past_v = ct_infer_in(infer, PAST_VALUE);
        s->past_len = past->dims[2];
        for (int i = 0; i < 3; i++)
            CT_TRY(
                ct_contrib_agree(infer, "past_key and past_value", past->dims[i], past_v->dims[i]));
        CT_TRY(ct_contrib_agree(infer, "batch of past_key", past->dims[0], s->batch));
        CT_TRY(ct_contrib_agree(infer, "heads of past_key", past->dims[1], s->heads));
        CT_TRY(ct_contrib_agree(infer, "head size of past_key", past->dims[3], s->head_size));
        CT_TRY(ct_contrib_agree(infer, "head size of past_value", past_v->dims[3], s->v_head_size));
    }
    return CORTEN_OK;
}

static ct_status infer_inputs(struct ct_infer *infer)
{
    struct sizes s;
    bool known;
    enum ct_mha_mask mask;
    for (int i = KEY; i <= PAST_VALUE; i++)
        if (i != PADDING)
            CT_TRY(ct_infer_check_same_dtype(infer, QUERY, i));
    CT_TRY(ct_infer_check_dtype(infer, PAST_LEN, CT_BIT(I32)));
    CT_TRY(ct_contrib_scalar(infer, PAST_LEN));
    CT_TRY(ct_infer_check_dtype(infer, INDIRECTION, CT_BIT(I32)));
    CT_TRY(ct_infer_check_rank(infer, INDIRECTION, 3, 3));
    CT_TRY(read_shapes(infer, &s, &known));
    ct_dtype dtype = ct_infer_in(infer, QUERY)->dtype;
    for (int i = 0; i < 4; i++)
        ct_infer_set(infer, i, dtype, -1, NULL);
    if (!known)
        return CORTEN_OK;
    CT_TRY(read_sizes(infer, &s));
    const struct ct_fact *beams = ct_infer_in(infer, INDIRECTION);
    if (beams && beams->rank == 3 && ct_dim_known(beams->dims[0]) && ct_dim_known(beams->dims[1])) {
        if (beams->dims[1] < 1)
            return ct_infer_fail(infer, "cache_indirection has no beams");
        CT_TRY(ct_contrib_agree(infer, "sequences of cache_indirection",
                                ct_dim_mul(infer, beams->dims[0], beams->dims[1]), s.batch));
    }
    bool shared = ct_infer_in(infer, PAST_LEN) && ct_infer_in(infer, PAST_KEY);
    ct_dim total = shared ? CT_DIM_UNKNOWN : ct_dim_add(infer, s.past_len, s.new_len);
    CT_TRY(ct_mha_check_mask(infer, PADDING, s.batch, s.q_len, total, &mask));
    CT_TRY(ct_mha_check_added(infer, ADDED, s.batch, s.heads, s.q_len, total));
    if (ct_dim_known(s.head_size) && ct_dim_known(s.v_head_size))
        CT_TRY(ct_contrib_vector(infer, BIAS, s.heads * (2 * s.head_size + s.v_head_size)));
    ct_dim hidden =
        ct_dim_known(s.v_head_size) ? ct_dim_mul(infer, s.heads, s.v_head_size) : CT_DIM_UNKNOWN;
    ct_dim cached = shared ? s.past_len : total;
    ct_infer_set(infer, 0, dtype, 3, (ct_dim[]){s.batch, s.q_len, hidden});
    ct_infer_set(infer, 1, dtype, 4, (ct_dim[]){s.batch, s.heads, cached, s.head_size});
    ct_infer_set(infer, 2, dtype, 4, (ct_dim[]){s.batch, s.heads, cached, s.v_head_size});
    if (shared && infer->n_out > 3 && infer->out[3]) {
        const int64_t *past = NULL;
        int count;
        CT_TRY(ct_infer_ints(infer, PAST_LEN, &past, &count));
        if (past && ct_dim_known(s.new_len))
            total = past[0] + s.new_len;
    }
    ct_infer_set(infer, 3, dtype, 4, (ct_dim[]){s.batch, s.heads, s.q_len, total});
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

/* Where one of Q, K and V is: input and element of its first head. */
struct source {
    int input;
    int64_t first;
};

struct state {
    struct ct_mha mha;
    struct ct_widen widen;
    struct source q, k, v;
    bool has_bias;
};

static void describe_sources(struct state *state, const struct sizes *s)
{
    struct ct_mha *m = &state->mha;
    int64_t n = s->heads, h = s->head_size, hv = s->v_head_size;
    state->q = (struct source){QUERY, 0};
    state->k = (struct source){KEY, 0};
    state->v = (struct source){VALUE, 0};
    m->q = ct_mha_rows_of(s->q_len, n, h);
    m->k.strides = ct_mha_rows_of(s->new_len, n, h);
    m->v.strides = ct_mha_rows_of(s->new_len, n, hv);
    if (s->packed == 0) {
        struct ct_attention_strides strides = {s->q_len * 3 * n * h, h, 3 * n * h};
        m->q = m->k.strides = m->v.strides = strides;
        state->k = (struct source){QUERY, n * h};
        state->v = (struct source){QUERY, 2 * n * h};
    } else if (s->packed == 3) {
        struct ct_attention_strides strides = {s->q_len * n * 3 * h, 3 * h, n * 3 * h};
        m->q = m->k.strides = m->v.strides = strides;
        state->k = (struct source){QUERY, h};
        state->v = (struct source){QUERY, 2 * h};
    } else if (s->packed == 2) {
        struct ct_attention_strides strides = {s->new_len * n * 2 * h, 2 * h, n * 2 * h};
        m->k.strides = m->v.strides = strides;
        state->v = (struct source){KEY, h};
    } else if (s->heads_first) {
        m->k.strides = ct_mha_heads_of(s->new_len, n, h);
        m->v.strides = ct_mha_heads_of(s->new_len, n, hv);
    }
}

static ct_status prepare_inputs(struct ct_prepare *prepare)
{
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    struct ct_contrib_facts facts;
    struct sizes s;
    bool known;
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_shapes(&facts.infer, &s, &known));
    CT_TRY(read_sizes(&facts.infer, &s));
    struct ct_mha *m = &state->mha;
    bool shared = ct_contrib_in(prepare, PAST_LEN) && ct_contrib_in(prepare, PAST_KEY);
    *m = (struct ct_mha){.batch = s.batch,
                         .heads = s.heads,
                         .q_len = s.q_len,
                         .new_len = s.new_len,
                         .past_len = shared ? 0 : s.past_len,
                         .capacity = shared ? s.past_len : 0,
                         .k.size = s.head_size,
                         .v.size = s.v_head_size,
                         .k.present = ct_contrib_out(prepare, 1),
                         .v.present = ct_contrib_out(prepare, 2),
                         .causal = ct_attr_int(prepare->node, "unidirectional", 0) != 0,
                         .scale = ct_attr_float(prepare->node, "scale", 0),
                         .filter = ct_attr_float(prepare->node, "mask_filter_value", -10000.0f),
                         .scores = ct_contrib_out(prepare, 3) ? CT_SCORES_MASKED : CT_SCORES_NONE};
    m->beams = ct_contrib_in(prepare, INDIRECTION) && ct_contrib_in(prepare, PAST_KEY);
    state->has_bias = ct_contrib_in(prepare, BIAS);
    m->q_bias = state->has_bias;
    m->kv_bias = state->has_bias && !s.heads_first;
    CT_TRY(ct_mha_check_mask(&facts.infer, PADDING, s.batch, s.q_len,
                             shared ? CT_DIM_UNKNOWN : s.past_len + s.new_len, &m->mask));
    ct_mha_read_masks(m, prepare, PADDING, ADDED);
    describe_sources(state, &s);
    unsigned floats = 1u << QUERY | 1u << KEY | 1u << VALUE | 1u << BIAS | 1u << ADDED |
                      1u << PAST_KEY | 1u << PAST_VALUE;
    CT_TRY(ct_widen_init(&state->widen, prepare, CORTEN_F32, floats, 15));
    CT_TRY(ct_mha_prepare(m, prepare));
    prepare->state = state;
    return CORTEN_OK;
}

/* A cache that past and present share stays where it is. */
static void share_caches(struct ct_prepare *prepare, int past_key)
{
    if (!ct_contrib_in(prepare, past_key + 2) || !ct_contrib_in(prepare, past_key))
        return;
    for (int i = 0; i < 2; i++)
        if (ct_contrib_out(prepare, 1 + i))
            ct_prepare_in_place(prepare, 1 + i, past_key + i);
}

static ct_status prepare_plain(struct ct_prepare *prepare)
{
    CT_TRY(prepare_inputs(prepare));
    share_caches(prepare, PAST_KEY);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

static const float *floats_of(const struct state *state, const struct ct_run *run, int input)
{
    return ct_contrib_run_in(run, input) ? ct_widen_in(&state->widen, run, input) : NULL;
}

static float *output_of(const struct state *state, const struct ct_run *run, int out)
{
    return ct_contrib_run_out(run, out) ? ct_widen_out(&state->widen, run, out) : NULL;
}

static ct_status run_inputs(const struct ct_run *run)
{
    const struct state *state = run->state;
    const struct ct_mha *m = &state->mha;
    const float *inputs[] = {floats_of(state, run, QUERY), floats_of(state, run, KEY),
                             floats_of(state, run, VALUE)};
    struct ct_mha_data data = {
        .q = inputs[state->q.input] + state->q.first,
        .k = inputs[state->k.input] + state->k.first,
        .v = inputs[state->v.input] + state->v.first,
        .past_k = floats_of(state, run, PAST_KEY),
        .past_v = floats_of(state, run, PAST_VALUE),
        .present_k = output_of(state, run, 1),
        .present_v = output_of(state, run, 2),
        .mask = m->mask ? CT_DATA(const int32_t, run->in[PADDING]) : NULL,
        .added = floats_of(state, run, ADDED),
        .y = output_of(state, run, 0),
        .scores = output_of(state, run, 3),
        .past_len = m->past_len,
    };
    if (m->capacity) {
        data.past_len = ct_contrib_i64(run->in[PAST_LEN], 0);
        if (data.past_len < 0 || data.past_len > m->capacity - m->new_len)
            return ct_run_fail(run, "past_sequence_length is %lld, 0 to %lld is possible",
                               (long long)data.past_len, (long long)(m->capacity - m->new_len));
    }
    if (m->beams) {
        const struct ct_tensor *beams = run->in[INDIRECTION];
        data.indirection = beams->data;
        data.beams = beams->dims[1];
        data.indirection_cols = beams->dims[2];
    }
    if (state->has_bias) {
        data.q_bias = floats_of(state, run, BIAS);
        if (m->kv_bias) {
            data.k_bias = data.q_bias + m->heads * m->k.size;
            data.v_bias = data.k_bias + m->heads * m->k.size;
        }
    }
    ct_mha_run(m, run, &data);
    for (int i = 0; i < run->n_out; i++)
        if (run->out[i])
            ct_widen_done(&state->widen, run, i);
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct sizes s;
    bool known;
    if (read_shapes(infer, &s, &known) != CORTEN_OK || !known || read_sizes(infer, &s) != CORTEN_OK)
        return;
    cost->flops += 2.0 * (double)s.batch * (double)s.heads * (double)s.q_len *
                   (double)(s.past_len + s.new_len) * (double)(s.head_size + s.v_head_size);
}

const struct ct_op ct_op_multi_head_attention = {
    .infer = infer_inputs,
    .prepare = prepare_plain,
    .run = run_inputs,
    .cost = cost,
    .min_in = 1,
    .max_in = 10,
    .min_out = 1,
    .max_out = 4,
};

/* ------------------------------------------------------------------ the decoder */

static ct_status infer_decoder(struct ct_infer *infer)
{
    const struct ct_fact *in[N_INPUTS];
    struct ct_infer ordered = *infer;
    const struct ct_fact *q = ct_infer_in(infer, QUERY);
    if (q->rank == 3 && ct_dim_known(q->dims[1]) && q->dims[1] != 1)
        return ct_infer_fail(infer, "query has %lld tokens in a sequence, one is expected",
                             (long long)q->dims[1]);
    for (int i = 0; i < N_INPUTS; i++)
        in[i] = ct_infer_in(infer, decoder_places[i]);
    ordered.in = in;
    ordered.n_in = N_INPUTS;
    return infer_inputs(&ordered);
}

static ct_status prepare_decoder(struct ct_prepare *prepare)
{
    const struct ct_tensor *in[N_INPUTS], *const *own = prepare->in;
    int n = prepare->n_in;
    for (int i = 0; i < N_INPUTS; i++)
        in[i] = ct_contrib_in(prepare, decoder_places[i]);
    prepare->in = in;
    prepare->n_in = N_INPUTS;
    ct_status status = prepare_inputs(prepare);
    prepare->in = own;
    prepare->n_in = n;
    CT_TRY(status);
    share_caches(prepare, decoder_places[PAST_KEY]);
    return CORTEN_OK;
}

static ct_status run_decoder(const struct ct_run *run)
{
    struct ct_tensor *in[N_INPUTS];
    struct ct_run ordered = *run;
    for (int i = 0; i < N_INPUTS; i++)
        in[i] = ct_contrib_run_in(run, decoder_places[i]);
    ordered.in = in;
    ordered.n_in = N_INPUTS;
    return run_inputs(&ordered);
}

const struct ct_op ct_op_decoder_masked_multi_head_attention = {
    .infer = infer_decoder,
    .prepare = prepare_decoder,
    .run = run_decoder,
    .min_in = 1,
    .max_in = DECODER_INPUTS,
    .min_out = 1,
    .max_out = 4,
};
