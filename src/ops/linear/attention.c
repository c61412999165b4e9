/* Attention: scaled dot products over 3-D [B, S, H * D] or 4-D [B, H, S, D] inputs, with grouped
 * heads, masks, causal and windowed forms, and caches of keys and values inside (past and present)
 * or outside (nonpad_kv_seqlen). Computed in f32 by the tiled core; in f64, row by row, when the
 * inputs are f64 or the scores are an output too. */
#include "graph/op.h"
#include "ops/attention_core.h"
#include "ops/linear/attention_plain.h"
#include "ops/widen.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, MASK, PAST_KEY, PAST_VALUE, SEQ_LENS };

/* A cache: keys or values, [B, kv_heads, total, size]. */
struct cache {
    bool assembled; /* past and new are put together */
    size_t raw_at;  /* in scratch; SIZE_MAX: in the present output */
    size_t wide_at; /* converted; SIZE_MAX: not */
};

struct state {
    struct ct_attention_problem p;
    struct ct_widen widen;
    struct cache caches[2];
    int64_t new_len, past_len;
    bool packed; /* 3-D inputs */
    bool plain;  /* the f64 path */
    int mode;    /* of the scores that are an output */
    size_t lens_at, work_at;
};

/* ------------------------------------------------------------------ infer */

struct shape {
    ct_dim batch, heads, kv_heads, q_len, new_len, past_len, size, v_size;
};

static ct_status split(const struct ct_infer *infer, int index, ct_dim hidden, int64_t heads,
                       ct_dim *size)
{
    *size = CT_DIM_UNKNOWN;
    if (!ct_dim_known(hidden))
        return CORTEN_OK;
    if (hidden % heads)
        return ct_infer_fail(infer, "input %d of width %lld cannot be split into %lld heads", index,
                             (long long)hidden, (long long)heads);
    *size = hidden / heads;
    return CORTEN_OK;
}

static ct_status agree(const struct ct_infer *infer, const char *what, ct_dim a, ct_dim b)
{
    if (ct_dim_known(a) && ct_dim_known(b) && a != b)
        return ct_infer_fail(infer, "%s differ: %lld and %lld", what, (long long)a, (long long)b);
    return CORTEN_OK;
}

/* Of Q, K and V, which have known ranks. */
static ct_status read_shape(const struct ct_infer *infer, struct shape *s)
{
    const struct ct_fact *q = ct_infer_in(infer, Q), *k = ct_infer_in(infer, K),
                         *v = ct_infer_in(infer, V);
    ct_dim k_size, v_heads, v_len = v->dims[v->rank - 2];
    if (q->rank != k->rank || q->rank != v->rank)
        return ct_infer_fail(infer, "Q, K and V have ranks %d, %d and %d", q->rank, k->rank,
                             v->rank);
    s->batch = q->dims[0];
    s->q_len = q->dims[q->rank - 2];
    s->new_len = k->dims[k->rank - 2];
    if (q->rank == 4) {
        s->heads = q->dims[1];
        s->kv_heads = k->dims[1];
        v_heads = v->dims[1];
        s->size = q->dims[3];
        k_size = k->dims[3];
        s->v_size = v->dims[3];
    } else {
        int64_t heads = ct_attr_int(infer->node, "q_num_heads", 0);
        int64_t kv_heads = ct_attr_int(infer->node, "kv_num_heads", 0);
        if (heads <= 0 || kv_heads <= 0)
            return ct_infer_fail(infer, "3-D inputs need q_num_heads and kv_num_heads");
        s->heads = heads;
        s->kv_heads = v_heads = kv_heads;
        CT_TRY(split(infer, Q, q->dims[2], heads, &s->size));
        CT_TRY(split(infer, K, k->dims[2], kv_heads, &k_size));
        CT_TRY(split(infer, V, v->dims[2], kv_heads, &s->v_size));
    }
    CT_TRY(agree(infer, "head sizes of Q and K", s->size, k_size));
    CT_TRY(agree(infer, "heads of K and V", s->kv_heads, v_heads));
    CT_TRY(agree(infer, "lengths of K and V", s->new_len, v_len));
    CT_TRY(agree(infer, "batch sizes of Q and K", s->batch, k->dims[0]));
    CT_TRY(agree(infer, "batch sizes of Q and V", s->batch, v->dims[0]));
    if (ct_dim_known(s->heads) && ct_dim_known(s->kv_heads) &&
        (s->kv_heads <= 0 || s->heads % s->kv_heads))
        return ct_infer_fail(infer, "%lld heads cannot share %lld heads of keys",
                             (long long)s->heads, (long long)s->kv_heads);
    return CORTEN_OK;
}

