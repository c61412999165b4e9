/* com.microsoft.GroupQueryAttention: causal attention whose heads share keys, over a cache of keys
 * and values, with rotation of queries and keys. Sequence b has seqlens_k[b] + 1 tokens in all, of
 * which the last are new; a prompt (sequence_length = total_sequence_length) begins at 0.
 * A quantised cache holds what attention sees: new keys and values go through its codes. With
 * sliding_window_cache, it holds the last rows only, in order (rows_kept). */
#include "ops/contrib/attention_rows.h"
#include "ops/contrib/contrib.h"
#include "ops/contrib/kv_cache.h"
#include "ops/contrib/rope.h"

#include <math.h>
#include <string.h>

enum {
    QUERY,
    KEY,
    VALUE,
    PAST_KEY,
    PAST_VALUE,
    SEQ_LENS,
    TOTAL,
    COS,
    SIN,
    POSITIONS,
    ADDED,
    SINKS,
    K_SCALE,
    V_SCALE,
    Q_NORM,
    K_NORM,
    N_INPUTS
};

struct sizes {
    int64_t heads, kv_heads;
    ct_dim batch, seq, size, past; /* rows of the past */
    int64_t window;                /* local_window_size; -1: none */
    bool packed, slides;
    struct ct_kv_format format[2]; /* of the caches of keys and of values */
};

/* ------------------------------------------------------------------ infer */

static ct_status check_attributes(const struct ct_infer *infer, struct sizes *s)
{
    int64_t output = ct_attr_int(infer->node, "qk_output", 0);
    int64_t window = ct_attr_int(infer->node, "local_window_size", -1);
    CT_TRY(ct_contrib_required_int(infer, "num_heads", 1, &s->heads));
    CT_TRY(ct_contrib_required_int(infer, "kv_num_heads", 1, &s->kv_heads));
    if (s->heads % s->kv_heads || s->heads > INT32_MAX)
        return ct_infer_fail(infer, "%lld heads cannot share %lld heads of keys",
                             (long long)s->heads, (long long)s->kv_heads);
    s->slides = ct_attr_int(infer->node, "sliding_window_cache", 0) != 0;
    s->window = window;
    if (s->slides && (window < 1 || !ct_infer_in(infer, PAST_KEY)))
        return ct_infer_fail(infer, "sliding_window_cache needs a past and local_window_size");
    if (output < 0 || output > 2)
        return ct_infer_fail(infer, "qk_output is %lld, 0 to 2 is expected", (long long)output);
    if (window < -1 || (window >= 0 && !ct_attr_int(infer->node, "causal", 1)))
        return ct_infer_fail(infer, "local_window_size does not go with these attributes");
    return CORTEN_OK;
}

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *q = ct_infer_in(infer, QUERY), *k = ct_infer_in(infer, KEY);
    const struct ct_fact *v = ct_infer_in(infer, VALUE);
    const struct ct_fact *pasts[] = {ct_infer_in(infer, PAST_KEY), ct_infer_in(infer, PAST_VALUE)};
    CT_TRY(check_attributes(infer, s));
    if (!k != !v || !pasts[0] != !pasts[1])
        return ct_infer_fail(infer, "keys and values must both be there or both be absent");
    s->packed = !k;
    s->batch = q->rank == 3 ? q->dims[0] : CT_DIM_UNKNOWN;
    s->seq = q->rank == 3 ? q->dims[1] : CT_DIM_UNKNOWN;
    s->size = CT_DIM_UNKNOWN;
    int64_t parts = s->packed ? s->heads + 2 * s->kv_heads : s->heads;
    if (q->rank == 3 && ct_dim_known(q->dims[2])) {
        if (q->dims[2] == 0 || q->dims[2] % parts)
            return ct_infer_fail(infer, "a width of %lld cannot be split into %lld heads",
                                 (long long)q->dims[2], (long long)parts);
        s->size = q->dims[2] / parts;
    }
    for (int i = KEY; i <= VALUE && k; i++) {
        const struct ct_fact *f = ct_infer_in(infer, i);
        if (f->rank != 3)
            continue;
        CT_TRY(ct_contrib_agree(infer, "batch of query and key", f->dims[0], s->batch));
        CT_TRY(ct_contrib_agree(infer, "length of query and key", f->dims[1], s->seq));
        if (ct_dim_known(s->size))
            CT_TRY(ct_contrib_agree(infer, "width of keys", f->dims[2], s->size * s->kv_heads));
    }
    for (int i = 0; i < 2; i++)
        CT_TRY(ct_kv_format_read(infer, PAST_KEY + i, K_SCALE + i,
                                 i ? "v_quant_type" : "k_quant_type", s->kv_heads, s->size,
                                 &s->format[i]));
    s->past = pasts[0] ? CT_DIM_UNKNOWN : 0;
    for (int i = 0; i < 2 && pasts[0]; i++) {
        if (pasts[i]->rank != 4)
            continue;
        CT_TRY(ct_contrib_agree(infer, "batch of the past", pasts[i]->dims[0], s->batch));
        CT_TRY(ct_contrib_agree(infer, "heads of the past", pasts[i]->dims[1], s->kv_heads));
        CT_TRY(ct_contrib_agree(infer, "length of the past", pasts[i]->dims[2], s->past));
        CT_TRY(ct_contrib_agree(infer, "head size of the past", pasts[i]->dims[3],
                                ct_kv_width(&s->format[i], s->size)));
        s->past = pasts[i]->dims[2];
    }
    if (s->slides && ct_dim_known(s->past) && s->past < s->window)
        return ct_infer_fail(infer, "a cache of %lld rows is too small for a window of %lld",
                             (long long)s->past, (long long)s->window);
    return CORTEN_OK;
}

