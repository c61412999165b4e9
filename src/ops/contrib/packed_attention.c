/* PackedMultiHeadAttention: attention within each of several sequences that lie one after the other
 * without padding. query, key, value [tokens, N*H], or query alone [tokens, N, 3, H]; sequence b
 * has the tokens from cumulative_sequence_length[b] on. token_offset [B, S] tells B and the longest
 * length S. */
#include "ops/attention_core.h"
#include "ops/contrib/contrib.h"
#include "ops/widen.h"

#include <math.h>

enum { QUERY, KEY, VALUE, BIAS, OFFSETS, CUMULATIVE, ADDED };

struct sizes {
    ct_dim tokens, size, v_size, batch, seq;
    int64_t heads;
    bool packed;
};

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *q = ct_infer_in(infer, QUERY), *v = ct_infer_in(infer, VALUE);
    const struct ct_fact *k = ct_infer_in(infer, KEY), *offsets = ct_infer_in(infer, OFFSETS);
    CT_TRY(ct_contrib_required_int(infer, "num_heads", 1, &s->heads));
    if (!k != !v || !offsets || !ct_infer_in(infer, CUMULATIVE))
        return ct_infer_fail(infer, "key, value, token_offset or cumulative_sequence_length is "
                                    "missing");
    s->packed = !k;
    CT_TRY(ct_infer_check_rank(infer, QUERY, s->packed ? 4 : 2, s->packed ? 4 : 2));
    s->tokens = s->size = s->v_size = CT_DIM_UNKNOWN;
    s->batch = offsets->rank == 2 ? offsets->dims[0] : CT_DIM_UNKNOWN;
    s->seq = offsets->rank == 2 ? offsets->dims[1] : CT_DIM_UNKNOWN;
    if (q->rank >= 0)
        s->tokens = q->dims[0];
    if (s->packed) {
        if (q->rank != 4)
            return CORTEN_OK;
        CT_TRY(ct_contrib_agree(infer, "heads of the packed query", q->dims[1], s->heads));
        CT_TRY(ct_contrib_agree(infer, "packed matrices", q->dims[2], 3));
        s->size = s->v_size = q->dims[3];
        return CORTEN_OK;
    }
    for (int i = QUERY; i <= VALUE; i++) {
        const struct ct_fact *f = ct_infer_in(infer, i);
        CT_TRY(ct_infer_check_rank(infer, i, 2, 2));
        if (f->rank != 2)
            continue;
        CT_TRY(ct_contrib_agree(infer, "tokens", f->dims[0], s->tokens));
        if (!ct_dim_known(f->dims[1]))
            continue;
        if (f->dims[1] % s->heads)
            return ct_infer_fail(infer, "a width of %lld cannot be split into %lld heads",
                                 (long long)f->dims[1], (long long)s->heads);
        ct_dim *size = i == VALUE ? &s->v_size : &s->size;
        CT_TRY(ct_contrib_agree(infer, "head sizes", *size, f->dims[1] / s->heads));
        *size = f->dims[1] / s->heads;
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *added = ct_infer_in(infer, ADDED);
    struct sizes s;
    for (int i = KEY; i <= ADDED; i++)
        if (i != OFFSETS && i != CUMULATIVE)
            CT_TRY(ct_infer_check_same_dtype(infer, QUERY, i));
    CT_TRY(ct_infer_check_dtype(infer, OFFSETS, CT_BIT(I32)));
    CT_TRY(ct_infer_check_dtype(infer, CUMULATIVE, CT_BIT(I32)));
    CT_TRY(ct_infer_check_rank(infer, OFFSETS, 2, 2));
    CT_TRY(read_sizes(infer, &s));
    if (ct_dim_known(s.batch))
        CT_TRY(ct_contrib_vector(infer, CUMULATIVE, s.batch + 1));
    bool known = ct_dim_known(s.size) && ct_dim_known(s.v_size);
    if (known)
        CT_TRY(ct_contrib_vector(infer, BIAS, s.heads * (2 * s.size + s.v_size)));
    CT_TRY(ct_infer_check_rank(infer, ADDED, 4, 4));
    for (int i = 0; added && added->rank == 4 && i < 4; i++) {
        const ct_dim want[4] = {s.batch, s.heads, s.seq, s.seq};
        if (i >= 2 || added->dims[i] != 1)
            CT_TRY(
                ct_contrib_agree(infer, "dimensions of attention_bias", added->dims[i], want[i]));
    }
    ct_infer_set(infer, 0, ct_infer_in(infer, QUERY)->dtype, 2,
                 (ct_dim[]){s.tokens, known ? s.heads * s.v_size : CT_DIM_UNKNOWN});
    return CORTEN_OK;
}

