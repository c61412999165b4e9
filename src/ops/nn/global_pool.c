/* GlobalAveragePool, GlobalMaxPool, GlobalLpPool: one number for each channel. */
#include "kernels/reduce.h"
#include "ops/nn/pool.h"
#include "ops/widen.h"

#include <math.h>

struct global_pool {
    enum ct_pool_kind kind;
    double p;
    int64_t planes, plane;
    const struct ct_reduce_f32_kernel *kernel;
    struct ct_widen widen;
};

struct call {
    const struct global_pool *state;
    const void *x;
    void *y;
};

static ct_status infer_global(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    if (x->rank < 0) {
        ct_infer_set(infer, 0, x->dtype, -1, NULL);
        return CORTEN_OK;
    }
    ct_dim dims[CT_MAX_RANK] = {x->dims[0], x->dims[1]};
    for (int i = 2; i < x->rank; i++) {
        if (ct_dim_known(x->dims[i]) && x->dims[i] < 1)
            return ct_infer_fail(infer, "axis %d of the input is empty", i);
        dims[i] = 1;
    }
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    return CORTEN_OK;
}

static double pool_f64(const struct global_pool *s, const double *x)
{
    double result = s->kind == CT_POOL_MAX ? x[0] : 0;
    for (int64_t i = 0; i < s->plane; i++) {
        if (s->kind == CT_POOL_AVERAGE)
            result += x[i];
        else if (s->kind == CT_POOL_LP)
            result += pow(fabs(x[i]), s->p);
        else if (x[i] > result || x[i] != x[i])
            result = x[i];
    }
    return result;
}

static double pool_f32(const struct global_pool *s, const float *x)
{
    size_t n = (size_t)s->plane;
    if (s->kind == CT_POOL_MAX)
        return s->kernel->fn->row(CT_REDUCE_MAX, x, n);
    if (s->kind == CT_POOL_AVERAGE)
        return s->kernel->fn->row(CT_REDUCE_SUM, x, n);
    if (s->p == 1)
        return s->kernel->fn->row(CT_REDUCE_SUM_ABS, x, n);
    if (s->p == 2)
        return s->kernel->fn->row(CT_REDUCE_SUM_SQUARE, x, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pow(fabs((double)x[i]), s->p);
    return sum;
}

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct global_pool *s = call->state;
    bool f64 = s->widen.dtype == CORTEN_F64;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        double r = f64 ? pool_f64(s, (const double *)call->x + i * s->plane)
                       : pool_f32(s, (const float *)call->x + i * s->plane);
        if (s->kind == CT_POOL_AVERAGE)
            r /= (double)s->plane;
        else if (s->kind == CT_POOL_LP)
            r = s->p == 2 ? sqrt(r) : pow(r, 1 / s->p);
        if (f64)
            ((double *)call->y)[i] = r;
        else
            ((float *)call->y)[i] = (float)r;
    }
}

static ct_status run_global(const struct ct_run *run)
{
    const struct global_pool *s = run->state;
    struct call call = {s, ct_widen_in(&s->widen, run, 0), ct_widen_out(&s->widen, run, 0)};
    ct_run_parallel(run, s->planes, (double)s->plane * 0.1 + 5, run_planes, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

static ct_status prepare_global(struct ct_prepare *prepare, enum ct_pool_kind kind)
{
    const struct ct_tensor *x = prepare->in[0];
    struct global_pool *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a pool");
    s->kind = kind;
    s->p = ct_pool_p(prepare->node);
    s->planes = x->dims[0] * x->dims[1];
    s->plane = ct_dims_product(x->dims, 2, x->rank);
    s->kernel = ct_reduce_f32_select(ct_cpu_features());
    CT_TRY(ct_widen_init(&s->widen, prepare, ct_widen_dtype(x->dtype), 1, 1));
    prepare->state = s;
    prepare->kernel = s->widen.dtype == CORTEN_F32 ? s->kernel->name : NULL;
    return CORTEN_OK;
}

static ct_status prepare_average(struct ct_prepare *prepare)
{
    return prepare_global(prepare, CT_POOL_AVERAGE);
}

static ct_status prepare_max(struct ct_prepare *prepare)
{
    return prepare_global(prepare, CT_POOL_MAX);
}

static ct_status prepare_lp(struct ct_prepare *prepare)
{
    return prepare_global(prepare, CT_POOL_LP);
}

const struct ct_op ct_op_global_average_pool = {
    .infer = infer_global,
    .prepare = prepare_average,
    .run = run_global,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_global_max_pool = {
    .infer = infer_global,
    .prepare = prepare_max,
    .run = run_global,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_global_lp_pool = {
    .infer = infer_global,
    .prepare = prepare_lp,
    .run = run_global,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
