/* Det: determinants of square matrices, by elimination with partial pivoting in f64. */
#include "graph/op.h"

#include <math.h>

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    ct_infer_set(infer, 0, x->dtype, -1, NULL);
    if (x->rank < 0)
        return CORTEN_OK;
    ct_dim a = x->dims[x->rank - 2], b = x->dims[x->rank - 1];
    if (ct_dim_known(a) && ct_dim_known(b) && a != b)
        return ct_infer_fail(infer, "a matrix of %lld x %lld has no determinant", (long long)a,
                             (long long)b);
    ct_infer_set(infer, 0, x->dtype, x->rank - 2, x->dims);
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    size_t n = (size_t)x->dims[x->rank - 1], bytes;
    if (!ct_mul_size(n, n, &bytes) || !ct_mul_size(bytes, sizeof(double), &bytes) ||
        !ct_mul_size(bytes, (size_t)prepare->threads, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the matrices are too large");
    return CORTEN_OK;
}

static double determinant(double *a, size_t n)
{
    double det = 1;
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        double top = a[pivot * n + k];
        if (top == 0)
            return 0;
        for (size_t j = k; pivot != k && j < n; j++) {
            double x = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = x;
        }
        det *= pivot == k ? top : -top;
        for (size_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / top;
            for (size_t j = k + 1; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return det;
}

static void matrices(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct ct_tensor *x = run->in[0];
    size_t n = (size_t)x->dims[x->rank - 1];
    double *work = (double *)run->scratch + (size_t)worker * n * n;
    for (int64_t i = begin; i < end; i++) {
        ct_load_f64(x->dtype, x->data, (size_t)i * n * n, n * n, work);
        double det = determinant(work, n);
        ct_store_f64(run->out[0]->dtype, run->out[0]->data, (size_t)i, 1, &det);
    }
}

static ct_status run(const struct ct_run *run)
{
    struct ct_run copy = *run;
    double n = (double)run->in[0]->dims[run->in[0]->rank - 1];
    ct_run_parallel(run, (int64_t)ct_count(run->out[0]), 20 + n * n * n, matrices, &copy);
    return CORTEN_OK;
}

const struct ct_op ct_op_det = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = 1, .min_out = 1};
