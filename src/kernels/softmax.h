/* Softmax kernels: one contiguous row at a time. Rows of softmax.def, best first, list them. */
#ifndef CT_KERNELS_SOFTMAX_H
#define CT_KERNELS_SOFTMAX_H

#include "cpu/cpu.h"

struct ct_softmax_f32_functions {
    /** y = exp(x - max) / sum of the same; n > 0; x and y may be equal. */
    void (*softmax)(const float *x, float *y, size_t n);
    /** y = x - max - log(sum of exp(x - max)). */
    void (*log_softmax)(const float *x, float *y, size_t n);
};

struct ct_softmax_f32_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_softmax_f32_functions *fn;
};

#define CT_SOFTMAX_F32(name, isa) extern const struct ct_softmax_f32_functions name;
#include "kernels/softmax.def"

/** Every row, best first. */
const struct ct_softmax_f32_kernel *ct_softmax_f32_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_softmax_f32_kernel *ct_softmax_f32_select(unsigned cpu_features);

#endif
