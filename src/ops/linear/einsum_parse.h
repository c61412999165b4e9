/* Equations of Einsum: which label each dimension of each operand has. */
#ifndef CT_OPS_LINEAR_EINSUM_PARSE_H
#define CT_OPS_LINEAR_EINSUM_PARSE_H

#include "graph/op.h"

/** Letters are labels 0 to 51, in ASCII order; dimensions under an ellipsis 52 and on, the last
 *  one being CT_EINSUM_LABELS - 1. */
enum { CT_EINSUM_LETTERS = 52, CT_EINSUM_LABELS = CT_EINSUM_LETTERS + CT_MAX_RANK };

struct ct_einsum_term {
    int n;
    uint8_t labels[CT_MAX_RANK];
};

/** Reads the equation for operands of the ranks given (n_in of them) into terms[n_in] and
 *  `output`. INVALID_MODEL says what does not fit. */
ct_status ct_einsum_parse(const struct ct_node *node, int n_in, const int *ranks,
                          struct ct_einsum_term *terms, struct ct_einsum_term *output,
                          corten_error *error);

#endif
