/* Adagrad, Adam and Momentum. Inputs are R (learning rate), T (update count), then groups of n
 * tensors each: X, their gradients G, and one or two groups of state; outputs are the new X and
 * the new state, group after group. */
#include "graph/op.h"

#include <math.h>

enum { MAX_STATES = 2, BLOCK = 512 };

static ct_status infer_groups(struct ct_infer *infer, int states)
{
    int groups = 2 + states, n = (infer->n_in - 2) / groups;
    if (infer->n_in < 2 + groups || (infer->n_in - 2) % groups)
        return ct_infer_fail(infer, "%d inputs are no whole number of tensors, of %d each",
                             infer->n_in - 2, groups);
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    for (int i = 2; i < infer->n_in; i++)
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(F32) | CT_BIT(F64)));
    for (int i = 0; i < n; i++) {
        const struct ct_fact *x = ct_infer_in(infer, 2 + i);
        for (int g = 1; x && g < groups; g++) {
            const struct ct_fact *other = ct_infer_in(infer, 2 + g * n + i);
            if (!other)
                return ct_infer_fail(infer, "input %d is missing", 2 + g * n + i);
            struct ct_fact merged = *x;
            if (!ct_fact_merge(&merged, other))
                return ct_infer_fail(infer, "inputs %d and %d differ in type or shape", 2 + i,
                                     2 + g * n + i);
        }
        if (!x)
            return ct_infer_fail(infer, "input %d is missing", 2 + i);
    }
    for (int out = 0; out < infer->n_out && out < n * (1 + states); out++)
        ct_infer_same(infer, out, 2 + (out < n ? out : out + n));
    return CORTEN_OK;
}

static ct_status infer_one_state(struct ct_infer *infer)
{
    return infer_groups(infer, 1);
}

static ct_status infer_two_states(struct ct_infer *infer)
{
    return infer_groups(infer, 2);
}

struct params {
    double rate, norm, norm_post, alpha, beta, epsilon;
    bool nesterov;
};

/* New values of m elements in place: x, and its states. */
typedef void (*update_fn)(const struct params *p, size_t m, double *x, const double *g,
                          double states[MAX_STATES][BLOCK]);

static void update_adagrad(const struct params *p, size_t m, double *x, const double *g,
                           double states[MAX_STATES][BLOCK])
{
    for (size_t i = 0; i < m; i++) {
        double gradient = p->norm * x[i] + g[i];
        states[0][i] += gradient * gradient;
        x[i] -= p->rate * gradient / (sqrt(states[0][i]) + p->epsilon);
    }
}

static void update_adam(const struct params *p, size_t m, double *x, const double *g,
                        double states[MAX_STATES][BLOCK])
{
    for (size_t i = 0; i < m; i++) {
        double gradient = p->norm * x[i] + g[i];
        states[0][i] = p->alpha * states[0][i] + (1 - p->alpha) * gradient;
        states[1][i] = p->beta * states[1][i] + (1 - p->beta) * gradient * gradient;
        x[i] -= p->rate * states[0][i] / (sqrt(states[1][i]) + p->epsilon);
        x[i] *= 1 - p->norm_post;
    }
}

static void update_momentum(const struct params *p, size_t m, double *x, const double *g,
                            double states[MAX_STATES][BLOCK])
{
    for (size_t i = 0; i < m; i++) {
        double gradient = p->norm * x[i] + g[i];
        states[0][i] = p->alpha * states[0][i] + p->beta * gradient;
        x[i] -= p->rate * (p->nesterov ? gradient + p->alpha * states[0][i] : states[0][i]);
    }
}

struct job {
    const struct ct_run *run;
    const struct params *params;
    update_fn update;
    int n, states, tensor;
    size_t count;
};

