/* Attention row by row, for what the tiled core (ops/attention_core.h) has no place for: scores as
 * an output, and a term of its own in the denominator of the softmax. */
#ifndef CT_OPS_CONTRIB_ATTENTION_ROWS_H
#define CT_OPS_CONTRIB_ATTENTION_ROWS_H

#include "ops/attention_core.h"

enum ct_scores {
    CT_SCORES_NONE,
    CT_SCORES_MASKED, /* scaled, softcapped, with the mask added: what the softmax is of */
    CT_SCORES_SOFTMAX
};

struct ct_attention_rows {
    const struct ct_attention_problem *p;
    const float *q, *k, *v;
    float *y;
    const float *sinks; /* one for each head, or NULL */
    bool smooth;        /* a sink of 0 for every head */
    enum ct_scores mode;
    float *scores; /* [batch, heads, q_len, score_cols]; NULL: not wanted */
    int64_t score_cols;
    float outside; /* score of a key that a query does not see, for CT_SCORES_MASKED */
};

size_t ct_attention_rows_scratch_bytes(const struct ct_attention_problem *problem, int threads);
void ct_attention_rows_run(struct ct_pool *pool, const struct ct_attention_rows *rows,
                           void *scratch);

#endif
