/* com.microsoft.MultiHeadAttention.
 * Inputs: query [B,S,N*H] (or QKV packed: [B,S,N,3,H]), key [B,L,N*H] or [B,N,L,H] (or KV packed:
 * [B,L,N,2,H]), value [B,L,N*Hv] or [B,N,L,Hv], bias [N*H + N*H + N*Hv], key_padding_mask ([B],
 * [3B+2], [B,T] or [B,S,T] of int32), attention_bias [1|B,1|N,S,T], past_key [B,N,P,H], past_value
 * [B,N,P,Hv]. T = P + L.
 * Outputs: [B,S,N*Hv], present_key [B,N,T,H], present_value [B,N,T,Hv].
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
#include <math.h>
#include <string.h>

#include "ops/attention_core.h"
#include "graph/op.h"

enum { QUERY, KEY, VALUE, BIAS, PADDING, ADDED, PAST_KEY, PAST_VALUE };

/* What the shapes say. */
struct sizes {
    int64_t batch, q_len, new_len, past_len, heads, head_size, v_head_size;
    int packed;       /* 3: QKV in query, 2: KV in key, 1: apart */
    bool heads_first; /* key and value are [B,N,L,H] */
};

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
    if (!k && q->rank == 3)
        return ct_infer_fail(infer, "key is missing");
    for (int i = 0; i < infer->n_in; i++)
        if (infer->in[i] && infer->in[i]->rank < 0)
            return CORTEN_OK;
    s->packed = q->rank == 5 ? 3 : k->rank == 5 ? 2 : 1;
    if (s->packed == 1 && (!v || (k->rank != 3 && k->rank != 4) || v->rank != k->rank))
        return ct_infer_fail(infer, "key and value must both be of rank 3 or both of rank 4");
    if (past && past->rank != 4)
        return ct_infer_fail(infer, "past_key has rank %d, expected 4", past->rank);
    if (past && !ct_infer_in(infer, PAST_VALUE))
        return ct_infer_fail(infer, "past_value is missing");
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

static ct_status agree(const struct ct_infer *infer, const char *what, ct_dim a, ct_dim b)
{
    if (ct_dim_known(a) && ct_dim_known(b) && a != b)
        return ct_infer_fail(infer, "%s: %lld and %lld do not agree", what, (long long)a,
                             (long long)b);
    return CORTEN_OK;
}

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *q = ct_infer_in(infer, QUERY), *k = ct_infer_in(infer, KEY);
    const struct ct_fact *v = ct_infer_in(infer, VALUE), *past = ct_infer_in(infer, PAST_KEY);
    s->batch = q->dims[0];
    s->q_len = q->dims[1];
    if (s->packed == 3) {
        CT_TRY(agree(infer, "heads of the packed query", q->dims[2], s->heads));
        CT_TRY(agree(infer, "packed matrices", q->dims[3], 3));
        s->new_len = s->q_len;
        s->head_size = s->v_head_size = q->dims[4];
    } else {
        CT_TRY(head_size(infer, q->dims[2], s->heads, &s->head_size));
        CT_TRY(agree(infer, "batch of query and key", s->batch, k->dims[0]));
        s->heads_first = k->rank == 4;
        s->new_len = k->dims[s->heads_first ? 2 : 1];
        if (s->packed == 2) {
            CT_TRY(agree(infer, "heads of the packed key", k->dims[2], s->heads));
            CT_TRY(agree(infer, "packed matrices", k->dims[3], 2));
            CT_TRY(agree(infer, "head size", k->dims[4], s->head_size));
            s->v_head_size = k->dims[4];
        } else if (s->heads_first) {
            CT_TRY(agree(infer, "heads of key", k->dims[1], s->heads));
            CT_TRY(agree(infer, "heads of value", v->dims[1], s->heads));
            CT_TRY(agree(infer, "head size", k->dims[3], s->head_size));
            CT_TRY(agree(infer, "length of key and value", v->dims[2], s->new_len));
            s->v_head_size = v->dims[3];
        } else {
            CT_TRY(agree(infer, "hidden size of query and key", q->dims[2], k->dims[2]));
            CT_TRY(agree(infer, "length of key and value", v->dims[1], s->new_len));
            CT_TRY(head_size(infer, v->dims[2], s->heads, &s->v_head_size));
        }
        if (v)
            CT_TRY(agree(infer, "batch of query and value", s->batch, v->dims[0]));
    }
    if (past) {
        const struct ct_fact *past_v = ct_infer_in(infer, PAST_VALUE);
        s->past_len = past->dims[2];
        for (int i = 0; i < 3; i++)
            CT_TRY(agree(infer, "past_key and past_value", past->dims[i], past_v->dims[i]));
        CT_TRY(agree(infer, "batch of past_key", past->dims[0], s->batch));
        CT_TRY(agree(infer, "heads of past_key", past->dims[1], s->heads));
        CT_TRY(agree(infer, "head size of past_key", past->dims[3], s->head_size));
        CT_TRY(agree(infer, "head size of past_value", past_v->dims[3], s->v_head_size));
    }
    return CORTEN_OK;
}

