/* com.microsoft.GroupNorm and SkipGroupNorm: groups of channels, normalised together, of
 * x [+ skip [+ bias]], with an optional SiLU. Channels last, or first. */
#include "ops/contrib/contrib.h"
#include "ops/widen.h"

#include <math.h>

enum { X, GAMMA, BETA, SKIP, BIAS };

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X), *skip = ct_infer_in(infer, SKIP);
    int64_t groups, activation;
    CT_TRY(ct_contrib_required_int(infer, "groups", 1, &groups));
    CT_TRY(ct_contrib_required_int(infer, "activation", 0, &activation));
    CT_TRY(ct_infer_check_rank(infer, X, 4, 4));
    CT_TRY(ct_infer_check_dtype(infer, GAMMA, CT_BIT(F32) | CT_BIT(F16)));
    CT_TRY(ct_infer_check_same_dtype(infer, GAMMA, BETA));
    CT_TRY(ct_infer_check_same_dtype(infer, X, SKIP));
    CT_TRY(ct_infer_check_same_dtype(infer, X, BIAS));
    ct_infer_same(infer, 0, X);
    ct_infer_same(infer, 1, X);
    if (activation > 1)
        return ct_infer_fail(infer, "activation is %lld: 0 or 1 is expected",
                             (long long)activation);
    if (x->rank != 4)
        return CORTEN_OK;
    bool last = ct_attr_int(infer->node, "channels_last", 1) != 0;
    ct_dim channels = x->dims[last ? 3 : 1];
    if (ct_dim_known(channels) && channels % groups)
        return ct_infer_fail(infer, "%lld channels cannot be split into %lld groups",
                             (long long)channels, (long long)groups);
    for (int i = GAMMA; i <= BIAS; i++)
        if (i != SKIP)
            CT_TRY(ct_contrib_vector(infer, i, channels));
    if (!skip || skip->rank < 0)
        return CORTEN_OK;
    if (skip->rank == 2) {
        CT_TRY(ct_contrib_agree(infer, "batch of skip", skip->dims[0], x->dims[0]));
        return ct_contrib_agree(infer, "channels of skip", skip->dims[1], channels);
    }
    CT_TRY(ct_infer_check_rank(infer, SKIP, 4, 4));
    bool spread = last && skip->dims[1] == 1 && skip->dims[2] == 1;
    for (int i = 0; i < 4; i++)
        if (!spread || i == 0 || i == 3)
            CT_TRY(ct_contrib_agree(infer, "skip", skip->dims[i], x->dims[i]));
    return CORTEN_OK;
}

struct state {
    struct ct_widen widen;
    int64_t batch, channels, plane, groups, pixel_stride, channel_stride;
    bool silu, skip_spread;
    float epsilon;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[X], *skip = ct_contrib_in(prepare, SKIP);
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of a normalisation");
    bool last = ct_attr_int(prepare->node, "channels_last", 1) != 0;
    s->batch = x->dims[0];
    s->channels = x->dims[last ? 3 : 1];
    s->plane = last ? x->dims[1] * x->dims[2] : x->dims[2] * x->dims[3];
    s->pixel_stride = last ? s->channels : 1;
    s->channel_stride = last ? 1 : s->plane;
    s->groups = ct_attr_int(prepare->node, "groups", 1);
    s->silu = ct_attr_int(prepare->node, "activation", 0) == 1;
    s->epsilon = ct_attr_float(prepare->node, "epsilon", 1e-5f);
    s->skip_spread = skip && ct_count(skip) != ct_count(x);
    prepare->state = s;
    return ct_widen_init(&s->widen, prepare, CORTEN_F32, 31, 3);
}

struct job {
    const struct state *s;
    const float *in[BIAS + 1];
    float *y, *sum;
};

static float value_at(const struct job *job, int64_t n, int64_t c, int64_t pixel)
{
    const struct state *s = job->s;
    int64_t at = n * s->channels * s->plane + c * s->channel_stride + pixel * s->pixel_stride;
    float v = job->in[X][at];
    if (job->in[SKIP])
        v += job->in[SKIP][s->skip_spread ? n * s->channels + c : at];
    return job->in[BIAS] ? v + job->in[BIAS][c] : v;
}

static void normalise(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    int64_t width = s->channels / s->groups;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t n = item / s->groups, first = item % s->groups * width;
        double count = (double)(width * s->plane), mean = 0, squares = 0;
        for (int64_t p = 0; p < s->plane; p++)
            for (int64_t c = first; c < first + width; c++)
                mean += (double)value_at(job, n, c, p);
        mean /= count;
        for (int64_t p = 0; p < s->plane; p++)
            for (int64_t c = first; c < first + width; c++) {
                double d = (double)value_at(job, n, c, p) - mean;
                squares += d * d;
            }
        float inv_std = (float)(1 / sqrt(squares / count + (double)s->epsilon));
        for (int64_t p = 0; p < s->plane; p++)
            for (int64_t c = first; c < first + width; c++) {
                int64_t at =
                    n * s->channels * s->plane + c * s->channel_stride + p * s->pixel_stride;
                float v = value_at(job, n, c, p);
                float y = (v - (float)mean) * inv_std * job->in[GAMMA][c] + job->in[BETA][c];
                job->y[at] = s->silu ? y / (1 + expf(-y)) : y;
                if (job->sum)
                    job->sum[at] = v;
            }
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {.s = s, .y = ct_widen_out(&s->widen, run, 0)};
    for (int i = 0; i < run->n_in; i++)
        job.in[i] = run->in[i] ? ct_widen_in(&s->widen, run, i) : NULL;
    if (ct_contrib_run_out(run, 1))
        job.sum = ct_widen_out(&s->widen, run, 1);
    if (ct_count(run->in[X]))
        ct_run_parallel(run, s->batch * s->groups, 5 * (double)(s->plane * s->channels / s->groups),
                        normalise, &job);
    ct_widen_done(&s->widen, run, 0);
    if (job.sum)
        ct_widen_done(&s->widen, run, 1);
    return CORTEN_OK;
}

const struct ct_op ct_op_contrib_group_norm = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 3, .max_in = 3, .min_out = 1};
const struct ct_op ct_op_skip_group_norm = {.infer = infer,
                                            .prepare = prepare,
                                            .run = run,
                                            .min_in = 4,
                                            .max_in = 5,
                                            .min_out = 1,
                                            .max_out = 2};
