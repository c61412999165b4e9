/* BiasAdd (x + bias + skip), BiasSplitGelu (left * gelu(right) of x + bias) and BiasSoftmax. */
#include "kernels/softmax.h"
#include "ops/contrib/contrib.h"
#include "ops/elementwise/loops.h"

#include <math.h>

struct state {
    size_t n;     /* elements of a row of x */
    size_t out_n; /* and of y */
    size_t workers_at, row_floats;
    struct ct_unary_loop gelu;
    const struct ct_softmax_f32_kernel *softmax;
    size_t bias_rows, bias_repeat; /* row r takes row r / repeat % rows of bias */
};

struct job {
    const struct state *s;
    const struct ct_run *run;
};

/* ------------------------------------------------------------------ infer */

static ct_status infer_add(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *skip = ct_infer_in(infer, 2);
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    CT_TRY(ct_infer_check_rank(infer, 0, 3, 3));
    CT_TRY(ct_infer_check_rank(infer, 2, 3, 3));
    CT_TRY(ct_contrib_vector(infer, 1, x->rank == 3 ? x->dims[2] : CT_DIM_UNKNOWN));
    for (int i = 0; i < 3 && x->rank == 3 && skip->rank == 3; i++)
        CT_TRY(ct_contrib_agree(infer, "input and skip", x->dims[i], skip->dims[i]));
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

static ct_status infer_split(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 3, 3));
    ct_infer_set(infer, 0, x->dtype, -1, NULL);
    if (x->rank != 3)
        return CORTEN_OK;
    CT_TRY(ct_contrib_vector(infer, 1, x->dims[2]));
    if (ct_dim_known(x->dims[2]) && x->dims[2] % 2)
        return ct_infer_fail(infer, "rows of %lld elements have no halves", (long long)x->dims[2]);
    ct_dim half = ct_dim_known(x->dims[2]) ? x->dims[2] / 2 : CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, x->dtype, 3, (ct_dim[]){x->dims[0], x->dims[1], half});
    return CORTEN_OK;
}

/* Elements before `axis` and from it on. */
static void split_count(const struct ct_fact *f, int axis, ct_dim *outer, ct_dim *inner)
{
    *outer = *inner = 1;
    for (int i = 0; i < f->rank; i++) {
        ct_dim *to = i < axis ? outer : inner;
        if (!ct_dim_known(*to) || !ct_dim_known(f->dims[i]) ||
            __builtin_mul_overflow(*to, f->dims[i], to))
            *to = CT_DIM_UNKNOWN;
    }
}

static ct_status infer_softmax(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    ct_dim outer, inner;
    int axis;
    int64_t ignored;
    CT_TRY(ct_contrib_required_int(infer, "is_inner_broadcast", 0, &ignored));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    ct_infer_same(infer, 0, 0);
    if (x->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 1), x->rank, &axis));
    split_count(x, axis, &outer, &inner);
    ct_dim bias = ct_contrib_count(infer, 1);
    if (!ct_dim_known(outer) || !ct_dim_known(inner) || !ct_dim_known(bias) || !inner || !outer)
        return CORTEN_OK;
    if (bias % inner || !bias || outer % (bias / inner))
        return ct_infer_fail(infer, "a bias of %lld elements does not fit %lld rows of %lld",
                             (long long)bias, (long long)outer, (long long)inner);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

static ct_status prepare_rows(struct ct_prepare *prepare, size_t n, size_t out_n)
{
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    s->n = n;
    s->out_n = out_n;
    s->softmax = ct_softmax_f32_select(ct_cpu_features());
    ct_unary_loop_init(&s->gelu, CT_UNARY_GELU, CT_CLASS_F32);
    s->row_floats = ct_align_up(n, CT_ALIGN / sizeof(float));
    CT_TRY(ct_contrib_reserve(prepare, s->row_floats * (size_t)prepare->threads, 2 * sizeof(float),
                              &s->workers_at));
    size_t rows = n ? ct_count(prepare->in[0]) / n : 0;
    s->bias_rows = n ? ct_count(prepare->in[1]) / n : 0;
    s->bias_repeat = 1;
    if (s->bias_rows && ct_attr_int(prepare->node, "is_inner_broadcast", 0))
        s->bias_repeat = rows / s->bias_rows;
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_last(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0], *y = prepare->out[0];
    return prepare_rows(prepare, (size_t)x->dims[2], (size_t)y->dims[2]);
}

static ct_status prepare_softmax(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    int64_t axis = ct_attr_int(prepare->node, "axis", 1);
    size_t n = (size_t)ct_dims_product(x->dims, (int)(axis < 0 ? axis + x->rank : axis), x->rank);
    return prepare_rows(prepare, n, n);
}

