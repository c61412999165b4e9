/* A hash table from keys that stand in attributes to their places. Built once, in prepare. */
#ifndef CT_OPS_LOOKUP_H
#define CT_OPS_LOOKUP_H

#include "graph/op.h"

struct ct_lookup {
    uint32_t *slots; /* place + 1; 0: free */
    size_t mask;
    const uint64_t *numbers;      /* keys, or NULL */
    const corten_string *strings; /* keys, or NULL */
};

/** Keys are borrowed and stay as long as the table. Of equal keys the last one counts.
 *  LIMIT_EXCEEDED for more than 2^30 of them. */
ct_status ct_lookup_numbers(struct ct_lookup *lookup, struct ct_prepare *prepare,
                            const uint64_t *keys, size_t count);
ct_status ct_lookup_strings(struct ct_lookup *lookup, struct ct_prepare *prepare,
                            const corten_string *keys, size_t count);
/** Place of a key, -1 when there is none. */
int64_t ct_lookup_number(const struct ct_lookup *lookup, uint64_t key);
int64_t ct_lookup_string(const struct ct_lookup *lookup, corten_string key);

/** One number for all floats that are equal, and one for all NaN. */
static inline uint64_t ct_lookup_float(double x)
{
    union {
        double d;
        uint64_t u;
    } v = {x == 0 ? 0 : x};
    return x != x ? UINT64_C(0x7ff8000000000000) : v.u;
}

#endif
