/* SequenceMap: a body run on each item of a sequence. */
#include "ops/control/subgraph.h"
#include "ops/sequence/sequence.h"

static ct_status check_body(const struct ct_infer *infer, const struct ct_graph *body)
{
    if (!body)
        return ct_infer_fail(infer, "attribute body is required");
    if (body->n_inputs != (size_t)infer->n_in || body->n_outputs != (size_t)infer->n_out)
        return ct_infer_fail(infer, "the body has %zu inputs and %zu outputs, the node %d and %d",
                             body->n_inputs, body->n_outputs, infer->n_in, infer->n_out);
    for (int i = 0; i < infer->n_in; i++) {
        const struct ct_fact *elem;
        if (!infer->in[i])
            return ct_infer_fail(infer, "input %d is missing", i);
        if (i == 0 || infer->in[i]->kind == CORTEN_SEQUENCE)
            CT_TRY(ct_infer_sequence(infer, i, &elem));
        else if (infer->in[i]->kind != CORTEN_TENSOR)
            return ct_infer_fail(infer, "input %d must be a tensor or a sequence", i);
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    struct ct_graph *body = ct_attr_graph(infer->node, "body");
    CT_TRY(check_body(infer, body));
    if (!infer->subgraph)
        return CORTEN_OK;
    size_t n_in = (size_t)infer->n_in, n_out = (size_t)infer->n_out;
    const struct ct_fact **in = ct_arena_array(infer->arena, n_in, sizeof *in);
    struct ct_fact *facts = ct_arena_array(infer->arena, n_in + n_out, sizeof *facts);
    if (!in || !facts)
        return ct_fail_memory(infer->error, (n_in + n_out) * sizeof *facts, "facts of a body");
    for (size_t i = 0; i < n_in; i++) {
        const struct ct_fact *given = infer->in[i];
        if (given->kind == CORTEN_SEQUENCE)
            given = given->elem;
        if (!given)
            continue;
        facts[i] = *given;
        facts[i].constant = NULL;
        facts[i].values = NULL;
        facts[i].n_values = 0;
        in[i] = &facts[i];
    }
    CT_TRY(infer->subgraph(infer, body, in, facts + n_in));
    for (size_t i = 0; i < n_out; i++)
        CT_TRY(ct_infer_container(infer, (int)i, CORTEN_SEQUENCE, &facts[n_in + i]));
    return CORTEN_OK;
}

struct map {
    const struct ct_run *run;
    struct ct_graph *body;
    const struct ct_tensor **in; /* of the body */
    struct ct_tensor *out;       /* of the body; owned */
    struct ct_collected *results;
};

static ct_status check_lengths(const struct ct_run *run, size_t count)
{
    for (int i = 1; i < run->n_in; i++)
        if (run->in[i]->kind == CORTEN_SEQUENCE && ct_sequence_of(run->in[i])->count != count)
            return ct_run_fail(run, "input %d has %zu items, the first one %zu", i,
                               ct_sequence_of(run->in[i])->count, count);
    return CORTEN_OK;
}

static ct_status give(const struct map *m, int index)
{
    const struct ct_run *run = m->run;
    const struct ct_collected *c = &m->results[index];
    ct_dtype dtype = m->body->outputs[index]->fact.dtype;
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].kind != CORTEN_TENSOR || c->items[i].dtype != c->items[0].dtype)
            return ct_run_fail(run, "item %zu of output %d is not of the type of the first one", i,
                               index);
        dtype = c->items[0].dtype;
    }
    if (!run->out[index])
        return CORTEN_OK;
    return ct_sequence_init(run->out[index], run->exec->allocator, dtype, c->items, c->count,
                            run->exec->error);
}

static ct_status run_map(struct map *m)
{
    const struct ct_run *run = m->run;
    size_t n_in = (size_t)run->n_in, n_out = (size_t)run->n_out;
    size_t count = ct_sequence_of(run->in[0])->count;
    CT_TRY(check_lengths(run, count));
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < n_in; i++)
            m->in[i] = run->in[i]->kind == CORTEN_SEQUENCE ? &ct_sequence_of(run->in[i])->items[k]
                                                           : run->in[i];
        CT_TRY(ct_run_subgraph(run, m->body, m->in, n_in, m->out, n_out));
        for (size_t i = 0; i < n_out; i++)
            CT_TRY(ct_collected_add(run, &m->results[i], &m->out[i]));
        if (ct_run_cancelled(run))
            return ct_fail(run->exec->error, CORTEN_CANCELLED, "the run was cancelled");
    }
    for (size_t i = 0; i < n_out; i++)
        CT_TRY(give(m, (int)i));
    return CORTEN_OK;
}

static ct_status run(const struct ct_run *run)
{
    size_t n_in = (size_t)run->n_in, n_out = (size_t)run->n_out;
    struct ct_arena arena;
    ct_arena_init(&arena, run->exec->allocator);
    struct map m = {
        .run = run,
        .body = ct_attr_graph(run->node, "body"),
        .in = ct_arena_array(&arena, n_in, sizeof *m.in),
        .out = ct_arena_array(&arena, n_out, sizeof *m.out),
        .results = ct_arena_array(&arena, n_out, sizeof *m.results),
    };
    ct_status status;
    if (m.in && m.out && m.results) {
        status = run_map(&m);
        for (size_t i = 0; i < n_out; i++) {
            ct_tensor_clear(&m.out[i]);
            ct_collected_clear(run, &m.results[i]);
        }
    } else {
        status = ct_fail_memory(run->exec->error, 0, "a sequence map");
    }
    ct_arena_deinit(&arena);
    return status;
}

const struct ct_op ct_op_sequence_map = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_CONTAINERS | CT_OP_SUBGRAPHS | CT_OP_ALLOCATES | CT_OP_IMPURE,
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
    .max_out = -1,
    .typed_input = -1,
};
