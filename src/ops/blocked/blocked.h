/* Operators of domain ai.corten on tensors in the blocked channel layout (CT_LAYOUT_NCXc16):
 *   Reorder(x) [to="blocked" | "channels_last" | "plain"]  bytes have no blocks, only channels last
 *   BlockedConv(X, W, bias, residual, scale)  attributes of Conv, activation, activation_params;
 *     scale [batch, channels, 1, 1] multiplies X, for one group and a window of 1 x 1
 *   BlockedExpandDepthwise(X, W1, W2, bias1, bias2)  a convolution of 1 x 1 with expand_activation
 *     and expand_activation_params, then the depthwise one with the attributes of BlockedConv.
 *     Output 1: means of output 0 over rows and columns
 *   BlockedMaxPool(X), BlockedAveragePool(X)  attributes of the pools
 *   BlockedGlobalAveragePool(X)
 *   BlockedConcat(X...)  along the channels, all but the last multiples of 16
 *   BlockedUpsample(X) [scales]  nearest, whole factors
 * Float32 of rank 4 (Reorder: bytes too). W is a constant of the plain layout, X may be plain when it has few channels
 * (CT_BLOCKED_PLAIN_CHANNELS). The layout pass makes them. */
#ifndef CT_OPS_BLOCKED_BLOCKED_H
#define CT_OPS_BLOCKED_BLOCKED_H

#include "kernels/conv_blocked.h"
#include "ops/nn/conv.h"

enum {
    CT_BLOCKED_PLAIN_CHANNELS = 4,
    CT_BLOCKED_MAX_STRIDE = 2, /* along columns */
    CT_BLOCKED_MAX_TAPS = 64
};

static inline int64_t ct_blocks(int64_t channels)
{
    return (channels + CT_CONV_BLOCK - 1) / CT_CONV_BLOCK;
}
/** The input is a float32 tensor of rank 4 in the layout (unknown facts pass). */
ct_status ct_blocked_check(const struct ct_infer *infer, int index, enum ct_layout layout);
/** Marks output 0. */
void ct_blocked_set_layout(const struct ct_infer *infer);

/** One image in two dimensions, and how the window moves over it. */
struct ct_blocked_window {
    int64_t in[2], out[2], kernel[2], stride[2], dilation[2], pad[2]; /* rows, columns */
};
struct ct_blocked_window ct_blocked_window_of(const struct ct_window *window);

/** Copies n_rows x n_cols pixels of 16 channels of a plane (in[0] x in[1] pixels), those outside of
 *  it as zeros. Rows are row_step apart, from (row, col), which may be negative. */
void ct_blocked_patch(const struct ct_blocked_window *w, const float *plane, int64_t row,
                      int64_t n_rows, int64_t row_step, int64_t col, int64_t n_cols, float *patch);

struct ct_blocked_conv {
    int64_t batch, ic, oc;
    struct ct_blocked_window window;
    const struct ct_conv_blocked_kernel *kernel;
    struct ct_conv_blocked_post post;
    const float *w, *bias; /* packed; bias NULL: none */
    bool plain;            /* the input is */
    bool has_residual;
    bool has_scale;
    /* Sum of products: rows are cut into tiles, of which `chunk` make an item with one group of
     * output blocks. */
    int64_t row_tiles, tiles, chunk, chunks, groups;
    bool group_first; /* items of one group follow each other: its weights stay in the cache */
    double item_ns;
    int64_t patch_elems; /* of scratch for each worker; 0: none */
    /* Winograd: rows of squares of 4 x 4 outputs; chunk_rows of them are multiplied at once. */
    int64_t square_rows, square_cols, chunk_rows, chunk_squares;
    size_t place_in, place_out, sums_at, sums_elems, patches_at;
};

enum ct_blocked_way { CT_BLOCKED_TILES, CT_BLOCKED_WINOGRAD, CT_BLOCKED_DEPTHWISE };
/** Packs the weight and the bias, if there is one, which are these inputs. */
ct_status ct_blocked_conv_pack(struct ct_prepare *prepare, struct ct_blocked_conv *conv,
                               enum ct_blocked_way way, int weight, int bias);
/** Fails unless they are constant. */
ct_status ct_blocked_check_constants(const struct ct_prepare *prepare, int weight, int bias);

/** Ways to compute it; state is made, prepare->run and scratch are set. */
ct_status ct_blocked_conv_tiles(struct ct_prepare *prepare, struct ct_blocked_conv *conv);
ct_status ct_blocked_conv_depthwise(struct ct_prepare *prepare, struct ct_blocked_conv *conv);
/** Whether Winograd's way is faster, and what it takes: 3 x 3 windows of stride 1. */
bool ct_blocked_conv_fits_winograd(const struct ct_blocked_conv *conv);
ct_status ct_blocked_conv_winograd(struct ct_prepare *prepare, struct ct_blocked_conv *conv);
ct_status ct_blocked_pack_winograd(void *arg, const struct ct_tensor *constant, void *packed,
                                   struct ct_pool *pool, corten_error *error);
/** Whether products of bfloat16 are asked for, faster, and possible; packs the weights too. */
bool ct_blocked_conv_fits_bf16(const struct ct_prepare *prepare,
                               const struct ct_blocked_conv *conv);
ct_status ct_blocked_conv_bf16(struct ct_prepare *prepare, const struct ct_blocked_conv *conv);
/** Packs weights (ct_pack_fn; arg is struct ct_blocked_conv *) and the bias. */
ct_status ct_blocked_pack_dense(void *arg, const struct ct_tensor *constant, void *packed,
                                struct ct_pool *pool, corten_error *error);
ct_status ct_blocked_pack_depthwise(void *arg, const struct ct_tensor *constant, void *packed,
                                    struct ct_pool *pool, corten_error *error);
ct_status ct_blocked_pack_bias(void *arg, const struct ct_tensor *constant, void *packed,
                               struct ct_pool *pool, corten_error *error);
/** Rows of 16 weights of an input block in packed memory. */
static inline int64_t ct_blocked_rows(int64_t ic)
{
    return ic < CT_CONV_BLOCK ? ic : CT_CONV_BLOCK;
}

#endif
