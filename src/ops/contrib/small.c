/* CDist (distances between rows), ExpandDims and NGramRepeatBlock. */
#include <math.h>
#include <string.h>

#include "ops/contrib/contrib.h"

/* ------------------------------------------------------------------ CDist */

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
                double d = a->dtype == CORTEN_F64
                               ? CT_DATA(const double, a)[i * k + p] -
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

/* ------------------------------------------------------------------ ExpandDims */

static ct_status infer_expand_dims(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const int64_t *axes = NULL;
    int count = 0, axis, n = 0;
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I32)));
    CT_TRY(ct_contrib_scalar(infer, 1));
    CT_TRY(ct_infer_ints(infer, 1, &axes, &count));
    ct_infer_set(infer, 0, x->dtype, x->rank >= 0 && x->rank < CT_MAX_RANK ? x->rank + 1 : -1,
                 NULL);
    if (x->rank == CT_MAX_RANK)
        return ct_infer_fail(infer, "the input has %d dimensions already", CT_MAX_RANK);
    if (x->rank < 0 || !axes || count != 1)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, axes[0], x->rank + 1, &axis));
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i <= x->rank; i++)
        dims[i] = i == axis ? 1 : x->dims[n++];
    ct_infer_set(infer, 0, x->dtype, x->rank + 1, dims);
    return CORTEN_OK;
}

const struct ct_op ct_op_expand_dims = {
    .infer = infer_expand_dims, .flags = CT_OP_VIEW, .min_in = 2, .max_in = 2, .min_out = 1};

/* ------------------------------------------------------------------ NGramRepeatBlock */

static ct_status infer_ngram(struct ct_infer *infer)
{
    const struct ct_fact *ids = ct_infer_in(infer, 0), *scores = ct_infer_in(infer, 1);
    int64_t size;
    CT_TRY(ct_contrib_required_int(infer, "ngram_size", 1, &size));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(F32)));
    CT_TRY(ct_infer_check_rank(infer, 0, 2, 2));
    CT_TRY(ct_infer_check_rank(infer, 1, 2, 2));
    if (ids->rank == 2 && scores->rank == 2)
        CT_TRY(ct_contrib_agree(infer, "batch", ids->dims[0], scores->dims[0]));
    ct_infer_same(infer, 0, 1);
    return CORTEN_OK;
}

static ct_status prepare_ngram(struct ct_prepare *prepare)
{
    ct_prepare_in_place(prepare, 0, 1);
    return CORTEN_OK;
}

/* A token that would repeat an n-gram gets a score of -infinity. */
static ct_status run_ngram(const struct ct_run *run)
{
    const struct ct_tensor *ids = run->in[0], *scores = run->in[1], *y = run->out[0];
    int64_t length = ids->dims[1], words = scores->dims[1];
    int64_t n = ct_attr_int(run->node, "ngram_size", 1);
    if (y->data != scores->data)
        memcpy(y->data, scores->data, ct_count(scores) * sizeof(float));
    for (int64_t b = 0; b < ids->dims[0]; b++) {
        const int64_t *line = CT_DATA(const int64_t, ids) + b * length;
        for (int64_t i = 0; n <= length && i + n <= length; i++) {
            if (memcmp(line + i, line + length - n + 1, (size_t)(n - 1) * sizeof *line) != 0)
                continue;
            int64_t word = line[i + n - 1];
            if (word < 0 || word >= words)
                return ct_run_fail(run, "token %lld is not in a vocabulary of %lld words",
                                   (long long)word, (long long)words);
            CT_DATA(float, y)[b * words + word] = -HUGE_VALF;
        }
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_ngram_repeat_block = {.infer = infer_ngram, .prepare = prepare_ngram,
                                               .run = run_ngram, .min_in = 2, .max_in = 2,
                                               .min_out = 1};
