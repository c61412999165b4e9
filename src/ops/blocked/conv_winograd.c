/* 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3), see kernels/conv_blocked.h: inputs are
 * transformed once; then a chunk of squares and a group of output blocks are multiplied at each of
 * the 36 places and transformed back while the sums are in the second cache. */
#include "ops/blocked/blocked.h"

enum {
    CHUNK_SQUARES = 28,       /* two tiles of the widest kernel: weights are read for both */
    WEIGHTS_LIMIT = 12 << 20, /* bytes of transformed weights: past it, memory sets the pace */
    MIN_CHANNELS = 32,
    CACHED_BYTES = 512 << 10,
    INPUT_LIMIT = 1 << 26 /* elements of transformed inputs */
};

struct call {
    const struct ct_blocked_conv *conv;
    const float *x, *residual;
    float *y;
    float *in, *sums, *patches;
    int64_t image; /* one after the other: their transformed inputs share memory */
};

static int64_t squares_along(int64_t pixels)
{
    return (pixels + CT_WINOGRAD_OUT - 1) / CT_WINOGRAD_OUT;
}

bool ct_blocked_conv_fits_winograd(const struct ct_blocked_conv *c)
{
    const struct ct_blocked_window *w = &c->window;
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != 3 || w->stride[i] != 1 || w->dilation[i] != 1 || w->out[i] < 1 ||
            w->pad[i] > 2)
            return false;
    if (c->plain || c->ic < MIN_CHANNELS || c->oc < MIN_CHANNELS || !c->batch)
        return false;
    double squares = (double)squares_along(w->out[0]) * (double)squares_along(w->out[1]);
    double channels = (double)c->ic * (double)c->oc;
    double direct = 9 * channels * (double)w->out[0] * (double)w->out[1];
    /* A transform of a channel takes as long as some ten products at each place. */
    double winograd = CT_WINOGRAD_PLACES * squares * (channels + 10 * (double)(c->ic + c->oc));
    return winograd < 0.8 * direct &&
           CT_WINOGRAD_PLACES * channels * sizeof(float) < WEIGHTS_LIMIT &&
           CT_WINOGRAD_PLACES * squares * (double)(c->ic + CT_CONV_BLOCK) < INPUT_LIMIT;
}

/* ------------------------------------------------------------------ inputs */

/* Transformed inputs of a chunk: [place][input block][square][16]. */
static float *chunk_of(const struct call *call, int64_t chunk)
{
    return call->in + chunk * (int64_t)call->conv->place_in * CT_WINOGRAD_PLACES;
}

/* A row of squares of an input block, those at the borders through a copy with zeros around. */
static void transform_row(const struct call *call, int64_t block, int64_t row, float *patch)
{
    const struct ct_blocked_conv *c = call->conv;
    const struct ct_blocked_window *w = &c->window;
    const float *plane =
        call->x + (call->image * ct_blocks(c->ic) + block) * w->in[0] * w->in[1] * CT_CONV_BLOCK;
    int64_t top = row * CT_WINOGRAD_OUT - w->pad[0], square = row % c->chunk_rows * c->square_cols;
    float *v =
        chunk_of(call, row / c->chunk_rows) + (block * c->chunk_squares + square) * CT_CONV_BLOCK;
    for (int64_t k = 0; k < c->square_cols;) {
        int64_t left = k * CT_WINOGRAD_OUT - w->pad[1], n = 1;
        struct ct_conv_blocked_winograd_in in = {
            .v = v + k * CT_CONV_BLOCK,
            .v_place = c->place_in,
        };
        bool inside = top >= 0 && top + CT_WINOGRAD_IN <= w->in[0] && left >= 0;
        while (inside && k + n < c->square_cols &&
               left + n * CT_WINOGRAD_OUT + CT_WINOGRAD_IN <= w->in[1])
            n++;
        inside = inside && left + (n - 1) * CT_WINOGRAD_OUT + CT_WINOGRAD_IN <= w->in[1];
        in.n = (size_t)n;
        if (inside) {
            in.x = plane + (top * w->in[1] + left) * CT_CONV_BLOCK;
            in.x_row = (size_t)(w->in[1] * CT_CONV_BLOCK);
        } else {
            ct_blocked_patch(w, plane, top, CT_WINOGRAD_IN, 1, left, CT_WINOGRAD_IN, patch);
            in.x = patch;
            in.x_row = CT_WINOGRAD_IN * CT_CONV_BLOCK;
        }
        c->kernel->fn->winograd_in(&in);
        k += n;
    }
}

