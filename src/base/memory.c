#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

/* Weights that are streamed through touch a page every few hundred nanoseconds, and under a
 * hypervisor a miss in the page tables costs as much. Memory of that size gets large pages where
 * the system has them on request; only whole ones, so that no more is used than was asked for. */
enum { LARGE_PAGE_BYTES = 2 << 20 };

static void *allocate_large(size_t size_bytes)
{
    void *memory = aligned_alloc(LARGE_PAGE_BYTES, ct_align_up(size_bytes, LARGE_PAGE_BYTES));
#if defined(MADV_HUGEPAGE)
    if (memory)
        madvise(memory, size_bytes & ~(size_t)(LARGE_PAGE_BYTES - 1), MADV_HUGEPAGE);
#endif
    return memory;
}

static void *default_allocate(void *user, size_t size_bytes, size_t alignment_bytes)
{
    (void)user;
    if (size_bytes > PTRDIFF_MAX - alignment_bytes)
        return NULL;
    if (size_bytes >= LARGE_PAGE_BYTES && alignment_bytes <= LARGE_PAGE_BYTES)
        return allocate_large(size_bytes);
    /* aligned_alloc wants a multiple of the alignment. */
    return aligned_alloc(alignment_bytes, ct_align_up(size_bytes, alignment_bytes));
}

static void default_release(void *user, void *memory, size_t size_bytes)
{
    (void)user;
    (void)size_bytes;
    free(memory);
}

const corten_allocator *ct_default_allocator(void)
{
    static const corten_allocator allocator = {default_allocate, default_release, NULL};
    return &allocator;
}

void corten_free(void *memory)
{
    free(memory);
}

/* What an allocator is asked for: never 0, which some refuse. */
static size_t asked_bytes(size_t size_bytes)
{
    return size_bytes ? size_bytes : 1;
}

void *ct_alloc(const corten_allocator *allocator, size_t size_bytes)
{
    return allocator->allocate(allocator->user, asked_bytes(size_bytes), CT_ALIGN);
}

void *ct_alloc_zero(const corten_allocator *allocator, size_t size_bytes)
{
    void *memory = ct_alloc(allocator, size_bytes);
    if (memory)
        memset(memory, 0, size_bytes);
    return memory;
}

void ct_release(const corten_allocator *allocator, void *memory, size_t size_bytes)
{
    if (memory)
        allocator->release(allocator->user, memory, asked_bytes(size_bytes));
}

/* ------------------------------------------------------------------ meter */

