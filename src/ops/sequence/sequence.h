/* What operators on sequences, optionals and maps share. */
#ifndef CT_OPS_SEQUENCE_SEQUENCE_H
#define CT_OPS_SEQUENCE_SEQUENCE_H

#include "graph/op.h"

/** Output `out` is a container of `kind`, whose item is as `elem` says (NULL: unknown); copies. */
ct_status ct_infer_container(const struct ct_infer *infer, int out, corten_kind kind,
                             const struct ct_fact *elem);
/** Nothing is known of the fact, not even its kind. */
bool ct_fact_is_unknown(const struct ct_fact *fact);
/** The input is a sequence of tensors that the row of the operator allows (unknown passes).
 *  *elem: what is known of its items, or NULL. */
ct_status ct_infer_sequence(const struct ct_infer *infer, int index, const struct ct_fact **elem);
/** The input is absent, or an int32 or int64 with one element. */
ct_status ct_infer_position(const struct ct_infer *infer, int index);

/** Value of a position input, made non-negative for a sequence of `count`; `absent` stands for
 *  an absent one. RUN_FAILED when it is outside [-count, end). */
ct_status ct_run_position(const struct ct_run *run, int index, size_t count, size_t end,
                          int64_t absent, size_t *position);
/** Output 0 := a sequence of items, which are shared. */
ct_status ct_run_sequence(const struct ct_run *run, ct_dtype dtype,
                          const struct ct_tensor *const *items, size_t count);

#endif