static ct_status check_rest(const struct ct_infer *infer, const struct sizes *s, ct_dim total)
{
    const struct ct_fact *cos = ct_infer_in(infer, COS), *sin = ct_infer_in(infer, SIN);
    const struct ct_fact *ids = ct_infer_in(infer, POSITIONS), *added = ct_infer_in(infer, ADDED);
    if (!cos != !sin || (ct_attr_int(infer->node, "do_rotary", 0) && !cos))
        return ct_infer_fail(infer, "cos_cache and sin_cache must be there");
    if (cos && cos->rank == 2 && sin->rank == 2) {
        for (int i = 0; i < 2; i++)
            CT_TRY(ct_contrib_agree(infer, "cos_cache and sin_cache", cos->dims[i], sin->dims[i]));
        if (ct_dim_known(cos->dims[1]) && ct_dim_known(s->size) && cos->dims[1] > s->size / 2)
            return ct_infer_fail(infer, "the caches are wider than half a head");
    }
    if (ids && ids->rank == 2) {
        CT_TRY(ct_contrib_agree(infer, "batch of position_ids", ids->dims[0], s->batch));
        CT_TRY(ct_contrib_agree(infer, "length of position_ids", ids->dims[1], s->seq));
    }
    if (added && added->rank == 4) {
        if (added->dims[0] != 1)
            CT_TRY(ct_contrib_agree(infer, "batch of attention_bias", added->dims[0], s->batch));
        if (added->dims[1] != 1)
            CT_TRY(ct_contrib_agree(infer, "heads of attention_bias", added->dims[1], s->heads));
        CT_TRY(ct_contrib_agree(infer, "queries of attention_bias", added->dims[2], s->seq));
        if (ct_dim_known(total) && ct_dim_known(added->dims[3]) && added->dims[3] < total)
            return ct_infer_fail(infer, "attention_bias has %lld columns for %lld keys",
                                 (long long)added->dims[3], (long long)total);
    }
    CT_TRY(ct_contrib_vector(infer, SINKS, s->heads));
    if (!ct_infer_in(infer, Q_NORM) != !ct_infer_in(infer, K_NORM))
        return ct_infer_fail(infer, "q_norm_weight and k_norm_weight go together");
    CT_TRY(ct_contrib_vector(infer, Q_NORM, s->size));
    return ct_contrib_vector(infer, K_NORM, s->size);
}

