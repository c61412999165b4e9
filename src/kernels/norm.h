/* Normalisation kernels: one contiguous row at a time. Rows of norm.def, best first, list them. */
#ifndef CT_KERNELS_NORM_H
#define CT_KERNELS_NORM_H

#include "cpu/cpu.h"

/** One row of n > 0 elements. First v = x + add + add_bias, where given, kept in `sum` (NULL: in
 *  y); then
 *    layer: y = (v - mean) * inv_std * scale + bias, inv_std = 1 / sqrt(variance + epsilon)
 *    rms:   y = v * inv_std * scale + bias,          inv_std = 1 / sqrt(mean of v^2 + epsilon)
 *  All pointers but x and y may be NULL; x, add, sum and y may be equal. */
struct ct_norm_f32_row {
    size_t n;
    const float *x, *add, *add_bias;
    const float *scale, *bias;
    float *sum, *y;
    float epsilon;
    float mean, inv_std; /* results; rms sets no mean */
};

struct ct_norm_f32_functions {
    void (*layer)(struct ct_norm_f32_row *row);
    void (*rms)(struct ct_norm_f32_row *row);
};

struct ct_norm_f32_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_norm_f32_functions *fn;
};

#define CT_NORM_F32(name, isa) extern const struct ct_norm_f32_functions name;
#include "kernels/norm.def"

/** Every row, best first. */
const struct ct_norm_f32_kernel *ct_norm_f32_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_norm_f32_kernel *ct_norm_f32_select(unsigned cpu_features);

#endif
