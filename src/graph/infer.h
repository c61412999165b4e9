/* The driver of shape inference. */
#ifndef CT_GRAPH_INFER_H
#define CT_GRAPH_INFER_H

#include "graph/op.h"

/** Infers one node from given facts. out[i] (n_out entries, NULL: not wanted) are reset first.
 *  Checks the typed input against the row. `symbols` may be NULL (concrete shapes). Subgraphs are
 *  inferred with `facts_of`, below, NULL: they are not looked at. */
ct_status ct_infer_node(const struct ct_node *node, const struct ct_fact *const *in,
                        struct ct_fact *const *out, struct ct_symbols *symbols,
                        struct ct_arena *arena, corten_error *error);

/** Infers the whole graph in place: value->fact of every value, subgraphs too, with symbols.
 *  Declared facts are merged in; a contradiction is INVALID_MODEL. Nodes must be resolved. */
ct_status ct_graph_infer(struct ct_graph *graph, corten_error *error);

/** The cost of a node, from facts: false when shapes are not known. */
bool ct_node_cost(const struct ct_node *node, struct ct_arena *arena, struct ct_cost *cost);
/** The same from facts of one's own; NULL: absent. */
bool ct_node_cost_of(const struct ct_node *node, const struct ct_fact *const *in,
                     struct ct_fact *const *out, struct ct_arena *arena, struct ct_cost *cost);

#endif
