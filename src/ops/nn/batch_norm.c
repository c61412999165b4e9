/* BatchNormalization, for inference and with the statistics of the batch (training). */
#include "ops/nn/moments.h"
#include "ops/widen.h"

#include <math.h>

struct batch_norm {
    bool training;
    double epsilon, momentum;
    int64_t batch, channels, plane;
    struct ct_widen widen;
};

struct call {
    const struct batch_norm *state;
    const struct ct_run *run;
    const char *x;
    char *y;
};

/* What becomes of the statistics: y = a * (x - mean) + b. */
struct fit {
    double mean, variance, a, b;
};

static struct fit fit_channel(const struct batch_norm *s, const struct ct_run *run, int64_t c,
                              double mean, double variance)
{
    double scale, bias;
    ct_load_f64(run->in[1]->dtype, run->in[1]->data, (size_t)c, 1, &scale);
    ct_load_f64(run->in[2]->dtype, run->in[2]->data, (size_t)c, 1, &bias);
    double a = scale / sqrt(variance + s->epsilon);
    return (struct fit){mean, variance, a, bias};
}

static double read_one(const struct ct_tensor *t, int64_t i)
{
    double value;
    ct_load_f64(t->dtype, t->data, (size_t)i, 1, &value);
    return value;
}

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct batch_norm *s = call->state;
    int64_t plane_bytes = s->plane * (s->widen.dtype == CORTEN_F64 ? 8 : 4);
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = i % s->channels;
        struct fit fit = fit_channel(s, call->run, c, read_one(call->run->in[3], c),
                                     read_one(call->run->in[4], c));
        ct_scale_shift(s->widen.dtype, call->x + i * plane_bytes, s->plane, fit.mean, fit.a, fit.b,
                       call->y + i * plane_bytes);
    }
}

static void write_one(const struct ct_run *run, int output, int64_t c, double value)
{
    if (output < run->n_out && run->out[output])
        ct_store_f64(run->out[output]->dtype, run->out[output]->data, (size_t)c, 1, &value);
}

static void train_channels(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct batch_norm *s = call->state;
    const struct ct_run *run = call->run;
    int64_t plane_bytes = s->plane * (s->widen.dtype == CORTEN_F64 ? 8 : 4);
    double n = (double)(s->batch * s->plane);
    (void)worker;
    for (int64_t c = begin; c < end; c++) {
        double sum = 0, rest = 0, squares = 0;
        for (int64_t b = 0; b < s->batch; b++)
            ct_moments_add(s->widen.dtype, call->x + (b * s->channels + c) * plane_bytes, s->plane,
                           0, &sum, NULL);
        double mean = sum / n;
        for (int64_t b = 0; b < s->batch; b++)
            ct_moments_add(s->widen.dtype, call->x + (b * s->channels + c) * plane_bytes, s->plane,
                           mean, &rest, &squares);
        struct fit fit = fit_channel(s, run, c, mean, squares / n);
        for (int64_t b = 0; b < s->batch; b++)
            ct_scale_shift(s->widen.dtype, call->x + (b * s->channels + c) * plane_bytes, s->plane,
                           fit.mean, fit.a, fit.b, call->y + (b * s->channels + c) * plane_bytes);
        double old_mean = read_one(run->in[3], c), old_variance = read_one(run->in[4], c);
        write_one(run, 1, c, old_mean * s->momentum + fit.mean * (1 - s->momentum));
        write_one(run, 2, c, old_variance * s->momentum + fit.variance * (1 - s->momentum));
        write_one(run, 3, c, fit.mean);
        write_one(run, 4, c, fit.variance);
    }
}

