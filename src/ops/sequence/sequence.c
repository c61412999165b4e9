/* SequenceConstruct, SequenceEmpty, SequenceAt, SequenceInsert, SequenceErase, SequenceLength. */
#include "ops/sequence/sequence.h"

/* ------------------------------------------------------------------ construct, empty */

static ct_status infer_construct(struct ct_infer *infer)
{
    struct ct_fact item = {0};
    ct_fact_init(&item);
    for (int i = 0; i < infer->n_in; i++) {
        const struct ct_fact *in = infer->in[i];
        if (!in)
            return ct_infer_fail(infer, "input %d is missing", i);
        if (in->kind != CORTEN_TENSOR)
            return ct_infer_fail(infer, "input %d must be a tensor", i);
        CT_TRY(ct_infer_check_same_dtype(infer, 0, i));
        if (i == 0)
            item = *in;
        else
            ct_fact_join(&item, in);
    }
    return ct_infer_container(infer, 0, CORTEN_SEQUENCE, &item);
}

static ct_status run_construct(const struct ct_run *run)
{
    return ct_run_sequence(run, run->in[0]->dtype, (const struct ct_tensor *const *)run->in,
                           (size_t)run->n_in);
}

static ct_dtype empty_dtype(const struct ct_node *node)
{
    int64_t number = ct_attr_int(node, "dtype", CORTEN_F32);
    return ct_dtype_valid(number) ? (ct_dtype)number : CORTEN_DTYPE_NONE;
}

static ct_status infer_empty(struct ct_infer *infer)
{
    ct_dtype dtype = empty_dtype(infer->node);
    if (!ct_dtype_in(dtype, infer->node->op_dtypes))
        return ct_infer_fail(infer, "dtype %lld is no type of sequences",
                             (long long)ct_attr_int(infer->node, "dtype", CORTEN_F32));
    struct ct_fact item;
    ct_fact_set(&item, dtype, -1, NULL);
    return ct_infer_container(infer, 0, CORTEN_SEQUENCE, &item);
}

static ct_status run_empty(const struct ct_run *run)
{
    return ct_run_sequence(run, empty_dtype(run->node), NULL, 0);
}

/* ------------------------------------------------------------------ at, length */

static ct_status infer_at(struct ct_infer *infer)
{
    const struct ct_fact *elem;
    CT_TRY(ct_infer_sequence(infer, 0, &elem));
    CT_TRY(ct_infer_position(infer, 1));
    if (!ct_infer_in(infer, 1))
        return ct_infer_fail(infer, "the position is missing");
    if (elem)
        ct_infer_set(infer, 0, elem->dtype, elem->rank, elem->dims);
    return CORTEN_OK;
}

static ct_status run_at(const struct ct_run *run)
{
    const struct ct_sequence *sequence = ct_sequence_of(run->in[0]);
    size_t at;
    CT_TRY(ct_run_position(run, 1, sequence->count, sequence->count, 0, &at));
    if (run->out[0])
        ct_tensor_share(run->out[0], &sequence->items[at]);
    return CORTEN_OK;
}

static ct_status infer_length(struct ct_infer *infer)
{
    const struct ct_fact *elem;
    CT_TRY(ct_infer_sequence(infer, 0, &elem));
    ct_infer_set(infer, 0, CORTEN_I64, 0, NULL);
    return CORTEN_OK;
}

static ct_status run_length(const struct ct_run *run)
{
    *CT_DATA(int64_t, run->out[0]) = (int64_t)ct_sequence_of(run->in[0])->count;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ insert, erase */

static ct_status infer_insert(struct ct_infer *infer)
{
    const struct ct_fact *elem, *item = ct_infer_in(infer, 1);
    CT_TRY(ct_infer_sequence(infer, 0, &elem));
    CT_TRY(ct_infer_position(infer, 2));
    if (!item || item->kind != CORTEN_TENSOR)
        return ct_infer_fail(infer, "input 1 must be a tensor");
    CT_TRY(ct_infer_check_dtype(infer, 1, infer->node->op_dtypes));
    if (!elem)
        return ct_infer_container(infer, 0, CORTEN_SEQUENCE, NULL);
    if (elem->dtype && item->dtype && elem->dtype != item->dtype)
        return ct_infer_fail(infer, "a %s tensor does not go into a sequence of %s",
                             corten_dtype_name(item->dtype), corten_dtype_name(elem->dtype));
    struct ct_fact both = *elem;
    ct_fact_join(&both, item);
    if (!both.dtype)
        both.dtype = elem->dtype ? elem->dtype : item->dtype;
    return ct_infer_container(infer, 0, CORTEN_SEQUENCE, &both);
}

/* The items without number `skip`, or with `added` before it. */
static ct_status change(const struct ct_run *run, size_t at, const struct ct_tensor *added)
{
    const struct ct_sequence *sequence = ct_sequence_of(run->in[0]);
    size_t count = added ? sequence->count + 1 : sequence->count - 1, size_bytes;
    const struct ct_tensor **items = NULL;
    if (ct_mul_size(count, sizeof *items, &size_bytes))
        items = ct_alloc(run->exec->allocator, size_bytes);
    if (!items)
        return ct_fail_memory(run->exec->error, count * sizeof *items, "items of a sequence");
    for (size_t i = 0; i < count; i++) {
        if (added)
            items[i] = i == at ? added : &sequence->items[i - (i > at)];
        else
            items[i] = &sequence->items[i + (i >= at)];
    }
    ct_dtype dtype = added ? added->dtype : run->in[0]->dtype;
    ct_status status = ct_run_sequence(run, dtype, items, count);
    ct_release(run->exec->allocator, items, size_bytes);
    return status;
}

static ct_status run_insert(const struct ct_run *run)
{
    size_t count = ct_sequence_of(run->in[0])->count, at;
    CT_TRY(ct_run_position(run, 2, count, count + 1, (int64_t)count, &at));
    return change(run, at, run->in[1]);
}

static ct_status infer_erase(struct ct_infer *infer)
{
    const struct ct_fact *elem;
    CT_TRY(ct_infer_sequence(infer, 0, &elem));
    CT_TRY(ct_infer_position(infer, 1));
    return ct_infer_container(infer, 0, CORTEN_SEQUENCE, elem);
}

static ct_status run_erase(const struct ct_run *run)
{
    size_t count = ct_sequence_of(run->in[0])->count, at;
    CT_TRY(ct_run_position(run, 1, count, count, (int64_t)count - 1, &at));
    return change(run, at, NULL);
}

/* ------------------------------------------------------------------ descriptors */

const struct ct_op ct_op_sequence_construct = {
    .infer = infer_construct,
    .run = run_construct,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
};

const struct ct_op ct_op_sequence_empty = {
    .infer = infer_empty,
    .run = run_empty,
    .flags = CT_OP_ALLOCATES,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_sequence_at = {
    .infer = infer_at,
    .run = run_at,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_sequence_length = {
    .infer = infer_length,
    .run = run_length,
    .flags = CT_OP_CONTAINERS,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_sequence_insert = {
    .infer = infer_insert,
    .run = run_insert,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_sequence_erase = {
    .infer = infer_erase,
    .run = run_erase,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .typed_input = -1,
};