/* Adds to the live count; false, with nothing added, when that would pass the limit. */
static bool meter_take(struct ct_meter *meter, size_t size_bytes)
{
    size_t live = __atomic_load_n(&meter->live_bytes, __ATOMIC_RELAXED);
    size_t sum;
    do {
        if (!ct_add_size(live, size_bytes, &sum))
            return false;
        if (meter->limit_bytes && sum > meter->limit_bytes) {
            __atomic_store_n(&meter->refused_bytes, size_bytes, __ATOMIC_RELAXED);
            return false;
        }
    } while (!__atomic_compare_exchange_n(&meter->live_bytes, &live, sum, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    size_t peak = __atomic_load_n(&meter->peak_bytes, __ATOMIC_RELAXED);
    while (peak < sum && !__atomic_compare_exchange_n(&meter->peak_bytes, &peak, sum, true,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    return true;
}

static void *meter_allocate(void *user, size_t size_bytes, size_t alignment_bytes)
{
    struct ct_meter *meter = user;
    if (!meter_take(meter, size_bytes))
        return NULL;
    void *memory = meter->base.allocate(meter->base.user, size_bytes, alignment_bytes);
    if (!memory)
        __atomic_sub_fetch(&meter->live_bytes, size_bytes, __ATOMIC_RELAXED);
    else if (__atomic_load_n(&meter->refs, __ATOMIC_RELAXED))
        __atomic_add_fetch(&meter->refs, 1, __ATOMIC_RELAXED);
    return memory;
}

void ct_meter_unref(struct ct_meter *meter)
{
    if (!meter || __atomic_sub_fetch(&meter->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    corten_allocator base = meter->base;
    ct_release(&base, meter, sizeof *meter);
}

static void meter_release(void *user, void *memory, size_t size_bytes)
{
    struct ct_meter *meter = user;
    meter->base.release(meter->base.user, memory, size_bytes);
    __atomic_sub_fetch(&meter->live_bytes, size_bytes, __ATOMIC_RELAXED);
    if (__atomic_load_n(&meter->refs, __ATOMIC_RELAXED))
        ct_meter_unref(meter);
}

struct ct_meter *ct_meter_create(const corten_allocator *base, size_t limit_bytes)
{
    struct ct_meter *meter = ct_alloc_zero(base, sizeof *meter);
    if (meter)
        *meter = (struct ct_meter){.base = *base, .limit_bytes = limit_bytes, .refs = 1};
    return meter;
}

corten_allocator ct_meter_allocator(struct ct_meter *meter)
{
    return (corten_allocator){meter_allocate, meter_release, meter};
}

/* ------------------------------------------------------------------ arena */

enum { FIRST_CHUNK_BYTES = 4096, LARGEST_CHUNK_BYTES = 1 << 20, SMALL_ALIGN = 16 };

/* Sits at the start of each chunk; the memory after it keeps the alignment. */
struct ct_arena_chunk {
    _Alignas(CT_ALIGN) struct ct_arena_chunk *next;
    size_t size_bytes; /* with this header */
};

void ct_arena_init(struct ct_arena *arena, const corten_allocator *allocator)
{
    *arena = (struct ct_arena){.allocator = allocator};
}

void ct_arena_deinit(struct ct_arena *arena)
{
    struct ct_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct ct_arena_chunk *next = chunk->next;
        ct_release(arena->allocator, chunk, chunk->size_bytes);
        chunk = next;
    }
    ct_arena_init(arena, arena->allocator);
}

static struct ct_arena_chunk *new_chunk(struct ct_arena *arena, size_t payload_bytes)
{
    size_t size_bytes;
    if (!ct_add_size(payload_bytes, sizeof(struct ct_arena_chunk), &size_bytes))
        return NULL;
    struct ct_arena_chunk *chunk = ct_alloc(arena->allocator, size_bytes);
    if (!chunk)
        return NULL;
    chunk->size_bytes = size_bytes;
    return chunk;
}

/* A large piece gets a chunk to itself, kept behind the current one, which still has room. */
static void *alloc_oversize(struct ct_arena *arena, size_t size_bytes)
{
    struct ct_arena_chunk *chunk = new_chunk(arena, size_bytes);
    if (!chunk)
        return NULL;
    if (arena->chunks) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = NULL;
        arena->chunks = chunk;
        arena->next = arena->end = (char *)chunk + chunk->size_bytes;
    }
    arena->used_bytes += size_bytes;
    return chunk + 1;
}

/* Chunks grow with what the arena holds, so that small arenas stay small and the number of
 * chunks stays logarithmic. */
static size_t next_chunk_bytes(const struct ct_arena *arena)
{
    size_t bytes = FIRST_CHUNK_BYTES;
    while (bytes < arena->used_bytes && bytes < LARGEST_CHUNK_BYTES)
        bytes *= 2;
    return bytes;
}

void *ct_arena_alloc(struct ct_arena *arena, size_t size_bytes)
{
    size_t alignment = size_bytes >= CT_ALIGN ? CT_ALIGN : SMALL_ALIGN;
    size_t room = (size_t)(arena->end - arena->next);
    size_t pad = arena->next ? (size_t)(-(uintptr_t)arena->next & (alignment - 1)) : 0;
    if (!arena->next || pad > room || size_bytes > room - pad) {
        size_t chunk_bytes = next_chunk_bytes(arena) - sizeof(struct ct_arena_chunk);
        if (size_bytes > chunk_bytes / 4)
            return alloc_oversize(arena, size_bytes);
        struct ct_arena_chunk *chunk = new_chunk(arena, chunk_bytes);
        if (!chunk)
            return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->next = (char *)(chunk + 1);
        arena->end = arena->next + chunk_bytes;
        pad = 0;
    }
    char *memory = arena->next + pad;
    arena->next = memory + size_bytes;
    arena->used_bytes += pad + size_bytes;
    return memory;
}

void *ct_arena_alloc_zero(struct ct_arena *arena, size_t size_bytes)
{
    void *memory = ct_arena_alloc(arena, size_bytes);
    if (memory)
        memset(memory, 0, size_bytes);
    return memory;
}

void *ct_arena_array(struct ct_arena *arena, size_t n, size_t size_bytes)
{
    size_t total_bytes;
    if (!ct_mul_size(n, size_bytes, &total_bytes))
        return NULL;
    return ct_arena_alloc_zero(arena, total_bytes);
}

char *ct_arena_strndup(struct ct_arena *arena, const char *text, size_t size_bytes)
{
    size_t total_bytes;
    if (!ct_add_size(size_bytes, 1, &total_bytes))
        return NULL;
    char *copy = ct_arena_alloc(arena, total_bytes);
    if (!copy)
        return NULL;
    if (size_bytes)
        memcpy(copy, text, size_bytes);
    copy[size_bytes] = '\0';
    return copy;
}

char *ct_arena_strdup(struct ct_arena *arena, const char *text)
{
    return ct_arena_strndup(arena, text, strlen(text));
}

char *ct_arena_printf(struct ct_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    char *text = ct_arena_alloc(arena, (size_t)length + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

bool ct_arena_grow(struct ct_arena *arena, void **items, size_t count, size_t *capacity,
                   size_t item_bytes)
{
    if (count < *capacity)
        return true;
    size_t more;
    if (!ct_mul_size(*capacity, 2, &more))
        return false;
    if (more < 8)
        more = 8;
    void *grown = ct_arena_array(arena, more, item_bytes);
    if (!grown)
        return false;
    /* `items` points to a pointer of another type, which may only be read and written as bytes. */
    void *old;
    memcpy(&old, items, sizeof old);
    if (count)
        memcpy(grown, old, count * item_bytes);
    memcpy(items, &grown, sizeof grown);
    *capacity = more;
    return true;
}