static void transform_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_blocked_conv *c = call->conv;
    float *patch = call->patches + worker * c->patch_elems;
    for (int64_t i = begin; i < end; i++)
        transform_row(call, i / c->square_rows, i % c->square_rows, patch);
}

/* ------------------------------------------------------------------ products */

/* Sums over the input channels: [place][block of the group][square][16]. */
static void multiply(const struct ct_blocked_conv *c, const float *in, int64_t block, size_t blocks,
                     int64_t squares, float *sums)
{
    static const struct ct_conv_blocked_post none = {0};
    static const struct ct_conv_blocked_tap tap = {0};
    int64_t in_blocks = ct_blocks(c->ic), most = (int64_t)c->kernel->pixels;
    int64_t w_out = in_blocks * CT_CONV_BLOCK * CT_CONV_BLOCK, n = (squares + most - 1) / most;
    struct ct_conv_blocked_tile tile = {
        .blocks = blocks,
        .channels = (size_t)c->ic,
        .n_taps = 1,
        .taps = &tap,
        .x_pixel = CT_CONV_BLOCK,
        .x_block = (size_t)(c->chunk_squares * CT_CONV_BLOCK),
        .x_channel = 1,
        .w_in = CT_CONV_BLOCK * CT_CONV_BLOCK,
        .w_out = (size_t)w_out,
        .y_block = (size_t)(c->chunk_squares * CT_CONV_BLOCK),
        .post = &none,
    };
    for (int64_t p = 0; p < CT_WINOGRAD_PLACES; p++) {
        tile.w = c->w + (p * ct_blocks(c->oc) + block) * w_out;
        for (int64_t k = 0; k < n; k++) {
            int64_t first = squares * k / n, end = squares * (k + 1) / n;
            tile.pixels = (size_t)(end - first);
            tile.x = in + p * (int64_t)c->place_in + first * CT_CONV_BLOCK;
            tile.y = sums + p * (int64_t)c->place_out + first * CT_CONV_BLOCK;
            c->kernel->fn->tile(&tile);
        }
    }
}

static void run_item(const struct call *call, int64_t chunk, int64_t group, float *sums)
{
    const struct ct_blocked_conv *c = call->conv;
    const struct ct_blocked_window *w = &c->window;
    int64_t out_blocks = ct_blocks(c->oc), block = group * (int64_t)c->kernel->blocks;
    int64_t blocks = out_blocks - block, first = chunk * c->chunk_rows;
    int64_t end = first + c->chunk_rows < c->square_rows ? first + c->chunk_rows : c->square_rows;
    blocks = blocks < (int64_t)c->kernel->blocks ? blocks : (int64_t)c->kernel->blocks;
    multiply(c, chunk_of(call, chunk), block, (size_t)blocks, (end - first) * c->square_cols, sums);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t row = first; row < end; row++) {
            int64_t y_row = row * CT_WINOGRAD_OUT, rows = w->out[0] - y_row;
            int64_t at = (call->image * out_blocks + block + b) * w->out[0] * w->out[1];
            at = (at + y_row * w->out[1]) * CT_CONV_BLOCK;
            struct ct_conv_blocked_winograd_out out = {
                .n = (size_t)c->square_cols,
                .rows = rows < CT_WINOGRAD_OUT ? (size_t)rows : CT_WINOGRAD_OUT,
                .cols = (size_t)w->out[1],
                .m = sums + (b * c->chunk_squares + (row - first) * c->square_cols) * CT_CONV_BLOCK,
                .m_place = c->place_out,
                .bias = c->bias ? c->bias + (block + b) * CT_CONV_BLOCK : NULL,
                .residual = call->residual ? call->residual + at : NULL,
                .y = call->y + at,
                .y_row = (size_t)(w->out[1] * CT_CONV_BLOCK),
                .post = &c->post,
            };
            c->kernel->fn->winograd_out(&out);
        }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_blocked_conv *c = call->conv;
    float *sums = call->sums + (size_t)worker * c->sums_elems;
    for (int64_t i = begin; i < end; i++) {
        int64_t group = c->group_first ? i / c->chunks : i % c->groups;
        int64_t chunk = c->group_first ? i % c->chunks : i / c->groups;
        run_item(call, chunk, group, sums);
    }
}

