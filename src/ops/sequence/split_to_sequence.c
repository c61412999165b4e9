/* SplitToSequence. */
#include <string.h>

#include "ops/sequence/sequence.h"

static bool keeps_axis(const struct ct_node *node, bool has_split)
{
    return has_split || ct_attr_int(node, "keepdims", 1) != 0;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *split = ct_infer_in(infer, 1);
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, 1));
    struct ct_fact item;
    ct_fact_set(&item, in->dtype, -1, NULL);
    if (in->rank >= 0) {
        int axis;
        CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in->rank, &axis));
        ct_dim dims[CT_MAX_RANK];
        memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
        dims[axis] = split ? CT_DIM_UNKNOWN : 1;
        int rank = in->rank;
        if (!keeps_axis(infer->node, split != NULL)) {
            memmove(dims + axis, dims + axis + 1, (size_t)(rank - 1 - axis) * sizeof *dims);
            rank--;
        }
        ct_fact_set(&item, in->dtype, rank, dims);
    }
    return ct_infer_container(infer, 0, CORTEN_SEQUENCE, &item);
}

struct split {
    const struct ct_run *run;
    int axis;
    int64_t length; /* of the axis */
    int64_t part;   /* length of all parts but the last; -1: they are listed */
    size_t count;
};

static int64_t part_length(const struct split *s, size_t i, int64_t begin)
{
    int64_t n = s->part;
    if (n < 0)
        ct_load_i64(s->run->in[1]->dtype, s->run->in[1]->data, i, 1, &n);
    else if (n > s->length - begin)
        n = s->length - begin;
    return n;
}

static ct_status plan_parts(struct split *s)
{
    const struct ct_run *run = s->run;
    const struct ct_tensor *split = run->n_in > 1 ? run->in[1] : NULL;
    s->part = 1;
    if (split && split->rank == 1) {
        s->part = -1;
        s->count = ct_count(split);
        int64_t left = s->length;
        for (size_t i = 0; i < s->count; i++) {
            int64_t n = part_length(s, i, 0);
            if (n < 0 || n > left)
                return ct_run_fail(run, "part %zu has length %lld, and %lld of %lld are left", i,
                                   (long long)n, (long long)left, (long long)s->length);
            left -= n;
        }
        if (left)
            return ct_run_fail(run, "the parts leave %lld of %lld", (long long)left,
                               (long long)s->length);
        return CORTEN_OK;
    }
    if (split) {
        ct_load_i64(split->dtype, split->data, 0, 1, &s->part);
        if (s->part < 1)
            return ct_run_fail(run, "parts of length %lld", (long long)s->part);
    }
    s->count = (size_t)(s->length / s->part + (s->length % s->part != 0));
    return CORTEN_OK;
}

static ct_status copy_part(const struct split *s, int64_t begin, int64_t n, struct ct_tensor *part)
{
    const struct ct_run *run = s->run;
    const struct ct_tensor *in = run->in[0];
    int64_t dims[CT_MAX_RANK];
    memcpy(dims, in->dims, sizeof dims);
    dims[s->axis] = n;
    CT_TRY(
        ct_tensor_alloc(part, run->exec->allocator, in->dtype, in->rank, dims, run->exec->error));
    size_t outer = (size_t)ct_dims_product(in->dims, 0, s->axis);
    size_t inner = (size_t)ct_dims_product(in->dims, s->axis + 1, in->rank);
    for (size_t o = 0; o < outer; o++)
        ct_copy_elems(in->dtype, part->data, o * (size_t)n * inner, in->data,
                      (o * (size_t)s->length + (size_t)begin) * inner, (size_t)n * inner);
    if (!keeps_axis(run->node, run->n_in > 1 && run->in[1])) {
        part->rank--;
        memmove(part->dims + s->axis, part->dims + s->axis + 1,
                (size_t)(part->rank - s->axis) * sizeof *part->dims);
    }
    return CORTEN_OK;
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    int64_t axis = ct_attr_int(run->node, "axis", 0);
    struct split s = {.run = run, .axis = (int)(axis < 0 ? axis + in->rank : axis)};
    s.length = in->dims[s.axis];
    CT_TRY(plan_parts(&s));
    size_t size_bytes;
    struct ct_tensor *parts = NULL;
    if (ct_mul_size(s.count, sizeof *parts, &size_bytes))
        parts = ct_alloc_zero(run->exec->allocator, size_bytes);
    if (!parts)
        return ct_fail_memory(run->exec->error, s.count * sizeof *parts, "items of a sequence");
    ct_status status = CORTEN_OK;
    int64_t begin = 0;
    for (size_t i = 0; i < s.count && status == CORTEN_OK; i++) {
        int64_t n = part_length(&s, i, begin);
        status = copy_part(&s, begin, n, &parts[i]);
        begin += n;
    }
    if (status == CORTEN_OK && run->out[0])
        status = ct_sequence_init(run->out[0], run->exec->allocator, in->dtype, parts, s.count,
                                  run->exec->error);
    for (size_t i = 0; i < s.count; i++)
        ct_tensor_clear(&parts[i]);
    ct_release(run->exec->allocator, parts, size_bytes);
    return status;
}

const struct ct_op ct_op_split_to_sequence = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
};
