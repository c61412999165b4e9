/* Trilu: the upper or lower triangle of matrices, zeros elsewhere. */
#include <string.h>

#include "ops/movement/move.h"

static ct_status infer_trilu(struct ct_infer *infer)
{
    const struct ct_fact *k = ct_infer_in(infer, 1);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, CT_MAX_RANK));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, 1));
    if (k && k->rank == 1 && ct_dim_known(k->dims[0]) && k->dims[0] != 1)
        return ct_infer_fail(infer, "input 1 must be one number");
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_trilu(struct ct_prepare *prepare)
{
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

struct trilu_job {
    const struct ct_tensor *in;
    struct ct_tensor *out;
    int64_t rows, cols, k;
    bool upper;
};

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct trilu_job *job = arg;
    size_t size = ct_dtype_elem_bytes(job->in->dtype);
    for (int64_t row = begin; row < end; row++) {
        /* The first column on or above the diagonal; k may be any number. */
        int64_t i = row % job->rows, at;
        if (__builtin_add_overflow(i, job->k, &at))
            at = job->k < 0 ? 0 : job->cols;
        if (!job->upper)
            at = at < INT64_MAX ? at + 1 : at; /* the first column above it */
        at = at < 0 ? 0 : at > job->cols ? job->cols : at;
        int64_t keep_first = job->upper ? at : 0, keep_last = job->upper ? job->cols : at;
        char *to = (char *)job->out->data + (size_t)(row * job->cols) * size;
        const char *from = (const char *)job->in->data + (size_t)(row * job->cols) * size;
        size_t first = (size_t)keep_first * size, last = (size_t)keep_last * size;
        memset(to, 0, first);
        if (to != from)
            memcpy(to + first, from + first, last - first);
        memset(to + last, 0, (size_t)job->cols * size - last);
    }
}

static ct_status run_trilu(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    const struct ct_tensor *k = run->n_in > 1 ? run->in[1] : NULL;
    struct trilu_job job = {
        .in = in,
        .out = run->out[0],
        .rows = in->dims[in->rank - 2],
        .cols = in->dims[in->rank - 1],
        .k = k ? *CT_DATA(const int64_t, k) : 0,
        .upper = ct_attr_int(run->node, "upper", 1) != 0,
    };
    if (ct_count(in))
        ct_run_parallel(run, (int64_t)ct_count(in) / job.cols, 10 + 0.3 * (double)job.cols,
                        run_rows, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_trilu = {
    .infer = infer_trilu,
    .prepare = prepare_trilu,
    .run = run_trilu,
    .min_in = 1,
    .max_in = 2,
};
