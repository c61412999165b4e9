/* Execution providers: who runs a node. A session has a list of them in priority order; the first
 * that claims a node gets it. A node that nobody claims is an error: there is no silent fallback.
 * The CPU provider (providers/cpu) claims every operator of ops/ and stands last. */
#ifndef CT_PLAN_PROVIDER_H
#define CT_PLAN_PROVIDER_H

#include "graph/op.h"

struct ct_provider {
    const char *name; /* as in ONNX Runtime: "CPUExecutionProvider" */
    /** Whether it runs the node; shapes need not be known. */
    bool (*claims)(const struct ct_provider *provider, const struct ct_node *node);
    /** Prepares a node it claimed, for concrete shapes: sets prepare->run and the rest. */
    ct_status (*prepare)(const struct ct_provider *provider, struct ct_prepare *prepare);
};

struct ct_providers {
    const struct ct_provider *const *items;
    size_t count;
};

/** The first provider that claims the node; NULL: none does. */
const struct ct_provider *ct_provider_for(const struct ct_providers *providers,
                                          const struct ct_node *node);

#endif
