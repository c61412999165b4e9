#include "plan/memory.h"

#include <stdlib.h>

static int larger_first(const void *a, const void *b)
{
    const struct ct_block *x = *(const struct ct_block *const *)a;
    const struct ct_block *y = *(const struct ct_block *const *)b;
    if (x->size_bytes != y->size_bytes)
        return x->size_bytes < y->size_bytes ? 1 : -1;
    return (x > y) - (x < y); /* a total order: the same plan every time */
}

/* The smallest gap, between those already placed and alive together with it, that holds `block`.
 * `placed` is sorted by offset. */
static bool find_gap(const struct ct_block *block, struct ct_block *const *placed, size_t count,
                     size_t *offset)
{
    size_t end = 0, best = 0, best_gap = SIZE_MAX;
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        const struct ct_block *other = placed[i];
        if (other->last < block->first || other->first > block->last)
            continue;
        if (other->offset > end && other->offset - end >= block->size_bytes &&
            other->offset - end < best_gap) {
            best = end;
            best_gap = other->offset - end;
            found = true;
        }
        size_t other_end;
        if (!ct_add_size(other->offset, ct_align_up(other->size_bytes, CT_ALIGN), &other_end))
            return false;
        if (other_end > end)
            end = other_end;
    }
    *offset = found ? best : end;
    return true;
}

ct_status ct_memory_plan(struct ct_block *blocks, size_t count, struct ct_arena *scratch,
                         size_t *total_bytes, corten_error *error)
{
    struct ct_block **order = ct_arena_array(scratch, count, sizeof *order);
    struct ct_block **placed = ct_arena_array(scratch, count, sizeof *placed);
    if (!order || !placed)
        return ct_fail_memory(error, count * sizeof *order, "the memory plan");
    for (size_t i = 0; i < count; i++)
        order[i] = &blocks[i];
    if (count)
        qsort(order, count, sizeof *order, larger_first);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        struct ct_block *block = order[i];
        size_t end;
        if (block->size_bytes > SIZE_MAX / 4 || !find_gap(block, placed, i, &block->offset) ||
            !ct_add_size(block->offset, ct_align_up(block->size_bytes, CT_ALIGN), &end))
            return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "the intermediates are too large");
        if (end > total)
            total = end;
        size_t at = i; /* insertion by offset */
        for (; at > 0 && placed[at - 1]->offset > block->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = block;
    }
    *total_bytes = total;
    return CORTEN_OK;
}
