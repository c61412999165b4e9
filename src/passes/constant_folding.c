/* Nodes whose inputs are all constant are run once, here. */
#include <string.h>

#include "graph/infer.h"
#include "ops/eval.h"
#include "passes/pass.h"

/* Quantised weights stay quantised: that is what the integer kernels want. */
static bool keeps_weights_small(const struct ct_node *node)
{
    return !strcmp(node->op_type, "DequantizeLinear");
}

static bool is_small_enough(const struct ct_pass_context *context, const struct ct_node *node)
{
    if (node->op->flags & CT_OP_ALLOCATES)
        return true;
    for (int i = 0; i < node->n_out; i++) {
        if (!node->out[i])
            continue;
        const struct ct_fact *fact = &node->out[i]->fact;
        size_t n_elems, size_bytes;
        if (!ct_fact_is_concrete(fact) || !ct_shape_count(fact->rank, fact->dims, &n_elems) ||
            !ct_dtype_bytes(fact->dtype, n_elems, &size_bytes) ||
            size_bytes > context->fold_limit_bytes)
            return false;
    }
    return true;
}

static bool can_fold(const struct ct_pass_context *context, const struct ct_node *node)
{
    if (!node->op || (node->op->flags & (CT_OP_IMPURE | CT_OP_SUBGRAPHS)) ||
        keeps_weights_small(node))
        return false;
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i].value && !ct_value_const(node->in[i].value))
            return false;
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] && node->out[i]->n_output_refs)
            return false; /* graph outputs keep their producer */
    return is_small_enough(context, node);
}

/* The results become constants of the graph, with memory in the model's arena. */
static ct_status replace_outputs(struct ct_pass_context *context, struct ct_node *node,
                                 const struct ct_tensor *results)
{
    struct ct_model *model = context->model;
    for (int i = 0; i < node->n_out; i++) {
        if (!node->out[i])
            continue;
        struct ct_tensor *kept = ct_arena_alloc_zero(&model->arena, sizeof *kept);
        size_t size_bytes = ct_tensor_bytes(&results[i]);
        void *data = ct_arena_alloc(&model->arena, size_bytes);
        if (!kept || !data)
            return ct_fail_memory(context->error, size_bytes, "a folded constant");
        *kept = results[i];
        kept->buffer = NULL;
        kept->data = data;
        memcpy(data, results[i].data, size_bytes);
        struct ct_value *constant = ct_graph_add_constant(
            node->graph, ct_graph_fresh_name(node->graph, node->out[i]->name), kept);
        if (!constant || !ct_value_replace(node->out[i], constant))
            return ct_fail_memory(context->error, 0, "a folded constant");
        CT_TRY(ct_fact_of_tensor(&constant->fact, kept, &model->arena, context->error));
    }
    return CORTEN_OK;
}

static bool all_plain(const struct ct_node *node, const struct ct_tensor *results)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] && (results[i].kind != CORTEN_TENSOR || results[i].dtype == CORTEN_STRING))
            return false;
    return true;
}

static ct_status fold(struct ct_pass_context *context, struct ct_node *node,
                      struct ct_arena *scratch)
{
    size_t n_in = (size_t)node->n_in, n_out = (size_t)node->n_out;
    const struct ct_tensor **in = ct_arena_array(scratch, n_in, sizeof *in);
    struct ct_tensor *out = ct_arena_array(scratch, n_out, sizeof *out);
    if (!in || !out)
        return ct_fail_memory(context->error, 0, "folding constants");
    for (size_t i = 0; i < n_in; i++)
        in[i] = ct_value_const(node->in[i].value);
    struct ct_exec exec = {.allocator = context->model->allocator, .error = context->error};
    ct_status status = ct_eval_node(node, in, out, &exec);
    if (status == CORTEN_RUN_FAILED) /* perhaps it is never reached; if it is, the run says so */
        return CORTEN_OK;
    CT_TRY(status);
    if (all_plain(node, out)) {
        status = replace_outputs(context, node, out);
        if (status == CORTEN_OK) {
            ct_node_remove(node);
            context->stats->changes++;
        }
    }
    for (size_t i = 0; i < n_out; i++)
        ct_tensor_clear(&out[i]);
    return status;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    struct ct_arena scratch;
    ct_arena_init(&scratch, context->model->allocator);
    ct_status status = CORTEN_OK;
    for (struct ct_node *node = graph->first, *next; node && status == CORTEN_OK; node = next) {
        next = node->next;
        if (can_fold(context, node))
            status = fold(context, node, &scratch);
    }
    ct_arena_deinit(&scratch);
    return status;
}

const struct ct_pass ct_pass_constant_folding = {
    .name = "constant-folding",
    .summary = "computes nodes whose inputs are all constant",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
