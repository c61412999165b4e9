/* com.microsoft.SparseAttention: causal attention over a cache, where a block of queries sees some
 * blocks of keys only. Layouts of blocks are sparse matrices by rows (CSR), which heads take in
 * turn. Sequence b has key_total_sequence_lengths[b] tokens in all, of which the last are new. */
#include "ops/contrib/attention_rows.h"
#include "ops/contrib/contrib.h"
#include "ops/contrib/rope.h"

#include <math.h>
#include <string.h>

enum {
    QUERY,
    KEY,
    VALUE,
    PAST_KEY,
    PAST_VALUE,
    BLOCK_ROWS,
    BLOCK_COLS,
    TOTAL,
    LENGTHS,
    COS,
    SIN,
    N_INPUTS
};

struct sizes {
    int64_t heads, kv_heads, block;
    ct_dim batch, seq, size, cached; /* cached: rows of the caches */
    bool packed;
};

/* ------------------------------------------------------------------ infer */

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *q = ct_infer_in(infer, QUERY), *k = ct_infer_in(infer, KEY);
    CT_TRY(ct_contrib_required_int(infer, "num_heads", 1, &s->heads));
    CT_TRY(ct_contrib_required_int(infer, "kv_num_heads", 1, &s->kv_heads));
    CT_TRY(ct_contrib_required_int(infer, "sparse_block_size", 1, &s->block));
    if (s->heads % s->kv_heads || s->heads > INT32_MAX)
        return ct_infer_fail(infer, "%lld heads cannot share %lld heads of keys",
                             (long long)s->heads, (long long)s->kv_heads);
    if (!k != !ct_infer_in(infer, VALUE))
        return ct_infer_fail(infer, "keys and values must both be there or both be absent");
    s->packed = !k;
    s->batch = s->seq = s->size = s->cached = CT_DIM_UNKNOWN;
    if (q->rank != 3)
        return CORTEN_OK;
    s->batch = q->dims[0];
    s->seq = q->dims[1];
    int64_t parts = s->packed ? s->heads + 2 * s->kv_heads : s->heads;
    if (ct_dim_known(q->dims[2])) {
        if (q->dims[2] == 0 || q->dims[2] % parts)
            return ct_infer_fail(infer, "a width of %lld cannot be split into %lld heads",
                                 (long long)q->dims[2], (long long)parts);
        s->size = q->dims[2] / parts;
    }
    const ct_dim width = ct_dim_known(s->size) ? s->size * s->kv_heads : CT_DIM_UNKNOWN;
    for (int i = KEY; i <= VALUE && k; i++) {
        const struct ct_fact *f = ct_infer_in(infer, i);
        const ct_dim dims[] = {s->batch, s->seq, width};
        for (int d = 0; d < 3 && f->rank == 3; d++)
            CT_TRY(ct_contrib_agree(infer, "query and keys", f->dims[d], dims[d]));
    }
    for (int i = PAST_KEY; i <= PAST_VALUE; i++) {
        const struct ct_fact *f = ct_infer_in(infer, i);
        const ct_dim dims[] = {s->batch, s->kv_heads, s->cached, s->size};
        for (int d = 0; d < 4 && f && f->rank == 4; d++)
            CT_TRY(ct_contrib_agree(infer, "caches", f->dims[d], dims[d]));
        if (f && f->rank == 4)
            s->cached = f->dims[2];
    }
    return CORTEN_OK;
}

