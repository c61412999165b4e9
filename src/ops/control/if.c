/* If: one of two subgraphs. */
#include "ops/control/subgraph.h"

static ct_status infer_branches(struct ct_infer *infer, struct ct_graph *then_branch,
                                struct ct_graph *else_branch, struct ct_fact *facts)
{
    size_t n = (size_t)infer->n_out;
    CT_TRY(infer->subgraph(infer, then_branch, NULL, facts));
    CT_TRY(infer->subgraph(infer, else_branch, NULL, facts + n));
    for (size_t i = 0; i < n; i++) {
        ct_fact_join(&facts[i], &facts[n + i]);
        if (infer->out[i])
            *infer->out[i] = facts[i];
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    struct ct_graph *then_branch = ct_attr_graph(infer->node, "then_branch");
    struct ct_graph *else_branch = ct_attr_graph(infer->node, "else_branch");
    if (!then_branch || !else_branch)
        return ct_infer_fail(infer, "attributes then_branch and else_branch are required");
    size_t n = (size_t)infer->n_out;
    if (then_branch->n_outputs != n || else_branch->n_outputs != n)
        return ct_infer_fail(infer, "the branches have %zu and %zu outputs, the node has %zu",
                             then_branch->n_outputs, else_branch->n_outputs, n);
    if (!infer->subgraph)
        return CORTEN_OK;
    struct ct_fact *facts = ct_arena_array(infer->arena, 2 * n, sizeof *facts);
    if (!facts)
        return ct_fail_memory(infer->error, 2 * n * sizeof *facts, "facts of branches");
    return infer_branches(infer, then_branch, else_branch, facts);
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *condition = run->in[0];
    if (ct_count(condition) != 1)
        return ct_run_fail(run, "the condition has %zu elements, expected 1", ct_count(condition));
    struct ct_graph *branch =
        ct_attr_graph(run->node, *CT_DATA(uint8_t, condition) ? "then_branch" : "else_branch");
    size_t n = (size_t)run->n_out;
    struct ct_tensor *results = ct_control_tensors(run, n);
    if (!results)
        return CORTEN_OUT_OF_MEMORY;
    ct_status status = ct_run_subgraph(run, branch, NULL, 0, results, n);
    for (size_t i = 0; i < n && status == CORTEN_OK; i++)
        ct_control_give(run, (int)i, &results[i]);
    ct_control_free(run, results, n);
    return status;
}

const struct ct_op ct_op_if = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_SUBGRAPHS | CT_OP_ALLOCATES | CT_OP_IMPURE,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = -1,
};