static ct_status infer(struct ct_infer *infer)
{
    static const int ranks[N_INPUTS] = {3, 3, 3, 4, 4, 0, 0, 2, 2, 2, 4};
    struct sizes s;
    const int64_t *ints = NULL;
    int count = 0;
    ct_dtype dtype = ct_infer_in(infer, QUERY)->dtype;
    for (int i = 0; i < N_INPUTS; i++) {
        if (ranks[i])
            CT_TRY(ct_infer_check_rank(infer, i, ranks[i], ranks[i]));
        if (i != SEQ_LENS && i != TOTAL && i != POSITIONS && i != PAST_KEY && i != PAST_VALUE &&
            i != K_SCALE && i != V_SCALE)
            CT_TRY(ct_infer_check_same_dtype(infer, QUERY, i));
    }
    if (!ct_infer_in(infer, SEQ_LENS) || !ct_infer_in(infer, TOTAL))
        return ct_infer_fail(infer, "seqlens_k and total_sequence_length must be there");
    CT_TRY(ct_infer_check_dtype(infer, SEQ_LENS, CT_BIT(I32)));
    CT_TRY(ct_infer_check_dtype(infer, TOTAL, CT_BIT(I32)));
    CT_TRY(ct_infer_check_dtype(infer, POSITIONS, CT_BIT(I64)));
    CT_TRY(ct_contrib_scalar(infer, TOTAL));
    CT_TRY(read_sizes(infer, &s));
    ct_dim lens = ct_contrib_count(infer, SEQ_LENS);
    CT_TRY(ct_contrib_agree(infer, "elements of seqlens_k and the batch", lens, s.batch));
    CT_TRY(ct_infer_ints(infer, TOTAL, &ints, &count));
    ct_dim total = ints && count == 1 ? ints[0] : CT_DIM_UNKNOWN, cached = CT_DIM_UNKNOWN;
    if (ct_dim_known(total) && (total < 1 || total > INT32_MAX))
        return ct_infer_fail(infer, "total_sequence_length is %lld", (long long)total);
    CT_TRY(check_rest(infer, &s, total));
    if (ct_dim_known(total) && ct_dim_known(s.past))
        cached = s.slides || total < s.past ? s.past : total;
    if (ct_dim_known(total) && ct_dim_known(s.seq) && s.seq > total)
        return ct_infer_fail(infer, "%lld new tokens, but %lld in all", (long long)s.seq,
                             (long long)total);
    ct_dim hidden = ct_dim_known(s.size) ? s.size * s.heads : CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, dtype, 3, (ct_dim[]){s.batch, s.seq, hidden});
    for (int i = 0; i < 2; i++)
        ct_infer_set(infer, 1 + i, s.format[i].dtype, 4,
                     (ct_dim[]){s.batch, s.kv_heads, cached, ct_kv_width(&s.format[i], s.size)});
    ct_infer_set(infer, 3, dtype, 4, (ct_dim[]){s.batch, s.heads, s.seq, total});
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

/* Of one sequence: the position of the first row in scratch, rows of the past, and rows that the
 * present leaves out in front. Behind the spans stand `past` of all, and then the rows of all. */
struct span {
    int64_t base, past, dropped;
};

struct state {
    struct sizes s;
    struct ct_attention_problem p;
    int64_t total, capacity, kept, half; /* capacity: rows in scratch; kept: rows of the present */
    bool rotates, interleaved, by_rows, smooth;
    enum ct_scores scores;
    float norm_epsilon;
    /* In scratch, as floats: queries; keys, values (also what becomes the present); the added
     * matrix; caches; sinks; norms; the scores; the result. */
    size_t q_at, kv_at[2], added_at, cos_at, sin_at, sinks_at, norms_at, scores_at, y_at, core_at;
    size_t lens_at;
    size_t quant_at[2]; /* scales of the caches */
    size_t shifted_at;  /* the added matrix from each cache's first position on */
};

