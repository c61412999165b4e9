/* Multinomial and Bernoulli: samples of given probabilities. */
#include "ops/random/rng.h"

#include <math.h>

static ct_status infer_multinomial(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int64_t dtype = ct_attr_int(infer->node, "dtype", CORTEN_I32);
    int64_t samples = ct_attr_int(infer->node, "sample_size", 1);
    if (dtype != CORTEN_I32 && dtype != CORTEN_I64)
        return ct_infer_fail(infer, "dtype is %lld, int32 or int64 is expected", (long long)dtype);
    if (samples < 0)
        return ct_infer_fail(infer, "sample_size is %lld", (long long)samples);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, 2));
    ct_dim dims[2] = {x->rank == 2 ? x->dims[0] : CT_DIM_UNKNOWN, samples};
    ct_infer_set(infer, 0, (ct_dtype)dtype, 2, dims);
    return CORTEN_OK;
}

struct rows {
    const struct ct_tensor *x;
    struct ct_tensor *y;
    uint64_t seed;
    double *sums; /* of each worker: the running sum of a row's probabilities */
    int bad;
};

static int64_t draw(const double *sums, int64_t classes, double at)
{
    int64_t low = 0, high = classes - 1;
    while (low < high) {
        int64_t mid = (low + high) / 2;
        if (sums[mid] > at)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static void multinomial_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    struct rows *job = arg;
    int64_t classes = job->x->dims[1], samples = job->y->dims[1];
    double *sums = job->sums + (int64_t)worker * classes;
    for (int64_t row = begin; row < end; row++) {
        double max = -HUGE_VAL, sum = 0;
        ct_load_f64(job->x->dtype, job->x->data, (size_t)(row * classes), (size_t)classes, sums);
        for (int64_t c = 0; c < classes; c++)
            max = sums[c] > max ? sums[c] : max;
        for (int64_t c = 0; c < classes; c++)
            sums[c] = sum += exp(sums[c] - max);
        if (!(sum > 0))
            __atomic_store_n(&job->bad, 1, __ATOMIC_RELAXED);
        for (int64_t i = 0; i < samples; i++) {
            size_t at = (size_t)(row * samples + i);
            int64_t found = draw(sums, classes, ct_rng_uniform(job->seed, at) * sum);
            ct_store_i64(job->y->dtype, job->y->data, at, 1, &found);
        }
    }
}

static ct_status prepare_multinomial(struct ct_prepare *prepare)
{
    size_t bytes;
    if (!ct_mul_size((size_t)prepare->in[0]->dims[1], sizeof(double), &bytes) ||
        !ct_mul_size(bytes, (size_t)prepare->threads, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "there are too many classes");
    return CORTEN_OK;
}

static ct_status run_multinomial(const struct ct_run *run)
{
    struct rows job = {run->in[0], run->out[0], ct_rng_seed(run), run->scratch, 0};
    int64_t classes = job.x->dims[1];
    if (ct_count(job.y) == 0)
        return CORTEN_OK;
    if (classes == 0)
        return ct_run_fail(run, "there are no classes to draw from");
    ct_run_parallel(run, job.x->dims[0], 20 * (double)classes + 60 * (double)job.y->dims[1],
                    multinomial_rows, &job);
    return job.bad ? ct_run_fail(run, "a row holds no probability") : CORTEN_OK;
}

static ct_status infer_bernoulli(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int64_t dtype = ct_attr_int(infer->node, "dtype", x->dtype);
    ct_dtypes set = CT_NUMBERS | CT_BIT(BOOL);
    if (dtype < 0 || dtype > 63 ||
        (dtype != CORTEN_DTYPE_NONE && !ct_dtype_in((ct_dtype)dtype, set)))
        return ct_infer_fail(infer, "dtype %lld is not possible here", (long long)dtype);
    ct_infer_set(infer, 0, (ct_dtype)dtype, x->rank, x->dims);
    return CORTEN_OK;
}

enum { BLOCK = 512 };

struct blocks {
    const struct ct_tensor *x;
    struct ct_tensor *y;
    size_t count;
    uint64_t seed;
};

static void bernoulli_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct blocks *job = arg;
    double p[BLOCK];
    (void)worker;
    for (int64_t block = begin; block < end; block++) {
        size_t first = (size_t)block * BLOCK;
        size_t n = job->count - first < BLOCK ? job->count - first : BLOCK;
        ct_load_f64(job->x->dtype, job->x->data, first, n, p);
        for (size_t i = 0; i < n; i++)
            p[i] = ct_rng_uniform(job->seed, first + i) < p[i];
        ct_store_f64(job->y->dtype, job->y->data, first, n, p);
    }
}

static ct_status run_bernoulli(const struct ct_run *run)
{
    struct blocks job = {run->in[0], run->out[0], ct_count(run->in[0]), ct_rng_seed(run)};
    ct_run_parallel(run, (int64_t)((job.count + BLOCK - 1) / BLOCK), 20.0 * BLOCK, bernoulli_blocks,
                    &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_multinomial = {.infer = infer_multinomial,
                                        .prepare = prepare_multinomial,
                                        .run = run_multinomial,
                                        .flags = CT_OP_IMPURE,
                                        .min_in = 1,
                                        .max_in = 1,
                                        .min_out = 1};
const struct ct_op ct_op_bernoulli = {.infer = infer_bernoulli,
                                      .run = run_bernoulli,
                                      .flags = CT_OP_IMPURE,
                                      .min_in = 1,
                                      .max_in = 1,
                                      .min_out = 1};
