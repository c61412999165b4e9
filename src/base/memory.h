/* Memory: the allocator interface, checked sizes, and the arena.
 * Nothing outside base/ calls malloc. */
#ifndef CT_BASE_MEMORY_H
#define CT_BASE_MEMORY_H

#include "base/status.h"

enum { CT_ALIGN = 64 }; /* a cache line and an AVX-512 register */

/** The default allocator, over aligned_alloc. Never NULL. What it gives, and nothing else, may be
 *  freed with corten_free. */
const corten_allocator *ct_default_allocator(void);

/** NULL when there is no memory. A size of 0 gives a valid pointer. */
void *ct_alloc(const corten_allocator *allocator, size_t size_bytes);
/** The same, zeroed. */
void *ct_alloc_zero(const corten_allocator *allocator, size_t size_bytes);
/** `memory` may be NULL; size_bytes is what was asked for. */
void ct_release(const corten_allocator *allocator, void *memory, size_t size_bytes);

/* Checked sizes: false on overflow, and then *out is untouched. */
static inline bool ct_mul_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}
static inline bool ct_add_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}
static inline size_t ct_align_up(size_t n, size_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/** An allocator that counts what passes through it and refuses to pass a limit.
 *  Thread safe. */
struct ct_meter {
    corten_allocator base;
    size_t limit_bytes; /* 0: none */
    size_t live_bytes;  /* read with __atomic_load_n */
    size_t peak_bytes;
    size_t refused_bytes; /* the last request that would have passed the limit; 0: none */
    int refs; /* of one from ct_meter_create: its creator and each live allocation; else 0 */
};
/** A meter that lives until its creator has let it go and all memory is back. `base` is copied.
 *  NULL: no memory. */
struct ct_meter *ct_meter_create(const corten_allocator *base, size_t limit_bytes);
void ct_meter_unref(struct ct_meter *meter); /* NULL allowed */
/** An allocator over `meter`, which it borrows. */
corten_allocator ct_meter_allocator(struct ct_meter *meter);

/** Memory that is freed all at once. One thread at a time. */
struct ct_arena {
    const corten_allocator *allocator; /* borrowed */
    struct ct_arena_chunk *chunks;
    char *next, *end;
    size_t used_bytes;
};

void ct_arena_init(struct ct_arena *arena, const corten_allocator *allocator);
void ct_arena_deinit(struct ct_arena *arena);
/** Aligned to CT_ALIGN when of at least that size, else to 16. NULL when there is no memory. */
void *ct_arena_alloc(struct ct_arena *arena, size_t size_bytes);
void *ct_arena_alloc_zero(struct ct_arena *arena, size_t size_bytes);
/** n elements of size_bytes each, zeroed; NULL on overflow too. */
void *ct_arena_array(struct ct_arena *arena, size_t n, size_t size_bytes);
char *ct_arena_strdup(struct ct_arena *arena, const char *text);
char *ct_arena_strndup(struct ct_arena *arena, const char *text, size_t size_bytes);
char *ct_arena_printf(struct ct_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** A growing array in an arena: `struct { T *items; size_t count, capacity; }`-like parts are
 *  passed by address. Returns false when there is no memory; else room for one more. */
bool ct_arena_grow(struct ct_arena *arena, void **items, size_t count, size_t *capacity,
                   size_t item_bytes);
#define CT_ARENA_PUSH(arena, items, count, capacity)                                               \
    ct_arena_grow((arena), (void **)&(items), (count), &(capacity), sizeof *(items))

#endif
