/* Attention kernels: what stands between the two products of a tile. Rows of attention.def, best
 * first, list them.
 *
 * Method: online softmax of M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax",
 * 2018, as T. Dao et al. use it in "FlashAttention", 2022. */
#ifndef CT_KERNELS_ATTENTION_H
#define CT_KERNELS_ATTENTION_H

#include "cpu/cpu.h"

/** A run of scores of one query. */
struct ct_attention_f32_row {
    float *s; /* n products, replaced by exp(score - max); a score is `scale` times a product */
    size_t n;
    float scale;
    const float *mask; /* added to the scores; NULL: none */
    float softcap;     /* scores become softcap * tanh(score / softcap) before the mask; 0: not */
    float max, sum;    /* of the runs before, -inf and 0 at first; brought up to date */
    float correction;  /* result: what the sums of the runs before are to be multiplied with */
};

struct ct_attention_f32_functions {
    void (*softmax)(struct ct_attention_f32_row *rows, size_t count);
    /** x *= by. */
    void (*scale)(float *x, size_t n, float by);
};

struct ct_attention_f32_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_attention_f32_functions *fn;
};

#define CT_ATTENTION_F32(name, isa) extern const struct ct_attention_f32_functions name;
#include "kernels/attention.def"

/** Every row, best first. */
const struct ct_attention_f32_kernel *ct_attention_f32_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_attention_f32_kernel *ct_attention_f32_select(unsigned cpu_features);

#endif
