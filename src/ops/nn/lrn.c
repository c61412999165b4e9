/* LRN: each element over a power of the sum of squares around it along the channels. */
#include "graph/op.h"

#include <math.h>

enum { BLOCK = 256 }; /* elements of a channel worked on at a time */

struct lrn {
    double alpha_by_size, beta, bias;
    int64_t size, batch, channels, plane, blocks;
};

struct call {
    const struct lrn *state;
    const struct ct_tensor *x, *y;
};

static ct_status infer_lrn(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    int64_t size = ct_attr_int(infer->node, "size", 0);
    if (size < 1 || size > 1 << 30)
        return ct_infer_fail(infer, "size: found %lld, expected 1 to 2^30", (long long)size);
    return ct_infer_unary(infer);
}

static void run_block(const struct call *c, int64_t image, int64_t channel, int64_t first, size_t n)
{
    const struct lrn *s = c->state;
    double sum[BLOCK] = {0}, x[BLOCK];
    int64_t from = channel - (s->size - 1) / 2, to = channel + s->size / 2;
    from = from < 0 ? 0 : from;
    to = to >= s->channels ? s->channels - 1 : to;
    for (int64_t j = from; j <= to; j++) {
        size_t at = (size_t)((image * s->channels + j) * s->plane + first);
        ct_load_f64(c->x->dtype, c->x->data, at, n, x);
        for (size_t i = 0; i < n; i++)
            sum[i] += x[i] * x[i];
    }
    size_t at = (size_t)((image * s->channels + channel) * s->plane + first);
    ct_load_f64(c->x->dtype, c->x->data, at, n, x);
    for (size_t i = 0; i < n; i++) {
        double base = s->bias + s->alpha_by_size * sum[i];
        /* The usual power, without calling pow. */
        x[i] *= s->beta == 0.75 ? 1 / (sqrt(base) * sqrt(sqrt(base))) : pow(base, -s->beta);
    }
    ct_store_f64(c->y->dtype, c->y->data, at, n, x);
}

static void run_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct lrn *s = c->state;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i % s->blocks * BLOCK, rest = i / s->blocks;
        int64_t n = s->plane - first < BLOCK ? s->plane - first : BLOCK;
        run_block(c, rest / s->channels, rest % s->channels, first, (size_t)n);
    }
}

static ct_status run_lrn(const struct ct_run *run)
{
    const struct lrn *s = run->state;
    struct call call = {s, run->in[0], run->out[0]};
    int64_t n = s->plane < BLOCK ? s->plane : BLOCK;
    ct_run_parallel(run, s->batch * s->channels * s->blocks, (double)(n * (s->size + 8)),
                    run_blocks, &call);
    return CORTEN_OK;
}

static ct_status prepare_lrn(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct lrn *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a normalisation");
    s->size = ct_attr_int(prepare->node, "size", 1);
    s->alpha_by_size = (double)ct_attr_float(prepare->node, "alpha", 1e-4f) / (double)s->size;
    s->beta = (double)ct_attr_float(prepare->node, "beta", 0.75f);
    s->bias = (double)ct_attr_float(prepare->node, "bias", 1);
    s->batch = x->dims[0];
    s->channels = x->dims[1];
    s->plane = ct_dims_product(x->dims, 2, x->rank);
    s->blocks = (s->plane + BLOCK - 1) / BLOCK;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_lrn = {
    .infer = infer_lrn,
    .prepare = prepare_lrn,
    .run = run_lrn,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
