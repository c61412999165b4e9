/* Loops of whole-byte elements, by dtype; inside of base/. See base/tmpl/elem_loops.h. */
#ifndef CT_BASE_LOOPS_H
#define CT_BASE_LOOPS_H

#include "base/dtype.h"

/** NULL where a type has none: the narrow floats go through float. What is read may be unaligned.
 *  The rows of floats below 8 bits take one code a byte; the narrow integers have none and use U8 and I8. */
struct ct_loops {
    void (*load_f32)(const void *from, size_t n, float *to);
    void (*store_f32)(void *to, size_t n, const void *from);
    void (*load_f64)(const void *from, size_t n, double *to);
    void (*store_f64)(void *to, size_t n, const void *from);
    void (*load_i64)(const void *from, size_t n, int64_t *to);
    void (*store_i64)(void *to, size_t n, const void *from);
};

/** All NULL for types without loops. */
const struct ct_loops *ct_loops_of(ct_dtype dtype);

#endif
