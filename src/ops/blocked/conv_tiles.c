/* Convolution of all input channels with all output channels, tile by tile. */
#include <string.h>

#include "ops/blocked/blocked.h"

enum {
    ITEM_NS = 20000,          /* what an item should take */
    CACHED_BYTES = 512 << 10, /* weights of this size stay in the second cache meanwhile */
    PATCH_LIMIT = 1 << 22     /* elements */
};
#define FLOPS_PER_NS 100.0

struct call {
    const struct ct_blocked_conv *conv;
    const float *x, *residual, *scale, *w;
    float *y, *patches, *scaled;
    int64_t first_image, images;
};

/* Elements between rows of a patch, channels of a plain one, or blocks. */
struct patch {
    int64_t cols, plane;
};

static struct patch patch_of(const struct ct_blocked_conv *c, int64_t pixels)
{
    const struct ct_blocked_window *w = &c->window;
    int64_t cols = (pixels - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    return (struct patch){cols, cols * w->kernel[0]};
}

/* ------------------------------------------------------------------ taps */

/* Which positions have inputs for the tile of pixels col to col + pixels - 1 of a row of the
 * output. False: some position lacks more than the first or the last pixel, or there are cuts of a
 * plain input; the tile then needs a patch with zeros around. */
static bool find_taps(const struct ct_blocked_conv *c, int64_t row, int64_t col, int64_t pixels,
                      struct ct_conv_blocked_tap *taps, size_t *n_taps)
{
    const struct ct_blocked_window *w = &c->window;
    int64_t unit = c->plain ? 1 : CT_CONV_BLOCK;
    int64_t w_step = ct_blocked_rows(c->ic) * CT_CONV_BLOCK;
    size_t n = 0;
    for (int64_t ky = 0; ky < w->kernel[0]; ky++) {
        int64_t y = row * w->stride[0] - w->pad[0] + ky * w->dilation[0];
        if (y < 0 || y >= w->in[0])
            continue;
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t x = col * w->stride[1] - w->pad[1] + kx * w->dilation[1];
            int64_t last = x + (pixels - 1) * w->stride[1];
            bool cut_first = x < 0, cut_last = last >= w->in[1];
            if (last < 0 || x >= w->in[1])
                continue;
            if ((cut_first && (cut_last || x + w->stride[1] < 0)) ||
                (cut_last && last - w->stride[1] >= w->in[1]) ||
                (c->plain && (cut_first || cut_last)))
                return false;
            taps[n++] = (struct ct_conv_blocked_tap){
                .x = (ptrdiff_t)((y * w->in[1] + x) * unit),
                .w = (uint32_t)((ky * w->kernel[1] + kx) * w_step),
                .cut = cut_first  ? CT_CUT_FIRST
                       : cut_last ? CT_CUT_LAST
                                  : CT_CUT_NONE,
            };
        }
    }
    *n_taps = n;
    return true;
}

/* ------------------------------------------------------------------ patches */

static void fill_plain(const struct ct_blocked_conv *c, const float *x, int64_t row, int64_t col,
                       int64_t n_cols, float *patch)
{
    const struct ct_blocked_window *w = &c->window;
    int64_t plane = w->in[0] * w->in[1];
    int64_t first = col < 0 ? -col : 0, end = w->in[1] - col < n_cols ? w->in[1] - col : n_cols;
    for (int64_t ch = 0; ch < c->ic; ch++)
        for (int64_t ky = 0; ky < w->kernel[0]; ky++, patch += n_cols) {
            int64_t y = row + ky * w->dilation[0];
            memset(patch, 0, (size_t)n_cols * sizeof *patch);
            if (y >= 0 && y < w->in[0] && first < end)
                memcpy(patch + first, x + ch * plane + y * w->in[1] + col + first,
                       (size_t)(end - first) * sizeof *patch);
        }
}

/* Points the tile to a copy of its inputs with zeros where there are none. */
static void use_patch(const struct ct_blocked_conv *c, struct ct_conv_blocked_tile *tile,
                      struct ct_conv_blocked_tap *taps, int64_t row, int64_t col, float *patch)
{
    const struct ct_blocked_window *w = &c->window;
    struct patch p = patch_of(c, (int64_t)tile->pixels);
    int64_t unit = c->plain ? 1 : CT_CONV_BLOCK, n = 0;
    int64_t w_step = ct_blocked_rows(c->ic) * CT_CONV_BLOCK;
    row = row * w->stride[0] - w->pad[0];
    col = col * w->stride[1] - w->pad[1];
    if (c->plain)
        fill_plain(c, tile->x, row, col, p.cols, patch);
    for (int64_t b = 0; b < ct_blocks(c->ic) && !c->plain; b++)
        ct_blocked_patch(w, tile->x + b * (int64_t)tile->x_block, row, w->kernel[0], w->dilation[0],
                         col, p.cols, patch + b * p.plane * CT_CONV_BLOCK);
    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++, n++)
            taps[n] = (struct ct_conv_blocked_tap){
                .x = (ptrdiff_t)((ky * p.cols + kx * w->dilation[1]) * unit),
                .w = (uint32_t)(n * w_step),
            };
    tile->x = patch;
    tile->x_block = (size_t)(p.plane * unit);
    tile->x_channel = c->plain ? (size_t)p.plane : 1;
    tile->n_taps = (size_t)n;
}

