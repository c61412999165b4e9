/* Scan: a body run over slices of its inputs, with state carried along.
 * Body inputs: states, slices. Body outputs: states, scan outputs.
 * Version 8 has a batch in front of everything, and lengths for each of its entries. */
#include <string.h>

#include "ops/control/subgraph.h"

/* Directions and axes are absent (all 0) or one for each scan input or output. */
static ct_status check_list(const struct ct_infer *infer, const char *name, size_t expected)
{
    const int64_t *values;
    int n = ct_attr_ints(infer->node, name, &values);
    if (n >= 0 && (size_t)n != expected)
        return ct_infer_fail(infer, "%s has %d entries, expected %zu", name, n, expected);
    return CORTEN_OK;
}

static int64_t entry(const struct ct_node *node, const char *name, size_t index)
{
    const int64_t *values;
    int n = ct_attr_ints(node, name, &values);
    return n > 0 && index < (size_t)n ? values[index] : 0;
}

/* first: number of inputs before the states. */
static ct_status check(const struct ct_infer *infer, int first, size_t *n_states, size_t *n_scans)
{
    const struct ct_graph *body = ct_attr_graph(infer->node, "body");
    int64_t scans = ct_attr_int(infer->node, "num_scan_inputs", 0);
    if (!body)
        return ct_infer_fail(infer, "attribute body is required");
    if (scans < 1 || scans > infer->n_in - first)
        return ct_infer_fail(infer, "num_scan_inputs is %lld, with %d inputs", (long long)scans,
                             infer->n_in - first);
    *n_scans = (size_t)scans;
    *n_states = (size_t)(infer->n_in - first) - *n_scans;
    if (body->n_inputs != *n_states + *n_scans)
        return ct_infer_fail(infer, "the body has %zu inputs, expected %zu", body->n_inputs,
                             *n_states + *n_scans);
    if (body->n_outputs != (size_t)infer->n_out || body->n_outputs < *n_states)
        return ct_infer_fail(infer, "the body has %zu outputs, the node %d, and %zu are states",
                             body->n_outputs, infer->n_out, *n_states);
    for (int i = first; i < infer->n_in; i++) {
        if (!infer->in[i])
            return ct_infer_fail(infer, "input %d is required", i);
        CT_TRY(ct_infer_check_dtype(infer, i, infer->node->op_dtypes));
    }
    return CORTEN_OK;
}

/* Fact of one slice: `batch` leading dimensions and the scanned axis are gone. */
static ct_status slice_fact(const struct ct_infer *infer, const struct ct_fact *whole, int drop,
                            int64_t axis, struct ct_fact *slice)
{
    *slice = *whole;
    slice->constant = NULL;
    slice->values = NULL;
    if (whole->rank < 0)
        return CORTEN_OK;
    if (whole->rank < drop + (axis == INT64_MIN ? 0 : 1))
        return ct_infer_fail(infer, "an input has rank %d, which is too low", whole->rank);
    slice->rank -= drop;
    memcpy(slice->dims, whole->dims + drop, (size_t)slice->rank * sizeof *slice->dims);
    if (axis == INT64_MIN)
        return CORTEN_OK;
    int a;
    CT_TRY(ct_infer_axis(infer, axis, slice->rank, &a));
    memmove(slice->dims + a, slice->dims + a + 1,
            (size_t)(slice->rank - 1 - a) * sizeof *slice->dims);
    slice->rank--;
    return CORTEN_OK;
}

