/* Rotation of one head's pairs of elements, see ops/linear/rotary.c for the source. */
#ifndef CT_OPS_CONTRIB_ROPE_H
#define CT_OPS_CONTRIB_ROPE_H

#include <stdbool.h>
#include <stdint.h>

/** The first 2 * half of `size` elements are rotated, pairs next to each other (interleaved) or
 *  `half` apart; the others are copied. x and y may be equal. */
static inline void ct_rope_head(const float *x, float *y, const float *cos, const float *sin,
                                int64_t half, int64_t size, bool interleaved)
{
    for (int64_t i = 0; i < half; i++) {
        int64_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : half + i;
        float real = x[a], imaginary = x[b];
        y[a] = cos[i] * real - sin[i] * imaginary;
        y[b] = sin[i] * real + cos[i] * imaginary;
    }
    for (int64_t i = 2 * half; i < size; i++)
        y[i] = x[i];
}

#endif
