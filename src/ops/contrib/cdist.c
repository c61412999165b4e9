/* com.microsoft.CDist: distances between the rows of two matrices. */
#include "ops/contrib/contrib.h"

#include <math.h>

static ct_status infer_cdist(struct ct_infer *infer)
{
    const struct ct_fact *a = ct_infer_in(infer, 0), *b = ct_infer_in(infer, 1);
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 2, 2));
    CT_TRY(ct_infer_check_rank(infer, 1, 2, 2));
    if (!ct_attr_is(infer->node, "metric", "sqeuclidean", "sqeuclidean") &&
        !ct_attr_is(infer->node, "metric", "euclidean", "sqeuclidean"))
        return ct_infer_fail(infer, "metric: euclidean or sqeuclidean is expected");
    ct_infer_set(infer, 0, a->dtype, -1, NULL);
    if (a->rank != 2 || b->rank != 2)
        return CORTEN_OK;
    CT_TRY(ct_contrib_agree(infer, "columns", a->dims[1], b->dims[1]));
    ct_infer_set(infer, 0, a->dtype, 2, (ct_dim[]){a->dims[0], b->dims[0]});
    return CORTEN_OK;
}

static void cdist_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct ct_tensor *a = run->in[0], *b = run->in[1], *y = run->out[0];
    bool root = ct_attr_is(run->node, "metric", "euclidean", "sqeuclidean");
    int64_t n = b->dims[0], k = a->dims[1];
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < k; p++) {
                double d = a->dtype == CORTEN_F64 ? CT_DATA(const double, a)[i * k + p] -
                                                        CT_DATA(const double, b)[j * k + p]
                                                  : (double)CT_DATA(const float, a)[i * k + p] -
                                                        (double)CT_DATA(const float, b)[j * k + p];
                sum += d * d;
            }
            sum = root ? sqrt(sum) : sum;
            ct_store_f64(y->dtype, y->data, (size_t)(i * n + j), 1, &sum);
        }
}

static ct_status run_cdist(const struct ct_run *run)
{
    ct_run_parallel(run, run->in[0]->dims[0],
                    (double)run->in[1]->dims[0] * (5 + 1.5 * (double)run->in[0]->dims[1]),
                    cdist_rows, (void *)run);
    return CORTEN_OK;
}

const struct ct_op ct_op_cdist = {
    .infer = infer_cdist, .run = run_cdist, .min_in = 2, .max_in = 2, .min_out = 1};