static ct_status infer_any(struct ct_infer *infer, int first, int batch)
{
    size_t n_states = 0, n_scans = 0;
    CT_TRY(check(infer, first, &n_states, &n_scans));
    struct ct_graph *body = ct_attr_graph(infer->node, "body");
    size_t n_scan_outputs = body->n_outputs - n_states;
    CT_TRY(check_list(infer, "scan_input_axes", n_scans));
    CT_TRY(check_list(infer, "scan_input_directions", n_scans));
    CT_TRY(check_list(infer, "directions", n_scans));
    CT_TRY(check_list(infer, "scan_output_axes", n_scan_outputs));
    CT_TRY(check_list(infer, "scan_output_directions", n_scan_outputs));
    if (!infer->subgraph)
        return CORTEN_OK;
    size_t n = body->n_inputs + body->n_outputs;
    struct ct_fact *facts = ct_arena_array(infer->arena, n, sizeof *facts);
    const struct ct_fact **in = ct_arena_array(infer->arena, body->n_inputs, sizeof *in);
    if (!facts || !in)
        return ct_fail_memory(infer->error, n * sizeof *facts, "facts of a scan");
    for (size_t i = 0; i < body->n_inputs; i++) {
        int64_t axis = INT64_MIN;
        if (i >= n_states)
            axis = batch ? 0 : entry(infer->node, "scan_input_axes", i - n_states);
        CT_TRY(slice_fact(infer, infer->in[first + (int)i], batch, axis, &facts[i]));
        in[i] = &facts[i];
    }
    struct ct_fact *out = facts + body->n_inputs;
    CT_TRY(infer->subgraph(infer, body, in, out));
    for (size_t i = 0; i < body->n_outputs; i++) {
        int rank = out[i].rank < 0 ? -1 : out[i].rank + batch + (i >= n_states);
        if (infer->out[i] && i < n_states && !batch)
            *infer->out[i] = out[i];
        else
            ct_infer_set(infer, (int)i, out[i].dtype, rank <= CT_MAX_RANK ? rank : -1, NULL);
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    return infer_any(infer, 0, 0);
}

static ct_status infer_8(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_dtype(infer, 0, CT_BIT(I64)));
    return infer_any(infer, 1, 1);
}

/* ------------------------------------------------------------------ one sequence */

struct scan {
    const struct ct_run *run;
    struct ct_graph *body;
    size_t n_states, n_scans, n_scan_outputs;
    struct ct_tensor *state; /* owned */
    struct ct_tensor *slice; /* owned */
    struct ct_tensor *out;   /* of the body */
    struct ct_collected *collected;
    const struct ct_tensor **in;
};

static bool create(struct scan *s, const struct ct_run *run, int first, struct ct_arena *arena)
{
    s->run = run;
    s->body = ct_attr_graph(run->node, "body");
    s->n_scans = (size_t)ct_attr_int(run->node, "num_scan_inputs", 0);
    s->n_states = (size_t)(run->n_in - first) - s->n_scans;
    s->n_scan_outputs = s->body->n_outputs - s->n_states;
    s->state = ct_arena_array(arena, s->n_states, sizeof *s->state);
    s->slice = ct_arena_array(arena, s->n_scans, sizeof *s->slice);
    s->out = ct_arena_array(arena, s->body->n_outputs, sizeof *s->out);
    s->collected = ct_arena_array(arena, s->n_scan_outputs, sizeof *s->collected);
    s->in = ct_arena_array(arena, s->body->n_inputs, sizeof *s->in);
    if (s->state && s->slice && s->out && s->collected && s->in)
        return true;
    ct_fail_memory(run->exec->error, 0, "a scan");
    return false;
}

static void clear(struct scan *s)
{
    for (size_t i = 0; s->state && i < s->n_states; i++)
        ct_tensor_clear(&s->state[i]);
    for (size_t i = 0; s->slice && i < s->n_scans; i++)
        ct_tensor_clear(&s->slice[i]);
    for (size_t i = 0; s->out && i < s->body->n_outputs; i++)
        ct_tensor_clear(&s->out[i]);
    for (size_t i = 0; s->collected && i < s->n_scan_outputs; i++)
        ct_collected_clear(s->run, &s->collected[i]);
}