static ct_status reserve_floats(struct ct_prepare *prepare, int64_t a, int64_t b, int64_t c,
                                int64_t d, size_t *at)
{
    size_t count;
    if (!ct_shape_count(4, (int64_t[]){a, b, c, d}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "attention is too large");
    return ct_contrib_reserve(prepare, count, sizeof(float), at);
}

static ct_status reserve_tensor(struct ct_prepare *prepare, int input, size_t *at)
{
    const struct ct_tensor *t = ct_contrib_in(prepare, input);
    return t ? ct_contrib_reserve(prepare, ct_count(t), sizeof(float), at) : CORTEN_OK;
}

static void describe(struct ct_prepare *prepare, struct state *st)
{
    const struct sizes *s = &st->s;
    const struct ct_tensor *added = ct_contrib_in(prepare, ADDED);
    float scale = ct_attr_float(prepare->node, "scale", 0);
    int64_t hidden = s->heads * s->size, window = s->window;
    prepare->product =
        prepare->precision == CORTEN_PRECISION_BF16 ? CT_PRODUCT_BF16 : CT_PRODUCT_F32;
    st->p = (struct ct_attention_problem){
        .batch = s->batch,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .q_len = s->seq,
        .kv_len = s->slides ? st->capacity : st->total,
        .head_size = s->size,
        .v_head_size = s->size,
        .q = {s->seq * hidden, s->size, hidden},
        .k = {s->kv_heads * st->capacity * s->size, st->capacity * s->size, s->size},
        .y = {s->seq * hidden, s->size, hidden},
        .scale = scale != 0 ? scale : 1 / sqrtf((float)s->size),
        .bf16 = prepare->precision == CORTEN_PRECISION_BF16,
        .softcap = ct_attr_float(prepare->node, "softcap", 0),
        .causal = ct_attr_int(prepare->node, "causal", 1) != 0,
        .left = window > 0 ? window - 1 : -1,
        .right = -1,
    };
    st->p.v = st->p.k;
    if (added && s->slides) { /* rows as copied by shift_added */
        int64_t matrix = s->seq * st->capacity;
        st->p.mask_strides = (struct ct_attention_strides){
            added->dims[1] * matrix, added->dims[1] == 1 ? 0 : matrix, st->capacity};
        st->p.mask_col_stride = 1;
        st->p.mask_cols = st->capacity;
    } else if (added) {
        int64_t matrix = added->dims[2] * added->dims[3];
        st->p.mask_strides =
            (struct ct_attention_strides){added->dims[0] == 1 ? 0 : added->dims[1] * matrix,
                                          added->dims[1] == 1 ? 0 : matrix, added->dims[3]};
        st->p.mask_col_stride = 1;
        st->p.mask_cols = st->total < added->dims[3] ? st->total : added->dims[3];
    }
}

static ct_status reserve_all(struct ct_prepare *prepare, struct state *st)
{
    const struct sizes *s = &st->s;
    CT_TRY(reserve_floats(prepare, s->batch, s->seq, s->heads, s->size, &st->q_at));
    CT_TRY(reserve_floats(prepare, s->batch, s->seq, s->heads, s->size, &st->y_at));
    for (int i = 0; i < 2; i++)
        CT_TRY(
            reserve_floats(prepare, s->batch, s->kv_heads, st->capacity, s->size, &st->kv_at[i]));
    CT_TRY(reserve_tensor(prepare, ADDED, &st->added_at));
    if (s->slides && ct_contrib_in(prepare, ADDED))
        CT_TRY(reserve_floats(prepare, s->batch, prepare->in[ADDED]->dims[1], s->seq, st->capacity,
                              &st->shifted_at));
    CT_TRY(reserve_tensor(prepare, K_SCALE, &st->quant_at[0]));
    CT_TRY(reserve_tensor(prepare, V_SCALE, &st->quant_at[1]));
    CT_TRY(reserve_tensor(prepare, COS, &st->cos_at));
    CT_TRY(reserve_tensor(prepare, SIN, &st->sin_at));
    CT_TRY(reserve_tensor(prepare, SINKS, &st->sinks_at));
    CT_TRY(reserve_floats(prepare, 2, s->size, 1, 1, &st->norms_at));
    CT_TRY(ct_contrib_reserve(prepare, (size_t)s->batch, sizeof(struct span) + 2 * sizeof(int64_t),
                              &st->lens_at));
    if (st->scores)
        CT_TRY(reserve_floats(prepare, s->batch, s->heads, s->seq, st->total, &st->scores_at));
    size_t core = st->by_rows ? ct_attention_rows_scratch_bytes(&st->p, prepare->threads)
                              : ct_attention_f32_scratch_bytes(&st->p, prepare->threads);
    return ct_contrib_reserve(prepare, core, 1, &st->core_at);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    const struct ct_tensor *total = prepare->in[TOTAL];
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, &st->s));
    /* Where no shape needs it, it may be unknown; it is no more than this. */
    st->total = total->data ? ct_contrib_i64(total, 0) : st->s.past + st->s.seq;
    st->kept = st->total > st->s.past && !st->s.slides ? st->total : st->s.past;
    st->capacity = st->s.slides ? st->s.past + st->s.seq : st->kept;
    st->rotates = ct_attr_int(prepare->node, "do_rotary", 0) != 0;
    st->interleaved = ct_attr_int(prepare->node, "rotary_interleaved", 0) != 0;
    st->half = st->rotates ? prepare->in[COS]->dims[1] : 0;
    st->norm_epsilon = ct_attr_float(prepare->node, "qk_norm_epsilon", 1e-6f);
    int64_t output = ct_attr_int(prepare->node, "qk_output", 0);
    if (ct_contrib_out(prepare, 3) && output && st->s.slides)
        return ct_fail(prepare->error, CORTEN_UNSUPPORTED,
                       "scores are no output with sliding_window_cache");
    if (ct_contrib_out(prepare, 3) && output)
        st->scores = output == 1 ? CT_SCORES_MASKED : CT_SCORES_SOFTMAX;
    bool sinks = ct_contrib_in(prepare, SINKS);
    st->smooth = !sinks && ct_attr_int(prepare->node, "smooth_softmax", 0) > 0;
    st->by_rows = st->scores || sinks || st->smooth;
    describe(prepare, st);
    prepare->state = st;
    return reserve_all(prepare, st);
}

