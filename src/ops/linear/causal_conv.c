/* CausalConvWithState: depthwise convolution over [N, C, L] that looks back only; the last k - 1
 * columns are carried over as a state. */
#include "graph/op.h"

#include <math.h>
#include <string.h>

enum { X, WEIGHT, BIAS, PAST };

static ct_status agree(const struct ct_infer *infer, int index, int dim, ct_dim want)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    if (!f || f->rank <= dim || !ct_dim_known(f->dims[dim]) || !ct_dim_known(want) ||
        f->dims[dim] == want)
        return CORTEN_OK;
    return ct_infer_fail(infer, "dimension %d of input %d is %lld, %lld is expected", dim, index,
                         (long long)f->dims[dim], (long long)want);
}

static bool has_silu(const struct ct_node *node)
{
    return ct_attr_is(node, "activation", "silu", "none") ||
           ct_attr_is(node, "activation", "swish", "none");
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X), *w = ct_infer_in(infer, WEIGHT);
    static const int ranks[4] = {3, 3, 1, 3};
    if (!has_silu(infer->node) && !ct_attr_is(infer->node, "activation", "none", "none"))
        return ct_infer_fail(infer, "activation is none, silu or swish");
    for (int i = 0; i < 4 && i < infer->n_in; i++) {
        CT_TRY(ct_infer_check_same_dtype(infer, X, i));
        CT_TRY(ct_infer_check_rank(infer, i, ranks[i], ranks[i]));
    }
    ct_dim channels = x->rank == 3 ? x->dims[1] : CT_DIM_UNKNOWN;
    ct_dim batch = x->rank == 3 ? x->dims[0] : CT_DIM_UNKNOWN;
    ct_dim k = w->rank == 3 ? w->dims[2] : CT_DIM_UNKNOWN, keep = CT_DIM_UNKNOWN;
    if (k == 0)
        return ct_infer_fail(infer, "the kernel has no elements");
    if (ct_dim_known(k))
        keep = k - 1;
    CT_TRY(agree(infer, WEIGHT, 0, channels));
    CT_TRY(agree(infer, WEIGHT, 1, 1));
    CT_TRY(agree(infer, BIAS, 0, channels));
    CT_TRY(agree(infer, PAST, 0, batch));
    CT_TRY(agree(infer, PAST, 1, channels));
    CT_TRY(agree(infer, PAST, 2, keep));
    ct_dim state[3] = {batch, channels, keep};
    ct_infer_same(infer, 0, X);
    ct_infer_set(infer, 1, x->dtype, 3, state);
    return CORTEN_OK;
}

struct state {
    int64_t rows, channels, length, k;
    bool silu;
};

/* For each thread: the padded row, its kernel and the result. */
static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[X];
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    size_t bytes;
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of a convolution");
    s->rows = x->dims[0] * x->dims[1];
    s->channels = x->dims[1];
    s->length = x->dims[2];
    s->k = prepare->in[WEIGHT]->dims[2];
    s->silu = has_silu(prepare->node);
    if (!ct_mul_size((size_t)s->length + (size_t)s->k, 2 * sizeof(float), &bytes) ||
        !ct_mul_size(bytes, (size_t)prepare->threads, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "rows are too long");
    prepare->state = s;
    return CORTEN_OK;
}

struct job {
    const struct state *s;
    const struct ct_run *run;
};

static void convolve(const struct state *s, const float *restrict row, const float *restrict w,
                     float bias, float *restrict y)
{
    for (int64_t i = 0; i < s->length; i++)
        y[i] = bias;
    for (int64_t p = 0; p < s->k; p++)
        for (int64_t i = 0; i < s->length; i++)
            y[i] += w[p] * row[i + p];
    for (int64_t i = 0; s->silu && i < s->length; i++)
        y[i] = y[i] / (1 + expf(-y[i]));
}

static void rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    const struct ct_run *run = job->run;
    const struct ct_tensor *x = run->in[X], *w = run->in[WEIGHT];
    const struct ct_tensor *bias = run->n_in > BIAS ? run->in[BIAS] : NULL;
    const struct ct_tensor *past = run->n_in > PAST ? run->in[PAST] : NULL;
    struct ct_tensor *y = run->out[0], *present = run->n_out > 1 ? run->out[1] : NULL;
    int64_t keep = s->k - 1;
    float *row = (float *)run->scratch + (int64_t)worker * 2 * (s->length + s->k);
    float *weights = row + s->length + keep, *result = weights + s->k;
    for (int64_t item = begin; item < end; item++) {
        size_t channel = (size_t)(item % s->channels);
        float b = 0;
        if (past)
            ct_load_f32(past->dtype, past->data, (size_t)(item * keep), (size_t)keep, row);
        else
            memset(row, 0, (size_t)keep * sizeof *row);
        ct_load_f32(x->dtype, x->data, (size_t)(item * s->length), (size_t)s->length, row + keep);
        ct_load_f32(w->dtype, w->data, channel * (size_t)s->k, (size_t)s->k, weights);
        if (bias)
            ct_load_f32(bias->dtype, bias->data, channel, 1, &b);
        convolve(s, row, weights, b, result);
        if (y)
            ct_store_f32(y->dtype, y->data, (size_t)(item * s->length), (size_t)s->length, result);
        if (present)
            ct_store_f32(present->dtype, present->data, (size_t)(item * keep), (size_t)keep,
                         row + s->length);
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {s, run};
    double row_ns = 50 + (double)s->length * ((double)s->k * 0.5 + (s->silu ? 10 : 1));
    ct_run_parallel(run, s->rows, row_ns, rows, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_causal_conv = {.infer = infer,
                                        .prepare = prepare,
                                        .run = run,
                                        .min_in = 2,
                                        .max_in = 4,
                                        .min_out = 1,
                                        .max_out = 2};
