/* Reading constants of the mapped file, which may lie at any address. */
#ifndef CT_OPS_LINEAR_UNALIGNED_H
#define CT_OPS_LINEAR_UNALIGNED_H

#include "base/tensor.h"

#include <string.h>

/** ct_load_f32 of a type of whole bytes, from memory of any alignment. */
static inline void ct_load_f32_unaligned(ct_dtype dtype, const void *base, size_t first, size_t n,
                                         float *to)
{
    enum { BLOCK = 512 };
    double aligned[BLOCK]; /* room for the largest element */
    size_t elem = ct_dtype_elem_bytes(dtype);
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t m = n - i < BLOCK ? n - i : BLOCK;
        memcpy(aligned, (const char *)base + (first + i) * elem, m * elem);
        ct_load_f32(dtype, aligned, 0, m, to + i);
    }
}

#endif