static ct_status check_rest(const struct ct_infer *infer, const struct sizes *s)
{
    const struct ct_fact *cos = ct_infer_in(infer, COS), *sin = ct_infer_in(infer, SIN);
    const struct ct_fact *rows = ct_infer_in(infer, BLOCK_ROWS);
    const struct ct_fact *cols = ct_infer_in(infer, BLOCK_COLS);
    if (ct_attr_int(infer->node, "do_rotary", 0) && (!cos || !sin))
        return ct_infer_fail(infer, "cos_cache and sin_cache must be there");
    if (cos && sin && cos->rank == 2 && sin->rank == 2) {
        for (int i = 0; i < 2; i++)
            CT_TRY(ct_contrib_agree(infer, "cos_cache and sin_cache", cos->dims[i], sin->dims[i]));
        if (ct_dim_known(cos->dims[1]) && ct_dim_known(s->size) && cos->dims[1] > s->size / 2)
            return ct_infer_fail(infer, "the caches are wider than half a head");
    }
    if (rows->rank == 2 && cols->rank == 2) {
        CT_TRY(ct_contrib_agree(infer, "layouts of blocks", rows->dims[0], cols->dims[0]));
        if (ct_dim_known(rows->dims[0]) && (rows->dims[0] < 1 || s->heads % rows->dims[0]))
            return ct_infer_fail(infer, "%lld layouts for %lld heads", (long long)rows->dims[0],
                                 (long long)s->heads);
        if (ct_dim_known(rows->dims[1]) && rows->dims[1] < 1)
            return ct_infer_fail(infer, "block_row_indices are empty");
    }
    return ct_contrib_agree(infer, "elements of key_total_sequence_lengths and the batch",
                            ct_contrib_count(infer, LENGTHS), s->batch);
}

static ct_status infer(struct ct_infer *infer)
{
    static const int ranks[N_INPUTS] = {3, 3, 3, 4, 4, 2, 2, 0, 1, 2, 2};
    struct sizes s;
    for (int i = 0; i < N_INPUTS; i++) {
        bool optional = i == KEY || i == VALUE || i == COS || i == SIN;
        bool is_int = i >= BLOCK_ROWS && i <= LENGTHS;
        if (!optional && !ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d must be there", i);
        if (ranks[i])
            CT_TRY(ct_infer_check_rank(infer, i, ranks[i], ranks[i]));
        if (is_int)
            CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(I32)));
        else
            CT_TRY(ct_infer_check_same_dtype(infer, QUERY, i));
    }
    CT_TRY(ct_contrib_scalar(infer, TOTAL));
    CT_TRY(read_sizes(infer, &s));
    CT_TRY(check_rest(infer, &s));
    ct_dim hidden = ct_dim_known(s.size) ? s.size * s.heads : CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, infer->in[QUERY]->dtype, 3, (ct_dim[]){s.batch, s.seq, hidden});
    for (int i = 1; i < 3; i++)
        ct_infer_same(infer, i, PAST_KEY + i - 1);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct state {
    struct sizes s;
    struct ct_attention_problem p;
    int64_t half, layouts;
    bool rotates, interleaved;
    /* In scratch: floats of queries, keys and values, caches of the rotation, the result; a byte
     * for each key that a query may see. */
    size_t q_at, kv_at[2], cos_at, sin_at, y_at, seen_at, lens_at, core_at;
};