static ct_status check_masks(const struct ct_infer *infer, const struct sizes *s, ct_dim total)
{
    const struct ct_fact *padding = ct_infer_in(infer, PADDING), *added = ct_infer_in(infer, ADDED);
    const struct ct_fact *bias = ct_infer_in(infer, BIAS);
    CT_TRY(ct_infer_check_dtype(infer, PADDING, CT_BIT(I32)));
    if (padding) {
        CT_TRY(ct_infer_check_rank(infer, PADDING, 1, 3));
        if (padding->rank == 1 && ct_dim_known(padding->dims[0]) && ct_dim_known(s->batch) &&
            padding->dims[0] != s->batch && padding->dims[0] != 3 * s->batch + 2)
            return ct_infer_fail(infer, "key_padding_mask has %lld elements for a batch of %lld",
                                 (long long)padding->dims[0], (long long)s->batch);
        if (padding->rank > 1) {
            CT_TRY(agree(infer, "batch of key_padding_mask", padding->dims[0], s->batch));
            CT_TRY(agree(infer, "length of key_padding_mask", padding->dims[padding->rank - 1],
                         total));
        }
        if (padding->rank == 3)
            CT_TRY(agree(infer, "queries of key_padding_mask", padding->dims[1], s->q_len));
    }
    if (added) {
        CT_TRY(ct_infer_check_rank(infer, ADDED, 4, 4));
        if (added->dims[0] != 1)
            CT_TRY(agree(infer, "batch of attention_bias", added->dims[0], s->batch));
        if (added->dims[1] != 1)
            CT_TRY(agree(infer, "heads of attention_bias", added->dims[1], s->heads));
        if (added->dims[2] != 1)
            CT_TRY(agree(infer, "queries of attention_bias", added->dims[2], s->q_len));
        CT_TRY(agree(infer, "keys of attention_bias", added->dims[3], total));
    }
    if (bias) {
        CT_TRY(ct_infer_check_rank(infer, BIAS, 1, 1));
        if (ct_dim_known(s->head_size) && ct_dim_known(s->v_head_size))
            CT_TRY(agree(infer, "elements of bias", bias->dims[0],
                         s->heads * (2 * s->head_size + s->v_head_size)));
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    struct sizes s;
    bool known;
    for (int i = KEY; i <= PAST_VALUE; i++)
        if (i != PADDING)
            CT_TRY(ct_infer_check_same_dtype(infer, QUERY, i));
    for (int i = 8; i < infer->n_in; i++)
        if (infer->in[i])
            return ct_infer_fail(infer, "input %d (a shared cache) is not possible here", i);
    CT_TRY(read_shapes(infer, &s, &known));
    ct_dtype dtype = ct_infer_in(infer, QUERY)->dtype;
    for (int i = 0; i < 3; i++)
        ct_infer_set(infer, i, dtype, -1, NULL);
    if (!known)
        return CORTEN_OK;
    CT_TRY(read_sizes(infer, &s));
    ct_dim total = ct_dim_add(infer, s.past_len, s.new_len);
    CT_TRY(check_masks(infer, &s, total));
    ct_dim hidden =
        ct_dim_known(s.v_head_size) ? ct_dim_mul(infer, s.heads, s.v_head_size) : CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, dtype, 3, (ct_dim[]){s.batch, s.q_len, hidden});
    ct_infer_set(infer, 1, dtype, 4, (ct_dim[]){s.batch, s.heads, total, s.head_size});
    ct_infer_set(infer, 2, dtype, 4, (ct_dim[]){s.batch, s.heads, total, s.v_head_size});
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

/* Where one of Q, K and V comes from. */
struct source {
    int input;     /* of the node */
    int64_t first; /* element of its first head */
    struct ct_attention_strides strides;
    int64_t length, head_size, bias_first;
    size_t copy_at; /* scratch for a copy with bias or past; SIZE_MAX: none */
};

struct mha {
    struct sizes sizes;
    struct ct_attention_problem problem;
    struct source q, k, v;
    bool has_bias, gathers; /* K and V are gathered into present_key and present_value */
    size_t mask_at, core_at;
    bool own_mask;
    float filter;
};

static ct_status sizes_of(const struct ct_prepare *prepare, struct sizes *s)
{
    /* The same reading as infer's, on shapes that are known. */
    const struct ct_fact *in[PAST_VALUE + 1] = {0};
    struct ct_fact facts[PAST_VALUE + 1];
    for (int i = 0; i <= PAST_VALUE && i < prepare->n_in; i++) {
        if (!prepare->in[i])
            continue;
        ct_fact_set(&facts[i], prepare->in[i]->dtype, prepare->in[i]->rank, prepare->in[i]->dims);
        in[i] = &facts[i];
    }
    struct ct_infer infer = {.node = prepare->node,
                             .n_in = prepare->n_in <= PAST_VALUE ? prepare->n_in : PAST_VALUE + 1,
                             .in = in,
                             .error = prepare->error};
    bool known;
    CT_TRY(read_shapes(&infer, s, &known));
    return read_sizes(&infer, s);
}

static struct ct_attention_strides rows_of(int64_t length, int64_t heads, int64_t width)
{
    return (struct ct_attention_strides){length * heads * width, width, heads * width};
}

static struct ct_attention_strides heads_of(int64_t length, int64_t heads, int64_t width)
{
    return (struct ct_attention_strides){length * heads * width, length * width, width};
}

static void describe_sources(struct mha *m)
{
    const struct sizes *s = &m->sizes;
    int64_t n = s->heads, h = s->head_size, hv = s->v_head_size;
    m->q = (struct source){QUERY, 0, rows_of(s->q_len, n, h), s->q_len, h, 0, SIZE_MAX};
    m->k = (struct source){KEY, 0, rows_of(s->new_len, n, h), s->new_len, h, n * h, SIZE_MAX};
    m->v =
        (struct source){VALUE, 0, rows_of(s->new_len, n, hv), s->new_len, hv, 2 * n * h, SIZE_MAX};
    if (s->packed == 3) {
        struct ct_attention_strides strides = {s->q_len * n * 3 * h, 3 * h, n * 3 * h};
        m->q.strides = m->k.strides = m->v.strides = strides;
        m->k.input = m->v.input = QUERY;
        m->k.first = h;
        m->v.first = 2 * h;
    } else if (s->packed == 2) {
        struct ct_attention_strides strides = {s->new_len * n * 2 * h, 2 * h, n * 2 * h};
        m->k.strides = m->v.strides = strides;
        m->v.input = KEY;
        m->v.first = h;
    } else if (s->heads_first) {
        m->k.strides = heads_of(s->new_len, n, h);
        m->v.strides = heads_of(s->new_len, n, hv);
    }
}

static size_t reserve(struct ct_prepare *prepare, int64_t elems)
{
    size_t at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    prepare->scratch_bytes = at + (size_t)elems * sizeof(float);
    return at;
}

static bool wanted(const struct ct_prepare *prepare, int out)
{
    return out < prepare->n_out && prepare->out[out];
}

static void describe_mask(struct ct_prepare *prepare, struct mha *m, int64_t total)
{
    struct ct_attention_problem *p = &m->problem;
    const struct ct_tensor *padding = prepare->n_in > PADDING ? prepare->in[PADDING] : NULL;
    const struct ct_tensor *added = prepare->n_in > ADDED ? prepare->in[ADDED] : NULL;
    const struct sizes *s = &m->sizes;
    if (!padding && !added)
        return;
    p->mask_cols = total;
    p->mask_col_stride = 1;
    m->own_mask = padding != NULL;
    int64_t heads = added ? added->dims[1] : 1;
    int64_t rows = added ? added->dims[2] : 1, batch = added ? added->dims[0] : 1;
    if (padding) {
        batch = s->batch;
        if (padding->rank == 3)
            rows = s->q_len;
        m->mask_at = reserve(prepare, batch * heads * rows * total);
    }
    p->mask_strides =
        (struct ct_attention_strides){batch == 1 ? 0 : heads * rows * total,
                                      heads == 1 ? 0 : rows * total, rows == 1 ? 0 : total};
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct mha *m = ct_prepare_alloc(prepare, sizeof *m);
    if (!m)
        return ct_fail_memory(prepare->error, sizeof *m, "an operator's state");
    CT_TRY(sizes_of(prepare, &m->sizes));
    const struct sizes *s = &m->sizes;
    int64_t total = s->past_len + s->new_len, n = s->heads;
    describe_sources(m);
    m->has_bias = prepare->n_in > BIAS && prepare->in[BIAS];
    m->gathers = s->past_len > 0 || wanted(prepare, 1) || wanted(prepare, 2);
    if (m->has_bias)
        m->q.copy_at = reserve(prepare, s->batch * s->q_len * n * s->head_size);
    if (m->has_bias || m->gathers) {
        if (!wanted(prepare, 1))
            m->k.copy_at = reserve(prepare, s->batch * n * total * s->head_size);
        if (!wanted(prepare, 2))
            m->v.copy_at = reserve(prepare, s->batch * n * total * s->v_head_size);
    }
    float scale = ct_attr_float(prepare->node, "scale", 0);
    m->filter = ct_attr_float(prepare->node, "mask_filter_value", -10000.0f);
    m->problem = (struct ct_attention_problem){
        .batch = s->batch,
        .heads = n,
        .kv_heads = n,
        .q_len = s->q_len,
        .kv_len = total,
        .head_size = s->head_size,
        .v_head_size = s->v_head_size,
        .q = m->has_bias ? heads_of(s->q_len, n, s->head_size) : m->q.strides,
        .k = m->has_bias || m->gathers ? heads_of(total, n, s->head_size) : m->k.strides,
        .v = m->has_bias || m->gathers ? heads_of(total, n, s->v_head_size) : m->v.strides,
        .y = rows_of(s->q_len, n, s->v_head_size),
        .scale = scale != 0 ? scale : 1 / sqrtf((float)s->head_size),
        .causal = ct_attr_int(prepare->node, "unidirectional", 0) != 0,
        .left = -1,
        .right = -1,
        .offset = s->past_len,
    };
    describe_mask(prepare, m, total);
    size_t core = ct_attention_f32_scratch_bytes(&m->problem, prepare->threads);
    m->core_at = reserve(prepare, 0);
    prepare->scratch_bytes = m->core_at + core;
    prepare->state = m;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

/* One of Q, K and V with bias, behind its past, as [B,N,T,H]. */
struct gather {
    const struct mha *mha;
    const struct source *source;
    const float *from, *past, *bias;
    int64_t past_len;
    float *to;
};

static void gather_heads(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct gather *g = arg;
    const struct source *s = g->source;
    int64_t heads = g->mha->sizes.heads, h = s->head_size, total = g->past_len + s->length;
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / heads, n = i % heads;
        float *to = g->to + i * total * h;
        if (g->past_len)
            memcpy(to, g->past + i * g->past_len * h, (size_t)(g->past_len * h) * sizeof *to);
        to += g->past_len * h;
        const float *from = g->from + s->first + b * s->strides.batch + n * s->strides.head;
        const float *bias = g->bias ? g->bias + s->bias_first + n * h : NULL;
        for (int64_t row = 0; row < s->length; row++, to += h, from += s->strides.row)
            for (int64_t e = 0; e < h; e++)
                to[e] = from[e] + (bias ? bias[e] : 0);
    }
}

static const float *gather(const struct ct_run *run, const struct source *source, int past,
                           float *to)
{
    const struct mha *m = run->state;
    struct gather g = {
        .mha = m,
        .source = source,
        .from = run->in[source->input]->data,
        .bias = m->has_bias ? run->in[BIAS]->data : NULL,
        .past_len = past < 0 ? 0 : m->sizes.past_len,
        .past = past >= 0 && m->sizes.past_len ? run->in[past]->data : NULL,
        .to = to,
    };
    ct_run_parallel(run, m->sizes.batch * m->sizes.heads,
                    0.5 * (double)((source->length + g.past_len) * source->head_size), gather_heads,
                    &g);
    return to;
}

/* The padding mask, and what is added to the scores, as one matrix to add. */
static const float *build_mask(const struct ct_run *run)
{
    const struct mha *m = run->state;
    const struct ct_tensor *padding = run->in[PADDING];
    const struct ct_tensor *added = run->n_in > ADDED ? run->in[ADDED] : NULL;
    const int32_t *mask = padding->data;
    int64_t total = m->problem.kv_len, batch = m->sizes.batch;
    int64_t heads = added ? added->dims[1] : 1;
    int64_t rows = m->problem.mask_strides.row ? m->sizes.q_len : 1;
    float *to = (float *)(void *)((char *)run->scratch + m->mask_at);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t n = 0; n < heads; n++)
            for (int64_t i = 0; i < rows; i++, to += total) {
                const int32_t *line = NULL;
                if (padding->rank > 1)
                    line = mask + (padding->rank == 3 ? b * padding->dims[1] + i : b) * total;
                const float *more = NULL;
                if (added)
                    more = CT_DATA(const float, added) +
                           (((added->dims[0] == 1 ? 0 : b) * heads + n) * added->dims[2] +
                            (added->dims[2] == 1 ? 0 : i)) *
                               total;
                for (int64_t t = 0; t < total; t++) {
                    bool seen = line ? line[t] != 0 : t < mask[b];
                    to[t] = (seen ? 0 : m->filter) + (more ? more[t] : 0);
                }
            }
    return (float *)(void *)((char *)run->scratch + m->mask_at);
}

