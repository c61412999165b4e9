/* What MoE and QMoE share: tokens are routed to experts, and each expert is two products with an
 * activation between (for swiglu two halves of one). Weights come from the operator, an expert at a
 * time, as floats. */
#ifndef CT_OPS_CONTRIB_MOE_H
#define CT_OPS_CONTRIB_MOE_H

#include "ops/contrib/contrib.h"
#include "ops/widen.h"

enum ct_moe_act {
    CT_MOE_RELU,
    CT_MOE_GELU,
    CT_MOE_SILU,
    CT_MOE_SWIGLU,
    CT_MOE_IDENTITY,
    CT_MOE_ACTS
};

struct ct_moe_sizes {
    ct_dim tokens, hidden, experts, inter;
    ct_dim wide; /* outputs of fc1 */
    int64_t k;
    enum ct_moe_act act;
    int fusion; /* of swiglu: 1: the halves alternate, 2: one after the other; 0: FC1 and FC3 */
};

/* Numbers of inputs; X is 0 and the router's 1. */
struct ct_moe_inputs {
    int fc[3], bias[3]; /* of fc1, fc2, fc3 */
};

struct ct_moe {
    struct ct_moe_sizes s;
    size_t weights_at, rows_at, first_at, second_at, third_at, gemm_at;
};

struct ct_moe_call;

/** Weights of product `i` (0: fc1) of an expert, [outputs, inputs]; used until the next call. */
typedef const float *(*ct_moe_weights)(const struct ct_run *run, const struct ct_moe_call *call,
                                       int i, int64_t expert);

struct ct_moe_call {
    const float *x, *router, *mixing; /* mixing: weights in place of the router's; or NULL */
    const float *bias[3];             /* or NULL */
    bool over_chosen; /* the router's softmax is over the chosen experts, whatever the node says */
    ct_moe_weights weights;
    const float *fc[3]; /* for weights */
    float *y;
};

/** Reads attributes and all sizes but inter, which the caller sets before. Checks X, the router's
 *  values and biases, and gives the output its shape. */
ct_status ct_moe_infer(struct ct_infer *infer, const struct ct_moe_inputs *in,
                       struct ct_moe_sizes *s);
/** The same sizes again (inter set before), and room in scratch memory. */
ct_status ct_moe_prepare(struct ct_prepare *prepare, const struct ct_moe_inputs *in,
                         struct ct_moe *moe);
void ct_moe_run(const struct ct_run *run, const struct ct_moe *moe, const struct ct_moe_inputs *in,
                const struct ct_moe_call *call);
/** Input `index` (absent ones pass) has the dims, as far as known. */
ct_status ct_moe_check(const struct ct_infer *infer, int index, int rank, const ct_dim *dims);

#endif
