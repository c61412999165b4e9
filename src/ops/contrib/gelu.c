/* com.microsoft's forms of GELU: Gelu (exact), FastGelu (tanh, with an optional bias), QuickGelu
 * (x sigmoid(alpha x)) and BiasGelu (exact, with a bias). A bias is one number for each element of
 * the last dimension. */
#include "ops/elementwise/loops.h"

struct gelu {
    struct ct_unary_loop act;
    struct ct_binary_loop add;
    ct_dtype dtype;
    bool has_bias;
    size_t row_elems;
};

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *bias = ct_infer_in(infer, 1);
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    if (bias) {
        CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
        CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
        ct_dim last = x->rank > 0 ? x->dims[x->rank - 1] : CT_DIM_UNKNOWN;
        if (bias->rank == 1 && ct_dim_known(last) && ct_dim_known(bias->dims[0]) &&
            last != bias->dims[0])
            return ct_infer_fail(infer, "the bias has %lld elements, the last dimension %lld",
                                 (long long)bias->dims[0], (long long)last);
    }
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_as(struct ct_prepare *prepare, enum ct_unary op)
{
    struct gelu *g = ct_prepare_alloc(prepare, sizeof *g);
    if (!g)
        return ct_fail_memory(prepare->error, sizeof *g, "an operator's state");
    const struct ct_tensor *x = prepare->in[0];
    enum ct_class class_ = ct_class_of(x->dtype);
    ct_unary_loop_init(&g->act, op, class_);
    ct_binary_loop_init(&g->add, CT_BINARY_ADD, class_);
    if (op == CT_UNARY_SWISH)
        ct_params_set(&g->act.params, class_, 0, ct_attr_float(prepare->node, "alpha", 1.702f));
    g->dtype = x->dtype;
    g->has_bias = prepare->n_in > 1 && prepare->in[1];
    g->row_elems = x->rank ? (size_t)x->dims[x->rank - 1] : 1;
    prepare->state = g;
    prepare->kernel = g->act.kernel->name;
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_exact(struct ct_prepare *prepare)
{
    return prepare_as(prepare, CT_UNARY_GELU);
}

static ct_status prepare_fast(struct ct_prepare *prepare)
{
    return prepare_as(prepare, CT_UNARY_GELU_TANH);
}

static ct_status prepare_quick(struct ct_prepare *prepare)
{
    return prepare_as(prepare, CT_UNARY_SWISH);
}

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct ct_run *run = arg;
    const struct gelu *g = run->state;
    void *y = run->out[0]->data;
    for (int64_t row = begin; row < end; row++) {
        size_t first = (size_t)row * g->row_elems;
        struct ct_source x = {g->dtype, run->in[0]->data, first, 1, 0};
        struct ct_source bias = {g->dtype, run->in[1]->data, 0, 1, 0};
        ct_binary_row(&g->add, g->dtype, y, first, &x, &bias, g->row_elems);
        ct_unary_row(&g->act, g->dtype, y, y, first, g->row_elems);
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct gelu *g = run->state;
    if (!g->has_bias) {
        ct_unary_run(&g->act, run->exec->pool, run->out[0], run->in[0]);
        return CORTEN_OK;
    }
    size_t n = ct_count(run->in[0]);
    if (n)
        ct_run_parallel(run, (int64_t)(n / g->row_elems),
                        (g->add.elem_ns + g->act.elem_ns) * (double)g->row_elems, run_rows,
                        (void *)run);
    return CORTEN_OK;
}

const struct ct_op ct_op_gelu_exact = {
    .infer = infer, .prepare = prepare_exact, .run = run, .min_in = 1, .max_in = 1, .min_out = 1};

const struct ct_op ct_op_bias_gelu = {
    .infer = infer, .prepare = prepare_exact, .run = run, .min_in = 2, .max_in = 2, .min_out = 1};

const struct ct_op ct_op_fast_gelu = {
    .infer = infer, .prepare = prepare_fast, .run = run, .min_in = 1, .max_in = 2, .min_out = 1};

const struct ct_op ct_op_quick_gelu = {
    .infer = infer, .prepare = prepare_quick, .run = run, .min_in = 1, .max_in = 1, .min_out = 1};
