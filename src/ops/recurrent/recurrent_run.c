#include "ops/recurrent/recurrent.h"

#include <string.h>

/* part: -1 for W, else which rows of R. */
static void f32_product(const struct ct_recurrent *s, const struct ct_run *run,
                        const struct ct_gemm_problem *problem, int dir, int part, const float *a,
                        const float *b, const float *bias, float *c)
{
    struct ct_gemm_problem p = *problem;
    if (bias)
        p.post.bias = (struct ct_gemm_term){bias, 0, 1};
    if (part < 0 && s->packed_w)
        b = s->packed_w + (size_t)dir * s->w_floats;
    if (part >= 0 && s->packed_r)
        b = s->packed_r + (size_t)dir * (s->r_floats[0] + s->r_floats[1]) +
            (part ? s->r_floats[0] : 0);
    ct_gemm_f32_run(run->exec->pool, &p, a, b, c, (char *)run->scratch + s->gemm_at);
}

struct rows_job {
    const struct ct_gemm_problem *p;
    const double *a, *b, *bias;
    double *c;
};

static void f64_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct rows_job *job = arg;
    const struct ct_gemm_problem *p = job->p;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            double sum = job->bias ? job->bias[j] : 0;
            for (int64_t k = 0; k < p->k; k++)
                sum += job->a[i * p->lda + k] * job->b[j * p->ldb + k];
            job->c[i * p->ldc + j] = sum;
        }
    }
}

static void f64_product(const struct ct_recurrent *s, const struct ct_run *run,
                        const struct ct_gemm_problem *problem, int dir, int part, const double *a,
                        const double *b, const double *bias, double *c)
{
    struct rows_job job = {problem, a, b, bias, c};
    (void)s;
    (void)dir;
    (void)part;
    ct_run_parallel(run, problem->m, (double)(problem->n * problem->k), f64_rows, &job);
}

#define T float
#define FN(name) f32_##name
#include "ops/recurrent/cells_tmpl.h"

#define T double
#define FN(name) f64_##name
#include "ops/recurrent/cells_tmpl.h"

static ct_status read_lens(const struct ct_recurrent *s, const struct ct_run *run, int64_t *lens)
{
    const struct ct_tensor *t = run->in[CT_RNN_LENS];
    ct_load_i64(t->dtype, t->data, 0, (size_t)s->batch, lens);
    for (int64_t i = 0; i < s->batch; i++)
        if (lens[i] < 0 || lens[i] > s->seq)
            return ct_run_fail(run, "sequence %lld has length %lld, at most %lld is expected",
                               (long long)i, (long long)lens[i], (long long)s->seq);
    return CORTEN_OK;
}

ct_status ct_recurrent_run(const struct ct_run *run)
{
    const struct ct_recurrent *s = run->state;
    const void *in[8] = {0};
    void *out[3] = {0};
    int64_t *lens = NULL;
    if (run->n_in > CT_RNN_LENS && run->in[CT_RNN_LENS]) {
        lens = (int64_t *)(void *)((char *)run->scratch + s->lens_at);
        CT_TRY(read_lens(s, run, lens));
    }
    for (int i = 0; i < 8 && i < run->n_in; i++) {
        bool packed = (i == CT_RNN_W && s->packed_w) || (i == CT_RNN_R && s->packed_r);
        if (i != CT_RNN_LENS && !packed)
            in[i] = ct_widen_in(&s->widen, run, i);
    }
    for (int i = 0; i < 3 && i < run->n_out; i++)
        out[i] = ct_widen_out(&s->widen, run, i);
    size_t elem = s->wide ? sizeof(double) : sizeof(float);
    if (out[0] && lens)
        memset(out[0], 0, (size_t)(s->seq * s->batch * s->dirs * s->hidden) * elem);
    for (int dir = 0; dir < s->dirs; dir++)
        CT_TRY(s->wide ? f64_direction(s, run, dir, in, out, lens)
                       : f32_direction(s, run, dir, in, out, lens));
    for (int i = 0; i < 3; i++)
        ct_widen_done(&s->widen, run, i);
    return CORTEN_OK;
}
