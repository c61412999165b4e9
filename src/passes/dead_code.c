/* Nodes whose results nobody reads. */
#include "passes/pass.h"

static bool is_dead(const struct ct_node *node)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] && !ct_value_unused(node->out[i]))
            return false;
    return true;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    /* Backwards, so that a chain goes in one sweep. */
    for (struct ct_node *node = graph->last, *prev; node; node = prev) {
        prev = node->prev;
        if (!is_dead(node))
            continue;
        ct_node_remove(node);
        context->stats->changes++;
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_dead_code = {
    .name = "dead-code",
    .summary = "removes nodes whose results nobody reads",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