/* ------------------------------------------------------------------ run */

struct job {
    const struct state *st;
    const struct ct_run *run;
    const float *cos, *sin, *norms;
    const struct span *spans;
    int bad;
};

static void normalise(float *x, const float *weight, int64_t n, float epsilon)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    float factor = (float)(1 / sqrt(squares / (double)n + (double)epsilon));
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] * factor * weight[i];
}

/* Of one head of the cache of keys (0) or values (1). */
static const float *scales_of(const struct ct_run *run, int which, int64_t head)
{
    const struct state *st = run->state;
    const float *scales = ct_contrib_scratch(run, st->quant_at[which]);
    return scales + (st->s.format[which].per_channel ? head * st->s.size : 0);
}

/* One head of a new token: queries, then keys, then values. */
static void one_head(struct job *job, int64_t b, int64_t i, int64_t head, int64_t position)
{
    const struct state *st = job->st;
    const struct sizes *s = &st->s;
    const struct ct_run *run = job->run;
    int part = head < s->heads ? 0 : head < s->heads + s->kv_heads ? 1 : 2;
    int64_t n = head - (part == 0 ? 0 : part == 1 ? s->heads : s->heads + s->kv_heads);
    int64_t width = part ? s->kv_heads : s->heads, token = b * s->seq + i;
    const struct ct_tensor *from = run->in[s->packed ? QUERY : part];
    int64_t first = s->packed ? token * (s->heads + 2 * s->kv_heads) + head : token * width + n;
    float *to;
    if (part == 0)
        to = (float *)ct_contrib_scratch(run, st->q_at) + (token * s->heads + n) * s->size;
    else
        to = (float *)ct_contrib_scratch(run, st->kv_at[part - 1]) +
             ((b * s->kv_heads + n) * st->capacity + job->spans[b].past + i) * s->size;
    ct_load_f32(from->dtype, from->data, (size_t)(first * s->size), (size_t)s->size, to);
    if (part < 2 && ct_contrib_run_in(run, Q_NORM))
        normalise(to, job->norms + part * s->size, s->size, st->norm_epsilon);
    if (part < 2 && st->rotates)
        ct_rope_head(to, to, job->cos + position * st->half, job->sin + position * st->half,
                     st->half, s->size, st->interleaved);
    if (part)
        ct_kv_round(&s->format[part - 1], scales_of(run, part - 1, n), s->size, to);
}

