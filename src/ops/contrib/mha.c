#include "ops/contrib/mha.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ infer */

ct_status ct_mha_check_mask(const struct ct_infer *infer, int index, ct_dim batch, ct_dim q_len,
                            ct_dim total, enum ct_mha_mask *mask)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    *mask = CT_MHA_NO_MASK;
    if (!f)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_dtype(infer, index, CT_BIT(I32)));
    CT_TRY(ct_infer_check_rank(infer, index, 1, 4));
    if (f->rank == 1) {
        *mask = CT_MHA_LENGTHS;
        if (!ct_dim_known(f->dims[0]) || !ct_dim_known(batch))
            return CORTEN_OK;
        if (f->dims[0] == batch || f->dims[0] - 2 == 3 * batch)
            return CORTEN_OK;
        *mask = CT_MHA_END_START;
        if (f->dims[0] == 2 * batch)
            return CORTEN_OK;
        return ct_infer_fail(infer, "the mask has %lld elements for a batch of %lld",
                             (long long)f->dims[0], (long long)batch);
    }
    if (f->rank < 1)
        return CORTEN_OK;
    if (f->rank == 2 && f->dims[1] == 1 && total != 1 && (f->dims[0] == 1 || f->dims[0] == batch))
        return CORTEN_OK; /* stands for no mask */
    CT_TRY(ct_contrib_agree(infer, "batch of the mask", f->dims[0], batch));
    if (f->rank == 4) {
        *mask = CT_MHA_MEGATRON;
        CT_TRY(ct_contrib_agree(infer, "heads of the mask", f->dims[1], 1));
        CT_TRY(ct_contrib_agree(infer, "sides of the mask", f->dims[2], f->dims[3]));
        if (ct_dim_known(f->dims[3]) && ct_dim_known(total) && f->dims[3] < total)
            return ct_infer_fail(infer, "the mask has %lld columns for %lld keys",
                                 (long long)f->dims[3], (long long)total);
        return CORTEN_OK;
    }
    *mask = f->rank == 2 ? CT_MHA_KEYS : CT_MHA_QUERIES;
    CT_TRY(ct_contrib_agree(infer, "keys of the mask", f->dims[f->rank - 1], total));
    return f->rank == 2 ? CORTEN_OK
                        : ct_contrib_agree(infer, "queries of the mask", f->dims[1], q_len);
}

ct_status ct_mha_check_added(const struct ct_infer *infer, int index, ct_dim batch, ct_dim heads,
                             ct_dim q_len, ct_dim total)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_rank(infer, index, 4, 4));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, index));
    if (!f || f->rank != 4)
        return CORTEN_OK;
    if (f->dims[0] != 1)
        CT_TRY(ct_contrib_agree(infer, "batch of attention_bias", f->dims[0], batch));
    if (f->dims[1] != 1)
        CT_TRY(ct_contrib_agree(infer, "heads of attention_bias", f->dims[1], heads));
    if (f->dims[2] != 1)
        CT_TRY(ct_contrib_agree(infer, "queries of attention_bias", f->dims[2], q_len));
    return ct_contrib_agree(infer, "keys of attention_bias", f->dims[3], total);
}

/* ------------------------------------------------------------------ prepare */

struct ct_attention_strides ct_mha_rows_of(int64_t length, int64_t heads, int64_t width)
{
    return (struct ct_attention_strides){length * heads * width, width, heads * width};
}

struct ct_attention_strides ct_mha_heads_of(int64_t length, int64_t heads, int64_t width)
{
    return (struct ct_attention_strides){length * heads * width, length * width, width};
}

void ct_mha_read_masks(struct ct_mha *mha, const struct ct_prepare *prepare, int mask, int added)
{
    const struct ct_tensor *m = ct_contrib_in(prepare, mask), *a = ct_contrib_in(prepare, added);
    if (m)
        mha->mask_cols = m->dims[m->rank - 1];
    if (a) {
        mha->added = true;
        memcpy(mha->added_dims, a->dims, sizeof mha->added_dims);
    }
}