static ct_status run_batch_norm(const struct ct_run *run)
{
    const struct batch_norm *s = run->state;
    struct call call = {s, run, ct_widen_in(&s->widen, run, 0), ct_widen_out(&s->widen, run, 0)};
    if (s->training) {
        ct_run_parallel(run, s->channels, (double)(s->batch * s->plane) + 100, train_channels,
                        &call);
    } else {
        ct_run_parallel(run, s->batch * s->channels, (double)s->plane * 0.2 + 20, run_planes,
                        &call);
        for (int64_t c = 0; c < s->channels && run->n_out > 1; c++)
            for (int o = 1; o < 5; o++)
                write_one(run, o, c, read_one(run->in[o % 2 ? 3 : 4], c));
    }
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

/* Before version 9 an attribute could ask for statistics of each element instead of each channel. */
static bool by_element(const struct ct_node *node)
{
    return ct_attr_int(node, "spatial", 1) == 0;
}

static ct_status prepare_batch_norm(struct ct_prepare *prepare, bool training)
{
    const struct ct_tensor *x = prepare->in[0];
    struct batch_norm *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a normalisation");
    s->training = training;
    s->epsilon = (double)ct_attr_float(prepare->node, "epsilon", 1e-5f);
    s->momentum = (double)ct_attr_float(prepare->node, "momentum", 0.9f);
    s->batch = x->dims[0];
    s->channels = x->rank > 1 ? x->dims[1] : 1;
    s->plane = ct_dims_product(x->dims, 2, x->rank);
    if (by_element(prepare->node)) {
        s->channels *= s->plane;
        s->plane = 1;
    }
    CT_TRY(ct_widen_init(&s->widen, prepare, ct_widen_dtype(x->dtype), 1, 1));
    if (!training && x->dtype == s->widen.dtype)
        ct_prepare_in_place(prepare, 0, 0);
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_modern(struct ct_prepare *prepare)
{
    return prepare_batch_norm(prepare, ct_attr_int(prepare->node, "training_mode", 0) != 0);
}

/* Until version 13 it was the number of outputs that said what the operator is used for. */
static ct_status prepare_old(struct ct_prepare *prepare)
{
    bool more = false;
    for (int i = 1; i < prepare->n_out; i++)
        more |= prepare->out[i] != NULL;
    return prepare_batch_norm(prepare, more && !ct_attr_int(prepare->node, "is_test", 0));
}

static ct_status check_parameter(struct ct_infer *infer, int i, const struct ct_fact *x)
{
    const struct ct_fact *p = ct_infer_in(infer, i);
    bool each = by_element(infer->node);
    if (!p || p->rank < 0 || x->rank < 0)
        return CORTEN_OK;
    if (!each)
        CT_TRY(ct_infer_check_rank(infer, i, 1, 1));
    ct_dim found = 1, expected = 1;
    for (int d = 0; d < p->rank; d++)
        found = ct_dim_mul(infer, found, p->dims[d]);
    if (x->rank > 1)
        expected = x->dims[1];
    for (int d = 2; each && d < x->rank; d++)
        expected = ct_dim_mul(infer, expected, x->dims[d]);
    if (ct_dim_known(found) && ct_dim_known(expected) && found != expected)
        return ct_infer_fail(infer, "input %d has %lld elements, expected %lld", i,
                             (long long)found, (long long)expected);
    return CORTEN_OK;
}

static ct_status infer_batch_norm(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 1, -1));
    ct_infer_same(infer, 0, 0);
    for (int i = 1; i < 5; i++) {
        CT_TRY(ct_infer_check_dtype(infer, i, CT_FLOATS));
        CT_TRY(check_parameter(infer, i, x));
    }
    for (int i = 1; i < infer->n_out; i++)
        ct_infer_same(infer, i, i % 2 ? 3 : 4);
    return CORTEN_OK;
}

const struct ct_op ct_op_batch_norm_1 = {
    .infer = infer_batch_norm,
    .prepare = prepare_old,
    .run = run_batch_norm,
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
    .max_out = 5,
};

const struct ct_op ct_op_batch_norm_14 = {
    .infer = infer_batch_norm,
    .prepare = prepare_modern,
    .run = run_batch_norm,
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
    .max_out = 3,
};
