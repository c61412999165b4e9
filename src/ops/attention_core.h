/* Attention on f32 matrices that lie anywhere: y = softmax(scale * q k^T, masked) v, tile by tile,
 * without the whole matrix of scores.
 *
 *     struct ct_attention_problem p = {…};    // left and right: -1
 *     scratch = memory of ct_attention_f32_scratch_bytes(&p, threads);
 *     ct_attention_f32_run(pool, &p, q, k, v, y, scratch);
 *
 * Element (b, h, i, d) of a matrix is at [b * batch + h * head + i * row + d] of its strides, so
 * that [B, S, H * D] and [B, H, S, D] both do without a transpose. Nothing here allocates or
 * fails; everything is borrowed for the call. Results have the same bits for any number of
 * threads. */
#ifndef CT_OPS_ATTENTION_CORE_H
#define CT_OPS_ATTENTION_CORE_H

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "os/pool.h"

/** In elements. */
struct ct_attention_strides {
    int64_t batch, head, row;
};

struct ct_attention_problem {
    int64_t batch, heads, kv_heads; /* heads is a multiple of kv_heads: those share one */
    int64_t q_len, kv_len, head_size, v_head_size;
    struct ct_attention_strides q, k, v, y;
    float scale;   /* of the scores */
    float softcap; /* 0: none */
    bool bf16;     /* operands of both products may be rounded to bfloat16 */

    /** A mask that is added, or one of bytes of which 0 masks out; at most one. Columns from
     *  mask_cols on are masked out. */
    const float *mask;
    const uint8_t *mask_bool;
    struct ct_attention_strides mask_strides; /* 0 broadcasts */
    int64_t mask_col_stride;                  /* 0 or 1 */
    int64_t mask_cols;

    /** Query i of batch b stands at position i + offset: (offsets ? offsets[b] : offset). It sees
     *  keys up to position + right and from position - left on. */
    bool causal;         /* right is 0 */
    int64_t left, right; /* -1: no bound */
    int64_t offset;
    const int64_t *offsets; /* of each batch; NULL: the one above */
    const int64_t *kv_lens; /* keys from kv_lens[b] on are masked out; NULL: none */
};

size_t ct_attention_f32_scratch_bytes(const struct ct_attention_problem *problem, int threads);
/** `scratch` is aligned to CT_ALIGN. `pool` may be NULL: one thread. */
void ct_attention_f32_run(struct ct_pool *pool, const struct ct_attention_problem *problem,
                          const float *q, const float *k, const float *v, float *y, void *scratch);

/** First and one past the last key that query `i` of batch `b` may see, within [0, kv_len]. */
void ct_attention_range(const struct ct_attention_problem *problem, int64_t b, int64_t i,
                        int64_t *begin, int64_t *end);

#endif