static void new_tokens(void *arg, int64_t begin, int64_t end, int worker)
{
    struct job *job = arg;
    const struct sizes *s = &job->st->s;
    const struct ct_tensor *ids = ct_contrib_run_in(job->run, POSITIONS);
    (void)worker;
    for (int64_t token = begin; token < end; token++) {
        int64_t b = token / s->seq, i = token % s->seq,
                position = job->spans[b].base + job->spans[b].past + i;
        if (ids)
            position = ct_contrib_i64(ids, (size_t)token);
        if (job->st->rotates && (position < 0 || position >= job->run->in[COS]->dims[0])) {
            __atomic_store_n(&job->bad, 1, __ATOMIC_RELAXED);
            continue;
        }
        for (int64_t head = 0; head < s->heads + 2 * s->kv_heads; head++)
            one_head(job, b, i, head, position);
    }
}

/* The past of one head of keys (even items) or values, and zeros behind it. */
static void old_tokens(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *st = job->st;
    const struct sizes *s = &st->s;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t head = item / 2, b = head / s->kv_heads, n = s->size;
        int which = (int)(item % 2);
        const struct ct_tensor *past = ct_contrib_run_in(job->run, PAST_KEY + which);
        float *to =
            (float *)ct_contrib_scratch(job->run, st->kv_at[which]) + head * st->capacity * n;
        int64_t rows = past ? job->spans[b].past : 0;
        if (rows)
            ct_kv_load(&s->format[which], scales_of(job->run, which, head % s->kv_heads), past,
                       head * s->past, rows, n, to);
        memset(to + rows * n, 0, (size_t)((st->capacity - rows) * n) * sizeof *to);
    }
}

/* The present of one head of keys (even items) or values: the last rows that there are. */
static void keep_tokens(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *st = job->st;
    const struct sizes *s = &st->s;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t head = item / 2, dropped = job->spans[head / s->kv_heads].dropped;
        int which = (int)(item % 2);
        struct ct_tensor *present = ct_contrib_run_out(job->run, 1 + which);
        const float *scales = scales_of(job->run, which, head % s->kv_heads);
        const float *from = ct_contrib_scratch(job->run, st->kv_at[which]);
        int64_t rows = st->capacity - dropped < st->kept ? st->capacity - dropped : st->kept;
        if (!present)
            continue;
        ct_kv_store(&s->format[which], scales, present, head * st->kept, rows, s->size,
                    from + (head * st->capacity + dropped) * s->size);
        /* What is behind them means nothing, but is always the same. */
        ct_kv_store(&s->format[which], scales, present, head * st->kept + rows, st->kept - rows,
                    s->size, from + head * st->capacity * s->size);
    }
}

/* The columns of the added matrix count from the first token that there ever was. */
static const float *shift_added(const struct ct_run *run, const struct span *spans)
{
    const struct state *st = run->state;
    const struct ct_tensor *added = ct_contrib_run_in(run, ADDED);
    const float *from = ct_contrib_scratch(run, st->added_at);
    float *to = ct_contrib_scratch(run, st->shifted_at);
    int64_t rows = added->dims[1] * added->dims[2], cols = added->dims[3];
    for (int64_t b = 0; b < st->s.batch; b++)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < st->capacity; i++, to++) {
                int64_t col = spans[b].base + i;
                *to =
                    col < cols ? from[((added->dims[0] == 1 ? 0 : b) * rows + r) * cols + col] : 0;
            }
    return ct_contrib_scratch(run, st->shifted_at);
}

static void load(const struct ct_run *run, int input, size_t at)
{
    const struct ct_tensor *t = ct_contrib_run_in(run, input);
    if (t)
        ct_load_f32(t->dtype, t->data, 0, ct_count(t), ct_contrib_scratch(run, at));
}

static void store(const struct ct_run *run, int out, size_t at)
{
    struct ct_tensor *t = ct_contrib_run_out(run, out);
    if (t)
        ct_store_f32(t->dtype, t->data, 0, ct_count(t), ct_contrib_scratch(run, at));
}

/* Rows that a sliding cache of C rows for a window of W holds after T tokens: evicted are C - W + 1 at
 * once, whenever they are more than C. */
static int64_t rows_kept(const struct sizes *s, int64_t tokens)
{
    int64_t at_once = s->past - s->window + 1;
    if (tokens <= s->past)
        return tokens;
    return tokens - at_once * ((tokens - s->past + at_once - 1) / at_once);
}

