/* Buffers between guard pages. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/corten_kernels.h"

enum { MOST_BUFFERS = 64, CANARY = 0xC5 };

struct buffer {
    char *map, *data;
    size_t map_bytes, page, size_bytes;
};

struct check_memory {
    struct buffer buffers[MOST_BUFFERS];
    size_t count;
};

struct check_memory *check_memory_create(void)
{
    return calloc(1, sizeof(struct check_memory));
}

void check_memory_destroy(struct check_memory *memory)
{
    if (memory)
        check_memory_release(memory);
    free(memory);
}

void *check_memory_alloc(struct check_memory *memory, size_t size_bytes, size_t alignment,
                         bool before)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (size_bytes + page - 1) / page * page;

    if (memory->count == MOST_BUFFERS || size_bytes % alignment != 0)
        return NULL;
    struct buffer *b = &memory->buffers[memory->count];
    b->map_bytes = body + 2 * page;
    b->map = mmap(NULL, b->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->map == MAP_FAILED || (body && mprotect(b->map + page, body, PROT_READ | PROT_WRITE)))
        return NULL;
    memset(b->map + page, CANARY, body);
    b->page = page;
    b->size_bytes = size_bytes;
    b->data = b->map + page + (before ? 0 : body - size_bytes);
    memset(b->data, 0xFF, size_bytes);
    memory->count++;
    return b->data;
}

static bool all_canary(const char *from, const char *to)
{
    for (; from < to; from++)
        if ((unsigned char)*from != CANARY)
            return false;
    return true;
}

bool check_memory_release(struct check_memory *memory)
{
    bool intact = true;

    for (size_t i = 0; i < memory->count; i++) {
        struct buffer *b = &memory->buffers[i];
        intact = intact && all_canary(b->map + b->page, b->data) &&
                 all_canary(b->data + b->size_bytes, b->map + b->map_bytes - b->page);
        munmap(b->map, b->map_bytes);
    }
    memory->count = 0;
    return intact;
}
