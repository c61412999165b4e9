/* MaxPool, AveragePool and LpPool: attributes, and the choice between the two ways to compute. */
#include "ops/nn/pool.h"

#include "ops/nn/padded.h"
#include "ops/widen.h"

double ct_pool_p(const struct ct_node *node)
{
    const struct ct_attr *p = ct_node_attr(node, "p");
    return p && p->type == CT_ATTR_FLOAT ? (double)p->f : (double)ct_attr_int(node, "p", 2);
}

double ct_pool_count(const struct ct_pool_shape *shape, const int64_t *o)
{
    double count = 1;
    const struct ct_window *w = &shape->window;
    for (int i = 0; i < w->n; i++) {
        int64_t first, end;
        ct_window_range(w, i, o[i], &first, &end);
        if (shape->include_pad) {
            int64_t d = w->dilation[i];
            int64_t left = w->in[i] + w->pad_begin[i] + w->pad_end[i] - o[i] * w->stride[i];
            first = 0;
            end = left <= 0 ? 0 : (left + d - 1) / d;
            end = end > w->kernel[i] ? w->kernel[i] : end;
        }
        count *= end > first ? (double)(end - first) : 0;
    }
    return count;
}

static ct_status prepare_pool(struct ct_prepare *prepare, enum ct_pool_kind kind)
{
    const struct ct_tensor *x = prepare->in[0];
    struct ct_pool_shape s = {.kind = kind, .planes = x->dims[0] * x->dims[1]};
    CT_TRY(
        ct_window_read(prepare->node, x->rank - 2, x->dims + 2, NULL, &s.window, prepare->error));
    CT_TRY(ct_window_resolve(prepare->node, NULL, &s.window, prepare->error));
    s.in_plane = ct_dims_product(s.window.in, 0, s.window.n);
    s.out_plane = ct_dims_product(s.window.out, 0, s.window.n);
    s.include_pad = ct_attr_int(prepare->node, "count_include_pad", 0) != 0;
    s.column_major = ct_attr_int(prepare->node, "storage_order", 0) != 0;
    s.p = ct_pool_p(prepare->node);
    bool indices = prepare->n_out > 1 && prepare->out[1];
    if (ct_widen_dtype(x->dtype) == CORTEN_F32 && !indices && ct_padded_fits(&s.window))
        return ct_pool_prepare_f32(prepare, &s);
    return ct_pool_prepare_any(prepare, &s);
}

static ct_status prepare_max(struct ct_prepare *prepare)
{
    return prepare_pool(prepare, CT_POOL_MAX);
}

static ct_status prepare_average(struct ct_prepare *prepare)
{
    return prepare_pool(prepare, CT_POOL_AVERAGE);
}

static ct_status prepare_lp(struct ct_prepare *prepare)
{
    return prepare_pool(prepare, CT_POOL_LP);
}

static ct_status infer_lp(struct ct_infer *infer)
{
    if (!(ct_pool_p(infer->node) >= 1))
        return ct_infer_fail(infer, "p must be 1 or more");
    return ct_window_infer_pool(infer);
}

static void cost(const struct ct_infer *infer, struct ct_cost *total)
{
    const struct ct_fact *y = infer->out[0];
    const int64_t *kernel;
    int n = ct_attr_ints(infer->node, "kernel_shape", &kernel);
    if (!y || !ct_fact_is_concrete(y))
        return;
    double flops = 1;
    for (int i = 0; i < n; i++)
        flops *= (double)kernel[i];
    for (int i = 0; i < y->rank; i++)
        flops *= (double)y->dims[i];
    total->flops += flops;
}

/* prepare always chooses another run; this one stands for it in the tables. */
static ct_status run_unprepared(const struct ct_run *run)
{
    return ct_run_fail(run, "was not prepared");
}

const struct ct_op ct_op_max_pool = {
    .infer = ct_window_infer_pool,
    .prepare = prepare_max,
    .run = run_unprepared,
    .cost = cost,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
};

const struct ct_op ct_op_average_pool = {
    .infer = ct_window_infer_pool,
    .prepare = prepare_average,
    .run = run_unprepared,
    .cost = cost,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_lp_pool = {
    .infer = infer_lp,
    .prepare = prepare_lp,
    .run = run_unprepared,
    .cost = cost,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
