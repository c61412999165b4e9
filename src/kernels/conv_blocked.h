/* Kernels of the blocked channel layout (CT_LAYOUT_NCXc16 of base/tensor.h): an image is
 * [blocks][rows][columns][16 channels], so that a vector holds channels of one pixel. Rows of
 * conv_blocked.def, best first, list the kernels.
 *
 * A convolution keeps a tile of pixels x blocks of output channels in registers and walks through
 * the input channels: one load of 16 weights serves all pixels, one broadcast input all blocks.
 * The channels of the last block that do not exist are written (act(0) in most cases) but never
 * read as inputs of a sum, so that whatever is there cannot reach a result.
 *
 * Method: E. Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD
 * Architectures", 2018. */
#ifndef CT_KERNELS_CONV_BLOCKED_H
#define CT_KERNELS_CONV_BLOCKED_H

#include "kernels/gemm.h"

enum { CT_CONV_BLOCK = 16 };

/** What follows the sum of an element: act(sum + residual). */
struct ct_conv_blocked_post {
    enum ct_act act;
    float act_params[2];
};

/** One position of the window. */
struct ct_conv_blocked_tap {
    ptrdiff_t x;  /* elements from the tile's x to the input of its first pixel */
    uint32_t w;   /* elements from the weights of an input block to those of this position */
    uint32_t cut; /* CT_CUT_FIRST: the first pixel has no input here; CT_CUT_LAST: the last one */
};
enum { CT_CUT_NONE, CT_CUT_FIRST, CT_CUT_LAST };

/** A tile: adjacent pixels of a row and blocks of output channels.
 *    y[block][pixel][o] = act(bias[block][o] + residual[block][pixel][o]
 *                             + sum over c, taps of w[block][c][tap][o] * x[c][pixel, tap])
 *  in order of blocks of c, then taps, then c within the block. */
struct ct_conv_blocked_tile {
    size_t pixels, blocks; /* 1 to the kernel's */
    size_t channels;       /* of the input */
    size_t n_taps;
    const struct ct_conv_blocked_tap *taps;
    const float *x;
    size_t x_pixel;     /* elements between the inputs of adjacent pixels: 16 or 32; plain input: 1
                         or 2 */
    size_t x_block;     /* elements between blocks of input channels */
    size_t x_channel;   /* between channels of a block: 1. More: the input is plain, one block, and
                         no tap is cut */
    const float *w;     /* [block][input block][tap][channel][16] */
    size_t w_in, w_out; /* elements between input blocks and between output blocks */
    const float *bias;  /* 16 for each block, or NULL */
    const float *residual; /* lies as y does; NULL: none; may be y */
    float *y;
    size_t y_block; /* elements between output blocks; pixels lie 16 apart */
    const float
        *w_next; /* weights that come later, n_next bytes to fetch into the cache; or NULL */
    size_t n_next;
    const struct ct_conv_blocked_post *post;
};

/** Pixels of a row or column of a depthwise convolution of one block; every input it names can be
 *  read. At a border the window is the part of it that lies inside. */
struct ct_conv_blocked_depthwise {
    size_t pixels, kernel_rows, kernel_cols;
    const float *x;               /* input of pixel 0 at position (0, 0) */
    size_t x_pixel, x_row, x_col; /* between pixels, and between positions of the window */
    const float *w;               /* [row][column][16] */
    size_t w_row;                 /* elements between rows of w */
    const float *bias;            /* 16, or NULL */
    const float *residual;        /* NULL: none */
    float *y;
    size_t y_pixel; /* between pixels of y and of the residual */
    const struct ct_conv_blocked_post *post;
};

/** A window of a pool: the largest, or the sum times `scale`, of rows x columns pixels. */
struct ct_conv_blocked_window {
    size_t rows, cols;
    const float *x;
    size_t x_row, x_col; /* elements between positions */
    float scale;
    float *y; /* 16 */
};

/* Winograd's F(4x4, 3x3): a square of 4 x 4 outputs of a 3 x 3 convolution of stride 1 takes 36
 * products of transformed inputs (6 x 6) and weights, where the sum over taps takes 144. The sums
 * of products over channels are tiles of one tap, one for each of the 36 places.
 * Method: A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2015. */
enum { CT_WINOGRAD_OUT = 4, CT_WINOGRAD_IN = 6, CT_WINOGRAD_PLACES = 36 };

/** B^T d B of n squares of a block, side by side: square k starts 4 k pixels to the right. */
struct ct_conv_blocked_winograd_in {
    size_t n;
    const float *x;
    size_t x_row; /* elements; pixels lie 16 apart */
    float *v;     /* place p of square k: v + p * v_place + 16 k */
    size_t v_place;
};

/** act(bias + residual + A^T m A) of n squares side by side. */
struct ct_conv_blocked_winograd_out {
    size_t n, rows, cols; /* of the output there are rows <= 4, and cols pixels in each, <= 4 n */
    const float *m;       /* as v above */
    size_t m_place;
    const float *bias;     /* 16, or NULL */
    const float *residual; /* lies as y does; or NULL */
    float *y;
    size_t y_row;
    const struct ct_conv_blocked_post *post;
};

struct ct_conv_blocked_functions {
    void (*tile)(const struct ct_conv_blocked_tile *tile);
    void (*depthwise)(const struct ct_conv_blocked_depthwise *row);
    void (*winograd_in)(const struct ct_conv_blocked_winograd_in *squares);
    void (*winograd_out)(const struct ct_conv_blocked_winograd_out *squares);
    void (*max)(const struct ct_conv_blocked_window *window);
    void (*average)(const struct ct_conv_blocked_window *window);
    /** n pixels of up to 16 channels. A plain channel has its pixels side by side, channels lie
     *  `plane` elements apart. Channels that do not exist become 0. */
    void (*to_blocked)(size_t n, size_t channels, const float *plain, size_t plane, float *blocked);
    void (*to_plain)(size_t n, size_t channels, const float *blocked, float *plain, size_t plane);
};

struct ct_conv_blocked_kernel {
    const char *name;
    enum ct_isa isa;
    size_t pixels, blocks; /* of the largest tile */
    const struct ct_conv_blocked_functions *fn;
};

#define CT_CONV_BLOCKED_F32(name, isa, pixels, blocks)                                             \
    extern const struct ct_conv_blocked_functions name;
#include "kernels/conv_blocked.def"

/** Every row, best first. */
const struct ct_conv_blocked_kernel *ct_conv_blocked_f32_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_conv_blocked_kernel *ct_conv_blocked_f32_select(unsigned cpu_features);

#endif
