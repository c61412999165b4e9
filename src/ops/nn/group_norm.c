/* InstanceNormalization and GroupNormalization: mean and variance over the channels of a group
 * (of one for the former) in one image. */
#include "ops/nn/moments.h"
#include "ops/widen.h"

#include <math.h>

struct group_norm {
    double epsilon;
    int64_t rows; /* images times groups */
    int64_t groups, per_group, plane;
    bool by_group; /* scale and bias hold one number for each group, not channel */
    struct ct_widen widen;
};

struct call {
    const struct group_norm *state;
    const struct ct_run *run;
    const char *x;
    char *y;
};

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct group_norm *s = call->state;
    const struct ct_tensor *scale = call->run->in[1], *bias = call->run->in[2];
    int64_t plane_bytes = s->plane * (s->widen.dtype == CORTEN_F64 ? 8 : 4);
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const char *x = call->x + row * s->per_group * plane_bytes;
        char *y = call->y + row * s->per_group * plane_bytes;
        double mean, variance;
        ct_moments_of(s->widen.dtype, x, s->per_group * s->plane, &mean, &variance);
        double inverse = 1 / sqrt(variance + s->epsilon);
        int64_t group = row % s->groups;
        for (int64_t c = 0; c < s->per_group; c++) {
            size_t at = (size_t)(s->by_group ? group : group * s->per_group + c);
            double a, b;
            ct_load_f64(scale->dtype, scale->data, at, 1, &a);
            ct_load_f64(bias->dtype, bias->data, at, 1, &b);
            a *= inverse;
            ct_scale_shift(s->widen.dtype, x + c * plane_bytes, s->plane, mean, a, b,
                           y + c * plane_bytes);
        }
    }
}

static ct_status run_group_norm(const struct ct_run *run)
{
    const struct group_norm *s = run->state;
    struct call call = {s, run, ct_widen_in(&s->widen, run, 0), ct_widen_out(&s->widen, run, 0)};
    ct_run_parallel(run, s->rows, (double)(s->per_group * s->plane) * 0.8 + 50, run_rows, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

static ct_status prepare_groups(struct ct_prepare *prepare, int64_t groups)
{
    const struct ct_tensor *x = prepare->in[0];
    struct group_norm *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a normalisation");
    s->epsilon = (double)ct_attr_float(prepare->node, "epsilon", 1e-5f);
    s->groups = groups;
    s->rows = x->dims[0] * groups;
    s->per_group = groups ? x->dims[1] / groups : 0;
    s->plane = ct_dims_product(x->dims, 2, x->rank);
    /* Nothing to do, and no mean to divide by the number of. */
    if (s->per_group * s->plane == 0)
        s->rows = 0;
    s->by_group = prepare->in[1]->dims[0] != x->dims[1];
    CT_TRY(ct_widen_init(&s->widen, prepare, ct_widen_dtype(x->dtype), 1, 1));
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_instance(struct ct_prepare *prepare)
{
    return prepare_groups(prepare, prepare->in[0]->dims[1]);
}

static ct_status prepare_group(struct ct_prepare *prepare)
{
    return prepare_groups(prepare, ct_attr_int(prepare->node, "num_groups", 1));
}

/* scale and bias have `expected` elements. */
static ct_status check_parameters(struct ct_infer *infer, ct_dim expected)
{
    for (int i = 1; i < 3; i++) {
        const struct ct_fact *p = ct_infer_in(infer, i);
        CT_TRY(ct_infer_check_dtype(infer, i, CT_FLOATS));
        CT_TRY(ct_infer_check_rank(infer, i, 1, 1));
        if (p && p->rank == 1 && ct_dim_known(p->dims[0]) && ct_dim_known(expected) &&
            p->dims[0] != expected)
            return ct_infer_fail(infer, "input %d has %lld elements, expected %lld", i,
                                 (long long)p->dims[0], (long long)expected);
    }
    return CORTEN_OK;
}

static ct_status infer_instance(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    ct_infer_same(infer, 0, 0);
    return check_parameters(infer, x->rank < 0 ? CT_DIM_UNKNOWN : x->dims[1]);
}

static ct_status infer_groups(struct ct_infer *infer, bool by_group)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int64_t groups = ct_attr_int(infer->node, "num_groups", 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    ct_dim channels = x->rank < 0 ? CT_DIM_UNKNOWN : x->dims[1];
    if (groups < 1)
        return ct_infer_fail(infer, "num_groups: found %lld, expected 1 or more",
                             (long long)groups);
    if (ct_dim_known(channels) && channels % groups)
        return ct_infer_fail(infer, "num_groups: %lld channels do not split into %lld groups",
                             (long long)channels, (long long)groups);
    ct_infer_same(infer, 0, 0);
    return check_parameters(infer, by_group ? groups : channels);
}

static ct_status infer_group_18(struct ct_infer *infer)
{
    return infer_groups(infer, true);
}

static ct_status infer_group_21(struct ct_infer *infer)
{
    return infer_groups(infer, false);
}

const struct ct_op ct_op_instance_norm = {
    .infer = infer_instance,
    .prepare = prepare_instance,
    .run = run_group_norm,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
};

/* scale and bias by group. */
const struct ct_op ct_op_group_norm_18 = {
    .infer = infer_group_18,
    .prepare = prepare_group,
    .run = run_group_norm,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
};

/* scale and bias by channel. */
const struct ct_op ct_op_group_norm_21 = {
    .infer = infer_group_21,
    .prepare = prepare_group,
    .run = run_group_norm,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
};