/* Whether the mask and what is added differ between batches, heads and queries. */
static void mask_shape(const struct ct_mha *m, int64_t *batch, int64_t *heads, int64_t *rows)
{
    *batch = m->mask || (m->added && m->added_dims[0] > 1) ? m->batch : 1;
    *heads = m->added && m->added_dims[1] > 1 ? m->heads : 1;
    bool by_row = m->mask == CT_MHA_QUERIES || m->mask == CT_MHA_MEGATRON;
    *rows = by_row || (m->added && m->added_dims[2] > 1) ? m->q_len : 1;
}

static ct_status describe_mask(struct ct_mha *m, struct ct_prepare *prepare, int64_t total)
{
    struct ct_attention_problem *p = &m->problem;
    int64_t batch, heads, rows;
    if (!m->mask && !m->added)
        return CORTEN_OK;
    mask_shape(m, &batch, &heads, &rows);
    int64_t cols = m->mask ? total : m->added_dims[3];
    p->mask_cols = m->mask || total < cols ? total : cols;
    p->mask_col_stride = 1;
    p->mask_strides = (struct ct_attention_strides){
        batch == 1 ? 0 : heads * rows * cols, heads == 1 ? 0 : rows * cols, rows == 1 ? 0 : cols};
    size_t count = 0;
    if (m->mask && !ct_shape_count(4, (int64_t[]){batch, heads, rows, total}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the mask is too large");
    return ct_contrib_reserve(prepare, count, sizeof(float), &m->mask_at);
}

static ct_status reserve_copy(const struct ct_mha *m, struct ct_prepare *prepare, int64_t rows,
                              int64_t size, size_t *at)
{
    size_t count;
    if (!ct_shape_count(4, (int64_t[]){m->batch, m->heads, rows, size}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "heads are too large");
    return ct_contrib_reserve(prepare, count, sizeof(float), at);
}

ct_status ct_mha_prepare(struct ct_mha *m, struct ct_prepare *prepare)
{
    int64_t total = m->capacity ? m->capacity : m->past_len + m->new_len;
    m->gathers =
        m->past_len > 0 || m->capacity || m->k.present || m->v.present || m->kv_bias || m->beams;
    if (m->q_bias)
        CT_TRY(reserve_copy(m, prepare, m->q_len, m->k.size, &m->q_at));
    if (m->gathers && (!m->k.present || m->beams))
        CT_TRY(reserve_copy(m, prepare, total, m->k.size, &m->k.copy_at));
    if (m->gathers && (!m->v.present || m->beams))
        CT_TRY(reserve_copy(m, prepare, total, m->v.size, &m->v.copy_at));
    m->problem = (struct ct_attention_problem){
        .batch = m->batch,
        .heads = m->heads,
        .kv_heads = m->heads,
        .q_len = m->q_len,
        .kv_len = total,
        .head_size = m->k.size,
        .v_head_size = m->v.size,
        .q = m->q_bias ? ct_mha_heads_of(m->q_len, m->heads, m->k.size) : m->q,
        .k = m->gathers ? ct_mha_heads_of(total, m->heads, m->k.size) : m->k.strides,
        .v = m->gathers ? ct_mha_heads_of(total, m->heads, m->v.size) : m->v.strides,
        .y = ct_mha_rows_of(m->q_len, m->heads, m->v.size),
        .bf16 = prepare->precision == CORTEN_PRECISION_BF16,
        .scale = m->scale != 0 ? m->scale : 1 / sqrtf((float)m->k.size),
        .causal = m->causal && m->q_len > 1,
        .left = -1,
        .right = -1,
        .offset = m->past_len,
    };
    prepare->product = m->problem.bf16 ? CT_PRODUCT_BF16 : CT_PRODUCT_F32;
    CT_TRY(describe_mask(m, prepare, total));
    size_t core = m->scores ? ct_attention_rows_scratch_bytes(&m->problem, prepare->threads)
                            : ct_attention_f32_scratch_bytes(&m->problem, prepare->threads);
    CT_TRY(ct_contrib_reserve(prepare, core, 1, &m->core_at));
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

/* Queries, keys or values with bias, behind their past, as [B,N,rows,H]. */
struct gather {
    const struct ct_mha *mha;
    const float *from, *past, *bias;
    struct ct_attention_strides strides;
    int64_t past_len, past_rows, to_rows, length, size;
    float *to;
    const struct ct_mha_data *beams; /* NULL: each sequence has its own past */
};

static void copy_past(const struct gather *g, int64_t b, int64_t n, float *to)
{
    int64_t heads = g->mha->heads, h = g->size;
    if (!g->beams) {
        const float *past = g->past + (b * heads + n) * g->past_rows * h;
        if (past != to)
            memcpy(to, past, (size_t)(g->past_len * h) * sizeof *to);
        return;
    }
    const struct ct_mha_data *d = g->beams;
    int64_t group = b / d->beams * d->beams;
    for (int64_t t = 0; t < g->past_len; t++, to += h) {
        int64_t beam = t < d->indirection_cols ? d->indirection[b * d->indirection_cols + t] : 0;
        beam = beam < 0 || beam >= d->beams ? 0 : beam;
        memcpy(to, g->past + (((group + beam) * heads + n) * g->past_rows + t) * h,
               (size_t)h * sizeof *to);
    }
}

static void gather_heads(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct gather *g = arg;
    int64_t heads = g->mha->heads, h = g->size;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / heads, n = i % heads;
        float *to = g->to + i * g->to_rows * h;
        if (g->past_len)
            copy_past(g, b, n, to);
        to += g->past_len * h;
        const float *from = g->from + b * g->strides.batch + n * g->strides.head;
        const float *bias = g->bias ? g->bias + n * h : NULL;
        for (int64_t row = 0; row < g->length; row++, to += h, from += g->strides.row) {
            if (!bias) {
                memcpy(to, from, (size_t)h * sizeof *to);
                continue;
            }
            for (int64_t e = 0; e < h; e++)
                to[e] = from[e] + bias[e];
        }
        int64_t rest = g->to_rows - g->past_len - g->length;
        if (rest > 0 && g->past && g->past_rows == g->to_rows && g->past != g->to)
            memcpy(to, g->past + (i * g->to_rows + g->past_len + g->length) * h,
                   (size_t)(rest * h) * sizeof *to);
        else if (rest > 0 && g->past != g->to)
            memset(to, 0, (size_t)(rest * h) * sizeof *to);
    }
}

static void gather(const struct ct_run *run, const struct gather *g)
{
    ct_run_parallel(run, g->mha->batch * g->mha->heads,
                    0.5 * (double)((g->length + g->past_len) * g->size), gather_heads, (void *)g);
}

static const float *gather_side(const struct ct_mha *m, const struct ct_run *run,
                                const struct ct_mha_data *d, bool values)
{
    const struct ct_mha_side *side = values ? &m->v : &m->k;
    float *present = values ? d->present_v : d->present_k;
    struct gather g = {.mha = m,
                       .from = values ? d->v : d->k,
                       .past = values ? d->past_v : d->past_k,
                       .bias = values ? d->v_bias : d->k_bias,
                       .strides = side->strides,
                       .length = m->new_len,
                       .size = side->size,
                       .past_len = d->past_len,
                       .past_rows = m->capacity ? m->capacity : m->past_len,
                       .to_rows = m->problem.kv_len,
                       .to = present ? present : ct_contrib_scratch(run, side->copy_at)};
    gather(run, &g);
    if (m->beams && d->indirection) {
        g.beams = d;
        g.to = ct_contrib_scratch(run, side->copy_at);
        gather(run, &g);
    }
    return g.to;
}

/* -10000 and the like are added, as is what masks out of `mask`, so that a row whose keys are all
 * masked out still has a softmax. */
static bool sees(const struct ct_mha *m, const int32_t *mask, int64_t b, int64_t i, int64_t t,
                 int64_t past)
{
    if (m->mask > CT_MHA_END_START && t >= m->mask_cols)
        return true;
    switch (m->mask) {
    case CT_MHA_LENGTHS: return t < mask[b];
    case CT_MHA_END_START: return t < mask[b] && t >= mask[m->batch + b];
    case CT_MHA_KEYS: return mask[b * m->mask_cols + t] > 0;
    case CT_MHA_QUERIES: return mask[(b * m->q_len + i) * m->mask_cols + t] > 0;
    case CT_MHA_MEGATRON:
        if (past + i >= m->mask_cols)
            return true;
        return mask[(b * m->mask_cols + past + i) * m->mask_cols + t] > 0;
    case CT_MHA_NO_MASK: break;
    }
    return true;
}

struct mask_job {
    const struct ct_mha *m;
    const struct ct_mha_data *d;
    float *to;
    int64_t heads, rows;
};

static void mask_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct mask_job *job = arg;
    const struct ct_mha *m = job->m;
    int64_t total = m->problem.kv_len;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t i = item % job->rows, n = item / job->rows % job->heads;
        int64_t b = item / job->rows / job->heads;
        const float *more = NULL;
        if (m->added) {
            const int64_t *dims = m->added_dims;
            int64_t at = dims[0] == 1 ? 0 : b;
            at = at * dims[1] + (dims[1] == 1 ? 0 : n);
            at = at * dims[2] + (dims[2] == 1 ? 0 : i);
            more = job->d->added + at * dims[3];
        }
        float *to = job->to + item * total;
        for (int64_t t = 0; t < total; t++)
            to[t] = (sees(m, job->d->mask, b, i, t, job->d->past_len) ? 0 : m->filter) +
                    (more && t < m->added_dims[3] ? more[t] : 0);
    }
}

static const float *build_mask(const struct ct_mha *m, const struct ct_run *run,
                               const struct ct_mha_data *d)
{
    int64_t batch, heads, rows;
    mask_shape(m, &batch, &heads, &rows);
    struct mask_job job = {m, d, ct_contrib_scratch(run, m->mask_at), heads, rows};
    ct_run_parallel(run, batch * heads * rows, 2 * (double)m->problem.kv_len, mask_rows, &job);
    return job.to;
}

void ct_mha_run(const struct ct_mha *m, const struct ct_run *run, const struct ct_mha_data *d)
{
    struct ct_attention_problem p = m->problem;
    const float *q = d->q, *k = d->k, *v = d->v;
    if (m->q_bias) {
        struct gather g = {.mha = m,
                           .from = q,
                           .bias = d->q_bias,
                           .strides = m->q,
                           .length = m->q_len,
                           .size = m->k.size,
                           .to_rows = m->q_len,
                           .to = ct_contrib_scratch(run, m->q_at)};
        gather(run, &g);
        q = g.to;
    }
    if (m->gathers) {
        k = gather_side(m, run, d, false);
        v = gather_side(m, run, d, true);
    }
    if (m->mask && d->mask)
        p.mask = build_mask(m, run, d);
    else if (m->added)
        p.mask = d->added;
    if (m->capacity) {
        p.offset = d->past_len;
        p.kv_len = d->past_len + m->new_len;
        if (p.mask && p.mask_cols > p.kv_len)
            p.mask_cols = p.kv_len;
    }
    void *core = ct_contrib_scratch(run, m->core_at);
    if (!m->scores) {
        ct_attention_f32_run(run->exec->pool, &p, q, k, v, d->y, core);
        return;
    }
    struct ct_attention_rows rows = {.p = &p,
                                     .q = q,
                                     .k = k,
                                     .v = v,
                                     .y = d->y,
                                     .mode = m->scores,
                                     .scores = d->scores,
                                     .score_cols = p.kv_len,
                                     .outside = -FLT_MAX};
    ct_attention_rows_run(run->exec->pool, &rows, core);
}

void ct_mha_cost(const struct ct_mha *m, struct ct_cost *cost)
{
    cost->flops += 2.0 * (double)m->batch * (double)m->heads * (double)m->q_len *
                   (double)(m->past_len + m->new_len) * (double)(m->k.size + m->v.size);
}
