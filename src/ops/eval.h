/* Running one node by itself: for constant folding, for steps whose shapes are known only at run
 * time, and for tests. */
#ifndef CT_OPS_EVAL_H
#define CT_OPS_EVAL_H

#include "graph/op.h"

/** How ct_prepare_… functions reach whoever prepares. */
struct ct_planner {
    struct ct_arena *arena; /* of ct_prepare_alloc */
    ct_status (*pack)(struct ct_prepare *prepare, int in, const char *key, size_t size_bytes,
                      ct_pack_fn fn, void *arg, const void **packed);
    bool keeps_weights; /* what ct_prepare_may_pack says no for */
    /* Answers, for one node at a time. in_place[o]: input whose memory output o may take, or -1,
     * for the first CT_PLANNER_OUTPUTS outputs; not_read: bit i for input i. */
    int in_place[8];
    uint64_t not_read;
};
enum { CT_PLANNER_OUTPUTS = 8 };

/** Infers, prepares and runs `node` (resolved) on tensors that exist. in: n_in tensors (NULL:
 *  absent) followed by captures for CT_OP_SUBGRAPHS; out: n_out cleared tensors, which the caller
 *  then owns. Outputs that are not wanted are computed all the same. Views share their input. */
ct_status ct_eval_node(const struct ct_node *node, const struct ct_tensor *const *in,
                       struct ct_tensor *out, struct ct_exec *exec);

#endif
