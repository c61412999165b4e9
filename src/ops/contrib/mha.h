/* What com.microsoft's attention operators share once there are queries, keys and values: biases,
 * a past that goes in front, masks in their many forms, the present as an output.
 *
 *   prepare: fill the members before the line; ct_mha_prepare adds to prepare->scratch_bytes
 *   run:     ct_mha_run(&mha, run, &data)
 */
#ifndef CT_OPS_CONTRIB_MHA_H
#define CT_OPS_CONTRIB_MHA_H

#include "ops/contrib/attention_rows.h"
#include "ops/contrib/contrib.h"

/** Forms of an int32 mask. */
enum ct_mha_mask {
    CT_MHA_NO_MASK,
    CT_MHA_LENGTHS,   /* [B], or [3B + 2] of which the first B count: keys up to there */
    CT_MHA_END_START, /* [2B]: ends, then starts */
    CT_MHA_KEYS,      /* [B, T]: 0 masks out */
    CT_MHA_QUERIES,   /* [B, S, T] */
    CT_MHA_MEGATRON   /* [B, 1, M, M], of which rows from past on, T columns count */
};

/** Keys or values. */
struct ct_mha_side {
    struct ct_attention_strides strides; /* of the new ones */
    int64_t size;                        /* of a head */
    bool present;                        /* wanted as an output */
    size_t copy_at;
};

struct ct_mha {
    int64_t batch, heads, q_len, new_len, past_len;
    int64_t capacity; /* rows of past and present of a cache that both share; 0: none */
    struct ct_attention_strides q;
    struct ct_mha_side k, v;
    bool q_bias, kv_bias, causal;
    bool beams;  /* the past is that of other sequences, see indirection */
    float scale; /* 0: 1 / sqrt(head size) */
    float filter;
    enum ct_mha_mask mask;
    int64_t mask_cols;     /* of a row in memory: T, or M */
    bool added;            /* a matrix is added to the scores, */
    int64_t added_dims[4]; /* which broadcasts */
    enum ct_scores scores;
    /* ---- set by ct_mha_prepare */
    struct ct_attention_problem problem;
    bool gathers;
    size_t q_at, mask_at, core_at;
};

struct ct_mha_data {
    const float *q, *k, *v;                /* of the first head */
    const float *q_bias, *k_bias, *v_bias; /* one for each head and element */
    const float *past_k, *past_v;          /* [B,N,past or capacity,H] */
    float *present_k, *present_v;          /* [B,N,past + new or capacity,H] */
    const int32_t *mask;
    const float *added;
    float *y;      /* [B,S,N*Hv] */
    float *scores; /* [B,N,S,T] */
    int64_t past_len;
    /* beams: which beam of its group token t came from, [B / beams, beams, indirection_cols] */
    const int32_t *indirection;
    int64_t beams, indirection_cols;
};

/** Checks a mask against batch, queries and keys (as far as known) and tells its form. */
ct_status ct_mha_check_mask(const struct ct_infer *infer, int index, ct_dim batch, ct_dim q_len,
                            ct_dim total, enum ct_mha_mask *mask);
/** Checks [1|B, 1|N, 1|S, T]. */
ct_status ct_mha_check_added(const struct ct_infer *infer, int index, ct_dim batch, ct_dim heads,
                             ct_dim q_len, ct_dim total);
/** Sets mask_cols, added and added_dims from the tensors of the node; -1: there is none. */
void ct_mha_read_masks(struct ct_mha *mha, const struct ct_prepare *prepare, int mask, int added);

struct ct_attention_strides ct_mha_rows_of(int64_t length, int64_t heads, int64_t width);
struct ct_attention_strides ct_mha_heads_of(int64_t length, int64_t heads, int64_t width);

ct_status ct_mha_prepare(struct ct_mha *mha, struct ct_prepare *prepare);
void ct_mha_run(const struct ct_mha *mha, const struct ct_run *run, const struct ct_mha_data *data);
void ct_mha_cost(const struct ct_mha *mha, struct ct_cost *cost);

#endif
