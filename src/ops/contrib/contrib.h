/* Small things that the com.microsoft operators share. Their inputs, attributes and outputs are
 * those of https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
#ifndef CT_OPS_CONTRIB_CONTRIB_H
#define CT_OPS_CONTRIB_CONTRIB_H

#include "graph/op.h"

/** Fails when both are known and differ; `what` begins the text. */
ct_status ct_contrib_agree(const struct ct_infer *infer, const char *what, ct_dim a, ct_dim b);
/** Input `index` (absent ones pass) has rank 1 and `n_elems` elements, as far as known. */
ct_status ct_contrib_vector(const struct ct_infer *infer, int index, ct_dim n_elems);
/** Input `index` (absent ones pass) has one element, in rank 0 or 1. */
ct_status ct_contrib_scalar(const struct ct_infer *infer, int index);
/** Elements of input `index`; unknown as long as a dimension is. */
ct_dim ct_contrib_count(const struct ct_infer *infer, int index);
/** An attribute that is missing, or not an int, fails. */
ct_status ct_contrib_required_int(const struct ct_infer *infer, const char *name, int64_t least,
                                  int64_t *value);

/** The facts of a node in preparation, for functions that infer and prepare share. */
enum { CT_CONTRIB_MAX_IN = 24 };
struct ct_contrib_facts {
    struct ct_fact facts[CT_CONTRIB_MAX_IN];
    const struct ct_fact *in[CT_CONTRIB_MAX_IN];
    struct ct_infer infer;
};
void ct_contrib_facts_init(struct ct_contrib_facts *facts, const struct ct_prepare *prepare);

/** Aligned room for count * elem_bytes in scratch memory. LIMIT_EXCEEDED on overflow. */
ct_status ct_contrib_reserve(struct ct_prepare *prepare, size_t count, size_t elem_bytes,
                             size_t *at);

static inline const struct ct_tensor *ct_contrib_in(const struct ct_prepare *prepare, int i)
{
    return i >= 0 && i < prepare->n_in ? prepare->in[i] : NULL;
}
static inline const struct ct_tensor *ct_contrib_out(const struct ct_prepare *prepare, int i)
{
    return i < prepare->n_out ? prepare->out[i] : NULL;
}
static inline struct ct_tensor *ct_contrib_run_in(const struct ct_run *run, int i)
{
    return i >= 0 && i < run->n_in ? run->in[i] : NULL;
}
static inline struct ct_tensor *ct_contrib_run_out(const struct ct_run *run, int i)
{
    return i < run->n_out ? run->out[i] : NULL;
}
static inline void *ct_contrib_scratch(const struct ct_run *run, size_t at)
{
    return (char *)run->scratch + at;
}
/** Element `i` of a float tensor; `fallback` for an absent one. */
float ct_contrib_f32(const struct ct_tensor *t, size_t i, float fallback);
/** Element `i` of an integer tensor; 0 for an absent one. */
int64_t ct_contrib_i64(const struct ct_tensor *t, size_t i);

#endif
