/* ConcatFromSequence. */
#include <string.h>

#include "ops/sequence/sequence.h"

/* new_axis 0: concatenates along an axis; 1: stacks along a new one. */
static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *elem;
    int64_t new_axis = ct_attr_int(infer->node, "new_axis", 0);
    CT_TRY(ct_infer_sequence(infer, 0, &elem));
    if (!ct_node_attr(infer->node, "axis"))
        return ct_infer_fail(infer, "attribute axis is required");
    if (new_axis != 0 && new_axis != 1)
        return ct_infer_fail(infer, "new_axis is %lld, expected 0 or 1", (long long)new_axis);
    if (!elem)
        return CORTEN_OK;
    ct_infer_set(infer, 0, elem->dtype, -1, NULL);
    if (elem->rank < 0)
        return CORTEN_OK;
    int rank = elem->rank + (int)new_axis, axis;
    if (rank > CT_MAX_RANK)
        return ct_infer_fail(infer, "the result would have rank %d", rank);
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), rank, &axis));
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? CT_DIM_UNKNOWN : elem->dims[new_axis && i > axis ? i - 1 : i];
    ct_infer_set(infer, 0, elem->dtype, rank, dims);
    return CORTEN_OK;
}

static ct_status check_item(const struct ct_run *run, const struct ct_sequence *sequence, size_t i,
                            int skip)
{
    const struct ct_tensor *first = &sequence->items[0], *item = &sequence->items[i];
    bool fits = item->dtype == first->dtype && item->rank == first->rank;
    for (int d = 0; fits && d < first->rank; d++)
        fits = d == skip || item->dims[d] == first->dims[d];
    if (fits)
        return CORTEN_OK;
    char found[256], expected[256];
    return ct_run_fail(run, "item %zu is %s, which does not fit %s before it", i,
                       ct_tensor_describe(item, found, sizeof found),
                       ct_tensor_describe(first, expected, sizeof expected));
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_sequence *sequence = ct_sequence_of(run->in[0]);
    bool stack = ct_attr_int(run->node, "new_axis", 0) == 1;
    int64_t axis = ct_attr_int(run->node, "axis", 0), total = 0;
    if (!sequence->count)
        return ct_run_fail(run, "the sequence is empty");
    const struct ct_tensor *first = &sequence->items[0];
    int rank = first->rank + stack;
    if (rank > CT_MAX_RANK || axis < -rank || axis >= rank)
        return ct_run_fail(run, "axis %lld is outside [-%d, %d)", (long long)axis, rank, rank);
    int at = (int)(axis < 0 ? axis + rank : axis);
    for (size_t i = 0; i < sequence->count; i++) {
        CT_TRY(check_item(run, sequence, i, stack ? -1 : at));
        int64_t n = stack ? 1 : sequence->items[i].dims[at];
        if (__builtin_add_overflow(total, n, &total))
            return ct_run_fail(run, "the result is too large");
    }
    int64_t dims[CT_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dims[i] = i == at ? total : first->dims[stack && i > at ? i - 1 : i];
    CT_TRY(ct_run_output(run, 0, first->dtype, rank, dims));
    if (!run->out[0])
        return CORTEN_OK;
    size_t outer = (size_t)ct_dims_product(dims, 0, at), done = 0;
    size_t inner = (size_t)ct_dims_product(dims, at + 1, rank);
    for (size_t i = 0; i < sequence->count; i++) {
        const struct ct_tensor *item = &sequence->items[i];
        size_t n = (stack ? 1 : (size_t)item->dims[at]) * inner;
        for (size_t o = 0; o < outer; o++)
            ct_copy_elems(first->dtype, run->out[0]->data, o * (size_t)total * inner + done,
                          item->data, o * n, n);
        done += n;
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_concat_from_sequence = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .typed_input = -1,
};
