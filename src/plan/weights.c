#include "plan/weights.h"

#include <stdio.h>
#include <string.h>

struct packed {
    void *memory;
    size_t size_bytes;
    struct packed *next;
};

struct ct_weights {
    const corten_allocator *allocator;
    struct ct_mutex mutex; /* held while packing: two plans never pack one constant twice */
    struct ct_arena arena; /* of entries and keys */
    struct ct_map by_key;
    struct packed *all;
    size_t size_bytes;
    int64_t pack_ns;
};

ct_status ct_weights_create(const corten_allocator *allocator, struct ct_weights **weights,
                            corten_error *error)
{
    struct ct_weights *w = ct_alloc_zero(allocator, sizeof *w);
    if (!w)
        return ct_fail_memory(error, sizeof *w, "the weights of a session");
    w->allocator = allocator;
    ct_arena_init(&w->arena, allocator);
    ct_map_init(&w->by_key, &w->arena);
    *weights = w;
    return CORTEN_OK;
}

void ct_weights_destroy(struct ct_weights *weights)
{
    if (!weights)
        return;
    for (struct packed *p = weights->all; p; p = p->next)
        ct_release(weights->allocator, p->memory, p->size_bytes);
    ct_arena_deinit(&weights->arena);
    ct_release(weights->allocator, weights, sizeof *weights);
}

static ct_status make(struct ct_weights *w, const struct ct_tensor *constant, const char *key,
                      size_t size_bytes, ct_pack_fn fn, void *arg, struct ct_pool *pool,
                      struct packed **made, corten_error *error)
{
    struct packed *entry = ct_arena_alloc_zero(&w->arena, sizeof *entry);
    char *name = ct_arena_strdup(&w->arena, key);
    void *memory = ct_alloc(w->allocator, size_bytes);
    if (!entry || !name || !memory) {
        ct_release(w->allocator, memory, size_bytes);
        return ct_fail_memory(error, size_bytes, "a packed constant");
    }
    int64_t start_ns = ct_os_now_ns();
    ct_status status = fn(arg, constant, memory, pool, error);
    w->pack_ns += ct_os_now_ns() - start_ns;
    if (status == CORTEN_OK && !ct_map_put(&w->by_key, name, entry))
        status = ct_fail_memory(error, 0, "a packed constant");
    if (status != CORTEN_OK) {
        ct_release(w->allocator, memory, size_bytes);
        return status;
    }
    *entry = (struct packed){memory, size_bytes, w->all};
    w->all = entry;
    w->size_bytes += size_bytes;
    *made = entry;
    return CORTEN_OK;
}

ct_status ct_weights_get(struct ct_weights *weights, const struct ct_tensor *constant,
                         const char *key, size_t size_bytes, ct_pack_fn fn, void *arg,
                         struct ct_pool *pool, const void **packed, corten_error *error)
{
    /* The address of its elements names a constant: they stay where they are while the model
     * lives. The type and size tell apart what shares an address without being the same. */
    char name[160];
    snprintf(name, sizeof name, "%p %d %zu %zu %.63s", constant->data, (int)constant->dtype,
             ct_tensor_bytes(constant), size_bytes, key);
    ct_mutex_lock(&weights->mutex);
    struct packed *entry = ct_map_get(&weights->by_key, name);
    ct_status status = CORTEN_OK;
    if (!entry)
        status = make(weights, constant, name, size_bytes, fn, arg, pool, &entry, error);
    if (status == CORTEN_OK)
        *packed = entry->memory;
    ct_mutex_unlock(&weights->mutex);
    return status;
}

static ct_status copy(void *arg, const struct ct_tensor *constant, void *packed,
                      struct ct_pool *pool, corten_error *error)
{
    (void)arg, (void)pool, (void)error;
    memcpy(packed, constant->data, ct_tensor_bytes(constant));
    return CORTEN_OK;
}

ct_status ct_weights_aligned(struct ct_weights *weights, const struct ct_tensor *constant,
                             const void **data, corten_error *error)
{
    return ct_weights_get(weights, constant, "aligned", ct_tensor_bytes(constant), copy, NULL, NULL,
                          data, error);
}

size_t ct_weights_bytes(struct ct_weights *weights)
{
    ct_mutex_lock(&weights->mutex);
    size_t size_bytes = weights->size_bytes;
    ct_mutex_unlock(&weights->mutex);
    return size_bytes;
}

int64_t ct_weights_pack_ns(struct ct_weights *weights)
{
    ct_mutex_lock(&weights->mutex);
    int64_t pack_ns = weights->pack_ns;
    ct_mutex_unlock(&weights->mutex);
    return pack_ns;
}
