/* Copies of the nodes of one graph inside another: for inlining functions, taking the branch of an
 * If whose condition is known, and unrolling. */
#ifndef CT_GRAPH_CLONE_H
#define CT_GRAPH_CLONE_H

#include "graph/graph.h"

/** What a copy is made of. */
struct ct_clone {
    const struct ct_graph *from; /* a subgraph or a function body */
    struct ct_graph *into;       /* of the same model */
    struct ct_node *before;      /* the copies go before it; NULL: at the end */
    struct ct_value *const
        *inputs;                /* stand for from->inputs (from->n_inputs; entries may be NULL) */
    struct ct_value **outputs;  /* set to what stands for from->outputs; may be values of `into`
                                       that were there before, and NULL for absent inputs */
    const char *prefix;         /* goes before the names of the copied nodes, with '/' between */
    const struct ct_node *call; /* function bodies: attributes with a ref_name get the value of
                                       the call's attribute or of a default; NULL otherwise */
    const struct ct_attr *defaults;
    size_t n_defaults;
    size_t max_nodes; /* how many copies may be made; counted down */
};

/** Copies. Values keep their names where these are free in the model, else get fresh ones; tensors
 *  and texts are shared. LIMIT_EXCEEDED past max_nodes, OUT_OF_MEMORY. */
ct_status ct_graph_clone_nodes(struct ct_clone *clone, corten_error *error);

#endif