/* ------------------------------------------------------------------ run */

/* x + bias in a worker's memory; `second` has as much again. */
static float *biased_row(const struct job *job, size_t row, int worker, float **second)
{
    const struct state *s = job->s;
    const struct ct_tensor *x = job->run->in[0], *bias = job->run->in[1];
    float *a =
        (float *)ct_contrib_scratch(job->run, s->workers_at) + 2 * s->row_floats * (size_t)worker;
    float *b = a + s->row_floats;
    size_t bias_row = s->bias_rows ? row / s->bias_repeat % s->bias_rows : 0;
    ct_load_f32(x->dtype, x->data, row * s->n, s->n, a);
    ct_load_f32(bias->dtype, bias->data, bias_row * s->n, s->n, b);
    for (size_t i = 0; i < s->n; i++)
        a[i] += b[i];
    *second = b;
    return a;
}

static void store_row(const struct job *job, size_t row, const float *from)
{
    const struct ct_tensor *y = job->run->out[0];
    ct_store_f32(y->dtype, y->data, row * job->s->out_n, job->s->out_n, from);
}

static void add_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_tensor *skip = job->run->in[2];
    float *second;
    for (int64_t row = begin; row < end; row++) {
        float *a = biased_row(job, (size_t)row, worker, &second);
        ct_load_f32(skip->dtype, skip->data, (size_t)row * job->s->n, job->s->n, second);
        for (size_t i = 0; i < job->s->n; i++)
            a[i] += second[i];
        store_row(job, (size_t)row, a);
    }
}

static void split_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    float *second;
    for (int64_t row = begin; row < end; row++) {
        float *a = biased_row(job, (size_t)row, worker, &second);
        ct_unary_row(&s->gelu, CORTEN_F32, second, a + s->out_n, 0, s->out_n);
        for (size_t i = 0; i < s->out_n; i++)
            a[i] *= second[i];
        store_row(job, (size_t)row, a);
    }
}

static void softmax_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    float *second;
    for (int64_t row = begin; row < end; row++) {
        float *a = biased_row(job, (size_t)row, worker, &second);
        job->s->softmax->fn->softmax(a, a, job->s->n);
        store_row(job, (size_t)row, a);
    }
}

static void softmax_rows_f64(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const double *x = CT_DATA(const double, job->run->in[0]) + (size_t)row * s->n;
        const double *bias = CT_DATA(const double, job->run->in[1]) +
                             (size_t)row / s->bias_repeat % s->bias_rows * s->n;
        double *y = CT_DATA(double, job->run->out[0]) + (size_t)row * s->n;
        double max = -HUGE_VAL, sum = 0;
        for (size_t i = 0; i < s->n; i++)
            max = fmax(max, x[i] + bias[i]);
        for (size_t i = 0; i < s->n; i++)
            sum += y[i] = exp(x[i] + bias[i] - max);
        for (size_t i = 0; i < s->n; i++)
            y[i] /= sum;
    }
}

static ct_status run_rows(const struct ct_run *run, ct_loop_fn fn, double elem_ns)
{
    const struct state *s = run->state;
    struct job job = {s, run};
    size_t count = ct_count(run->in[0]);
    if (count)
        ct_run_parallel(run, (int64_t)(count / s->n), 20 + elem_ns * (double)s->n, fn, &job);
    return CORTEN_OK;
}

static ct_status run_add(const struct ct_run *run)
{
    return run_rows(run, add_rows, 1);
}

static ct_status run_split(const struct ct_run *run)
{
    return run_rows(run, split_rows, 2);
}

static ct_status run_softmax(const struct ct_run *run)
{
    return run_rows(run, run->in[0]->dtype == CORTEN_F64 ? softmax_rows_f64 : softmax_rows, 2);
}

const struct ct_op ct_op_bias_add = {.infer = infer_add,
                                     .prepare = prepare_last,
                                     .run = run_add,
                                     .min_in = 3,
                                     .max_in = 3,
                                     .min_out = 1};
const struct ct_op ct_op_bias_split_gelu = {.infer = infer_split,
                                            .prepare = prepare_last,
                                            .run = run_split,
                                            .min_in = 2,
                                            .max_in = 2,
                                            .min_out = 1};
const struct ct_op ct_op_bias_softmax = {.infer = infer_softmax,
                                         .prepare = prepare_softmax,
                                         .run = run_softmax,
                                         .min_in = 2,
                                         .max_in = 2,
                                         .min_out = 1};
