/* The operators there are. */
#ifndef CT_OPS_REGISTRY_H
#define CT_OPS_REGISTRY_H

#include "graph/op.h"

struct ct_op_row {
    const char *domain, *name;
    int since;
    const struct ct_op *op;
    ct_dtypes dtypes;
};

/** All rows, sorted by domain, name, since. */
const struct ct_op_row *ct_op_rows(size_t *count);
/** The row for a node of that opset; NULL if there is none. */
const struct ct_op_row *ct_op_find(const char *domain, const char *name, int64_t opset);
/** The operator sets and the version up to which each is known. */
const struct ct_known_opset *ct_known_opsets(size_t *count);

/** Sets node->op everywhere in the model, and checks the number of inputs and outputs.
 *  UNSUPPORTED names unknown operators and opsets. Calls of model-local functions must have been
 *  inlined. */
ct_status ct_ops_resolve(struct ct_model *model, corten_error *error);
/** The same for one node, such as a pass has made. */
ct_status ct_op_resolve(struct ct_node *node, corten_error *error);

#endif