struct state {
    struct sizes s;
    struct ct_widen widen;
    struct ct_attention_problem p;
    size_t copy_at[3], core_at; /* Q, K and V with bias */
};

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    const struct ct_tensor *added = ct_contrib_in(prepare, ADDED);
    struct ct_contrib_facts facts;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, &st->s));
    const struct sizes *s = &st->s;
    float scale = ct_attr_float(prepare->node, "scale", 0);
    int64_t step = s->packed ? 3 * s->size : s->size, v_step = s->packed ? step : s->v_size;
    prepare->product =
        prepare->precision == CORTEN_PRECISION_BF16 ? CT_PRODUCT_BF16 : CT_PRODUCT_F32;
    st->p = (struct ct_attention_problem){.batch = 1,
                                          .heads = s->heads,
                                          .kv_heads = s->heads,
                                          .q_len = s->seq,
                                          .kv_len = s->seq,
                                          .head_size = s->size,
                                          .v_head_size = s->v_size,
                                          .q = {0, step, s->heads * step},
                                          .k = {0, step, s->heads * step},
                                          .v = {0, v_step, s->heads * v_step},
                                          .y = {0, s->v_size, s->heads * s->v_size},
                                          .scale = scale != 0 ? scale : 1 / sqrtf((float)s->size),
                                          .bf16 = prepare->precision == CORTEN_PRECISION_BF16,
                                          .left = -1,
                                          .right = -1};
    if (added) {
        st->p.mask_strides =
            (struct ct_attention_strides){0, added->dims[1] == 1 ? 0 : s->seq * s->seq, s->seq};
        st->p.mask_col_stride = 1;
    }
    CT_TRY(ct_widen_init(&st->widen, prepare, CORTEN_F32,
                         1u << QUERY | 1u << KEY | 1u << VALUE | 1u << BIAS | 1u << ADDED, 1));
    for (int i = 0; i < 3 && ct_contrib_in(prepare, BIAS); i++) {
        size_t count;
        if (!ct_shape_count(3, (int64_t[]){s->tokens, s->heads, i == 2 ? s->v_size : s->size},
                            &count))
            return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "heads are too large");
        CT_TRY(ct_contrib_reserve(prepare, count, sizeof(float), &st->copy_at[i]));
    }
    size_t most = 0;
    for (int64_t n = s->seq; n > 0; n = n > 8 ? 8 : n - 1) {
        struct ct_attention_problem p = st->p;
        p.q_len = p.kv_len = n;
        size_t bytes = ct_attention_f32_scratch_bytes(&p, prepare->threads);
        most = bytes > most ? bytes : most;
    }
    prepare->state = st;
    return ct_contrib_reserve(prepare, most, 1, &st->core_at);
}

/* A matrix with its bias, dense; changes its strides to those of the copy. */
static const float *with_bias(const struct ct_run *run, int part, const float *from,
                              struct ct_attention_strides *strides, const float *bias)
{
    const struct state *st = run->state;
    int64_t heads = st->s.heads, n = part == 2 ? st->s.v_size : st->s.size;
    float *to = ct_contrib_scratch(run, st->copy_at[part]);
    for (int64_t t = 0; t < st->s.tokens; t++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < n; i++)
                to[(t * heads + h) * n + i] =
                    from[t * strides->row + h * strides->head + i] + bias[h * n + i];
    *strides = (struct ct_attention_strides){0, n, heads * n};
    return to;
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    const struct ct_tensor *added = ct_contrib_run_in(run, ADDED);
    const int32_t *starts = run->in[CUMULATIVE]->data;
    struct ct_attention_problem p = st->p;
    const float *q = ct_widen_in(&st->widen, run, QUERY), *k = q + s->size, *v = k + s->size;
    const float *mask = added ? ct_widen_in(&st->widen, run, ADDED) : NULL;
    float *y = ct_widen_out(&st->widen, run, 0);
    if (!s->packed) {
        k = ct_widen_in(&st->widen, run, KEY);
        v = ct_widen_in(&st->widen, run, VALUE);
    }
    if (ct_contrib_run_in(run, BIAS)) {
        const float *bias = ct_widen_in(&st->widen, run, BIAS);
        q = with_bias(run, 0, q, &p.q, bias);
        k = with_bias(run, 1, k, &p.k, bias + s->heads * s->size);
        v = with_bias(run, 2, v, &p.v, bias + 2 * s->heads * s->size);
    }
    for (int64_t b = 0; b < s->batch; b++) {
        int64_t first = starts[b], n = (int64_t)starts[b + 1] - first;
        if (first < 0 || n < 0 || n > s->seq || first + n > s->tokens)
            return ct_run_fail(run, "sequence %lld does not lie within the tokens", (long long)b);
        p.q_len = p.kv_len = p.mask_cols = n;
        if (mask)
            p.mask = mask + (added->dims[0] == 1 ? 0 : b * added->dims[1] * s->seq * s->seq);
        if (n)
            ct_attention_f32_run(run->exec->pool, &p, q + first * p.q.row, k + first * p.k.row,
                                 v + first * p.v.row, y + first * p.y.row,
                                 ct_contrib_scratch(run, st->core_at));
    }
    ct_widen_done(&st->widen, run, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_packed_multi_head_attention = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = 7, .min_out = 1};
