/* Dense convolution with bfloat16 products (kernels/conv_bf16.h).
 *
 * An item is a band of rows of the output and a group of pairs of output blocks. Its worker rounds
 * the rows of the input that the band needs, with their padding, into its scratch memory, once for
 * all items of the band that it does one after the other, and then takes tiles of pixels: with
 * stride 1 from all rows of the band as one long row, padding included, whose sums past the end of
 * a row of the output go nowhere; otherwise from one row after the other. */
#include <string.h>

#include "kernels/conv_bf16.h"
#include "ops/blocked/blocked.h"

enum {
    BAND_BYTES = 384 << 10, /* of rounded input: stays in the second cache beside the weights */
    BAND_LIMIT = 64 << 20,  /* bytes: a single row that needs more is computed in float32 */
    ITEM_NS = 40000,        /* what an item should take, so that there is one for every thread */
    ITEMS_WANTED = 8,
    TILE_BYTES = 64 /* a row of a tile */
};
#define FLOPS_PER_NS 1000.0

struct conv {
    struct ct_blocked_conv base;
    struct ct_blocked_window
        w;           /* of rounded pixels: those that a 1 x 1 window skips are left out */
    int64_t skip[2]; /* what it skips */
    const struct ct_conv_bf16_kernel *kernel;
    int64_t cols;         /* of a rounded row, with padding */
    int64_t unit;         /* elements of a rounded pixel */
    int64_t planes;       /* of rounded input: pairs of blocks; 1 of a plain one */
    int64_t steps, pairs; /* of the sum; of output blocks */
    int64_t band, bands;  /* rows of the output */
    int64_t band_rows;    /* of rounded input */
    int64_t plane_elems;
    int64_t group, groups; /* pairs */
    int64_t worker_bytes, steps_at;
    double item_ns;
};