/* ------------------------------------------------------------------ running */

static void run_tile(const struct call *call, int64_t image, int64_t group, int64_t index,
                     float *patch)
{
    const struct ct_blocked_conv *c = call->conv;
    const struct ct_blocked_window *w = &c->window;
    int64_t in_plane = w->in[0] * w->in[1], out_plane = w->out[0] * w->out[1];
    int64_t row = index / c->row_tiles, t = index % c->row_tiles;
    int64_t col = w->out[1] * t / c->row_tiles, end = w->out[1] * (t + 1) / c->row_tiles;
    int64_t n_taps = w->kernel[0] * w->kernel[1], out_blocks = ct_blocks(c->oc);
    int64_t block = group * (int64_t)c->kernel->blocks, blocks = out_blocks - block;
    int64_t in_channels = c->plain ? c->ic : ct_blocks(c->ic) * CT_CONV_BLOCK;
    int64_t at = (image * out_blocks + block) * out_plane + row * w->out[1] + col;
    int64_t w_in = n_taps * ct_blocked_rows(c->ic) * CT_CONV_BLOCK;
    struct ct_conv_blocked_tap taps[CT_BLOCKED_MAX_TAPS];
    struct ct_conv_blocked_tile tile = {
        .pixels = (size_t)(end - col),
        .blocks = blocks < (int64_t)c->kernel->blocks ? (size_t)blocks : c->kernel->blocks,
        .channels = (size_t)c->ic,
        .taps = taps,
        .x = call->x + image * in_channels * in_plane,
        .x_pixel = (size_t)(w->stride[1] * (c->plain ? 1 : CT_CONV_BLOCK)),
        .x_block = (size_t)(in_plane * CT_CONV_BLOCK),
        .x_channel = c->plain ? (size_t)in_plane : 1,
        .w = call->w + block * ct_blocks(c->ic) * w_in,
        .w_in = (size_t)w_in,
        .w_out = (size_t)(ct_blocks(c->ic) * w_in),
        .bias = c->bias ? c->bias + block * CT_CONV_BLOCK : NULL,
        .residual = call->residual ? call->residual + at * CT_CONV_BLOCK : NULL,
        .y = call->y + at * CT_CONV_BLOCK,
        .y_block = (size_t)(out_plane * CT_CONV_BLOCK),
        .post = &c->post,
    };
    if (!find_taps(c, row, col, end - col, taps, &tile.n_taps))
        use_patch(c, &tile, taps, row, col, patch);
    c->kernel->fn->tile(&tile);
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_blocked_conv *c = call->conv;
    float *patch = call->patches + worker * c->patch_elems;
    for (int64_t i = begin; i < end; i++) {
        int64_t rest = i / call->images, image = call->first_image + i % call->images;
        int64_t group = c->group_first ? rest / c->chunks : rest % c->groups;
        int64_t chunk = c->group_first ? rest % c->chunks : rest / c->groups;
        int64_t first = chunk * c->chunk, last = first + c->chunk;
        for (int64_t t = first; t < last && t < c->tiles; t++)
            run_tile(call, image, group, t, patch);
    }
}

static ct_status run_conv(const struct ct_run *run)
{
    const struct ct_blocked_conv *c = run->state;
    struct call call = {
        .conv = c,
        .x = run->in[0]->data,
        .residual = c->has_residual ? run->in[3]->data : NULL,
        .w = c->w,
        .y = run->out[0]->data,
        .patches = run->scratch,
        .images = c->batch,
    };
    ct_run_parallel(run, c->batch * c->groups * c->chunks, c->item_ns, run_items, &call);
    return CORTEN_OK;
}

