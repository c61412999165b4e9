/* Loop: a body with values carried from iteration to iteration, and outputs that are stacked.
 * Body inputs: iteration number, condition, carried values. Body outputs: condition, carried
 * values, scan outputs. */
#include <string.h>

#include "ops/control/subgraph.h"

static ct_status check_body(const struct ct_infer *infer, const struct ct_graph *body)
{
    if (!body)
        return ct_infer_fail(infer, "attribute body is required");
    size_t n_carried = infer->n_in > 2 ? (size_t)infer->n_in - 2 : 0;
    if (body->n_inputs != n_carried + 2)
        return ct_infer_fail(infer, "the body has %zu inputs, expected %zu", body->n_inputs,
                             n_carried + 2);
    if (body->n_outputs != (size_t)infer->n_out + 1 || (size_t)infer->n_out < n_carried)
        return ct_infer_fail(infer, "the body has %zu outputs and the node %d, with %zu carried",
                             body->n_outputs, infer->n_out, n_carried);
    return CORTEN_OK;
}

/* Carried values keep their type; their shape, and that of items, may change from one iteration to
 * the next. */
static ct_status forget_shape(const struct ct_infer *infer, struct ct_fact *fact)
{
    const struct ct_fact *elem = fact->elem;
    uint8_t kind = fact->kind;
    ct_fact_set(fact, fact->dtype, -1, NULL);
    fact->kind = kind;
    if (!elem)
        return CORTEN_OK;
    struct ct_fact *copy = ct_arena_array(infer->arena, 1, sizeof *copy);
    if (!copy)
        return ct_fail_memory(infer->error, sizeof *copy, "facts of a loop");
    *copy = *elem;
    fact->elem = copy;
    return forget_shape(infer, copy);
}

static ct_status infer(struct ct_infer *infer)
{
    struct ct_graph *body = ct_attr_graph(infer->node, "body");
    CT_TRY(check_body(infer, body));
    CT_TRY(ct_infer_check_dtype(infer, 0, CT_BIT(I64)));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(BOOL)));
    for (int i = 0; i < infer->n_in; i++) {
        if (i < 2 && infer->in[i] && infer->in[i]->kind != CORTEN_TENSOR)
            return ct_infer_fail(infer, "input %d must be a tensor", i);
        if (i >= 2)
            CT_TRY(ct_infer_check_dtype(infer, i, infer->node->op_dtypes));
    }
    if (!infer->subgraph)
        return CORTEN_OK;
    size_t n_carried = body->n_inputs - 2, n = body->n_inputs + body->n_outputs;
    struct ct_fact *facts = ct_arena_array(infer->arena, n, sizeof *facts);
    const struct ct_fact **in = ct_arena_array(infer->arena, body->n_inputs, sizeof *in);
    if (!facts || !in)
        return ct_fail_memory(infer->error, n * sizeof *facts, "facts of a loop");
    struct ct_fact *out = facts + body->n_inputs;
    for (size_t i = 0; i < n_carried; i++) {
        const struct ct_fact *given = ct_infer_in(infer, (int)i + 2);
        if (!given)
            continue;
        facts[i] = *given;
        CT_TRY(forget_shape(infer, &facts[i]));
        in[i + 2] = &facts[i];
    }
    CT_TRY(infer->subgraph(infer, body, in, out));
    for (int i = 0; i < infer->n_out; i++) {
        struct ct_fact *fact = &out[i + 1];
        if (!infer->out[i])
            continue;
        if ((size_t)i < n_carried) {
            const struct ct_fact *initial = ct_infer_in(infer, i + 2);
            if (initial)
                ct_fact_join(fact, initial);
            *infer->out[i] = *fact;
        } else if (fact->rank >= 0 && fact->rank < CT_MAX_RANK) {
            ct_dim dims[CT_MAX_RANK] = {CT_DIM_UNKNOWN};
            memcpy(dims + 1, fact->dims, (size_t)fact->rank * sizeof *dims);
            ct_infer_set(infer, i, fact->dtype, fact->rank + 1, dims);
        } else {
            ct_infer_set(infer, i, fact->dtype, -1, NULL);
        }
    }
    return CORTEN_OK;
}

struct loop {
    const struct ct_run *run;
    struct ct_graph *body;
    size_t n_carried, n_scans;
    const struct ct_tensor **in; /* of the body */
    struct ct_tensor *carried;   /* owned; used from the second iteration on */
    struct ct_tensor *out;       /* of the body */
    struct ct_collected *scans;
};

static bool read_condition(const struct ct_tensor *t)
{
    return !t || !ct_count(t) || *CT_DATA(uint8_t, t);
}