static ct_status run_winograd(const struct ct_run *run)
{
    const struct ct_blocked_conv *c = run->state;
    float *scratch = run->scratch;
    struct call call = {
        .conv = c,
        .x = run->in[0]->data,
        .residual = c->has_residual ? run->in[3]->data : NULL,
        .y = run->out[0]->data,
        .in = scratch,
        .sums = scratch + c->sums_at,
        .patches = scratch + c->patches_at,
    };
    for (; call.image < c->batch; call.image++) {
        ct_run_parallel(run, ct_blocks(c->ic) * c->square_rows, 70.0 * (double)c->square_cols,
                        transform_rows, &call);
        ct_run_parallel(run, c->groups * c->chunks, c->item_ns, run_items, &call);
    }
    return CORTEN_OK;
}

ct_status ct_blocked_conv_winograd(struct ct_prepare *prepare, struct ct_blocked_conv *c)
{
    const struct ct_blocked_window *w = &c->window;
    int64_t blocks = (int64_t)c->kernel->blocks, in_blocks = ct_blocks(c->ic);
    c->square_rows = squares_along(w->out[0]);
    c->square_cols = squares_along(w->out[1]);
    c->chunk_rows = CHUNK_SQUARES / c->square_cols;
    c->chunk_rows = c->chunk_rows < 1                ? 1
                    : c->chunk_rows > c->square_rows ? c->square_rows
                                                     : c->chunk_rows;
    c->chunk_squares = c->chunk_rows * c->square_cols;
    c->chunks = (c->square_rows + c->chunk_rows - 1) / c->chunk_rows;
    c->groups = (ct_blocks(c->oc) + blocks - 1) / blocks;
    /* One pixel more: places a multiple of 4096 bytes apart would share a set of the first cache. */
    c->place_in = (size_t)((in_blocks * c->chunk_squares + 1) * CT_CONV_BLOCK);
    c->place_out = (size_t)((blocks * c->chunk_squares + 1) * CT_CONV_BLOCK);
    double flops = 2.0 * CT_WINOGRAD_PLACES * (double)(c->chunk_squares * c->ic) *
                   (double)(blocks * CT_CONV_BLOCK);
    c->item_ns = flops / 100;
    c->group_first =
        (double)c->ic * (double)c->oc * CT_WINOGRAD_PLACES * sizeof(float) > CACHED_BYTES;
    c->sums_at = c->place_in * CT_WINOGRAD_PLACES * (size_t)c->chunks;
    c->sums_elems = c->place_out * CT_WINOGRAD_PLACES;
    c->patches_at = c->sums_at + c->sums_elems * (size_t)prepare->threads;
    c->patch_elems = CT_WINOGRAD_PLACES * CT_CONV_BLOCK;
    prepare->scratch_bytes =
        (c->patches_at + (size_t)c->patch_elems * (size_t)prepare->threads) * sizeof(float);
    prepare->run = run_winograd;
    return CORTEN_OK;
}