/* Weights of blocks of output channels, each multiplied by the scale of its input channel. */
static void scale_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_blocked_conv *c = call->conv;
    int64_t rows = ct_blocks(c->ic) * ct_blocked_rows(c->ic);
    const float *scale = call->scale + call->first_image * ct_blocks(c->ic) * CT_CONV_BLOCK;
    const float *from = c->w + begin * rows * CT_CONV_BLOCK;
    float *to = call->scaled + begin * rows * CT_CONV_BLOCK;
    (void)worker;
    for (int64_t b = begin; b < end; b++)
        for (int64_t r = 0; r < rows; r++, from += CT_CONV_BLOCK, to += CT_CONV_BLOCK)
            for (int k = 0; k < CT_CONV_BLOCK; k++)
                to[k] = from[k] * scale[r];
}

/* With a scale: there are fewer weights than inputs, so that they are multiplied by it. */
static ct_status run_scaled(const struct ct_run *run)
{
    const struct ct_blocked_conv *c = run->state;
    int64_t rows = ct_blocks(c->ic) * ct_blocked_rows(c->ic), blocks = ct_blocks(c->oc);
    float *scaled = run->scratch;
    struct call call = {
        .conv = c,
        .x = run->in[0]->data,
        .residual = c->has_residual ? run->in[3]->data : NULL,
        .scale = run->in[4]->data,
        .w = scaled,
        .y = run->out[0]->data,
        .scaled = scaled,
        .images = 1,
    };
    for (; call.first_image < c->batch; call.first_image++) {
        ct_run_parallel(run, blocks, 0.3 * (double)(rows * CT_CONV_BLOCK), scale_blocks, &call);
        ct_run_parallel(run, c->groups * c->chunks, c->item_ns, run_items, &call);
    }
    return CORTEN_OK;
}

static bool is_pointwise(const struct ct_blocked_window *w)
{
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad[i] || w->out[i] != w->in[i])
            return false;
    return true;
}

static bool needs_patch(const struct ct_blocked_conv *c)
{
    struct ct_conv_blocked_tap taps[CT_BLOCKED_MAX_TAPS];
    size_t n_taps;
    for (int64_t t = 0; t < c->tiles; t++) {
        int64_t row = t / c->row_tiles, k = t % c->row_tiles;
        int64_t col = c->window.out[1] * k / c->row_tiles;
        int64_t end = c->window.out[1] * (k + 1) / c->row_tiles;
        if (!find_taps(c, row, col, end - col, taps, &n_taps))
            return true;
    }
    return false;
}

ct_status ct_blocked_conv_tiles(struct ct_prepare *prepare, struct ct_blocked_conv *c)
{
    struct ct_blocked_window *w = &c->window;
    int64_t most = (int64_t)c->kernel->pixels, blocks = (int64_t)c->kernel->blocks;
    if (is_pointwise(w)) { /* one long row */
        w->in[1] *= w->in[0];
        w->in[0] = 1;
        w->out[1] = w->in[1];
        w->out[0] = 1;
    }
    c->row_tiles = (w->out[1] + most - 1) / most;
    c->tiles = c->row_tiles * w->out[0];
    c->groups = (ct_blocks(c->oc) + blocks - 1) / blocks;
    prepare->run = c->has_scale ? run_scaled : run_conv;
    if (c->has_scale)
        prepare->scratch_bytes =
            (size_t)(ct_blocks(c->oc) * ct_blocks(c->ic) * ct_blocked_rows(c->ic) * CT_CONV_BLOCK) *
            sizeof(float);
    if (!c->tiles || !c->batch) {
        c->chunk = c->chunks = 0;
        return CORTEN_OK;
    }
    double products = (double)(w->kernel[0] * w->kernel[1] * c->ic);
    double tile_ns = 2 * products * CT_CONV_BLOCK * (double)(blocks * w->out[1]) /
                         (double)c->row_tiles / FLOPS_PER_NS +
                     50;
    c->chunk = (int64_t)(ITEM_NS / tile_ns);
    c->chunk = c->chunk < 1 ? 1 : c->chunk > c->tiles ? c->tiles : c->chunk;
    c->chunks = (c->tiles + c->chunk - 1) / c->chunk;
    c->item_ns = tile_ns * (double)c->chunk;
    c->group_first = products * (double)c->oc * sizeof(float) > CACHED_BYTES;
    if (needs_patch(c)) {
        int64_t unit = c->plain ? c->ic : ct_blocks(c->ic) * CT_CONV_BLOCK;
        c->patch_elems = (patch_of(c, most).plane * unit + 15) / 16 * 16;
        if (c->patch_elems > PATCH_LIMIT)
            return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED,
                           "a window of %lld x %lld with dilations takes too much memory",
                           (long long)w->kernel[0], (long long)w->kernel[1]);
        prepare->scratch_bytes = (size_t)c->patch_elems * sizeof(float) * (size_t)prepare->threads;
    }
    return CORTEN_OK;
}
