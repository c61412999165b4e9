/* CumSum and CumProd along an axis that is an input. Floats are accumulated in double, integers
 * wrap. */
#include "graph/op.h"

#include <string.h>

enum { WIDTH = 64 };

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const int64_t *axes;
    int count, axis;
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, 1));
    ct_infer_same(infer, 0, 0);
    CT_TRY(ct_infer_ints(infer, 1, &axes, &count));
    if (axes && count != 1)
        return ct_infer_fail(infer, "the axis has %d elements, 1 is expected", count);
    if (axes && x->rank > 0)
        CT_TRY(ct_infer_axis(infer, axes[0], x->rank, &axis));
    return CORTEN_OK;
}

struct job {
    const struct ct_tensor *x;
    struct ct_tensor *y;
    size_t n, inner, chunks;
    bool product, reverse, exclusive;
};

/* Some neighbouring lines at once: what is read together lies together. */
static void floats(const struct job *job, size_t first, ptrdiff_t stride, size_t width)
{
    double sum[WIDTH], line[WIDTH];
    for (size_t c = 0; c < width; c++)
        sum[c] = job->product;
    for (size_t i = 0; i < job->n; i++) {
        size_t at = (size_t)((ptrdiff_t)first + (ptrdiff_t)i * stride);
        ct_load_f64(job->x->dtype, job->x->data, at, width, line);
        if (job->exclusive)
            ct_store_f64(job->y->dtype, job->y->data, at, width, sum);
        for (size_t c = 0; c < width; c++)
            sum[c] = job->product ? sum[c] * line[c] : sum[c] + line[c];
        if (!job->exclusive)
            ct_store_f64(job->y->dtype, job->y->data, at, width, sum);
    }
}

static void integers(const struct job *job, size_t first, ptrdiff_t stride, size_t width)
{
    int64_t sum[WIDTH], line[WIDTH];
    for (size_t c = 0; c < width; c++)
        sum[c] = job->product;
    for (size_t i = 0; i < job->n; i++) {
        size_t at = (size_t)((ptrdiff_t)first + (ptrdiff_t)i * stride);
        ct_load_i64(job->x->dtype, job->x->data, at, width, line);
        if (job->exclusive)
            ct_store_i64(job->y->dtype, job->y->data, at, width, sum);
        for (size_t c = 0; c < width; c++) {
            uint64_t a = (uint64_t)sum[c], b = (uint64_t)line[c];
            sum[c] = (int64_t)(job->product ? a * b : a + b);
        }
        if (!job->exclusive)
            ct_store_i64(job->y->dtype, job->y->data, at, width, sum);
    }
}

static void chunks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        size_t outer = (size_t)item / job->chunks, from = (size_t)item % job->chunks * WIDTH;
        size_t width = job->inner - from < WIDTH ? job->inner - from : WIDTH;
        size_t first = outer * job->n * job->inner + from;
        ptrdiff_t stride = (ptrdiff_t)job->inner;
        if (job->reverse) {
            first += (job->n - 1) * job->inner;
            stride = -stride;
        }
        if (ct_dtype_is_float(job->x->dtype))
            floats(job, first, stride, width);
        else
            integers(job, first, stride, width);
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *x = run->in[0];
    int64_t axis = 0;
    if (ct_count(run->in[1]) != 1)
        return ct_run_fail(run, "the axis must be one number");
    ct_load_i64(run->in[1]->dtype, run->in[1]->data, 0, 1, &axis);
    int rank = x->rank ? x->rank : 1;
    if (axis < -rank || axis >= rank)
        return ct_run_fail(run, "axis %lld is out of range for rank %d", (long long)axis, rank);
    axis += axis < 0 ? rank : 0;
    struct job job = {.x = x,
                      .y = run->out[0],
                      .n = 1,
                      .inner = 1,
                      .product = !strcmp(run->node->op_type, "CumProd"),
                      .reverse = ct_attr_int(run->node, "reverse", 0) != 0,
                      .exclusive = ct_attr_int(run->node, "exclusive", 0) != 0};
    size_t outer = 1;
    if (x->rank) {
        outer = (size_t)ct_dims_product(x->dims, 0, (int)axis);
        job.n = (size_t)x->dims[axis];
        job.inner = (size_t)ct_dims_product(x->dims, (int)axis + 1, x->rank);
    }
    if (outer == 0 || job.n == 0 || job.inner == 0)
        return CORTEN_OK;
    job.chunks = (job.inner + WIDTH - 1) / WIDTH;
    size_t width = job.inner < WIDTH ? job.inner : WIDTH;
    ct_run_parallel(run, (int64_t)(outer * job.chunks), (10 + 2 * (double)width) * (double)job.n,
                    chunks, &job);
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_cumulative = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 2, .max_in = 2, .min_out = 1};