/* One iteration: inputs[i] sliced at `axes`; `reverse` counts from the end. */
static ct_status iterate(struct scan *s, const struct ct_tensor *const *inputs,
                         const char *axes_name, const char *directions_name, int64_t length,
                         int64_t number)
{
    const struct ct_run *run = s->run;
    for (size_t i = 0; i < s->n_scans; i++) {
        int64_t axis = axes_name ? entry(run->node, axes_name, i) : 0;
        if (axis < 0)
            axis += inputs[i]->rank;
        bool reverse = entry(run->node, directions_name, i) == 1;
        CT_TRY(ct_control_slice(run, inputs[i], (int)axis, reverse ? length - 1 - number : number,
                                &s->slice[i]));
        s->in[s->n_states + i] = &s->slice[i];
    }
    for (size_t i = 0; i < s->n_states; i++)
        s->in[i] = &s->state[i];
    CT_TRY(ct_run_subgraph(run, s->body, s->in, s->body->n_inputs, s->out, s->body->n_outputs));
    for (size_t i = 0; i < s->n_scans; i++)
        ct_tensor_clear(&s->slice[i]);
    for (size_t i = 0; i < s->n_states; i++) {
        ct_tensor_clear(&s->state[i]);
        s->state[i] = s->out[i];
        s->out[i] = (struct ct_tensor){0};
    }
    for (size_t i = 0; i < s->n_scan_outputs; i++)
        CT_TRY(ct_collected_add(run, &s->collected[i], &s->out[s->n_states + i]));
    if (ct_run_cancelled(run))
        return ct_fail(run->exec->error, CORTEN_CANCELLED, "the run was cancelled");
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ version 9 and later */

static ct_status run_9(struct scan *s)
{
    const struct ct_run *run = s->run;
    const struct ct_tensor *const *scanned = (const struct ct_tensor *const *)run->in + s->n_states;
    int64_t length = -1;
    for (size_t i = 0; i < s->n_scans; i++) {
        int64_t axis = entry(run->node, "scan_input_axes", i);
        int rank = scanned[i]->rank;
        if (axis < -rank || axis >= rank)
            return ct_run_fail(run, "scan input %zu of rank %d has no axis %lld", i, rank,
                               (long long)axis);
        int64_t n = scanned[i]->dims[axis < 0 ? axis + rank : axis];
        if (length >= 0 && n != length)
            return ct_run_fail(run, "scan input %zu has %lld slices, the one before %lld", i,
                               (long long)n, (long long)length);
        length = n;
    }
    for (size_t i = 0; i < s->n_states; i++)
        CT_TRY(ct_tensor_clone(&s->state[i], run->in[i], run->exec->allocator, run->exec->error));
    for (int64_t i = 0; i < length; i++)
        CT_TRY(iterate(s, scanned, "scan_input_axes", "scan_input_directions", length, i));
    for (size_t i = 0; i < s->n_states; i++)
        ct_control_give(run, (int)i, &s->state[i]);
    for (size_t i = 0; i < s->n_scan_outputs; i++)
        CT_TRY(ct_collected_stack(run, &s->collected[i], &s->body->outputs[s->n_states + i]->fact,
                                  entry(run->node, "scan_output_axes", i),
                                  entry(run->node, "scan_output_directions", i) == 1,
                                  (int)(s->n_states + i)));
    return CORTEN_OK;
}

static ct_status run(const struct ct_run *run)
{
    struct ct_arena arena;
    ct_arena_init(&arena, run->exec->allocator);
    struct scan s = {0};
    ct_status status = create(&s, run, 0, &arena) ? run_9(&s) : CORTEN_OUT_OF_MEMORY;
    clear(&s);
    ct_arena_deinit(&arena);
    return status;
}

/* ------------------------------------------------------------------ version 8 */

/* Borrowed entry `b` of the leading dimension. */
static struct ct_tensor batch_entry(const struct ct_tensor *t, int64_t b)
{
    struct ct_tensor e = *t;
    e.buffer = NULL;
    e.rank = t->rank - 1;
    memmove(e.dims, t->dims + 1, (size_t)e.rank * sizeof *e.dims);
    if (t->dims[0] > 0)
        e.data = (char *)t->data + ct_tensor_bytes(t) / (size_t)t->dims[0] * (size_t)b;
    return e;
}

/* Puts `from` at entry `b` of output `index`, which gets its memory with the first entry. */
static ct_status store_entry(const struct ct_run *run, int index, const struct ct_tensor *from,
                             int64_t b, int64_t batches)
{
    struct ct_tensor *out = run->out[index];
    if (!out)
        return CORTEN_OK;
    if (from->rank >= CT_MAX_RANK)
        return ct_run_fail(run, "output %d has too high a rank", index);
    if (b == 0) {
        int64_t dims[CT_MAX_RANK] = {batches};
        memcpy(dims + 1, from->dims, (size_t)from->rank * sizeof *dims);
        CT_TRY(ct_run_output(run, index, from->dtype, from->rank + 1, dims));
        memset(out->data, 0, ct_tensor_bytes(out));
    }
    size_t n = ct_count(from);
    if (from->dtype != out->dtype || n * (size_t)batches != ct_count(out))
        return ct_run_fail(run, "output %d changes from one batch entry to the next", index);
    ct_copy_elems(from->dtype, out->data, (size_t)b * (ct_count(out) / (size_t)batches), from->data,
                  0, n);
    if (from->dtype == CORTEN_STRING) /* their bytes go with `from` */
        return ct_tensor_own_strings(out, run->exec->allocator, run->exec->error);
    return CORTEN_OK;
}

static ct_status run_entry(struct scan *s, struct ct_tensor *entries,
                           const struct ct_tensor **scanned, int64_t b, int64_t batches,
                           int64_t length, int64_t longest)
{
    const struct ct_run *run = s->run;
    for (size_t i = 0; i < s->n_states; i++) {
        struct ct_tensor initial = batch_entry(run->in[1 + i], b);
        CT_TRY(ct_tensor_clone(&s->state[i], &initial, run->exec->allocator, run->exec->error));
    }
    for (size_t i = 0; i < s->n_scans; i++) {
        entries[i] = batch_entry(run->in[1 + s->n_states + i], b);
        scanned[i] = &entries[i];
    }
    for (int64_t i = 0; i < length; i++)
        CT_TRY(iterate(s, scanned, NULL, "directions", length, i));
    for (size_t i = 0; i < s->n_states; i++) {
        CT_TRY(store_entry(run, (int)i, &s->state[i], b, batches));
        ct_tensor_clear(&s->state[i]);
    }
    for (size_t i = 0; i < s->n_scan_outputs; i++) {
        struct ct_collected *c = &s->collected[i];
        if (c->count && c->items[0].rank + 2 <= CT_MAX_RANK) {
            /* Positions past the length of this entry stay zero. */
            struct ct_tensor all = c->items[0];
            size_t n = ct_count(&all);
            struct ct_tensor stacked = {0};
            int64_t dims[CT_MAX_RANK] = {longest};
            memcpy(dims + 1, all.dims, (size_t)all.rank * sizeof *dims);
            CT_TRY(ct_tensor_alloc(&stacked, run->exec->allocator, all.dtype, all.rank + 1, dims,
                                   run->exec->error));
            memset(stacked.data, 0, ct_tensor_bytes(&stacked));
            for (size_t k = 0; k < c->count; k++)
                ct_copy_elems(all.dtype, stacked.data, k * n, c->items[k].data, 0, n);
            ct_status status = store_entry(run, (int)(s->n_states + i), &stacked, b, batches);
            ct_tensor_clear(&stacked);
            CT_TRY(status);
        }
        ct_collected_clear(run, c);
    }
    return CORTEN_OK;
}

static ct_status run_8_with(struct scan *s, struct ct_arena *arena)
{
    const struct ct_run *run = s->run;
    const struct ct_tensor *lengths = run->in[0];
    struct ct_tensor *entries = ct_arena_array(arena, s->n_scans, sizeof *entries);
    const struct ct_tensor **scanned = ct_arena_array(arena, s->n_scans, sizeof *scanned);
    if (!entries || !scanned)
        return ct_fail_memory(run->exec->error, 0, "a scan");
    int64_t batches = -1, longest = -1;
    for (int i = 1; i < run->n_in; i++) {
        const struct ct_tensor *t = run->in[i];
        bool scans = (size_t)i > s->n_states;
        if (t->rank < (scans ? 2 : 1) || (batches >= 0 && t->dims[0] != batches) ||
            (scans && longest >= 0 && t->dims[1] != longest))
            return ct_run_fail(run, "input %d does not agree with the others in batch or length",
                               i);
        batches = t->dims[0];
        if (scans)
            longest = t->dims[1];
    }
    if (lengths && (int64_t)ct_count(lengths) != batches)
        return ct_run_fail(run, "sequence_lens has %zu entries, the batch %lld", ct_count(lengths),
                           (long long)batches);
    for (int64_t b = 0; b < batches; b++) {
        int64_t length = lengths ? CT_DATA(int64_t, lengths)[b] : longest;
        if (length < 0 || length > longest)
            return ct_run_fail(run, "length %lld of batch entry %lld is outside [0, %lld]",
                               (long long)length, (long long)b, (long long)longest);
        CT_TRY(run_entry(s, entries, scanned, b, batches, length, longest));
    }
    return CORTEN_OK;
}

static ct_status run_8(const struct ct_run *run)
{
    struct ct_arena arena;
    ct_arena_init(&arena, run->exec->allocator);
    struct scan s = {0};
    ct_status status = create(&s, run, 1, &arena) ? run_8_with(&s, &arena) : CORTEN_OUT_OF_MEMORY;
    clear(&s);
    ct_arena_deinit(&arena);
    return status;
}

const struct ct_op ct_op_scan = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_SUBGRAPHS | CT_OP_ALLOCATES | CT_OP_IMPURE,
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
    .max_out = -1,
    .typed_input = -1,
};

const struct ct_op ct_op_scan_8 = {
    .infer = infer_8,
    .run = run_8,
    .flags = CT_OP_SUBGRAPHS | CT_OP_ALLOCATES | CT_OP_IMPURE,
    .min_in = 0, /* the first one may be absent */
    .max_in = -1,
    .min_out = 1,
    .max_out = -1,
    .typed_input = -1,
};
