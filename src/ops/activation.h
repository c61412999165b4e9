/* Activations by name: the `activation` and `activation_params` attributes of fused operators. */
#ifndef CT_OPS_ACTIVATION_H
#define CT_OPS_ACTIVATION_H

#include "graph/op.h"
#include "kernels/gemm.h"

/** Sets post->act and act_params from the node's attributes; "" and an absent attribute are none.
 *  False: there is none of that name. */
bool ct_activation_read(const struct ct_node *node, struct ct_gemm_post *post);
/** The same from attributes of other names. */
bool ct_activation_read_as(const struct ct_node *node, const char *name, const char *params_name,
                           struct ct_gemm_post *post);
/** The activation that a node with one input and one output is, and its parameters: Relu, Clip with
 *  constant bounds, LeakyRelu, Sigmoid, Tanh, HardSigmoid, HardSwish, Gelu, Swish. NULL: none of
 *  them. */
const char *ct_activation_of(const struct ct_node *node, float params[2], int *n_params);

#endif