struct call {
    const struct conv *conv;
    const float *x, *residual;
    float *y;
    char *scratch;
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ------------------------------------------------------------------ weights */

/* Steps of the sum, in order: for plain inputs rows of the window and eights of its columns, else
 * pairs of input blocks and positions of the window. */
static int64_t steps_in_row(const struct ct_blocked_conv *c)
{
    return ceil_div(c->window.kernel[1], CT_CONV_BF16_PLAIN_COLS);
}

static int64_t count_steps(const struct ct_blocked_conv *c)
{
    const struct ct_blocked_window *w = &c->window;
    return c->plain ? w->kernel[0] * steps_in_row(c)
                    : ceil_div(c->ic, CT_CONV_BF16_STEP) * w->kernel[0] * w->kernel[1];
}

/* The channel and the position of element k of a step; false: it is padding. */
static bool find_element(const struct ct_blocked_conv *c, int64_t step, int64_t k, int64_t *channel,
                         int64_t *tap)
{
    const struct ct_blocked_window *w = &c->window;
    int64_t taps = w->kernel[0] * w->kernel[1];
    if (c->plain) {
        int64_t in_row = steps_in_row(c);
        int64_t col = step % in_row * CT_CONV_BF16_PLAIN_COLS + k / CT_CONV_BF16_PLAIN;
        *channel = k % CT_CONV_BF16_PLAIN;
        *tap = step / in_row * w->kernel[1] + col;
        return col < w->kernel[1] && *channel < c->ic;
    }
    *channel = step / taps * CT_CONV_BF16_STEP + k;
    *tap = step % taps;
    return *channel < c->ic;
}

struct pack {
    const struct ct_blocked_conv *conv;
    const char *from; /* maybe misaligned */
    uint16_t *to;
};

static void pack_pairs(void *arg, int64_t begin, int64_t end, int worker)
{
    enum { OUT = CT_CONV_BF16_BLOCKS * CT_CONV_BLOCK };
    const struct pack *p = arg;
    const struct ct_blocked_conv *c = p->conv;
    int64_t taps = c->window.kernel[0] * c->window.kernel[1], steps = count_steps(c), channel, tap;
    (void)worker;
    for (int64_t pair = begin; pair < end; pair++)
        for (int64_t step = 0; step < steps; step++) {
            uint16_t *to = p->to + (pair * steps + step) * OUT * CT_CONV_BF16_STEP;
            for (int64_t k = 0; k < CT_CONV_BF16_STEP; k++) {
                bool there = find_element(c, step, k, &channel, &tap);
                for (int64_t o = 0; o < OUT; o++) {
                    int64_t out = pair * OUT + o;
                    int64_t at = o / CT_CONV_BLOCK * CT_CONV_BLOCK * CT_CONV_BF16_STEP +
                                 k / 2 * CT_CONV_BF16_STEP + o % CT_CONV_BLOCK * 2 + k % 2;
                    float x = 0;
                    if (there && out < c->oc)
                        memcpy(&x,
                               p->from + ((out * c->ic + channel) * taps + tap) * (int64_t)sizeof x,
                               sizeof x);
                    to[at] = ct_f32_to_bf16(x);
                }
            }
        }
}

static ct_status pack_weights(void *arg, const struct ct_tensor *constant, void *packed,
                              struct ct_pool *pool, corten_error *error)
{
    const struct ct_blocked_conv *c = arg;
    struct pack pack = {c, constant->data, packed};
    (void)error;
    double pair_ns = (double)(count_steps(c) * CT_CONV_BF16_STEP) * CT_CONV_BLOCK * 4;
    ct_parallel_for(pool, ceil_div(c->oc, CT_CONV_BF16_BLOCKS * CT_CONV_BLOCK), ct_grain(pair_ns),
                    pack_pairs, &pack);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ inputs */

/* One row of rounded pixels of plane `plane`; `row` may lie outside of the image. */
static void round_row(const struct call *call, int64_t image, int64_t plane, int64_t row,
                      uint16_t *to)
{
    const struct conv *c = call->conv;
    const struct ct_blocked_conv *base = &c->base;
    const struct ct_conv_bf16_functions *fn = c->kernel->fn;
    size_t unit_bytes = (size_t)c->unit * sizeof *to;
    int64_t left = c->w.pad[1], inside = min_i64(c->w.in[1], c->cols - left);
    if (row < 0 || row >= c->w.in[0] || inside < 1) {
        memset(to, 0, (size_t)c->cols * unit_bytes);
        return;
    }
    int64_t in_cols = base->window.in[1], image_elems = base->window.in[0] * in_cols;
    const float *x = call->x + row * c->skip[0] * in_cols * (base->plain ? 1 : CT_CONV_BLOCK);
    memset(to, 0, (size_t)left * unit_bytes);
    memset(to + (left + inside) * c->unit, 0, (size_t)(c->cols - left - inside) * unit_bytes);
    to += left * c->unit;
    if (base->plain) {
        fn->round_plain((size_t)inside, (size_t)base->ic, x + image * base->ic * image_elems,
                        (size_t)image_elems, to);
        return;
    }
    int64_t blocks = ct_blocks(base->ic), channels = base->ic - plane * CT_CONV_BF16_STEP;
    x += (image * blocks + plane * 2) * image_elems * CT_CONV_BLOCK;
    fn->round((size_t)inside, (size_t)min_i64(channels, CT_CONV_BF16_STEP), x,
              channels > CT_CONV_BLOCK ? x + image_elems * CT_CONV_BLOCK : NULL,
              (size_t)(c->skip[1] * CT_CONV_BLOCK), to);
}

static void round_band(const struct call *call, int64_t image, int64_t first, uint16_t *to)
{
    const struct conv *c = call->conv;
    for (int64_t plane = 0; plane < c->planes; plane++)
        for (int64_t row = 0; row < c->band_rows; row++)
            round_row(call, image, plane, first * c->w.stride[0] - c->w.pad[0] + row,
                      to + plane * c->plane_elems + row * c->cols * c->unit);
    /* What tiles and steps of a plain input read past the end meets weights of 0: finite numbers. */
    uint16_t *end = to + c->planes * c->plane_elems;
    memset(end, 0, TILE_BYTES);
}

static void find_steps(const struct conv *c, size_t *offsets)
{
    const struct ct_blocked_window *w = &c->base.window;
    int64_t taps = w->kernel[0] * w->kernel[1], in_row = steps_in_row(&c->base);
    for (int64_t s = 0; s < c->steps; s++) {
        int64_t plane = c->base.plain ? 0 : s / taps, tap = s % taps;
        int64_t ky = c->base.plain ? s / in_row : tap / w->kernel[1];
        int64_t kx = c->base.plain ? s % in_row * CT_CONV_BF16_PLAIN_COLS : tap % w->kernel[1];
        offsets[s] = (size_t)(plane * c->plane_elems +
                              (ky * w->dilation[0] * c->cols + kx * w->dilation[1]) * c->unit);
    }
}

/* ------------------------------------------------------------------ outputs */

struct item {
    const struct call *call;
    int64_t image, first, rows; /* of the output */
    const uint16_t *x;
    const size_t *steps;
};

/* Pixels [col, col + n) of a row of the band, of the blocks of a pair. */
static void finish(const struct item *item, int64_t pair, int64_t blocks, int64_t row, int64_t col,
                   int64_t n, const float *sums)
{
    const struct conv *c = item->call->conv;
    int64_t out_blocks = ct_blocks(c->base.oc), plane = c->w.out[0] * c->w.out[1];
    for (int64_t b = 0; b < blocks; b++) {
        int64_t block = pair * CT_CONV_BF16_BLOCKS + b;
        int64_t at =
            (item->image * out_blocks + block) * plane + (item->first + row) * c->w.out[1] + col;
        struct ct_conv_bf16_finish f = {
            .pixels = (size_t)n,
            .sums = sums + b * CT_CONV_BF16_PIXELS * CT_CONV_BLOCK,
            .bias = c->base.bias ? c->base.bias + block * CT_CONV_BLOCK : NULL,
            .residual = item->call->residual ? item->call->residual + at * CT_CONV_BLOCK : NULL,
            .y = item->call->y + at * CT_CONV_BLOCK,
            .post = &c->base.post,
        };
        c->kernel->fn->finish(&f);
    }
}

/* `length` pixels from (row, 0) on, which wrap to the next row after `wrap`. */
static void run_pixels(const struct item *item, int64_t pair, int64_t row, int64_t length,
                       int64_t wrap)
{
    const struct conv *c = item->call->conv;
    int64_t blocks =
        min_i64(CT_CONV_BF16_BLOCKS, ct_blocks(c->base.oc) - pair * CT_CONV_BF16_BLOCKS);
    float sums[CT_CONV_BF16_BLOCKS * CT_CONV_BF16_PIXELS * CT_CONV_BLOCK]
        __attribute__((aligned(64)));
    struct ct_conv_bf16_tile tile = {
        .blocks = (size_t)blocks,
        .steps = (size_t)c->steps,
        .x_pixel = (size_t)(c->w.stride[1] * c->unit),
        .x_step = item->steps,
        .w = (const uint16_t *)c->base.w +
             pair * c->steps * CT_CONV_BF16_BLOCKS * CT_CONV_BLOCK * CT_CONV_BF16_STEP,
        .sums = sums,
    };
    for (int64_t p = 0; p < length; p += CT_CONV_BF16_PIXELS) {
        int64_t n = min_i64(CT_CONV_BF16_PIXELS, length - p);
        tile.pixels = (size_t)n;
        tile.x = item->x + row * c->w.stride[0] * c->cols * c->unit + p * (int64_t)tile.x_pixel;
        c->kernel->fn->tile(&tile);
        for (int64_t i = 0; i < n;) {
            int64_t col = (p + i) % wrap, left = min_i64(n - i, wrap - col);
            int64_t inside = wrap == c->w.out[1] ? n - i : min_i64(left, c->w.out[1] - col);
            if (inside > 0)
                finish(item, pair, blocks, row + (p + i) / wrap, col, inside,
                       sums + i * CT_CONV_BLOCK);
            i += wrap == c->w.out[1] ? n - i : left;
        }
    }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct conv *c = call->conv;
    char *room = call->scratch + worker * c->worker_bytes;
    size_t *steps = (size_t *)(void *)(room + c->steps_at);
    int64_t held = -1;
    struct item item = {call, 0, 0, 0, (uint16_t *)(void *)room, steps};
    bool one_row = c->w.stride[0] == 1 && c->w.stride[1] == 1;
    find_steps(c, steps);
    if (c->kernel->fn->enter)
        c->kernel->fn->enter();
    for (int64_t i = begin; i < end; i++) {
        int64_t band = i / c->groups, pair = i % c->groups * c->group;
        int64_t last = min_i64(c->pairs, pair + c->group);
        item.image = band / c->bands;
        item.first = band % c->bands * c->band;
        item.rows = min_i64(c->band, c->w.out[0] - item.first);
        if (band != held)
            round_band(call, item.image, item.first, (uint16_t *)(void *)room);
        held = band;
        for (; pair < last; pair++) {
            if (one_row)
                run_pixels(&item, pair, 0, (item.rows - 1) * c->cols + c->w.out[1], c->cols);
            else
                for (int64_t row = 0; row < item.rows; row++)
                    run_pixels(&item, pair, row, c->w.out[1], c->w.out[1]);
        }
    }
    if (c->kernel->fn->leave)
        c->kernel->fn->leave();
}

static ct_status run_bf16(const struct ct_run *run)
{
    const struct conv *c = run->state;
    struct call call = {
        .conv = c,
        .x = run->in[0]->data,
        .residual = c->base.has_residual ? run->in[3]->data : NULL,
        .y = run->out[0]->data,
        .scratch = run->scratch,
    };
    ct_run_parallel(run, c->base.batch * c->bands * c->groups, c->item_ns, run_items, &call);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

/* A 1 x 1 window that moves by more than a pixel never sees those between: they are not rounded. */
static void skip_pixels(struct conv *c)
{
    struct ct_blocked_window *w = &c->w;
    c->skip[0] = c->skip[1] = 1;
    if (c->base.plain || w->kernel[0] != 1 || w->kernel[1] != 1 || w->pad[0] || w->pad[1])
        return;
    for (int i = 0; i < 2; i++) {
        c->skip[i] = w->stride[i];
        w->stride[i] = 1;
        w->in[i] = w->out[i];
    }
}

static int64_t rows_of_band(const struct ct_blocked_window *w, int64_t band)
{
    return (band - 1) * w->stride[0] + (w->kernel[0] - 1) * w->dilation[0] + 1;
}

static void choose_items(struct conv *c)
{
    const struct ct_blocked_window *w = &c->w;
    int64_t row_bytes = c->cols * c->unit * c->planes * (int64_t)sizeof(uint16_t);
    double row_ns = 2.0 * (double)(c->steps * CT_CONV_BF16_STEP) * (double)c->base.oc *
                        (double)w->out[1] / FLOPS_PER_NS +
                    (double)(w->out[1] * c->base.oc) * 0.1;
    c->band = w->out[0];
    while (c->band > 1 && rows_of_band(w, c->band) * row_bytes > BAND_BYTES)
        c->band = (c->band + 1) / 2;
    c->bands = ceil_div(w->out[0], c->band);
    c->band = ceil_div(w->out[0], c->bands);
    c->groups = 1;
    double ns = row_ns * (double)c->band;
    int64_t items = c->base.batch * c->bands;
    while (items * c->groups < ITEMS_WANTED && c->groups < c->pairs &&
           ns / (double)c->groups > 2 * ITEM_NS)
        c->groups++;
    c->group = ceil_div(c->pairs, c->groups);
    c->groups = ceil_div(c->pairs, c->group);
    c->item_ns = ns / (double)c->groups;
}

static int64_t align(int64_t bytes)
{
    return (int64_t)ct_align_up((size_t)bytes, CT_ALIGN);
}

bool ct_blocked_conv_fits_bf16(const struct ct_prepare *prepare, const struct ct_blocked_conv *conv)
{
    const struct ct_blocked_window *w = &conv->window;
    int64_t cols = w->in[1] + w->pad[1] + w->kernel[1] * w->dilation[1] + w->out[1] * w->stride[1];
    int64_t rows = (w->kernel[0] - 1) * w->dilation[0] + 1;
    if (prepare->precision != CORTEN_PRECISION_BF16 || !ct_conv_bf16_select(ct_cpu_features()) ||
        (conv->plain && w->dilation[1] != 1) || !conv->batch || !w->out[0] || !w->out[1])
        return false;
    return (double)rows * (double)cols * (double)(ct_blocks(conv->ic) * CT_CONV_BLOCK + 16) <
           BAND_LIMIT / 2;
}

ct_status ct_blocked_conv_bf16(struct ct_prepare *prepare, const struct ct_blocked_conv *conv)
{
    struct conv *c = ct_prepare_alloc(prepare, sizeof *c);
    if (!c)
        return ct_fail_memory(prepare->error, sizeof *c, "a convolution");
    *c = (struct conv){
        .base = *conv,
        .w = conv->window,
        .kernel = ct_conv_bf16_select(ct_cpu_features()),
        .unit = conv->plain ? CT_CONV_BF16_PLAIN : CT_CONV_BF16_STEP,
        .planes = conv->plain ? 1 : ceil_div(conv->ic, CT_CONV_BF16_STEP),
        .steps = count_steps(conv),
        .pairs = ceil_div(conv->oc, CT_CONV_BF16_BLOCKS * CT_CONV_BLOCK),
    };
    skip_pixels(c);
    struct ct_blocked_window *w = &c->w;
    /* As wide as the window reaches; or as the padded image, where that is wider. */
    c->cols = (w->out[1] - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    choose_items(c);
    c->band_rows = rows_of_band(w, c->band);
    c->plane_elems = c->band_rows * c->cols * c->unit;
    /* The last tile reads the inputs of pixels that are not there. */
    int64_t past =
        (CT_CONV_BF16_PIXELS * w->stride[1] + CT_CONV_BF16_PLAIN_COLS) * c->unit + TILE_BYTES;
    c->steps_at = align((c->planes * c->plane_elems + past) * (int64_t)sizeof(uint16_t));
    c->worker_bytes = align(c->steps_at + c->steps * (int64_t)sizeof(size_t));
    prepare->scratch_bytes = (size_t)c->worker_bytes * (size_t)prepare->threads;
    const void *packed;
    size_t size_bytes = (size_t)(c->pairs * c->steps) * CT_CONV_BF16_BLOCKS * CT_CONV_BLOCK *
                        CT_CONV_BF16_STEP * sizeof(uint16_t);
    CT_TRY(ct_prepare_pack(prepare, 1, conv->plain ? "blocked bf16 plain" : "blocked bf16",
                           size_bytes, pack_weights, &c->base, &packed));
    c->base.w = packed;
    prepare->state = c;
    prepare->kernel = c->kernel->name;
    prepare->product = CT_PRODUCT_BF16;
    prepare->run = run_bf16;
    return CORTEN_OK;
}
