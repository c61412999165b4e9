/* Reduction kernels. Rows of reduce.def, best first, list them. */
#ifndef CT_KERNELS_REDUCE_H
#define CT_KERNELS_REDUCE_H

#include "cpu/cpu.h"

/** What is done with the elements. MAX and MIN give NaN when one of them is NaN.
 *  X(NAME, start, formula) */
#define CT_REDUCE_MAP(X)                                                                           \
    X(SUM, 0, "a + x")                                                                             \
    X(SUM_ABS, 0, "a + |x|")                                                                       \
    X(SUM_SQUARE, 0, "a + x * x")                                                                  \
    X(PROD, 1, "a * x")                                                                            \
    X(MAX, -inf, "max(a, x)")                                                                      \
    X(MIN, inf, "min(a, x)")

enum ct_reduce {
#define CT_X(name, start, formula) CT_REDUCE_##name,
    CT_REDUCE_MAP(CT_X)
#undef CT_X
        CT_REDUCE_COUNT
};

struct ct_reduce_f32_functions {
    /** Of n > 0 contiguous elements. The order of a sum depends on n alone. */
    double (*row)(enum ct_reduce what, const float *x, size_t n);
    /** acc[j] = acc[j] with x[i * stride + j], i from 0 to rows - 1, one after the other. */
    void (*columns)(enum ct_reduce what, const float *x, size_t stride, size_t rows, size_t n,
                    float *acc);
};

struct ct_reduce_f32_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_reduce_f32_functions *fn;
};

#define CT_REDUCE_F32(name, isa) extern const struct ct_reduce_f32_functions name;
#include "kernels/reduce.def"

/** Every row, best first. */
const struct ct_reduce_f32_kernel *ct_reduce_f32_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_reduce_f32_kernel *ct_reduce_f32_select(unsigned cpu_features);

#endif
