/* What the parts of the layout pass share: values and their twins in another layout. */
#ifndef CT_PASSES_LAYOUT_H
#define CT_PASSES_LAYOUT_H

#include "passes/rewrite.h"

enum { CT_LAYOUT_INPUTS = 32 }; /* more than that, and a node stays as it is */

struct ct_layout_pass {
    struct ct_pass_context *context;
    struct ct_value **twins; /* by id of a value; NULL: none */
    size_t n_values;         /* when the pass began */
};

/** NULL: there is none. */
struct ct_value *ct_layout_twin_of(const struct ct_layout_pass *layout,
                                   const struct ct_value *value);
/** The value in the other layout: its twin, made before that node when there is none. */
ct_status ct_layout_get_twin(struct ct_layout_pass *layout, struct ct_value *value,
                             struct ct_node *before, struct ct_value **twin);
/** Puts `node`, which computes in the other layout, in the place of `old`. */
ct_status ct_layout_replace(struct ct_layout_pass *layout, struct ct_node *node,
                            struct ct_node *old);
/** The same with a new node, which gets the attributes of `old`. */
ct_status ct_layout_replace_by(struct ct_layout_pass *layout, struct ct_node *old,
                               const char *domain, const char *op_type,
                               struct ct_value *const *inputs, int n_in);
/** Elementwise operators run on such memory as they are. */
ct_status ct_layout_elementwise(struct ct_layout_pass *layout, struct ct_node *node);

/** Whether a value is an image of bytes. */
bool ct_layout_is_bytes(const struct ct_value *value);
/** Replaces a node that makes an image of bytes, if it can be. */
ct_status ct_layout_convert_bytes(struct ct_layout_pass *layout, struct ct_node *node);

#endif
