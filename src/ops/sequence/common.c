/* What operators on sequences, optionals and maps share. */
#include "ops/sequence/sequence.h"

ct_status ct_infer_container(const struct ct_infer *infer, int out, corten_kind kind,
                             const struct ct_fact *elem)
{
    if (out >= infer->n_out || !infer->out[out])
        return CORTEN_OK;
    struct ct_fact *copy = NULL;
    if (elem) {
        copy = ct_arena_alloc_zero(infer->arena, sizeof *copy);
        if (!copy)
            return ct_fail_memory(infer->error, sizeof *copy, "the type of a container");
        *copy = *elem;
        copy->constant = NULL;
        copy->values = NULL;
        copy->n_values = 0;
    }
    ct_fact_init(infer->out[out]);
    infer->out[out]->kind = (uint8_t)kind;
    infer->out[out]->elem = copy;
    return CORTEN_OK;
}

bool ct_fact_is_unknown(const struct ct_fact *fact)
{
    return fact->kind == CORTEN_TENSOR && fact->dtype == CORTEN_DTYPE_NONE && fact->rank < 0;
}

ct_status ct_infer_sequence(const struct ct_infer *infer, int index, const struct ct_fact **elem)
{
    const struct ct_fact *fact = ct_infer_in(infer, index);
    *elem = NULL;
    if (!fact)
        return ct_infer_fail(infer, "input %d is missing", index);
    if (ct_fact_is_unknown(fact))
        return CORTEN_OK;
    if (fact->kind != CORTEN_SEQUENCE)
        return ct_infer_fail(infer, "input %d must be a sequence", index);
    if (!fact->elem)
        return CORTEN_OK;
    if (fact->elem->kind != CORTEN_TENSOR)
        return ct_infer_fail(infer, "input %d must be a sequence of tensors", index);
    ct_dtype dtype = fact->elem->dtype;
    if (dtype && !ct_dtype_in(dtype, infer->node->op_dtypes))
        return ct_infer_fail(infer, "input %d is a sequence of %s, which opset %d does not allow",
                             index, corten_dtype_name(dtype), infer->node->opset);
    *elem = fact->elem;
    return CORTEN_OK;
}

ct_status ct_infer_position(const struct ct_infer *infer, int index)
{
    const struct ct_fact *fact = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_dtype(infer, index, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, index, 0, 1));
    if (fact && fact->rank == 1 && ct_dim_known(fact->dims[0]) && fact->dims[0] != 1)
        return ct_infer_fail(infer, "the position has %lld elements, expected 1",
                             (long long)fact->dims[0]);
    return CORTEN_OK;
}

ct_status ct_run_position(const struct ct_run *run, int index, size_t count, size_t end,
                          int64_t absent, size_t *position)
{
    int64_t at = absent, n = (int64_t)count;
    if (index < run->n_in && run->in[index])
        ct_load_i64(run->in[index]->dtype, run->in[index]->data, 0, 1, &at);
    if (at < -n || at >= (int64_t)end)
        return ct_run_fail(run, "position %lld is outside [-%lld, %lld) of a sequence of %lld",
                           (long long)at, (long long)n, (long long)end, (long long)n);
    *position = (size_t)(at < 0 ? at + n : at);
    return CORTEN_OK;
}

ct_status ct_run_sequence(const struct ct_run *run, ct_dtype dtype,
                          const struct ct_tensor *const *items, size_t count)
{
    if (!run->out[0])
        return CORTEN_OK;
    /* Copies of the structs alone: ct_sequence_init takes references. */
    size_t size_bytes;
    struct ct_tensor *flat = NULL;
    if (ct_mul_size(count, sizeof *flat, &size_bytes))
        flat = ct_alloc(run->exec->allocator, size_bytes);
    if (!flat)
        return ct_fail_memory(run->exec->error, count * sizeof *flat, "items of a sequence");
    for (size_t i = 0; i < count; i++)
        flat[i] = *items[i];
    ct_status status =
        ct_sequence_init(run->out[0], run->exec->allocator, dtype, flat, count, run->exec->error);
    ct_release(run->exec->allocator, flat, size_bytes);
    return status;
}
