/* Convolutions with bfloat16 products and float32 sums on tensors in the blocked channel layout
 * (kernels/conv_blocked.h), whose inputs are rounded first.
 *
 * A rounded input is 64 bytes, 32 elements, for each pixel: the channels of two blocks, or, for few
 * channels that lie plain, those of eight pixels of a row, four channels each (CT_CONV_BF16_PLAIN).
 * A sum goes through steps: each takes 32 elements of every pixel, at one position of the window,
 * times 32 x 16 weights for each block of output channels. Rows of conv_bf16.def list the kernels. */
#ifndef CT_KERNELS_CONV_BF16_H
#define CT_KERNELS_CONV_BF16_H

#include "kernels/conv_blocked.h"

enum {
    CT_CONV_BF16_STEP = 32,   /* elements of the sum */
    CT_CONV_BF16_PIXELS = 32, /* of a tile, at most */
    CT_CONV_BF16_BLOCKS = 2,  /* of output channels, at most */
    CT_CONV_BF16_PLAIN = 4,   /* channels of a plain input, padded with zeros */
    CT_CONV_BF16_PLAIN_COLS = CT_CONV_BF16_STEP / CT_CONV_BF16_PLAIN
};

/** sums[block][32][16]: sums of adjacent pixels in order of the steps. Reads the inputs of 16 or 32
 *  pixels, the next multiple of 16, and gives them sums. */
struct ct_conv_bf16_tile {
    size_t pixels, blocks, steps;
    const uint16_t *x;
    size_t x_pixel;       /* elements between adjacent pixels */
    const size_t *x_step; /* elements from x to the inputs of the first pixel, for each step */
    const uint16_t *w;    /* [step][block][16 pairs][16 channels][2], always of two blocks */
    float *sums;
};

/** y[pixel][16] = act(sums[pixel][16] + bias[16] + residual[pixel][16]), exact to 2^-13
 *  of act's argument, or of 1 for the sigmoid. */
struct ct_conv_bf16_finish {
    size_t pixels;
    const float *sums, *bias, *residual; /* bias, residual: may be NULL; residual may be y */
    float *y;
    const struct ct_conv_blocked_post *post;
};

struct ct_conv_bf16_functions {
    /** Called on a thread before and after its calls of `tile`; or NULL. */
    void (*enter)(void);
    void (*leave)(void);
    void (*tile)(const struct ct_conv_bf16_tile *tile);
    void (*finish)(const struct ct_conv_bf16_finish *pixels);
    /** Rounds n pixels, x_pixel elements apart, of one block (second NULL) or two, `channels` of
     *  them, to 32 elements each; zeros take the place of channels that do not exist. */
    void (*round)(size_t n, size_t channels, const float *first, const float *second,
                  size_t x_pixel, uint16_t *to);
    /** Rounds n pixels of 1 to 4 plain channels, `plane` elements apart, to four elements each. */
    void (*round_plain)(size_t n, size_t channels, const float *x, size_t plane, uint16_t *to);
};

struct ct_conv_bf16_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_conv_bf16_functions *fn;
};

#define CT_CONV_BF16(name, isa) extern const struct ct_conv_bf16_functions name;
#include "kernels/conv_bf16.def"

/** Every row, best first; `count` may receive 0, and the pointer is never NULL. */
const struct ct_conv_bf16_kernel *ct_conv_bf16_kernels(size_t *count);
/** The first row that `cpu_features` allows; NULL: none, float32 is as fast. */
const struct ct_conv_bf16_kernel *ct_conv_bf16_select(unsigned cpu_features);

#endif
