/* Attention row by row in f64: for f64 inputs, and for the scores as an output. */
#ifndef CT_OPS_LINEAR_ATTENTION_PLAIN_H
#define CT_OPS_LINEAR_ATTENTION_PLAIN_H

#include "graph/op.h"
#include "ops/attention_core.h"

struct ct_attention_plain {
    const struct ct_attention_problem *p; /* its `mask` is not used */
    const double *mask;                   /* added; NULL: none or p->mask_bool */
    const double *q, *k, *v;
    double *y;      /* NULL: not wanted */
    double *scores; /* [batch, heads, q_len, kv_len]; NULL: not wanted */
    int mode;       /* of `scores`: 0 raw, 1 after softcap, 2 after the mask, 3 after softmax */
};

/** `work`: kv_len numbers for every thread. */
void ct_attention_plain_run(const struct ct_attention_plain *plain, const struct ct_run *run,
                            double *work);

#endif
