/* RandomUniform, RandomNormal and their Like forms. */
#include "ops/random/rng.h"

#include <math.h>

uint64_t ct_rng_seed(const struct ct_run *run)
{
    if (ct_node_attr(run->node, "seed")) {
        float seed = ct_attr_float(run->node, "seed", 0);
        uint32_t bits;
        memcpy(&bits, &seed, sizeof bits);
        return bits;
    }
    if (run->exec->seed) /* every operator of every run gets one of its own, the same each time */
        return __atomic_fetch_add(run->exec->seed, 1, __ATOMIC_RELAXED);
    /* Two runs do not share both clock and memory. */
    uint64_t x = (uint64_t)ct_os_now_ns() * UINT64_C(0x9E3779B97F4A7C15);
    x ^= (uint64_t)(uintptr_t)run->out[0]->data * UINT64_C(0xD6E8FEB86659FD93);
    x ^= (uint64_t)(uintptr_t)run->node;
    return x ^ x >> 29;
}

static ct_status infer_shape(struct ct_infer *infer)
{
    const int64_t *shape;
    int64_t dtype = ct_attr_int(infer->node, "dtype", CORTEN_F32);
    int rank = ct_attr_ints(infer->node, "shape", &shape);
    size_t count;
    if (dtype < 0 || dtype > 63 || !ct_dtype_in((ct_dtype)dtype, CT_FLOATS))
        return ct_infer_fail(infer, "dtype %lld is no float type", (long long)dtype);
    if (rank < 0)
        return ct_infer_fail(infer, "the attribute 'shape' is missing");
    if (rank > CT_MAX_RANK || !ct_shape_count(rank, shape, &count))
        return ct_infer_fail(infer, "the attribute 'shape' is no shape");
    ct_infer_set(infer, 0, (ct_dtype)dtype, rank, shape);
    return CORTEN_OK;
}

static ct_status infer_like(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int64_t dtype = ct_attr_int(infer->node, "dtype", x->dtype);
    if (dtype < 0 || dtype > 63 ||
        (dtype != CORTEN_DTYPE_NONE && !ct_dtype_in((ct_dtype)dtype, CT_FLOATS)))
        return ct_infer_fail(infer, "dtype %lld is no float type", (long long)dtype);
    ct_infer_set(infer, 0, (ct_dtype)dtype, x->rank, x->dims);
    return CORTEN_OK;
}

enum { BLOCK = 512 };

struct job {
    struct ct_tensor *y;
    size_t count;
    uint64_t seed;
    bool normal;
    double base, scale; /* low and high - low, or mean and scale */
};

static void blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    double x[BLOCK];
    (void)worker;
    for (int64_t block = begin; block < end; block++) {
        size_t first = (size_t)block * BLOCK;
        size_t n = job->count - first < BLOCK ? job->count - first : BLOCK;
        for (size_t i = 0; i < n; i++) {
            double u = ct_rng_uniform(job->seed, first + i);
            if (job->normal) { /* Box and Muller, 1958: one of the pair */
                double v = ct_rng_uniform(job->seed ^ UINT64_C(0xA5A5A5A5A5A5A5A5), first + i);
                u = sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
            }
            x[i] = job->base + job->scale * u;
        }
        ct_store_f64(job->y->dtype, job->y->data, first, n, x);
    }
}

static ct_status fill(const struct ct_run *run, struct job *job)
{
    job->y = run->out[0];
    job->count = ct_count(job->y);
    job->seed = ct_rng_seed(run);
    ct_run_parallel(run, (int64_t)((job->count + BLOCK - 1) / BLOCK), 40.0 * BLOCK, blocks, job);
    return CORTEN_OK;
}

static ct_status run_uniform(const struct ct_run *run)
{
    double low = (double)ct_attr_float(run->node, "low", 0);
    double high = (double)ct_attr_float(run->node, "high", 1);
    struct job job = {.base = low, .scale = high - low};
    return fill(run, &job);
}

static ct_status run_normal(const struct ct_run *run)
{
    struct job job = {.normal = true,
                      .base = (double)ct_attr_float(run->node, "mean", 0),
                      .scale = (double)ct_attr_float(run->node, "scale", 1)};
    return fill(run, &job);
}

const struct ct_op ct_op_random_uniform = {.infer = infer_shape,
                                           .run = run_uniform,
                                           .flags = CT_OP_IMPURE,
                                           .min_out = 1,
                                           .typed_input = -1};
const struct ct_op ct_op_random_normal = {.infer = infer_shape,
                                          .run = run_normal,
                                          .flags = CT_OP_IMPURE,
                                          .min_out = 1,
                                          .typed_input = -1};
const struct ct_op ct_op_random_uniform_like = {.infer = infer_like,
                                                .run = run_uniform,
                                                .flags = CT_OP_IMPURE,
                                                .min_in = 1,
                                                .max_in = 1,
                                                .min_out = 1};
const struct ct_op ct_op_random_normal_like = {.infer = infer_like,
                                               .run = run_normal,
                                               .flags = CT_OP_IMPURE,
                                               .min_in = 1,
                                               .max_in = 1,
                                               .min_out = 1};
