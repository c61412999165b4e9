/* com.microsoft.NGramRepeatBlock: forbids tokens that would repeat an n-gram. */
#include "ops/contrib/contrib.h"

#include <math.h>
#include <string.h>

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

const struct ct_op ct_op_ngram_repeat_block = {.infer = infer_ngram,
                                               .prepare = prepare_ngram,
                                               .run = run_ngram,
                                               .min_in = 2,
                                               .max_in = 2,
                                               .min_out = 1};
