#include "ops/contrib/attention_rows.h"

#include <math.h>

#include "base/memory.h"

struct job {
    const struct ct_attention_rows *rows;
    float *scratch;
    int64_t stride;
};

static int64_t row_floats(const struct ct_attention_problem *p)
{
    return (int64_t)ct_align_up((size_t)p->kv_len + 1, CT_ALIGN / sizeof(float));
}

size_t ct_attention_rows_scratch_bytes(const struct ct_attention_problem *problem, int threads)
{
    return (size_t)row_floats(problem) * sizeof(float) * (size_t)threads;
}

static float dot(const float *restrict a, const float *restrict b, int64_t n)
{
    float lanes[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            lanes[l] += a[i + l] * b[i + l];
    float sum = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
                ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float masked_score(const struct ct_attention_problem *p, int64_t b, int64_t h, int64_t i,
                          int64_t t, float score)
{
    int64_t at = b * p->mask_strides.batch + h * p->mask_strides.head + i * p->mask_strides.row +
                 t * p->mask_col_stride;
    if (p->softcap > 0)
        score = p->softcap * tanhf(score / p->softcap);
    if (p->mask)
        score += p->mask[at];
    if (p->mask_bool && !p->mask_bool[at])
        score = -HUGE_VALF;
    return score;
}

/* Turns n scores into weights; the sink takes its share and has no value. */
static void softmax(float *s, int64_t n, bool has_sink, float sink)
{
    float max = has_sink ? sink : -HUGE_VALF;
    double sum = 0;
    for (int64_t t = 0; t < n; t++)
        max = s[t] > max ? s[t] : max;
    if (max == -HUGE_VALF)
        max = 0;
    for (int64_t t = 0; t < n; t++)
        sum += (double)(s[t] = expf(s[t] - max));
    if (has_sink)
        sum += (double)expf(sink - max);
    float factor = sum > 0 ? (float)(1 / sum) : 0;
    for (int64_t t = 0; t < n; t++)
        s[t] *= factor;
}

static void one_row(const struct ct_attention_rows *rows, int64_t b, int64_t h, int64_t i, float *s)
{
    const struct ct_attention_problem *p = rows->p;
    int64_t kv = h / (p->heads / p->kv_heads), begin, end;
    const float *q = rows->q + b * p->q.batch + h * p->q.head + i * p->q.row;
    const float *k = rows->k + b * p->k.batch + kv * p->k.head;
    const float *v = rows->v + b * p->v.batch + kv * p->v.head;
    float *y = rows->y + b * p->y.batch + h * p->y.head + i * p->y.row;
    float *out = NULL;
    if (rows->scores)
        out = rows->scores + ((b * p->heads + h) * p->q_len + i) * rows->score_cols;
    ct_attention_range(p, b, i, &begin, &end);
    for (int64_t t = begin; t < end; t++)
        s[t] = masked_score(p, b, h, i, t, p->scale * dot(q, k + t * p->k.row, p->head_size));
    if (out && rows->mode == CT_SCORES_MASKED)
        for (int64_t t = 0; t < rows->score_cols; t++)
            out[t] = t >= begin && t < end ? s[t] : rows->outside;
    softmax(s + begin, end - begin, rows->sinks || rows->smooth, rows->sinks ? rows->sinks[h] : 0);
    if (out && rows->mode == CT_SCORES_SOFTMAX)
        for (int64_t t = 0; t < rows->score_cols; t++)
            out[t] = t >= begin && t < end ? s[t] : 0;
    for (int64_t e = 0; e < p->v_head_size; e++)
        y[e] = 0;
    for (int64_t t = begin; t < end; t++) {
        const float *row = v + t * p->v.row;
        for (int64_t e = 0; e < p->v_head_size; e++)
            y[e] += s[t] * row[e];
    }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_attention_problem *p = job->rows->p;
    for (int64_t item = begin; item < end; item++) {
        int64_t i = item % p->q_len, h = item / p->q_len % p->heads;
        one_row(job->rows, item / p->q_len / p->heads, h, i, job->scratch + worker * job->stride);
    }
}

void ct_attention_rows_run(struct ct_pool *pool, const struct ct_attention_rows *rows,
                           void *scratch)
{
    const struct ct_attention_problem *p = rows->p;
    struct job job = {rows, scratch, row_floats(p)};
    double item_ns = 50 + (double)p->kv_len * (2 + 0.2 * (double)(p->head_size + p->v_head_size));
    ct_parallel_for(pool, p->batch * p->heads * p->q_len, ct_grain(item_ns), run_items, &job);
}