static ct_status read_spans(const struct ct_run *run, const struct state *st, struct span *spans)
{
    const struct sizes *s = &st->s;
    int64_t total = ct_contrib_i64(run->in[TOTAL], 0);
    bool prompt = s->seq == total;
    for (int64_t b = 0; b < s->batch; b++) {
        int64_t tokens = ct_contrib_i64(run->in[SEQ_LENS], (size_t)b) + 1;
        int64_t old = prompt ? 0 : tokens - s->seq;
        if (tokens < 1 || tokens > total || (tokens > st->total && !s->slides) || old < 0 ||
            (old > s->past && !s->slides))
            return ct_run_fail(run,
                               "seqlens_k of sequence %lld is %lld, which does not fit %lld "
                               "tokens in all and a past of %lld",
                               (long long)b, (long long)(tokens - 1), (long long)total,
                               (long long)s->past);
        int64_t past = s->slides ? rows_kept(s, old) : old;
        int64_t rows = tokens - old + past;
        spans[b] = (struct span){old - past, past, s->slides ? rows - rows_kept(s, tokens) : 0};
        ((int64_t *)(spans + s->batch))[b] = past;
        ((int64_t *)(spans + s->batch))[s->batch + b] = rows;
    }
    return CORTEN_OK;
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    struct ct_attention_problem p = st->p;
    struct span *spans = ct_contrib_scratch(run, st->lens_at);
    const int64_t *offsets = (const int64_t *)(spans + s->batch);
    CT_TRY(read_spans(run, st, spans));
    load(run, COS, st->cos_at);
    load(run, SIN, st->sin_at);
    load(run, ADDED, st->added_at);
    load(run, SINKS, st->sinks_at);
    load(run, K_SCALE, st->quant_at[0]);
    load(run, V_SCALE, st->quant_at[1]);
    load(run, Q_NORM, st->norms_at);
    load(run, K_NORM, st->norms_at + (size_t)s->size * sizeof(float));
    struct job job = {st,
                      run,
                      ct_contrib_scratch(run, st->cos_at),
                      ct_contrib_scratch(run, st->sin_at),
                      ct_contrib_scratch(run, st->norms_at),
                      spans,
                      0};
    ct_run_parallel(run, s->batch * s->kv_heads * 2, 0.3 * (double)(st->capacity * s->size),
                    old_tokens, &job);
    ct_run_parallel(run, s->batch * s->seq, 50 + (double)((s->heads + 2 * s->kv_heads) * s->size),
                    new_tokens, &job);
    if (job.bad)
        return ct_run_fail(run, "a position lies outside of the caches");
    p.offsets = offsets;
    p.kv_lens = offsets + s->batch;
    if (ct_contrib_run_in(run, ADDED))
        p.mask = s->slides ? shift_added(run, spans) : ct_contrib_scratch(run, st->added_at);
    const float *q = ct_contrib_scratch(run, st->q_at);
    const float *k = ct_contrib_scratch(run, st->kv_at[0]);
    const float *v = ct_contrib_scratch(run, st->kv_at[1]);
    float *y = ct_contrib_scratch(run, st->y_at);
    void *core = ct_contrib_scratch(run, st->core_at);
    if (st->by_rows) {
        struct ct_attention_rows rows = {
            .p = &p,
            .q = q,
            .k = k,
            .v = v,
            .y = y,
            .mode = st->scores,
            .score_cols = st->total,
            .scores = st->scores ? ct_contrib_scratch(run, st->scores_at) : NULL,
            .sinks = ct_contrib_run_in(run, SINKS) ? ct_contrib_scratch(run, st->sinks_at) : NULL,
            .smooth = st->smooth};
        ct_attention_rows_run(run->exec->pool, &rows, core);
    } else {
        ct_attention_f32_run(run->exec->pool, &p, q, k, v, y, core);
    }
    store(run, 0, st->y_at);
    ct_run_parallel(run, s->batch * s->kv_heads * 2, 0.3 * (double)(st->kept * s->size),
                    keep_tokens, &job);
    if (st->scores)
        store(run, 3, st->scores_at);
    return CORTEN_OK;
}

const struct ct_op ct_op_group_query_attention = {.infer = infer,
                                                  .prepare = prepare,
                                                  .run = run,
                                                  .min_in = 1,
                                                  .max_in = 16,
                                                  .min_out = 1,
                                                  .max_out = 4};
