#include "ops/linear/attention_plain.h"

#include <math.h>
#include <string.h>

struct job {
    const struct ct_attention_plain *plain;
    double *work;
};

static void keep(const struct ct_attention_plain *plain, int mode, size_t row, const double *s)
{
    size_t n = (size_t)plain->p->kv_len;
    if (plain->scores && plain->mode == mode)
        memcpy(plain->scores + row * n, s, n * sizeof *s);
}

/* Adds mask and bounds; false when no key is left. */
static bool mask_row(const struct ct_attention_plain *plain, int64_t b, int64_t h, int64_t i,
                     double *s)
{
    const struct ct_attention_problem *p = plain->p;
    int64_t begin, end;
    bool any = false;
    int64_t at = b * p->mask_strides.batch + h * p->mask_strides.head + i * p->mask_strides.row;
    ct_attention_range(p, b, i, &begin, &end);
    if (plain->mask && end > p->mask_cols)
        end = p->mask_cols > begin ? p->mask_cols : begin;
    for (int64_t j = 0; j < p->kv_len; j++) {
        double bias = j < begin || j >= end ? -HUGE_VAL : 0;
        if (bias == 0 && plain->mask)
            bias = plain->mask[at + j * p->mask_col_stride];
        else if (bias == 0 && p->mask_bool && !p->mask_bool[at + j * p->mask_col_stride])
            bias = -HUGE_VAL;
        s[j] += bias;
        any |= bias != -HUGE_VAL;
    }
    return any;
}

static void softmax(double *s, int64_t n, bool any)
{
    double max = -HUGE_VAL, sum = 0;
    if (!any) {
        memset(s, 0, (size_t)n * sizeof *s);
        return;
    }
    for (int64_t j = 0; j < n; j++)
        max = s[j] > max ? s[j] : max;
    for (int64_t j = 0; j < n; j++)
        sum += s[j] = exp(s[j] - (max == -HUGE_VAL ? 0 : max));
    for (int64_t j = 0; sum != 0 && j < n; j++)
        s[j] /= sum;
}

static void rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_attention_plain *plain = job->plain;
    const struct ct_attention_problem *p = plain->p;
    double *s = job->work + (int64_t)worker * p->kv_len;
    for (int64_t item = begin; item < end; item++) {
        int64_t i = item % p->q_len, h = item / p->q_len % p->heads;
        int64_t b = item / p->q_len / p->heads, kv = h / (p->heads / p->kv_heads);
        const double *q = plain->q + b * p->q.batch + h * p->q.head + i * p->q.row;
        const double *k = plain->k + b * p->k.batch + kv * p->k.head;
        const double *v = plain->v + b * p->v.batch + kv * p->v.head;
        for (int64_t j = 0; j < p->kv_len; j++) {
            double sum = 0;
            for (int64_t d = 0; d < p->head_size; d++)
                sum += q[d] * k[j * p->k.row + d];
            s[j] = sum * (double)p->scale;
        }
        keep(plain, 0, (size_t)item, s);
        for (int64_t j = 0; p->softcap > 0 && j < p->kv_len; j++)
            s[j] = (double)p->softcap * tanh(s[j] / (double)p->softcap);
        keep(plain, 1, (size_t)item, s);
        bool any = mask_row(plain, b, h, i, s);
        keep(plain, 2, (size_t)item, s);
        softmax(s, p->kv_len, any);
        keep(plain, 3, (size_t)item, s);
        double *y = plain->y ? plain->y + b * p->y.batch + h * p->y.head + i * p->y.row : NULL;
        for (int64_t d = 0; y && d < p->v_head_size; d++)
            y[d] = 0;
        for (int64_t j = 0; y && j < p->kv_len; j++)
            for (int64_t d = 0; s[j] != 0 && d < p->v_head_size; d++)
                y[d] += s[j] * v[j * p->v.row + d];
    }
}

void ct_attention_plain_run(const struct ct_attention_plain *plain, const struct ct_run *run,
                            double *work)
{
    const struct ct_attention_problem *p = plain->p;
    struct job job = {plain, work};
    double row_ns = 20 + (double)p->kv_len * (double)(p->head_size + p->v_head_size + 10);
    if (p->heads > 0)
        ct_run_parallel(run, p->batch * p->heads * p->q_len, row_ns, rows, &job);
}
