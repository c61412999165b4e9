/* What sessions share: threads, and packed weights. */
#include "api/api.h"

corten_status corten_pool_create(const corten_options *options, corten_pool **pool,
                                 corten_error *error)
{
    CT_REQUIRE(pool, error);
    struct ct_options defaults;
    ct_options_default(&defaults);
    const struct ct_options *o = options ? &options->options : &defaults;
    corten_pool *made = ct_alloc_zero(&o->allocator, sizeof *made);
    if (!made)
        return ct_fail_memory(error, sizeof *made, "a thread pool");
    made->allocator = o->allocator;
    ct_status status = ct_options_create_pool(o, &made->allocator, &made->pool, error);
    if (status != CORTEN_OK) {
        ct_release(&o->allocator, made, sizeof *made);
        return status;
    }
    *pool = made;
    return CORTEN_OK;
}

void corten_pool_destroy(corten_pool *pool)
{
    if (!pool)
        return;
    corten_allocator allocator = pool->allocator;
    ct_pool_destroy(pool->pool);
    ct_release(&allocator, pool, sizeof *pool);
}

int corten_pool_threads(const corten_pool *pool)
{
    return pool ? ct_pool_threads(pool->pool) : 0;
}

corten_status corten_weights_create(const corten_options *options, corten_weights **weights,
                                    corten_error *error)
{
    CT_REQUIRE(weights, error);
    struct ct_options defaults;
    ct_options_default(&defaults);
    const corten_allocator *allocator = options ? &options->options.allocator : &defaults.allocator;
    corten_weights *made = ct_alloc_zero(allocator, sizeof *made);
    if (!made)
        return ct_fail_memory(error, sizeof *made, "shared weights");
    made->allocator = *allocator;
    ct_status status = ct_weights_create(&made->allocator, true, NULL, &made->weights, error);
    if (status != CORTEN_OK) {
        ct_release(allocator, made, sizeof *made);
        return status;
    }
    *weights = made;
    return CORTEN_OK;
}

void corten_weights_destroy(corten_weights *weights)
{
    if (!weights)
        return;
    corten_allocator allocator = weights->allocator;
    ct_weights_destroy(weights->weights);
    ct_release(&allocator, weights, sizeof *weights);
}

size_t corten_weights_bytes(corten_weights *weights)
{
    return weights ? ct_weights_bytes(weights->weights) : 0;
}
