/* What a session makes of its constants: packed and aligned copies, each once, shared by all plans
 * and runs. Sessions may share copies through weights that are common to them, where a constant is
 * known by what it holds. Thread safe. */
#ifndef CT_PLAN_WEIGHTS_H
#define CT_PLAN_WEIGHTS_H

#include "graph/op.h"

struct ct_weights;

/** The weights of a session, or with `common` those that sessions share. The allocator is borrowed,
 *  and so is `shared`: where copies are made and kept, NULL: here. */
ct_status ct_weights_create(const corten_allocator *allocator, bool common,
                            struct ct_weights *shared, struct ct_weights **weights,
                            corten_error *error);
void ct_weights_destroy(struct ct_weights *weights); /* NULL allowed */

/** The memory made of `constant` under `key`: found, or made with `fn` (see ct_pack_fn). It lives
 *  as long as the weights. */
ct_status ct_weights_get(struct ct_weights *weights, const struct ct_tensor *constant,
                         const char *key, size_t size_bytes, ct_pack_fn fn, void *arg,
                         struct ct_pool *pool, const void **packed, corten_error *error);
/** A copy of the elements at an aligned address. */
ct_status ct_weights_aligned(struct ct_weights *weights, const struct ct_tensor *constant,
                             const void **data, corten_error *error);
/** Bytes that the copies take, without those of shared weights. */
size_t ct_weights_bytes(struct ct_weights *weights);
/** Time spent on making them. */
int64_t ct_weights_pack_ns(struct ct_weights *weights);

#endif
