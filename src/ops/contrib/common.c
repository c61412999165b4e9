#include "ops/contrib/contrib.h"

ct_status ct_contrib_agree(const struct ct_infer *infer, const char *what, ct_dim a, ct_dim b)
{
    if (ct_dim_known(a) && ct_dim_known(b) && a != b)
        return ct_infer_fail(infer, "%s: %lld and %lld do not agree", what, (long long)a,
                             (long long)b);
    return CORTEN_OK;
}

ct_status ct_contrib_vector(const struct ct_infer *infer, int index, ct_dim n_elems)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_rank(infer, index, 1, 1));
    if (!f || f->rank != 1 || !ct_dim_known(f->dims[0]) || !ct_dim_known(n_elems) ||
        f->dims[0] == n_elems)
        return CORTEN_OK;
    return ct_infer_fail(infer, "input %d has %lld elements, %lld are expected", index,
                         (long long)f->dims[0], (long long)n_elems);
}

ct_status ct_contrib_scalar(const struct ct_infer *infer, int index)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_rank(infer, index, 0, 1));
    if (f && f->rank == 1 && ct_dim_known(f->dims[0]) && f->dims[0] != 1)
        return ct_infer_fail(infer, "input %d has %lld elements, one is expected", index,
                             (long long)f->dims[0]);
    return CORTEN_OK;
}

ct_dim ct_contrib_count(const struct ct_infer *infer, int index)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    ct_dim count = 1;
    if (!f || f->rank < 0)
        return CT_DIM_UNKNOWN;
    for (int i = 0; i < f->rank; i++) {
        if (!ct_dim_known(f->dims[i]))
            return CT_DIM_UNKNOWN;
        if (__builtin_mul_overflow(count, f->dims[i], &count))
            return CT_DIM_UNKNOWN;
    }
    return count;
}

ct_status ct_contrib_required_int(const struct ct_infer *infer, const char *name, int64_t least,
                                  int64_t *value)
{
    const struct ct_attr *attr = ct_node_attr(infer->node, name);
    if (!attr || attr->type != CT_ATTR_INT)
        return ct_infer_fail(infer, "the attribute %s is missing", name);
    *value = attr->i;
    if (*value < least)
        return ct_infer_fail(infer, "%s is %lld, at least %lld is expected", name,
                             (long long)*value, (long long)least);
    return CORTEN_OK;
}

void ct_contrib_facts_init(struct ct_contrib_facts *facts, const struct ct_prepare *prepare)
{
    int n = prepare->n_in < CT_CONTRIB_MAX_IN ? prepare->n_in : CT_CONTRIB_MAX_IN;
    for (int i = 0; i < n; i++) {
        const struct ct_tensor *t = prepare->in[i];
        facts->in[i] = NULL;
        if (!t)
            continue;
        ct_fact_init(&facts->facts[i]);
        ct_fact_set(&facts->facts[i], t->dtype, t->rank, t->dims);
        facts->in[i] = &facts->facts[i];
    }
    facts->infer = (struct ct_infer){
        .node = prepare->node, .n_in = n, .in = facts->in, .error = prepare->error};
}

ct_status ct_contrib_reserve(struct ct_prepare *prepare, size_t count, size_t elem_bytes,
                             size_t *at)
{
    size_t bytes, start = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    if (!ct_mul_size(count, elem_bytes, &bytes) || bytes > SIZE_MAX / 4 ||
        !ct_add_size(start, bytes, &prepare->scratch_bytes) ||
        prepare->scratch_bytes > SIZE_MAX / 4)
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    *at = start;
    return CORTEN_OK;
}

float ct_contrib_f32(const struct ct_tensor *t, size_t i, float fallback)
{
    if (t)
        ct_load_f32(t->dtype, t->data, i, 1, &fallback);
    return fallback;
}

int64_t ct_contrib_i64(const struct ct_tensor *t, size_t i)
{
    int64_t x = 0;
    if (t)
        ct_load_i64(t->dtype, t->data, i, 1, &x);
    return x;
}
