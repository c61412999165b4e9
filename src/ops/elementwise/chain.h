/* ai.corten.Elementwise: several elementwise operators on float32 in one pass over memory.
 *
 * Attributes: `ops`, names of kernels/elementwise.h ("mul", "sigmoid"); `operands`, two for each
 * of them, of which 0 to inputs - 1 are the node's inputs and those behind are results, and -1
 * stands for none; `params`, two for each. The last result is the output; all have its shape. */
#ifndef CT_OPS_ELEMENTWISE_CHAIN_H
#define CT_OPS_ELEMENTWISE_CHAIN_H

#include "ops/broadcast.h"
#include "ops/elementwise/loops.h"

enum { CT_CHAIN_STEPS = 8, CT_CHAIN_INPUTS = CT_BROADCAST_MAX };

struct ct_chain_step {
    bool binary;
    int op;         /* enum ct_unary or ct_binary */
    int operand[2]; /* -1: none */
    float params[2];
};

struct ct_chain {
    int n_in, n_steps;
    struct ct_chain_step steps[CT_CHAIN_STEPS];
};

/** What a node on float32 is as a step, operands unset; the node's inputs 0 and, when binary, 1 are
 *  its operands. False: it is none. */
bool ct_chain_step_of(const struct ct_node *node, struct ct_chain_step *step);
/** The attributes, and back. False: no memory; they do not say a chain. */
bool ct_chain_write(struct ct_node *node, const struct ct_chain *chain);
bool ct_chain_read(const struct ct_node *node, struct ct_chain *chain);

#endif
