/* What passes share: looking at nodes and shapes, and putting other nodes in their place. */
#ifndef CT_PASSES_REWRITE_H
#define CT_PASSES_REWRITE_H

#include "passes/pass.h"

/* ------------------------------------------------------------------ looking */

bool ct_is_op(const struct ct_node *node, const char *domain, const char *op_type);
/** The node of ai.onnx whose output 0 is `value`, if it is that operator; else NULL. */
struct ct_node *ct_made_by(const struct ct_value *value, const char *op_type);
/** NULL: absent. */
struct ct_value *ct_input(const struct ct_node *node, int index);
/** Same rank and dimensions, each a number or the same symbol. */
bool ct_same_dims(const struct ct_fact *a, const struct ct_fact *b);
/** The same, and one dtype. */
bool ct_same_type(const struct ct_fact *a, const struct ct_fact *b);
/** Elements of a constant 1-D (or scalar) integer input; -1: absent or not constant. At most
 *  CT_FACT_MAX_VALUES. *values points into the fact. */
int ct_const_ints(const struct ct_node *node, int index, const int64_t **values);
/** The perm of a Transpose, spelt out, as a permutation of `rank`. False: not known, or not one. */
bool ct_transpose_perm(const struct ct_node *node, int rank, int64_t *perm);
/** Whether perm is the one given after it, of `rank` numbers. */
bool ct_is_perm(const struct ct_node *node, int rank, const int64_t *perm);
/** A float32 constant with data, as n elements; NULL: it is not one. Its data may be misaligned:
 *  read with memcpy. */
const struct ct_tensor *ct_const_f32(const struct ct_value *value);

/* ------------------------------------------------------------------ rewriting */

/** `value` takes the place of the node's output 0, and the node goes. False: it must stay, because
 *  the output is one of the graph's and `value` cannot be. Counts a change. */
bool ct_pass_bypass(struct ct_pass_context *context, struct ct_node *node, struct ct_value *value);

/** A node in front of `before`, with the given inputs and no output yet; not resolved. Imports the
 *  domain when the model does not. NULL: no memory (the error is set). */
struct ct_node *ct_pass_add_node(struct ct_pass_context *context, struct ct_node *before,
                                 const char *domain, const char *op_type,
                                 struct ct_value *const *inputs, int n_in);
/** Gives a node its output 0, a new value of that type and shape, and resolves the node. */
ct_status ct_pass_add_output(struct ct_pass_context *context, struct ct_node *node,
                             const struct ct_fact *fact, struct ct_value **value);
/** Moves `from`'s output 0 to `to`, resolves `to`, and notes its origin. */
ct_status ct_pass_take_output(struct ct_pass_context *context, struct ct_node *to,
                              struct ct_node *from);
/** The same, and `from` is removed and a change counted. */
ct_status ct_pass_replace_node(struct ct_pass_context *context, struct ct_node *from,
                               struct ct_node *to);

/** A constant whose elements the caller fills in at *data. Call ct_pass_constant_done then. */
ct_status ct_pass_constant(struct ct_pass_context *context, struct ct_graph *graph, ct_dtype dtype,
                           int rank, const int64_t *dims, struct ct_value **value, void **data);
/** Sets the constant's fact. */
ct_status ct_pass_constant_done(struct ct_pass_context *context, struct ct_value *value);
/** A 1-D int64 constant. */
ct_status ct_pass_ints(struct ct_pass_context *context, struct ct_graph *graph, int count,
                       const int64_t *values, struct ct_value **value);
/** The shape input of a Reshape from `from` to dims, as a constant: numbers as they are, symbols
 *  that the input has at the same place as 0, and one more dimension as -1. *shape NULL: cannot be
 *  said so. */
ct_status ct_pass_reshape_shape(struct ct_pass_context *context, struct ct_graph *graph,
                                const struct ct_fact *from, int rank, const ct_dim *dims,
                                struct ct_value **shape);
/** A Reshape of `value` in front of `before`, with an output of its own. *made NULL: the shape
 *  cannot be said by a constant. */
ct_status ct_pass_reshape(struct ct_pass_context *context, struct ct_node *before,
                          struct ct_value *value, int rank, const ct_dim *dims,
                          struct ct_value **made);
/** Fails with OUT_OF_MEMORY unless `ok`: for the setters of attributes. */
ct_status ct_pass_check(struct ct_pass_context *context, bool ok);

#endif
