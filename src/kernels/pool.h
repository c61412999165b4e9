/* Pooling kernels. Rows of pool.def, best first, list them. */
#ifndef CT_KERNELS_POOL_H
#define CT_KERNELS_POOL_H

#include "cpu/cpu.h"

/** A window over one channel of an image that has its padding around it:
 *    max: out[r * out_row + c] = the largest of in[r * in_row + taps[t] + c]; NaN when one is
 *    sum: out[r * out_row + c] = their sum in order of t, times scale[r * out_row + c] (NULL: 1)
 *  Reads nothing but these elements. */
struct ct_pool_f32_rows {
    size_t n_rows, n_cols, n_taps; /* n_taps > 0 */
    const size_t *taps;
    const float *in;
    size_t in_row;
    float *out;
    size_t out_row;
    const float *scale;
};

struct ct_pool_f32_functions {
    void (*max)(const struct ct_pool_f32_rows *rows);
    void (*sum)(const struct ct_pool_f32_rows *rows);
};

struct ct_pool_f32_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_pool_f32_functions *fn;
};

#define CT_POOL_F32(name, isa) extern const struct ct_pool_f32_functions name;
#include "kernels/pool.def"

/** Every row, best first. */
const struct ct_pool_f32_kernel *ct_pool_f32_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_pool_f32_kernel *ct_pool_f32_select(unsigned cpu_features);

#endif
