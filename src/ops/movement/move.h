/* What the operators that only move elements share. */
#ifndef CT_OPS_MOVEMENT_MOVE_H
#define CT_OPS_MOVEMENT_MOVE_H

#include "graph/op.h"
#include "ops/strided_copy.h"

/** One strided copy of input 0 to output 0. */
struct ct_move {
    struct ct_strided_copy copy;
    int64_t to_first, from_first;
};
/** State for ct_move_run. NULL: no memory. */
struct ct_move *ct_move_alloc(struct ct_prepare *prepare);
ct_status ct_move_run(const struct ct_run *run);
/** The error of a state that could not be allocated. */
ct_status ct_move_no_memory(struct ct_prepare *prepare);

/** Output 0 has the values (of a shape tensor) that input 0 has. */
ct_status ct_infer_pass_values(const struct ct_infer *infer);
/** Product of dimensions; UNKNOWN when one is, LIMIT_EXCEEDED on overflow. */
ct_status ct_infer_product(const struct ct_infer *infer, int rank, const ct_dim *dims,
                           ct_dim *product);
/** Integers that are an attribute or, when `index` is not negative, an input. found is false when
 *  absent; values NULL when present but not known. */
ct_status ct_infer_list(const struct ct_infer *infer, const char *attr, int index, bool *found,
                        const int64_t **values, int *count);
/** Axes: non-negative, without repetition, for `rank`; mask bit i says that axis i is named. */
ct_status ct_infer_axes(const struct ct_infer *infer, const int64_t *axes, int count, int rank,
                        uint32_t *mask);
/** Integers of a tensor of type i32 or i64. */
static inline int64_t ct_index_at(const struct ct_tensor *t, size_t i)
{
    return t->dtype == CORTEN_I32 ? CT_DATA(const int32_t, t)[i] : CT_DATA(const int64_t, t)[i];
}

#endif
