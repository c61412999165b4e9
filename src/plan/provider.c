#include "plan/provider.h"

const struct ct_provider *ct_provider_for(const struct ct_providers *providers,
                                          const struct ct_node *node)
{
    for (size_t i = 0; i < providers->count; i++)
        if (providers->items[i]->claims(providers->items[i], node))
            return providers->items[i];
    return NULL;
}
