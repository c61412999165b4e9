/* An allocator for tests: counts, fails on demand, fills new memory with a pattern and checks that
 * what is released is what was given. */
#ifndef CT_TESTS_SUPPORT_ALLOC_H
#define CT_TESTS_SUPPORT_ALLOC_H

#include "base/memory.h"

/** All fields may be read and written between calls; thread safe. Zero-initialised never fails. */
struct test_alloc {
    int calls;      /* allocations asked for so far */
    int fail_at;    /* the number (from 1) of the first call that fails, as do all later ones;
                          0: none */
    bool fail_once; /* only that one fails */
    int live;       /* allocations not released */
    size_t live_bytes;
    int errors; /* releases with a wrong size */
};

/** Borrows `state`. */
corten_allocator test_allocator(struct test_alloc *state);

/** Calls fn again and again, failing its first, second, … allocation, until it succeeds. Each
 *  failure must be CORTEN_OUT_OF_MEMORY with a text, and fn must leave nothing allocated, not even
 *  when it succeeds. Returns the number of failures seen. */
int test_each_allocation_failure(ct_status (*fn)(const corten_allocator *allocator, void *arg,
                                                 corten_error *error),
                                 void *arg);

#endif