static ct_status reserve(struct ct_prepare *prepare, const int64_t *dims, size_t elem_bytes,
                         size_t *at)
{
    size_t count;
    if (!ct_shape_count(4, dims, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "attention is too large");
    return ct_contrib_reserve(prepare, count, elem_bytes, at);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, &st->s));
    const struct sizes *s = &st->s;
    float scale = ct_attr_float(prepare->node, "scale", 0);
    int64_t hidden = s->heads * s->size, rows = s->seq * s->cached;
    st->rotates = ct_attr_int(prepare->node, "do_rotary", 0) != 0;
    st->interleaved = ct_attr_int(prepare->node, "rotary_interleaved", 0) != 0;
    st->half = st->rotates ? prepare->in[COS]->dims[1] : 0;
    st->layouts = prepare->in[BLOCK_ROWS]->dims[0];
    st->p = (struct ct_attention_problem){
        .batch = s->batch,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .q_len = s->seq,
        .kv_len = s->cached,
        .head_size = s->size,
        .v_head_size = s->size,
        .q = {s->seq * hidden, s->size, hidden},
        .k = {s->kv_heads * s->cached * s->size, s->cached * s->size, s->size},
        .v = {s->kv_heads * s->cached * s->size, s->cached * s->size, s->size},
        .y = {s->seq * hidden, s->size, hidden},
        .scale = scale != 0 ? scale : 1 / sqrtf((float)s->size),
        .causal = true,
        .left = -1,
        .right = -1,
        .mask_strides = {s->heads * rows, rows, s->cached},
        .mask_col_stride = 1,
        .mask_cols = s->cached,
    };
    prepare->state = st;
    const int64_t q[] = {s->batch, s->seq, s->heads, s->size};
    const int64_t kv[] = {s->batch, s->kv_heads, s->cached, s->size};
    CT_TRY(reserve(prepare, q, sizeof(float), &st->q_at));
    CT_TRY(reserve(prepare, q, sizeof(float), &st->y_at));
    for (int i = 0; i < 2; i++)
        CT_TRY(reserve(prepare, kv, sizeof(float), &st->kv_at[i]));
    CT_TRY(reserve(prepare, (int64_t[]){s->batch, s->heads, s->seq, s->cached}, 1, &st->seen_at));
    for (int i = COS; i <= SIN && st->rotates; i++)
        CT_TRY(ct_contrib_reserve(prepare, ct_count(prepare->in[i]), sizeof(float),
                                  i == COS ? &st->cos_at : &st->sin_at));
    CT_TRY(ct_contrib_reserve(prepare, (size_t)s->batch, 2 * sizeof(int64_t), &st->lens_at));
    return ct_contrib_reserve(prepare, ct_attention_rows_scratch_bytes(&st->p, prepare->threads), 1,
                              &st->core_at);
}

/* ------------------------------------------------------------------ run */

struct job {
    const struct ct_run *run;
    const int64_t *offsets; /* where new tokens begin, for each sequence */
};

static ct_status read_lengths(const struct ct_run *run, int64_t *offsets, int64_t *lens)
{
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    int64_t total = ct_contrib_i64(run->in[TOTAL], 0);
    bool prompt = total == s->seq;
    for (int64_t b = 0; b < s->batch; b++) {
        lens[b] = ct_contrib_i64(run->in[LENGTHS], (size_t)b);
        offsets[b] = prompt ? 0 : lens[b] - s->seq;
        if (lens[b] < 1 || lens[b] > total || offsets[b] < 0 || offsets[b] + s->seq > s->cached)
            return ct_run_fail(
                run,
                "sequence %lld has %lld tokens, which does not fit %lld in all, %lld "
                "new ones and %lld rows of the caches",
                (long long)b, (long long)lens[b], (long long)total, (long long)s->seq,
                (long long)s->cached);
        if (st->rotates && offsets[b] + s->seq > run->in[COS]->dims[0])
            return ct_run_fail(run, "a position lies outside of cos_cache");
    }
    return CORTEN_OK;
}

/* One head of a new token: queries, then keys, then values. */
static void one_head(const struct job *job, int64_t b, int64_t i, int64_t head)
{
    const struct ct_run *run = job->run;
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    int part = head < s->heads ? 0 : head < s->heads + s->kv_heads ? 1 : 2;
    int64_t n = head - (part == 0 ? 0 : part == 1 ? s->heads : s->heads + s->kv_heads);
    int64_t width = part ? s->kv_heads : s->heads, token = b * s->seq + i;
    int64_t position = job->offsets[b] + i;
    const struct ct_tensor *from = run->in[s->packed ? QUERY : part];
    int64_t first = s->packed ? token * (s->heads + 2 * s->kv_heads) + head : token * width + n;
    float *to = part == 0
                    ? (float *)ct_contrib_scratch(run, st->q_at) + (token * s->heads + n) * s->size
                    : (float *)ct_contrib_scratch(run, st->kv_at[part - 1]) +
                          ((b * s->kv_heads + n) * s->cached + position) * s->size;
    ct_load_f32(from->dtype, from->data, (size_t)(first * s->size), (size_t)s->size, to);
    if (part < 2 && st->rotates)
        ct_rope_head(to, to,
                     (const float *)ct_contrib_scratch(run, st->cos_at) + position * st->half,
                     (const float *)ct_contrib_scratch(run, st->sin_at) + position * st->half,
                     st->half, s->size, st->interleaved);
}

