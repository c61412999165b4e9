/* Identity, of any kind of value. */
#include "ops/movement/move.h"

static ct_status infer_identity(struct ct_infer *infer)
{
    ct_infer_same(infer, 0, 0);
    return ct_infer_pass_values(infer);
}

const struct ct_op ct_op_identity = {
    .infer = infer_identity,
    .flags = CT_OP_VIEW | CT_OP_UNALIGNED | CT_OP_ANY_LAYOUT | CT_OP_CONTAINERS,
    .min_in = 1,
    .max_in = 1,
    .typed_input = -1,
};
