/* If whose condition is known becomes the nodes of that branch; Loop that runs a known, small
 * number of times becomes the nodes of its body, once for each. */
#include <string.h>

#include "graph/clone.h"
#include "ops/registry.h"
#include "passes/pattern.h"

enum { MAX_TRIPS = 16, MAX_COPIES = 2000 };

/* Copies of the graph's nodes before `node`. outputs: graph->n_outputs entries. */
static ct_status copy_nodes(struct ct_pass_context *context, const struct ct_graph *graph,
                            struct ct_node *node, struct ct_value *const *inputs,
                            struct ct_value **outputs)
{
    struct ct_clone clone = {.from = graph,
                             .into = node->graph,
                             .before = node,
                             .inputs = inputs,
                             .outputs = outputs,
                             .prefix = node->name,
                             .max_nodes = MAX_COPIES};
    struct ct_node *last = node->prev;
    CT_TRY(ct_graph_clone_nodes(&clone, context->error));
    for (struct ct_node *n = last ? last->next : node->graph->first; n != node; n = n->next) {
        n->opset = n->opset ? n->opset : (int)ct_model_opset(context->model, n->domain);
        CT_TRY(ct_op_resolve(n, context->error));
    }
    return CORTEN_OK;
}

/* `value` under the name of the node's output: an Identity where it must be. */
static ct_status bind_output(struct ct_pass_context *context, struct ct_node *node, int index,
                             struct ct_value *value)
{
    struct ct_value *output = node->out[index];
    if (!output)
        return CORTEN_OK;
    ct_node_set_output(node, index, NULL);
    if (ct_value_replace(output, value))
        return CORTEN_OK;
    struct ct_node *identity = ct_pass_add_node(context, node, "", "Identity", &value, 1);
    if (!identity)
        return CORTEN_OUT_OF_MEMORY;
    ct_node_set_output(identity, 0, output);
    return ct_op_resolve(identity, context->error);
}

static size_t count_nodes(const struct ct_graph *graph)
{
    size_t n = graph->n_nodes;
    for (const struct ct_node *node = graph->first; node; node = node->next)
        for (int a = 0; a < node->n_attrs; a++)
            for (int g = 0; g < ct_attr_graph_count(&node->attrs[a]); g++)
                n += count_nodes(node->attrs[a].graphs[g]);
    return n;
}

static ct_status take_branch(struct ct_pass_context *context, struct ct_node *node)
{
    double condition;
    if (!ct_input(node, 0) || !ct_value_number(ct_input(node, 0), &condition))
        return CORTEN_OK;
    struct ct_graph *branch = ct_attr_graph(node, condition != 0 ? "then_branch" : "else_branch");
    if (!branch || branch->n_outputs != (size_t)node->n_out || count_nodes(branch) > MAX_COPIES)
        return CORTEN_OK;
    struct ct_value **outputs =
        ct_arena_array(&context->model->arena, branch->n_outputs, sizeof *outputs);
    if (!outputs)
        return ct_fail_memory(context->error, 0, "a branch");
    CT_TRY(copy_nodes(context, branch, node, NULL, outputs));
    for (int i = 0; i < node->n_out; i++)
        CT_TRY(bind_output(context, node, i, outputs[i]));
    ct_node_remove(node);
    context->stats->changes++;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Loop */

/* Trips that are known beforehand: a constant count, and a condition that stays true. -1: others,
 * too many, or outputs that are stacked. */
static int64_t known_trips(const struct ct_node *node, const struct ct_graph *body)
{
    double trips, condition = 1;
    if (!ct_input(node, 0) || !ct_value_number(ct_input(node, 0), &trips) || trips < 0 ||
        trips > MAX_TRIPS || (size_t)node->n_out + 2 != body->n_inputs ||
        body->n_outputs + 1 != body->n_inputs || body->n_inputs != (size_t)node->n_in)
        return -1;
    if (ct_input(node, 1) && (!ct_value_number(ct_input(node, 1), &condition) || condition == 0))
        return -1;
    const struct ct_value *again = body->outputs[0];
    while (again->producer && ct_is_op(again->producer, "", "Identity"))
        again = ct_input(again->producer, 0);
    bool stays = again == body->inputs[1];
    double number;
    stays |= ct_value_number(again, &number) && number != 0;
    return stays ? (int64_t)trips : -1;
}

static ct_status add_scalar(struct ct_pass_context *context, struct ct_graph *graph, ct_dtype dtype,
                            double number, struct ct_value **value)
{
    void *data;
    CT_TRY(ct_pass_constant(context, graph, dtype, 0, NULL, value, &data));
    ct_store_f64(dtype, data, 0, 1, &number);
    return ct_pass_constant_done(context, *value);
}

static ct_status unroll(struct ct_pass_context *context, struct ct_node *node)
{
    struct ct_graph *body = ct_attr_graph(node, "body");
    int64_t trips = body ? known_trips(node, body) : -1;
    if (trips < 0 || (size_t)trips * count_nodes(body) > MAX_COPIES)
        return CORTEN_OK;
    struct ct_arena *arena = &context->model->arena;
    struct ct_value **inputs = ct_arena_array(arena, body->n_inputs, sizeof *inputs);
    struct ct_value **outputs = ct_arena_array(arena, body->n_outputs, sizeof *outputs);
    if (!inputs || !outputs)
        return ct_fail_memory(context->error, 0, "a loop");
    for (size_t i = 2; i < body->n_inputs; i++)
        inputs[i] = ct_input(node, (int)i);
    CT_TRY(add_scalar(context, node->graph, CORTEN_BOOL, 1, &inputs[1]));
    for (int64_t t = 0; t < trips; t++) {
        CT_TRY(add_scalar(context, node->graph, CORTEN_I64, (double)t, &inputs[0]));
        CT_TRY(copy_nodes(context, body, node, inputs, outputs));
        for (size_t i = 2; i < body->n_inputs; i++)
            inputs[i] = outputs[i - 1];
    }
    for (int i = 0; i < node->n_out; i++)
        CT_TRY(bind_output(context, node, i, inputs[i + 2]));
    ct_node_remove(node);
    context->stats->changes++;
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (ct_is_op(node, "", "If"))
            CT_TRY(take_branch(context, node));
        else if (ct_is_op(node, "", "Loop"))
            CT_TRY(unroll(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_inline_control = {
    .name = "inline-control",
    .summary = "takes the branch of an If whose condition is known, unrolls short Loops",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