static ct_status iterate(struct loop *l, int64_t number, bool *condition)
{
    const struct ct_run *run = l->run;
    struct ct_tensor counter = ct_control_scalar(l->body->inputs[0], CORTEN_I64, &number);
    struct ct_tensor test = ct_control_scalar(l->body->inputs[1], CORTEN_BOOL, condition);
    l->in[0] = &counter;
    l->in[1] = &test;
    CT_TRY(ct_run_subgraph(run, l->body, l->in, l->n_carried + 2, l->out, l->body->n_outputs));
    if (l->out[0].kind != CORTEN_TENSOR || l->out[0].dtype != CORTEN_BOOL ||
        ct_count(&l->out[0]) != 1)
        return ct_run_fail(run, "the condition that the body gives is not one bool");
    *condition = *CT_DATA(uint8_t, &l->out[0]) != 0;
    ct_tensor_clear(&l->out[0]);
    for (size_t i = 0; i < l->n_carried; i++) {
        ct_tensor_clear(&l->carried[i]);
        l->carried[i] = l->out[i + 1];
        l->out[i + 1] = (struct ct_tensor){0};
        l->in[i + 2] = &l->carried[i];
    }
    for (size_t i = 0; i < l->n_scans; i++)
        CT_TRY(ct_collected_add(run, &l->scans[i], &l->out[l->n_carried + 1 + i]));
    return CORTEN_OK;
}

static ct_status give_results(struct loop *l, int64_t iterations)
{
    for (size_t i = 0; i < l->n_carried; i++) {
        if (!iterations)
            CT_TRY(ct_tensor_clone(&l->carried[i], l->in[i + 2], l->run->exec->allocator,
                                   l->run->exec->error));
        ct_control_give(l->run, (int)i, &l->carried[i]);
    }
    for (size_t i = 0; i < l->n_scans; i++)
        CT_TRY(ct_collected_stack(l->run, &l->scans[i],
                                  &l->body->outputs[l->n_carried + 1 + i]->fact, 0, false,
                                  (int)(l->n_carried + i)));
    return CORTEN_OK;
}

static ct_status run_loop(struct loop *l)
{
    const struct ct_run *run = l->run;
    const struct ct_tensor *limit = run->n_in > 0 ? run->in[0] : NULL;
    bool condition = read_condition(run->n_in > 1 ? run->in[1] : NULL);
    int64_t most = limit && ct_count(limit) ? *CT_DATA(int64_t, limit) : INT64_MAX, i = 0;
    for (size_t k = 0; k < l->n_carried; k++) {
        l->in[k + 2] = run->in[k + 2];
        if (!l->in[k + 2])
            return ct_run_fail(run, "carried value %zu has no initial value", k);
    }
    for (; i < most && condition; i++) {
        CT_TRY(iterate(l, i, &condition));
        if (ct_run_cancelled(run))
            return ct_fail(run->exec->error, CORTEN_CANCELLED, "the run was cancelled");
    }
    return give_results(l, i);
}

static ct_status run(const struct ct_run *run)
{
    struct ct_graph *body = ct_attr_graph(run->node, "body");
    size_t n_carried = body->n_inputs - 2, n_scans = body->n_outputs - 1 - n_carried;
    struct ct_arena arena;
    ct_arena_init(&arena, run->exec->allocator);
    struct loop l = {
        .run = run,
        .body = body,
        .n_carried = n_carried,
        .n_scans = n_scans,
        .in = ct_arena_array(&arena, body->n_inputs, sizeof *l.in),
        .carried = ct_arena_array(&arena, n_carried, sizeof *l.carried),
        .out = ct_arena_array(&arena, body->n_outputs, sizeof *l.out),
        .scans = ct_arena_array(&arena, n_scans, sizeof *l.scans),
    };
    ct_status status;
    if (l.in && l.carried && l.out && l.scans) {
        status = run_loop(&l);
        for (size_t i = 0; i < n_carried; i++)
            ct_tensor_clear(&l.carried[i]);
        for (size_t i = 0; i < body->n_outputs; i++)
            ct_tensor_clear(&l.out[i]);
        for (size_t i = 0; i < n_scans; i++)
            ct_collected_clear(run, &l.scans[i]);
    } else {
        status = ct_fail_memory(run->exec->error, 0, "a loop");
    }
    ct_arena_deinit(&arena);
    return status;
}

const struct ct_op ct_op_loop = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_CONTAINERS | CT_OP_SUBGRAPHS | CT_OP_ALLOCATES | CT_OP_IMPURE,
    .min_in = 0,
    .max_in = -1,
    .min_out = 1,
    .max_out = -1,
    .typed_input = -1,
};
