/* Defines VMATH, a struct vmath_functions, over the simd/ header included before. */
#include "kernels/tmpl/vmath_f32.h"

#include "kernels/vmath_f32.h"

#define CT_X(name, ulps, absolute)                                                                 \
    static void run_##name(const float *x, float *y, size_t n)                                     \
    {                                                                                              \
        for (size_t i = 0; i < n; i += V_WIDTH)                                                    \
            v_store_tail(y + i, v_##name(v_load_tail(x + i, v_tail_make(n - i))),                  \
                         v_tail_make(n - i));                                                      \
    }
VMATH_MAP(CT_X)
#undef CT_X

const struct vmath_functions VMATH = {
#define CT_X(name, ulps, absolute) .name = run_##name,
    VMATH_MAP(CT_X)
#undef CT_X
};
