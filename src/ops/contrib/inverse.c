/* com.microsoft.Inverse: of square matrices, by Gauss-Jordan elimination with partial pivoting in
 * double. */
#include "ops/contrib/contrib.h"

#include <math.h>

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    ct_infer_same(infer, 0, 0);
    if (x->rank >= 2)
        return ct_contrib_agree(infer, "rows and columns", x->dims[x->rank - 2],
                                x->dims[x->rank - 1]);
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    size_t n = (size_t)x->dims[x->rank - 1], count, at;
    if (!ct_mul_size(n, n, &count) || !ct_mul_size(count, 2 * (size_t)prepare->threads, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the matrices are too large");
    return ct_contrib_reserve(prepare, count, sizeof(double), &at);
}

/* Row operations that turn `a` into the identity turn the identity into `y`. */
static void invert(double *a, double *y, size_t n)
{
    for (size_t i = 0; i < n * n; i++)
        y[i] = i % (n + 1) == 0;
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        for (size_t j = 0; j < n && pivot != k; j++) {
            double t = a[k * n + j], u = y[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = t;
            y[k * n + j] = y[pivot * n + j];
            y[pivot * n + j] = u;
        }
        double top = 1 / a[k * n + k];
        for (size_t j = 0; j < n; j++) {
            a[k * n + j] *= top;
            y[k * n + j] *= top;
        }
        for (size_t i = 0; i < n; i++) {
            double factor = a[i * n + k];
            for (size_t j = 0; j < n && i != k && factor != 0; j++) {
                a[i * n + j] -= factor * a[k * n + j];
                y[i * n + j] -= factor * y[k * n + j];
            }
        }
    }
}

static void matrices(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct ct_tensor *x = run->in[0], *y = run->out[0];
    size_t n = (size_t)x->dims[x->rank - 1];
    double *a = (double *)run->scratch + 2 * n * n * (size_t)worker;
    for (int64_t i = begin; i < end; i++) {
        ct_load_f64(x->dtype, x->data, (size_t)i * n * n, n * n, a);
        invert(a, a + n * n, n);
        ct_store_f64(y->dtype, y->data, (size_t)i * n * n, n * n, a + n * n);
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *x = run->in[0];
    double n = (double)x->dims[x->rank - 1];
    if (ct_count(x))
        ct_run_parallel(run, ct_dims_product(x->dims, 0, x->rank - 2), 2 * n * n * n, matrices,
                        (void *)run);
    return CORTEN_OK;
}

const struct ct_op ct_op_inverse = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = 1, .min_out = 1};
