#include "providers/cpu/cpu.h"

static bool claims(const struct ct_provider *provider, const struct ct_node *node)
{
    (void)provider;
    return node->op && (node->op->run || (node->op->flags & CT_OP_VIEW));
}

static ct_status prepare_node(const struct ct_provider *provider, struct ct_prepare *prepare)
{
    (void)provider;
    const struct ct_op *op = prepare->node->op;
    prepare->run = op->run;
    return op->prepare ? op->prepare(prepare) : CORTEN_OK;
}

const struct ct_provider ct_provider_cpu = {
    .name = "CPUExecutionProvider",
    .claims = claims,
    .prepare = prepare_node,
};
