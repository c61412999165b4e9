#include "plan/weights.h"

#include <stdio.h>
#include <string.h>

struct packed {
    const void *memory;
    void *owned; /* the memory, unless it is that of shared weights */
    size_t size_bytes;
    struct packed *next;
};

struct ct_weights {
    const corten_allocator *allocator;
    struct ct_weights *shared; /* or NULL */
    bool common;
    struct ct_mutex mutex; /* held while packing: two plans never pack one constant twice */
    struct ct_arena arena; /* of entries and keys */
    struct ct_map by_key;
    struct packed *all;
    size_t size_bytes;
    int64_t pack_ns;
};

ct_status ct_weights_create(const corten_allocator *allocator, bool common,
                            struct ct_weights *shared, struct ct_weights **weights,
                            corten_error *error)
{
    struct ct_weights *w = ct_alloc_zero(allocator, sizeof *w);
    if (!w)
        return ct_fail_memory(error, sizeof *w, "the weights of a session");
    w->allocator = allocator;
    w->common = common;
    w->shared = shared;
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
        ct_release(weights->allocator, p->owned, p->size_bytes);
    ct_arena_deinit(&weights->arena);
    ct_release(weights->allocator, weights, sizeof *weights);
}

/* What is asked for. */
struct request {
    const struct ct_tensor *constant;
    const char *key;
    size_t size_bytes;
    ct_pack_fn fn;
    void *arg;
    struct ct_pool *pool;
};

static ct_status pack(struct ct_weights *w, const struct request *r, struct packed *entry,
                      corten_error *error)
{
    if (w->shared)
        return ct_weights_get(w->shared, r->constant, r->key, r->size_bytes, r->fn, r->arg, r->pool,
                              &entry->memory, error);
    void *memory = ct_alloc(w->allocator, r->size_bytes);
    if (!memory)
        return ct_fail_memory(error, r->size_bytes, "a packed constant");
    ct_status status = r->fn(r->arg, r->constant, memory, r->pool, error);
    if (status != CORTEN_OK) {
        ct_release(w->allocator, memory, r->size_bytes);
        return status;
    }
    entry->memory = entry->owned = memory;
    return CORTEN_OK;
}

static ct_status make(struct ct_weights *w, const struct request *r, const char *name,
                      struct packed **made, corten_error *error)
{
    struct packed *entry = ct_arena_alloc_zero(&w->arena, sizeof *entry);
    char *kept = ct_arena_strdup(&w->arena, name);
    if (!entry || !kept)
        return ct_fail_memory(error, sizeof *entry, "a packed constant");
    entry->size_bytes = r->size_bytes;
    int64_t start_ns = ct_os_now_ns();
    ct_status status = pack(w, r, entry, error);
    w->pack_ns += ct_os_now_ns() - start_ns;
    if (status == CORTEN_OK && !ct_map_put(&w->by_key, kept, entry)) {
        ct_release(w->allocator, entry->owned, entry->size_bytes);
        status = ct_fail_memory(error, 0, "a packed constant");
    }
    if (status != CORTEN_OK)
        return status;
    entry->next = w->all;
    w->all = entry;
    w->size_bytes += entry->owned ? entry->size_bytes : 0;
    *made = entry;
    return CORTEN_OK;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two halves that each depend on shape and all bytes, so that two constants never have one name by
 * chance, nor, for the seed is an address, by design. Four strands, for the multiplications to
 * overlap: this reads as fast as memory gives. */
static void hash_content(const struct ct_tensor *t, uint64_t seed, uint64_t hash[2])
{
    enum { STRANDS = 4 };
    uint64_t strands[STRANDS], sum = seed;
    const unsigned char *bytes = t->data;
    const size_t size_bytes = ct_tensor_bytes(t);
    for (int i = 0; i < STRANDS; i++)
        strands[i] = seed + (uint64_t)i;
    for (int i = 0; i < t->rank; i++)
        strands[i % STRANDS] = mix(strands[i % STRANDS], (uint64_t)t->dims[i]);
    for (size_t at = 0; at < size_bytes; at += sizeof strands) {
        uint64_t words[STRANDS] = {0};
        size_t n = size_bytes - at < sizeof words ? size_bytes - at : sizeof words;
        memcpy(words, bytes + at, n);
        for (int i = 0; i < STRANDS; i++) {
            strands[i] = mix(strands[i], words[i]);
            sum = (sum << 5 | sum >> 59) + strands[i];
        }
    }
    hash[0] = sum;
    hash[1] = size_bytes;
    for (int i = 0; i < STRANDS; i++)
        hash[1] = mix(hash[1], strands[i]);
}

/* A session's constant is named by the address of its elements: they stay where they are while the
 * model lives. The type and size tell apart what shares an address without being the same. */
static void name_constant(const struct ct_weights *w, const struct request *r, char *name,
                          size_t name_bytes)
{
    const struct ct_tensor *t = r->constant;
    char identity[40];
    if (w->common) {
        uint64_t hash[2];
        hash_content(t, (uint64_t)(uintptr_t)w, hash);
        snprintf(identity, sizeof identity, "%016llx%016llx", (unsigned long long)hash[0],
                 (unsigned long long)hash[1]);
    } else {
        snprintf(identity, sizeof identity, "%p", t->data);
    }
    snprintf(name, name_bytes, "%s %d %zu %zu %.63s", identity, (int)t->dtype, ct_tensor_bytes(t),
             r->size_bytes, r->key);
}

ct_status ct_weights_get(struct ct_weights *weights, const struct ct_tensor *constant,
                         const char *key, size_t size_bytes, ct_pack_fn fn, void *arg,
                         struct ct_pool *pool, const void **packed, corten_error *error)
{
    const struct request request = {constant, key, size_bytes, fn, arg, pool};
    char name[200];
    name_constant(weights, &request, name, sizeof name);
    ct_mutex_lock(&weights->mutex);
    struct packed *entry = ct_map_get(&weights->by_key, name);
    ct_status status = CORTEN_OK;
    if (!entry)
        status = make(weights, &request, name, &entry, error);
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
