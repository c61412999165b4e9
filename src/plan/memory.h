/* Where each intermediate lies in a run's arena. */
#ifndef CT_PLAN_MEMORY_H
#define CT_PLAN_MEMORY_H

#include "base/memory.h"

/** A piece of memory needed from step `first` to step `last`, both included. */
struct ct_block {
    size_t size_bytes;
    int first, last;
    size_t offset; /* result, a multiple of CT_ALIGN */
};

/** Gives every block an offset so that blocks alive at one step do not overlap, greedily by size
 *  (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
 *  *total_bytes: what the arena must hold. */
ct_status ct_memory_plan(struct ct_block *blocks, size_t count, struct ct_arena *scratch,
                         size_t *total_bytes, corten_error *error);

#endif
