/* Shape arithmetic: what elementwise operators do to the values of small integer tensors. */
#ifndef CT_OPS_ELEMENTWISE_VALUES_H
#define CT_OPS_ELEMENTWISE_VALUES_H

#include "graph/op.h"
#include "kernels/elementwise.h"

/** When both facts have values: sets those of output 0 to op of them, symbols included. For
 *  operations that give integers, and Equal, whose values are 0, 1 or unknown. */
ct_status ct_infer_binary_values(const struct ct_infer *infer, enum ct_binary op,
                                 const struct ct_fact *a, const struct ct_fact *b);

#endif
