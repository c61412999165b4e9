/* Nodes that hand on their input unchanged. */
#include <string.h>

#include "passes/pass.h"

/* Dropout does nothing at inference, unless its training_mode input says otherwise. */
static bool is_identity(const struct ct_node *node)
{
    if (*node->domain || node->n_in < 1 || !node->in[0].value || !node->out[0])
        return false;
    if (!strcmp(node->op_type, "Identity"))
        return true;
    if (strcmp(node->op_type, "Dropout") || ct_attr_int(node, "is_test", 1) == 0)
        return false;
    if (node->n_out > 1 && node->out[1] && !ct_value_unused(node->out[1]))
        return false;
    if (node->n_in < 3 || !node->in[2].value)
        return true;
    const struct ct_tensor *training = ct_value_const(node->in[2].value);
    return training && training->data && ct_count(training) == 1 && !*CT_DATA(uint8_t, training);
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (!is_identity(node) || !ct_value_replace(node->out[0], node->in[0].value))
            continue;
        ct_node_remove(node);
        context->stats->changes++;
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_eliminate_identity = {
    .name = "eliminate-identity",
    .summary = "removes Identity, and Dropout at inference",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