static ct_status read_past(const struct ct_infer *infer, struct shape *s)
{
    const struct ct_fact *k = ct_infer_in(infer, PAST_KEY), *v = ct_infer_in(infer, PAST_VALUE);
    s->past_len = 0;
    if (!k != !v)
        return ct_infer_fail(infer, "past_key and past_value go together");
    if (!k)
        return CORTEN_OK;
    if (ct_infer_in(infer, SEQ_LENS))
        return ct_infer_fail(infer, "nonpad_kv_seqlen does not go with past_key");
    CT_TRY(ct_infer_check_same_dtype(infer, K, PAST_KEY));
    CT_TRY(ct_infer_check_same_dtype(infer, V, PAST_VALUE));
    CT_TRY(ct_infer_check_rank(infer, PAST_KEY, 4, 4));
    CT_TRY(ct_infer_check_rank(infer, PAST_VALUE, 4, 4));
    s->past_len = CT_DIM_UNKNOWN;
    const struct ct_fact *pasts[] = {k, v};
    for (int i = 0; i < 2; i++) {
        const struct ct_fact *f = pasts[i];
        if (f->rank != 4)
            continue;
        CT_TRY(agree(infer, "batch sizes of Q and the past", s->batch, f->dims[0]));
        CT_TRY(agree(infer, "heads of K and the past", s->kv_heads, f->dims[1]));
        CT_TRY(agree(infer, "lengths of past_key and past_value", s->past_len, f->dims[2]));
        CT_TRY(agree(infer, "head sizes of new and past", i ? s->v_size : s->size, f->dims[3]));
        s->past_len = f->dims[2];
    }
    return CORTEN_OK;
}

static ct_status check_mask(const struct ct_infer *infer, const struct shape *s, ct_dim total)
{
    const struct ct_fact *mask = ct_infer_in(infer, MASK);
    ct_dim want[4] = {s->batch, s->heads, s->q_len, total};
    if (!mask)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_dtype(infer, MASK, CT_NUMBERS | CT_BIT(BOOL)));
    CT_TRY(ct_infer_check_rank(infer, MASK, 1, 4));
    for (int i = 0; i < mask->rank; i++) {
        ct_dim have = mask->dims[i], most = want[4 - mask->rank + i];
        bool last = i == mask->rank - 1;
        if (!ct_dim_known(have) || !ct_dim_known(most) || have == most)
            continue;
        if (last ? have > most : have != 1)
            return ct_infer_fail(infer, "dimension %d of the mask is %lld, %lld is expected", i,
                                 (long long)have, (long long)most);
    }
    return CORTEN_OK;
}