static float *place_of(const struct ct_run *run, const struct source *source, int out)
{
    if (source->copy_at != SIZE_MAX)
        return (float *)(void *)((char *)run->scratch + source->copy_at);
    return run->out[out]->data;
}

static ct_status run(const struct ct_run *run)
{
    const struct mha *m = run->state;
    struct ct_attention_problem p = m->problem;
    const float *q = CT_DATA(const float, run->in[QUERY]);
    const float *k = CT_DATA(const float, run->in[m->k.input]) + m->k.first;
    const float *v = CT_DATA(const float, run->in[m->v.input]) + m->v.first;
    if (m->has_bias)
        q = gather(run, &m->q, -1, place_of(run, &m->q, 0));
    if (m->has_bias || m->gathers) {
        k = gather(run, &m->k, PAST_KEY, place_of(run, &m->k, 1));
        v = gather(run, &m->v, PAST_VALUE, place_of(run, &m->v, 2));
    }
    if (m->own_mask)
        p.mask = build_mask(run);
    else if (p.mask_cols)
        p.mask = run->in[ADDED]->data;
    ct_attention_f32_run(run->exec->pool, &p, q, k, v, run->out[0]->data,
                         (char *)run->scratch + m->core_at);
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
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .cost = cost,
    .min_in = 1,
    .max_in = 10,
    .min_out = 1,
    .max_out = 3,
};