static void new_tokens(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *st = job->run->state;
    const struct sizes *s = &st->s;
    (void)worker;
    for (int64_t token = begin; token < end; token++)
        for (int64_t head = 0; head < s->heads + 2 * s->kv_heads; head++)
            one_head(job, token / s->seq, token % s->seq, head);
}

/* Keys that a query of a head may see, whose blocks the layout lists in the row of its own block. */
static void one_row(const struct job *job, int64_t head, int64_t position, uint8_t *seen)
{
    const struct ct_run *run = job->run;
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    const struct ct_tensor *rows = run->in[BLOCK_ROWS], *cols = run->in[BLOCK_COLS];
    int64_t layout = head % st->layouts, row = position / s->block, n = rows->dims[1];
    memset(seen, 0, (size_t)s->cached);
    if (row + 1 >= n)
        return;
    int64_t first = ct_contrib_i64(rows, (size_t)(layout * n + row));
    int64_t end = ct_contrib_i64(rows, (size_t)(layout * n + row + 1));
    for (int64_t i = first < 0 ? 0 : first; i < end && i < cols->dims[1]; i++) {
        int64_t col = ct_contrib_i64(cols, (size_t)(layout * cols->dims[1] + i));
        if (col < 0 || col > (s->cached - 1) / s->block)
            continue;
        int64_t from = col * s->block, left = s->cached - from;
        memset(seen + from, 1, (size_t)(left < s->block ? left : s->block));
    }
}

static void seen_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *st = job->run->state;
    const struct sizes *s = &st->s;
    uint8_t *seen = ct_contrib_scratch(job->run, st->seen_at);
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t i = item % s->seq, head = item / s->seq % s->heads, b = item / s->seq / s->heads;
        one_row(job, head, job->offsets[b] + i, seen + item * s->cached);
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    struct ct_attention_problem p = st->p;
    int64_t *offsets = ct_contrib_scratch(run, st->lens_at), *lens = offsets + s->batch;
    struct job job = {run, offsets};
    CT_TRY(read_lengths(run, offsets, lens));
    for (int i = COS; i <= SIN && st->rotates; i++)
        ct_load_f32(run->in[i]->dtype, run->in[i]->data, 0, ct_count(run->in[i]),
                    ct_contrib_scratch(run, i == COS ? st->cos_at : st->sin_at));
    for (int i = 0; i < 2; i++)
        ct_load_f32(run->in[PAST_KEY + i]->dtype, run->in[PAST_KEY + i]->data, 0,
                    ct_count(run->in[PAST_KEY + i]), ct_contrib_scratch(run, st->kv_at[i]));
    ct_run_parallel(run, s->batch * s->seq, 50 + (double)((s->heads + 2 * s->kv_heads) * s->size),
                    new_tokens, &job);
    ct_run_parallel(run, s->batch * s->heads * s->seq, 20 + 0.05 * (double)s->cached, seen_rows,
                    &job);
    p.offsets = offsets;
    p.kv_lens = lens;
    p.mask_bool = ct_contrib_scratch(run, st->seen_at);
    struct ct_attention_rows rows = {.p = &p,
                                     .q = ct_contrib_scratch(run, st->q_at),
                                     .k = ct_contrib_scratch(run, st->kv_at[0]),
                                     .v = ct_contrib_scratch(run, st->kv_at[1]),
                                     .y = ct_contrib_scratch(run, st->y_at)};
    ct_attention_rows_run(run->exec->pool, &rows, ct_contrib_scratch(run, st->core_at));
    for (int i = 0; i < 3; i++) {
        struct ct_tensor *t = ct_contrib_run_out(run, i);
        if (t)
            ct_store_f32(t->dtype, t->data, 0, ct_count(t),
                         ct_contrib_scratch(run, i == 0 ? st->y_at : st->kv_at[i - 1]));
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_sparse_attention = {.infer = infer,
                                             .prepare = prepare,
                                             .run = run,
                                             .min_in = 1,
                                             .max_in = N_INPUTS,
                                             .min_out = 1,
                                             .max_out = 3};