static ct_status check_attributes(const struct ct_infer *infer)
{
    static const char *const windows[] = {"left_window_size", "right_window_size"};
    int64_t mode = ct_attr_int(infer->node, "qk_matmul_output_mode", 0);
    int64_t precision = ct_attr_int(infer->node, "softmax_precision", CORTEN_F32);
    if (mode < 0 || mode > 3)
        return ct_infer_fail(infer, "qk_matmul_output_mode is %lld, 0 to 3 is expected",
                             (long long)mode);
    if (precision < 0 || precision > 63 || !ct_dtype_in((ct_dtype)precision, CT_FLOATS))
        return ct_infer_fail(infer, "softmax_precision %lld is no float type",
                             (long long)precision);
    for (int i = 0; i < 2; i++)
        if (ct_attr_int(infer->node, windows[i], -1) < -1)
            return ct_infer_fail(infer, "%s is negative", windows[i]);
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *q = ct_infer_in(infer, Q), *k = ct_infer_in(infer, K),
                         *v = ct_infer_in(infer, V);
    struct shape s;
    CT_TRY(check_attributes(infer));
    for (int i = Q; i <= V; i++)
        CT_TRY(ct_infer_check_rank(infer, i, 3, 4));
    CT_TRY(ct_infer_check_same_dtype(infer, Q, K));
    CT_TRY(ct_infer_check_dtype(infer, V, CT_FLOATS));
    CT_TRY(ct_infer_check_dtype(infer, SEQ_LENS, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, SEQ_LENS, 1, 1));
    ct_infer_set(infer, 0, q->dtype, -1, NULL);
    ct_infer_set(infer, 1, k->dtype, -1, NULL);
    ct_infer_set(infer, 2, v->dtype, -1, NULL);
    ct_infer_set(infer, 3, q->dtype, -1, NULL);
    if (q->rank < 0 || k->rank < 0 || v->rank < 0)
        return CORTEN_OK;
    CT_TRY(read_shape(infer, &s));
    CT_TRY(read_past(infer, &s));
    ct_dim total = ct_dim_add(infer, s.past_len, s.new_len);
    CT_TRY(check_mask(infer, &s, total));
    const struct ct_fact *lens = ct_infer_in(infer, SEQ_LENS);
    if (lens && lens->rank == 1)
        CT_TRY(agree(infer, "batch sizes of Q and nonpad_kv_seqlen", s.batch, lens->dims[0]));
    ct_dim y3[3] = {s.batch, s.q_len, ct_dim_mul(infer, s.heads, s.v_size)};
    ct_dim y4[4] = {s.batch, s.heads, s.q_len, s.v_size};
    ct_dim key[4] = {s.batch, s.kv_heads, total, s.size};
    ct_dim value[4] = {s.batch, s.kv_heads, total, s.v_size};
    ct_dim scores[4] = {s.batch, s.heads, s.q_len, total};
    ct_infer_set(infer, 0, q->dtype, q->rank, q->rank == 4 ? y4 : y3);
    ct_infer_set(infer, 1, k->dtype, 4, key);
    ct_infer_set(infer, 2, v->dtype, 4, value);
    ct_infer_set(infer, 3, q->dtype, 4, scores);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

static struct ct_attention_strides strides_of(bool packed, int64_t heads, int64_t len, int64_t size)
{
    if (packed)
        return (struct ct_attention_strides){len * heads * size, size, heads * size};
    return (struct ct_attention_strides){heads * len * size, len * size, size};
}

static void describe_mask(struct ct_attention_problem *p, const struct ct_tensor *mask)
{
    int64_t strides[4] = {0}, stride = 1;
    for (int i = mask->rank - 1; i >= 0; i--) {
        int at = 4 - mask->rank + i;
        strides[at] = mask->dims[i] == 1 && at < 3 ? 0 : stride;
        stride *= mask->dims[i];
    }
    p->mask_strides = (struct ct_attention_strides){strides[0], strides[1], strides[2]};
    p->mask_col_stride = 1;
    p->mask_cols = mask->dims[mask->rank - 1];
}

static const struct ct_tensor *input(const struct ct_prepare *prepare, int i)
{
    return i < prepare->n_in ? prepare->in[i] : NULL;
}

static void describe(const struct ct_prepare *prepare, struct state *s)
{
    const struct ct_node *node = prepare->node;
    const struct ct_tensor *q = prepare->in[Q], *k = prepare->in[K], *v = prepare->in[V];
    const struct ct_tensor *past = input(prepare, PAST_KEY);
    struct ct_attention_problem *p = &s->p;
    s->packed = q->rank == 3;
    s->new_len = k->dims[k->rank - 2];
    s->past_len = past ? past->dims[2] : 0;
    p->batch = q->dims[0];
    p->heads = s->packed ? ct_attr_int(node, "q_num_heads", 1) : q->dims[1];
    p->kv_heads = s->packed ? ct_attr_int(node, "kv_num_heads", 1) : k->dims[1];
    p->q_len = q->dims[q->rank - 2];
    p->kv_len = s->past_len + s->new_len;
    p->head_size = s->packed ? q->dims[2] / p->heads : q->dims[3];
    p->v_head_size = s->packed ? v->dims[2] / p->kv_heads : v->dims[3];
    p->q = strides_of(s->packed, p->heads, p->q_len, p->head_size);
    p->y = strides_of(s->packed, p->heads, p->q_len, p->v_head_size);
    bool in_place = s->packed && !past;
    p->k = strides_of(in_place, p->kv_heads, p->kv_len, p->head_size);
    p->v = strides_of(in_place, p->kv_heads, p->kv_len, p->v_head_size);
    p->scale = ct_attr_float(node, "scale", 0);
    if (!ct_node_attr(node, "scale"))
        p->scale = p->head_size ? (float)(1 / sqrt((double)p->head_size)) : 1;
    p->softcap = ct_attr_float(node, "softcap", 0);
    if (p->softcap < 0)
        p->softcap = 0;
    p->bf16 = prepare->precision == CORTEN_PRECISION_BF16;
    p->causal = ct_attr_int(node, "is_causal", 0) != 0;
    p->left = ct_attr_int(node, "left_window_size", -1);
    p->right = ct_attr_int(node, "right_window_size", -1);
    p->offset = s->past_len;
    if (input(prepare, MASK))
        describe_mask(p, prepare->in[MASK]);
    s->mode = (int)ct_attr_int(node, "qk_matmul_output_mode", 0);
    s->plain =
        q->dtype == CORTEN_F64 || v->dtype == CORTEN_F64 || (prepare->n_out > 3 && prepare->out[3]);
}

static bool reserve(struct ct_prepare *prepare, size_t count, size_t elem, size_t *at)
{
    size_t bytes;
    *at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    return ct_mul_size(count, elem, &bytes) && bytes < SIZE_MAX / 4 &&
           ct_add_size(*at, bytes, &prepare->scratch_bytes);
}

static bool reserve_cache(struct ct_prepare *prepare, struct state *s, int which)
{
    struct cache *cache = &s->caches[which];
    const struct ct_tensor *t = prepare->in[K + which];
    const struct ct_tensor *present = prepare->n_out > 1 + which ? prepare->out[1 + which] : NULL;
    size_t size = (size_t)(which ? s->p.v_head_size : s->p.head_size);
    size_t count = (size_t)(s->p.batch * s->p.kv_heads * s->p.kv_len) * size;
    cache->raw_at = cache->wide_at = SIZE_MAX;
    cache->assembled = input(prepare, PAST_KEY) != NULL;
    if (!cache->assembled)
        return true;
    if (!present && !reserve(prepare, count, ct_dtype_elem_bytes(t->dtype), &cache->raw_at))
        return false;
    return t->dtype == s->widen.dtype ||
           reserve(prepare, count, s->plain ? sizeof(double) : sizeof(float), &cache->wide_at);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of an attention");
    describe(prepare, s);
    prepare->product = s->p.bf16 && !s->plain ? CT_PRODUCT_BF16 : CT_PRODUCT_F32;
    const struct ct_tensor *mask = input(prepare, MASK);
    unsigned ins = 1u << Q;
    if (!input(prepare, PAST_KEY))
        ins |= 1u << K | 1u << V;
    if (mask && mask->dtype != CORTEN_BOOL)
        ins |= 1u << MASK;
    CT_TRY(ct_widen_init(&s->widen, prepare, s->plain ? CORTEN_F64 : CORTEN_F32, ins,
                         s->plain ? 1u | 1u << 3 : 1u));
    size_t lens = (size_t)s->p.batch * 2, work;
    work = s->plain ? (size_t)s->p.kv_len * sizeof(double) * (size_t)prepare->threads
                    : ct_attention_f32_scratch_bytes(&s->p, prepare->threads);
    if (!reserve_cache(prepare, s, 0) || !reserve_cache(prepare, s, 1) ||
        !reserve(prepare, lens, sizeof(int64_t), &s->lens_at) ||
        !reserve(prepare, work, 1, &s->work_at))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    prepare->state = s;
    prepare->kernel = s->plain ? NULL : ct_attention_f32_select(ct_cpu_features())->name;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

/* Puts past and new rows together, head by head. */
struct assembly {
    const struct state *s;
    const char *past, *new;
    char *to;
    size_t row_bytes;
};

static void assemble_heads(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct assembly *job = arg;
    const struct state *s = job->s;
    size_t row = job->row_bytes;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        char *to = job->to + (size_t)(item * s->p.kv_len) * row;
        size_t past_bytes = (size_t)s->past_len * row;
        if (past_bytes)
            memcpy(to, job->past + (size_t)item * past_bytes, past_bytes);
        to += past_bytes;
        if (!s->packed) {
            memcpy(to, job->new + (size_t)(item * s->new_len) * row, (size_t)s->new_len * row);
            continue;
        }
        int64_t b = item / s->p.kv_heads, h = item % s->p.kv_heads;
        for (int64_t i = 0; i < s->new_len; i++)
            memcpy(to + (size_t)i * row,
                   job->new + (size_t)((b * s->new_len + i) * s->p.kv_heads + h) * row, row);
    }
}

static void assemble(const struct state *s, const struct ct_run *run, int which, void *to)
{
    const struct ct_tensor *past = s->past_len ? run->in[PAST_KEY + which] : NULL;
    const struct ct_tensor *new = run->in[K + which];
    size_t size = (size_t)(which ? s->p.v_head_size : s->p.head_size);
    struct assembly job = {s, past ? past->data : NULL, new->data, to,
                           size *ct_dtype_elem_bytes(new->dtype)};
    ct_run_parallel(run, s->p.batch * s->p.kv_heads,
                    (double)s->p.kv_len * (double)job.row_bytes * 0.1, assemble_heads, &job);
}

/* The keys (0) or values (1) as the computation wants them; writes the present output. */
static const void *cached(const struct state *s, const struct ct_run *run, int which)
{
    const struct cache *cache = &s->caches[which];
    struct ct_tensor *present = run->n_out > 1 + which ? run->out[1 + which] : NULL;
    if (!cache->assembled) {
        if (present)
            assemble(s, run, which, present->data);
        return ct_widen_in(&s->widen, run, K + which);
    }
    void *raw = present ? present->data : (char *)run->scratch + cache->raw_at;
    assemble(s, run, which, raw);
    if (cache->wide_at == SIZE_MAX)
        return raw;
    void *wide = (char *)run->scratch + cache->wide_at;
    size_t size = (size_t)(which ? s->p.v_head_size : s->p.head_size);
    size_t count = (size_t)(s->p.batch * s->p.kv_heads * s->p.kv_len) * size;
    if (s->plain)
        ct_load_f64(run->in[K + which]->dtype, raw, 0, count, wide);
    else
        ct_load_f32(run->in[K + which]->dtype, raw, 0, count, wide);
    return wide;
}

static ct_status read_lens(const struct ct_run *run, struct ct_attention_problem *p, int64_t *lens)
{
    int64_t *offsets = lens + p->batch;
    ct_load_i64(run->in[SEQ_LENS]->dtype, run->in[SEQ_LENS]->data, 0, (size_t)p->batch, lens);
    for (int64_t b = 0; b < p->batch; b++) {
        if (lens[b] < 0 || lens[b] > p->kv_len)
            return ct_run_fail(run, "nonpad_kv_seqlen is %lld, 0 to %lld is expected",
                               (long long)lens[b], (long long)p->kv_len);
        offsets[b] = lens[b] - p->q_len;
    }
    p->kv_lens = lens;
    p->offsets = offsets;
    return CORTEN_OK;
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct ct_attention_problem p = s->p;
    char *scratch = run->scratch;
    const double *plain_mask = NULL;
    if (run->n_in > SEQ_LENS && run->in[SEQ_LENS])
        CT_TRY(read_lens(run, &p, (int64_t *)(void *)(scratch + s->lens_at)));
    const void *q = ct_widen_in(&s->widen, run, Q);
    const void *k = cached(s, run, 0), *v = cached(s, run, 1);
    if (run->n_in > MASK && run->in[MASK]) {
        if (run->in[MASK]->dtype == CORTEN_BOOL)
            p.mask_bool = run->in[MASK]->data;
        else if (s->plain)
            plain_mask = ct_widen_in(&s->widen, run, MASK);
        else
            p.mask = ct_widen_in(&s->widen, run, MASK);
    }
    void *y = ct_widen_out(&s->widen, run, 0);
    if (s->plain) {
        struct ct_attention_plain plain = {.p = &p,
                                           .mask = plain_mask,
                                           .q = q,
                                           .k = k,
                                           .v = v,
                                           .y = y,
                                           .mode = s->mode,
                                           .scores = ct_widen_out(&s->widen, run, 3)};
        ct_attention_plain_run(&plain, run, (double *)(void *)(scratch + s->work_at));
        ct_widen_done(&s->widen, run, 3);
    } else if (y) {
        ct_attention_f32_run(run->exec->pool, &p, q, k, v, y, scratch + s->work_at);
    }
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct shape s;
    if (read_shape(infer, &s) != CORTEN_OK || read_past(infer, &s) != CORTEN_OK)
        return;
    cost->flops += 2 * (double)s.batch * (double)s.heads * (double)s.q_len *
                   (double)(s.past_len + s.new_len) * (double)(s.size + s.v_size);
}

const struct ct_op ct_op_attention = {.infer = infer,
                                      .prepare = prepare,
                                      .run = run,
                                      .cost = cost,
                                      .min_in = 3,
                                      .max_in = 7,
                                      .min_out = 1,
                                      .max_out = 4};