static void blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_run *run = job->run;
    double x[BLOCK], g[BLOCK], states[MAX_STATES][BLOCK];
    struct ct_tensor *const *in = run->in + 2 + job->tensor;
    (void)worker;
    for (int64_t block = begin; block < end; block++) {
        size_t first = (size_t)block * BLOCK;
        size_t m = job->count - first < BLOCK ? job->count - first : BLOCK;
        ct_load_f64(in[0]->dtype, in[0]->data, first, m, x);
        ct_load_f64(in[job->n]->dtype, in[job->n]->data, first, m, g);
        for (int s = 0; s < job->states; s++) {
            const struct ct_tensor *t = in[(2 + s) * job->n];
            ct_load_f64(t->dtype, t->data, first, m, states[s]);
        }
        job->update(job->params, m, x, g, states);
        for (int s = -1; s < job->states; s++) {
            int out = (s + 1) * job->n + job->tensor;
            if (out < run->n_out && run->out[out])
                ct_store_f64(run->out[out]->dtype, run->out[out]->data, first, m,
                             s < 0 ? x : states[s]);
        }
    }
}

static double number(const struct ct_run *run, int in)
{
    double x = 0;
    if (ct_count(run->in[in]) > 0)
        ct_load_f64(run->in[in]->dtype, run->in[in]->data, 0, 1, &x);
    return x;
}

static ct_status run_all(const struct ct_run *run, const struct params *params, update_fn update,
                         int states)
{
    struct job job = {run, params, update, (run->n_in - 2) / (2 + states), states, 0, 0};
    for (job.tensor = 0; job.tensor < job.n; job.tensor++) {
        job.count = ct_count(run->in[2 + job.tensor]);
        ct_run_parallel(run, (int64_t)((job.count + BLOCK - 1) / BLOCK), 10.0 * BLOCK, blocks,
                        &job);
    }
    return CORTEN_OK;
}

static double attribute(const struct ct_run *run, const char *name, float fallback)
{
    return (double)ct_attr_float(run->node, name, fallback);
}

static ct_status run_adagrad(const struct ct_run *run)
{
    struct params p = {.norm = attribute(run, "norm_coefficient", 0),
                       .epsilon = attribute(run, "epsilon", 1e-6f)};
    p.rate = number(run, 0) / (1 + number(run, 1) * attribute(run, "decay_factor", 0));
    return run_all(run, &p, update_adagrad, 1);
}

static ct_status run_adam(const struct ct_run *run)
{
    struct params p = {.norm = attribute(run, "norm_coefficient", 0),
                       .norm_post = attribute(run, "norm_coefficient_post", 0),
                       .alpha = attribute(run, "alpha", 0.9f),
                       .beta = attribute(run, "beta", 0.999f),
                       .epsilon = attribute(run, "epsilon", 1e-6f)};
    double t = number(run, 1);
    p.rate = number(run, 0);
    if (t > 0)
        p.rate *= sqrt(1 - pow(p.beta, t)) / (1 - pow(p.alpha, t));
    return run_all(run, &p, update_adam, 2);
}

static ct_status run_momentum(const struct ct_run *run)
{
    struct params p = {.rate = number(run, 0),
                       .norm = attribute(run, "norm_coefficient", 0),
                       .alpha = attribute(run, "alpha", 0),
                       .nesterov = ct_attr_is(run->node, "mode", "nesterov", "standard")};
    p.beta = number(run, 1) > 0 ? attribute(run, "beta", 1) : 1;
    return run_all(run, &p, update_momentum, 1);
}

const struct ct_op ct_op_adagrad = {.infer = infer_one_state,
                                    .run = run_adagrad,
                                    .min_in = 3,
                                    .max_in = -1,
                                    .min_out = 1,
                                    .max_out = -1};
const struct ct_op ct_op_adam = {.infer = infer_two_states,
                                 .run = run_adam,
                                 .min_in = 3,
                                 .max_in = -1,
                                 .min_out = 1,
                                 .max_out = -1};
const struct ct_op ct_op_momentum = {.infer = infer_one_state,
                                     .run = run_momentum,
                                     .min_in = 3,
                                     .max_in = -1,
                                     .min_out = 1,
                                     .max_out = -1};
