/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss over [N, C, D...] and targets [N, D...]. */
#include "graph/op.h"

#include <math.h>
#include <string.h>

struct state {
    bool softmax;
    enum { REDUCE_NONE, REDUCE_SUM, REDUCE_MEAN } reduction;
    bool ignores;
    int64_t ignored;
    size_t batch, classes, inner;
};

static bool read_reduction(const struct ct_node *node, struct state *state)
{
    if (ct_attr_is(node, "reduction", "mean", "mean"))
        state->reduction = REDUCE_MEAN;
    else if (ct_attr_is(node, "reduction", "sum", "mean"))
        state->reduction = REDUCE_SUM;
    else if (ct_attr_is(node, "reduction", "none", "mean"))
        state->reduction = REDUCE_NONE;
    else
        return false;
    return true;
}

static ct_status check_dims(struct ct_infer *infer, const struct ct_fact *x,
                            const struct ct_fact *target)
{
    if (x->rank < 0 || target->rank < 0)
        return CORTEN_OK;
    if (target->rank != x->rank - 1)
        return ct_infer_fail(infer, "targets of rank %d do not fit scores of rank %d", target->rank,
                             x->rank);
    for (int i = 0; i < target->rank; i++) {
        ct_dim a = x->dims[i ? i + 1 : 0], b = target->dims[i];
        if (ct_dim_known(a) && ct_dim_known(b) && a != b)
            return ct_infer_fail(infer, "dimension %d of the targets is %lld, %lld is expected", i,
                                 (long long)b, (long long)a);
    }
    const struct ct_fact *weight = ct_infer_in(infer, 2);
    if (weight && weight->rank == 1 && ct_dim_known(weight->dims[0]) && ct_dim_known(x->dims[1]) &&
        weight->dims[0] != x->dims[1])
        return ct_infer_fail(infer, "there are %lld weights for %lld classes",
                             (long long)weight->dims[0], (long long)x->dims[1]);
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *target = ct_infer_in(infer, 1);
    struct state state;
    if (!read_reduction(infer->node, &state))
        return ct_infer_fail(infer, "reduction is none, sum or mean");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    CT_TRY(ct_infer_check_rank(infer, 2, 1, 1));
    CT_TRY(check_dims(infer, x, target));
    ct_infer_same(infer, 1, 0);
    if (state.reduction != REDUCE_NONE) {
        ct_infer_set(infer, 0, x->dtype, 0, NULL);
        return CORTEN_OK;
    }
    ct_dim dims[CT_MAX_RANK];
    int rank = x->rank >= 0 ? x->rank - 1 : target->rank;
    for (int i = 0; i < rank; i++)
        dims[i] = x->rank >= 0 ? x->dims[i ? i + 1 : 0] : target->dims[i];
    ct_infer_set(infer, 0, x->dtype, rank, dims);
    return CORTEN_OK;
}

/* Scratch: for every target its loss and its weight. */
static ct_status prepare_loss(struct ct_prepare *prepare, bool softmax)
{
    const struct ct_tensor *x = prepare->in[0];
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of a loss");
    read_reduction(prepare->node, state);
    state->softmax = softmax;
    state->ignores = ct_node_attr(prepare->node, "ignore_index") != NULL;
    state->ignored = ct_attr_int(prepare->node, "ignore_index", 0);
    state->batch = (size_t)x->dims[0];
    state->classes = (size_t)x->dims[1];
    state->inner = (size_t)ct_dims_product(x->dims, 2, x->rank);
    if (!ct_mul_size(ct_count(prepare->in[1]), 2 * sizeof(double), &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "there are too many targets");
    prepare->state = state;
    return CORTEN_OK;
}

static ct_status prepare_nll(struct ct_prepare *prepare)
{
    return prepare_loss(prepare, false);
}

static ct_status prepare_softmax(struct ct_prepare *prepare)
{
    return prepare_loss(prepare, true);
}

struct job {
    const struct state *state;
    const struct ct_run *run;
    double *losses, *weights;
    int bad; /* a target out of range was seen */
};

static double element(const struct ct_tensor *t, size_t at)
{
    double x;
    ct_load_f64(t->dtype, t->data, at, 1, &x);
    return x;
}

/* log of the softmax at class `c` is x - shift. */
static double log_sum(const struct job *job, size_t first)
{
    const struct state *s = job->state;
    const struct ct_tensor *x = job->run->in[0];
    double max = -HUGE_VAL, sum = 0;
    for (size_t c = 0; c < s->classes; c++) {
        double v = element(x, first + c * s->inner);
        max = v > max ? v : max;
    }
    for (size_t c = 0; c < s->classes; c++)
        sum += exp(element(x, first + c * s->inner) - max);
    return max + log(sum);
}

static void targets(void *arg, int64_t begin, int64_t end, int worker)
{
    struct job *job = arg;
    const struct state *s = job->state;
    const struct ct_tensor *x = job->run->in[0];
    const struct ct_tensor *weight = job->run->n_in > 2 ? job->run->in[2] : NULL;
    struct ct_tensor *log_prob = job->run->n_out > 1 ? job->run->out[1] : NULL;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        size_t first = (size_t)item / s->inner * s->classes * s->inner + (size_t)item % s->inner;
        int64_t target;
        ct_load_i64(job->run->in[1]->dtype, job->run->in[1]->data, (size_t)item, 1, &target);
        double shift = s->softmax ? log_sum(job, first) : 0;
        for (size_t c = 0; log_prob && c < s->classes; c++) {
            double v = element(x, first + c * s->inner) - shift;
            ct_store_f64(log_prob->dtype, log_prob->data, first + c * s->inner, 1, &v);
        }
        job->losses[item] = job->weights[item] = 0;
        if (s->ignores && target == s->ignored)
            continue;
        if (target < 0 || target >= (int64_t)s->classes) {
            __atomic_store_n(&job->bad, 1, __ATOMIC_RELAXED);
            continue;
        }
        double w = weight ? element(weight, (size_t)target) : 1;
        job->weights[item] = w;
        job->losses[item] = -w * (element(x, first + (size_t)target * s->inner) - shift);
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct ct_tensor *y = run->out[0];
    size_t n = s->batch * s->inner;
    struct job job = {s, run, run->scratch, (double *)run->scratch + n, 0};
    double item_ns = 10 + (s->softmax ? 30 * (double)s->classes : 20);
    ct_run_parallel(run, (int64_t)n, item_ns, targets, &job);
    if (job.bad)
        return ct_run_fail(run, "a target is not a class: there are %zu", s->classes);
    if (!y)
        return CORTEN_OK;
    if (s->reduction == REDUCE_NONE) {
        ct_store_f64(y->dtype, y->data, 0, n, job.losses);
        return CORTEN_OK;
    }
    double loss = 0, weight = 0;
    for (size_t i = 0; i < n; i++) {
        loss += job.losses[i];
        weight += job.weights[i];
    }
    if (s->reduction == REDUCE_MEAN)
        loss /= weight;
    ct_store_f64(y->dtype, y->data, 0, 1, &loss);
    return CORTEN_OK;
}

const struct ct_op ct_op_nll_loss = {
    .infer = infer, .prepare = prepare_nll, .run = run, .min_in = 2, .max_in = 3, .min_out = 1};
const struct ct_op ct_op_softmax_cross_entropy = {.infer = infer,
                                                  .prepare = prepare_softmax,
                                                  .run = run,
                                                  .min_in = 2,
                                                  .max_in = 3,
                                                  .min_out = 1,
                                                  .max_out = 2};
