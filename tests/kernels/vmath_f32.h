/* The functions of tmpl/vmath_f32.h as arrays to arrays, once for each ISA, so that they can be
 * compared with double. */
#ifndef CT_TESTS_KERNELS_VMATH_F32_H
#define CT_TESTS_KERNELS_VMATH_F32_H

#include <stddef.h>

/* X(function, largest error in units in the last place, or a difference in 2^-24 max(|x|, 1))
 * The bounds are those that tmpl/vmath_f32.h states. */
#define VMATH_MAP(X)                                                                               \
    X(exp, 1.5, 0)                                                                                 \
    X(exp_nonpos, 1.5, 3e-31)                                                                      \
    X(expm1, 2.5, 0)                                                                               \
    X(log, 1.5, 0)                                                                                 \
    X(log1p, 2.5, 0)                                                                               \
    X(tanh, 3, 0)                                                                                  \
    X(sigmoid, 3, 0)                                                                               \
    X(silu, 3.5, 1e-25)                                                                            \
    X(erf, 8, 0)                                                                                   \
    X(gelu_erf, 4, 5)                                                                              \
    X(gelu_tanh, 4, 2)

typedef void vmath_fn(const float *x, float *y, size_t n);

struct vmath_functions {
#define CT_X(name, ulps, absolute) vmath_fn *name;
    VMATH_MAP(CT_X)
#undef CT_X
};

extern const struct vmath_functions vmath_scalar, vmath_sse41, vmath_avx2, vmath_avx512;

#endif
