/* BlockedExpandDepthwise: a convolution of 1 x 1 and the depthwise one that alone reads it, as in
 * inverted residual blocks. What lies between them, the largest tensor of such nets, is made a few
 * rows of a group of blocks at a time and never leaves the second cache.
 *
 * Those rows stand with zeros around them, so that every window of the depthwise convolution can be
 * read whole. */
#include <string.h>

#include "ops/activation.h"
#include "ops/blocked/blocked.h"

enum {
    ROWS_BYTES = 128 << 10,  /* of the rows between the convolutions */
    INPUT_BYTES = 512 << 10, /* of the input of an item: all groups read it from the second cache */
    MIN_ITEMS = 8,           /* so that two threads or four end together */
    ROWS_LIMIT = 1 << 24     /* elements */
};

struct expand {
    struct ct_blocked_conv wide, deep;  /* the two convolutions: to all channels, then depthwise */
    int64_t groups, strips, strip_rows; /* items: rows of the output of a group of blocks */
    int64_t step_rows;                  /* of the output, made at once */
    int64_t rows, cols;                 /* between the convolutions, with the zeros around */
    int64_t block_elems, rows_elems;    /* of a block of them, and of all */
    double item_ns;
    size_t sums_at; /* elements of scratch: sums of rows, when the means are wanted */
};

struct call {
    const struct expand *state;
    const float *x;
    float *y, *between;
    float *sums, *means; /* NULL: not wanted */
};

/* ------------------------------------------------------------------ running */

/* Where an item's rows are: rows[0] is row `first` of the image, which may be above it. */
struct rows {
    float *at;
    int64_t first;
};

static void zero_cols(float *row, int64_t first, int64_t end)
{
    if (first < end)
        memset(row + first * CT_CONV_BLOCK, 0, (size_t)(end - first) * CT_CONV_BLOCK * sizeof *row);
}

/* A row of the first convolution, of `blocks` blocks from `block` on. */
static void expand_row(const struct expand *s, const float *x, int64_t row, int64_t block,
                       int64_t blocks, float *to)
{
    static const struct ct_conv_blocked_tap tap = {0};
    const struct ct_blocked_conv *c = &s->wide;
    int64_t in_rows = s->deep.window.in[0], n = s->deep.window.in[1];
    int64_t most = (int64_t)c->kernel->pixels, tiles = (n + most - 1) / most;
    int64_t w_in = ct_blocked_rows(c->ic) * CT_CONV_BLOCK, w_out = ct_blocks(c->ic) * w_in;
    struct ct_conv_blocked_tile tile = {
        .blocks = (size_t)blocks,
        .channels = (size_t)c->ic,
        .n_taps = 1,
        .taps = &tap,
        .x_pixel = CT_CONV_BLOCK,
        .x_block = (size_t)(in_rows * n * CT_CONV_BLOCK),
        .x_channel = 1,
        .w = c->w + block * w_out,
        .w_in = (size_t)w_in,
        .w_out = (size_t)w_out,
        .bias = c->bias ? c->bias + block * CT_CONV_BLOCK : NULL,
        .y_block = (size_t)s->block_elems,
        .post = &c->post,
    };
    for (int64_t t = 0; t < tiles; t++) {
        int64_t col = n * t / tiles, end = n * (t + 1) / tiles;
        tile.pixels = (size_t)(end - col);
        tile.x = x + (row * n + col) * CT_CONV_BLOCK;
        tile.y = to + col * CT_CONV_BLOCK;
        c->kernel->fn->tile(&tile);
    }
}

/* Makes rows [first, end) of the image, zeros where it has none. */
static void expand_rows(const struct expand *s, const float *x, int64_t block, int64_t blocks,
                        const struct rows *rows, int64_t first, int64_t end)
{
    const struct ct_blocked_window *w = &s->deep.window;
    for (int64_t row = first; row < end; row++) {
        float *to = rows->at + (row - rows->first) * s->cols * CT_CONV_BLOCK;
        bool inside = row >= 0 && row < w->in[0];
        for (int64_t b = 0; b < blocks; b++) {
            float *block_row = to + b * s->block_elems;
            zero_cols(block_row, 0, inside ? w->pad[1] : s->cols);
            zero_cols(block_row, w->pad[1] + w->in[1], s->cols);
        }
        if (inside)
            expand_row(s, x, row, block, blocks, to + w->pad[1] * CT_CONV_BLOCK);
    }
}

/* Rows [first, end) of the output of a block. */
static void deepen(const struct expand *s, const struct rows *rows, int64_t block, int64_t first,
                   int64_t end, const float *between, float *y)
{
    const struct ct_blocked_conv *c = &s->deep;
    const struct ct_blocked_window *w = &c->window;
    int64_t row_elems = s->cols * CT_CONV_BLOCK;
    struct ct_conv_blocked_depthwise r = {
        .pixels = (size_t)w->out[1],
        .kernel_rows = (size_t)w->kernel[0],
        .kernel_cols = (size_t)w->kernel[1],
        .x_pixel = (size_t)(w->stride[1] * CT_CONV_BLOCK),
        .x_row = (size_t)(w->dilation[0] * row_elems),
        .x_col = (size_t)(w->dilation[1] * CT_CONV_BLOCK),
        .w = c->w + block * w->kernel[0] * w->kernel[1] * CT_CONV_BLOCK,
        .w_row = (size_t)(w->kernel[1] * CT_CONV_BLOCK),
        .y_pixel = CT_CONV_BLOCK,
        .bias = c->bias ? c->bias + block * CT_CONV_BLOCK : NULL,
        .post = &c->post,
    };
    for (int64_t row = first; row < end; row++) {
        r.x = between + (row * w->stride[0] - w->pad[0] - rows->first) * row_elems;
        r.y = y + row * w->out[1] * CT_CONV_BLOCK;
        c->kernel->fn->depthwise(&r);
    }
}

/* The sum of a row of the output, or the mean of such sums: in order, whoever made them. */
static void add_up(const struct expand *s, const float *x, int64_t rows, int64_t cols, float scale,
                   float *to)
{
    struct ct_conv_blocked_window window = {
        .rows = (size_t)rows,
        .cols = (size_t)cols,
        .x = x,
        .x_row = CT_CONV_BLOCK,
        .x_col = CT_CONV_BLOCK,
        .scale = scale,
        .y = to,
    };
    s->deep.kernel->fn->average(&window);
}

static void run_item(const struct call *call, int64_t image, int64_t strip, int64_t group,
                     float *between)
{
    const struct expand *s = call->state;
    const struct ct_blocked_window *w = &s->deep.window;
    int64_t all = ct_blocks(s->deep.oc), block = group * (int64_t)s->wide.kernel->blocks;
    int64_t blocks = all - block, most = (int64_t)s->wide.kernel->blocks;
    const float *x = call->x + image * ct_blocks(s->wide.ic) * w->in[0] * w->in[1] * CT_CONV_BLOCK;
    int64_t plane = w->out[0] * w->out[1] * CT_CONV_BLOCK;
    int64_t first = strip * s->strip_rows, last = first + s->strip_rows;
    int64_t reach = (w->kernel[0] - 1) * w->dilation[0] + 1, ready = 0;
    struct rows rows = {.at = between};
    blocks = blocks < most ? blocks : most;
    last = last < w->out[0] ? last : w->out[0];
    for (int64_t row = first; row < last; row += s->step_rows) {
        int64_t stop = row + s->step_rows < last ? row + s->step_rows : last;
        int64_t from = row * w->stride[0] - w->pad[0];
        int64_t end = (stop - 1) * w->stride[0] - w->pad[0] + reach;
        int64_t kept = row == first || ready <= from ? 0 : ready - from;
        for (int64_t b = 0; b < blocks && kept; b++)
            memmove(between + b * s->block_elems,
                    between + b * s->block_elems + (from - rows.first) * s->cols * CT_CONV_BLOCK,
                    (size_t)(kept * s->cols * CT_CONV_BLOCK) * sizeof *between);
        rows.first = from;
        expand_rows(s, x, block, blocks, &rows, from + kept, end);
        ready = end;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t at = image * all + block + b;
            deepen(s, &rows, block + b, row, stop, between + b * s->block_elems,
                   call->y + at * plane);
            for (int64_t r = row; r < stop && call->sums; r++)
                add_up(s, call->y + at * plane + r * w->out[1] * CT_CONV_BLOCK, 1, w->out[1], 1,
                       call->sums + (at * w->out[0] + r) * CT_CONV_BLOCK);
        }
    }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct expand *s = call->state;
    float *between = call->between + worker * s->rows_elems;
    for (int64_t i = begin; i < end; i++)
        run_item(call, i / s->groups / s->strips, i / s->groups % s->strips, i % s->groups,
                 between);
}

static ct_status run_expand(const struct ct_run *run)
{
    const struct expand *s = run->state;
    const struct ct_blocked_window *w = &s->deep.window;
    struct call call = {s, run->in[0]->data, run->out[0]->data, run->scratch, NULL, NULL};
    if (run->n_out > 1 && run->out[1]) {
        call.sums = call.between + s->sums_at;
        call.means = run->out[1]->data;
    }
    ct_run_parallel(run, s->deep.batch * s->strips * s->groups, s->item_ns, run_items, &call);
    for (int64_t b = 0; b < s->deep.batch * ct_blocks(s->deep.oc) && call.means; b++)
        add_up(s, call.sums + b * w->out[0] * CT_CONV_BLOCK, w->out[0], 1,
               1 / (float)(w->out[0] * w->out[1]), call.means + b * CT_CONV_BLOCK);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ preparing */

/* Without products there is no work: strips stays 0. */
static ct_status cut(struct ct_prepare *prepare, struct expand *s)
{
    const struct ct_blocked_window *w = &s->deep.window;
    int64_t reach[2], blocks = (int64_t)s->wide.kernel->blocks;
    int64_t pixel_bytes = CT_CONV_BLOCK * (int64_t)sizeof(float);
    s->groups = (ct_blocks(s->deep.oc) + blocks - 1) / blocks;
    if (!w->out[0] || !w->out[1] || !w->in[1] || !s->deep.batch)
        return CORTEN_OK;
    for (int i = 0; i < 2; i++)
        reach[i] = (w->kernel[i] - 1) * w->dilation[i] + 1;
    s->cols = (w->out[1] - 1) * w->stride[1] + reach[1];
    s->cols = s->cols > w->pad[1] + w->in[1] ? s->cols : w->pad[1] + w->in[1];
    s->strip_rows = INPUT_BYTES / (s->wide.ic * w->in[1] * (int64_t)sizeof(float)) / w->stride[0];
    int64_t items = (MIN_ITEMS + s->groups * s->deep.batch - 1) / (s->groups * s->deep.batch);
    if (s->strip_rows > w->out[0] / items)
        s->strip_rows = w->out[0] / items;
    if (s->strip_rows < 4 * w->kernel[0]) /* the rows at the border of two strips are made twice */
        s->strip_rows = 4 * w->kernel[0];
    if (s->strip_rows > w->out[0])
        s->strip_rows = w->out[0];
    s->strips = (w->out[0] + s->strip_rows - 1) / s->strip_rows;
    s->strip_rows = (w->out[0] + s->strips - 1) / s->strips;
    s->step_rows = (ROWS_BYTES / (s->cols * blocks * pixel_bytes) - reach[0]) / w->stride[0] + 1;
    s->step_rows = s->step_rows < 1 ? 1 : s->step_rows;
    s->step_rows = s->step_rows > s->strip_rows ? s->strip_rows : s->step_rows;
    s->rows = (s->step_rows - 1) * w->stride[0] + reach[0];
    s->block_elems = s->rows * s->cols * CT_CONV_BLOCK;
    s->rows_elems = s->block_elems * blocks;
    if (s->rows_elems > ROWS_LIMIT)
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED,
                       "a window of %lld x %lld with dilations takes too much memory",
                       (long long)w->kernel[0], (long long)w->kernel[1]);
    double products = (double)(s->rows * s->strip_rows / s->step_rows * w->in[1] * s->wide.ic) +
                      3.0 * (double)(s->strip_rows * w->out[1] * w->kernel[0] * w->kernel[1]);
    s->item_ns = products * (double)(blocks * CT_CONV_BLOCK) / 50;
    s->sums_at = (size_t)(s->rows_elems * prepare->threads);
    prepare->scratch_bytes = s->sums_at * sizeof(float);
    if (prepare->n_out > 1 && prepare->out[1])
        prepare->scratch_bytes +=
            (size_t)(s->deep.batch * ct_blocks(s->deep.oc) * w->out[0] * pixel_bytes);
    return CORTEN_OK;
}

static ct_status prepare_expand(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0], *w1 = prepare->in[1], *w2 = prepare->in[2];
    struct ct_window window;
    struct ct_gemm_post post[2] = {0};
    struct expand *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a convolution");
    CT_TRY(ct_window_read(prepare->node, 2, x->dims + 2, w2->dims + 2, &window, prepare->error));
    CT_TRY(ct_window_resolve(prepare->node, NULL, &window, prepare->error));
    CT_TRY(ct_blocked_check_constants(prepare, 1, 3));
    CT_TRY(ct_blocked_check_constants(prepare, 2, 4));
    ct_activation_read_as(prepare->node, "expand_activation", "expand_activation_params", &post[0]);
    ct_activation_read(prepare->node, &post[1]);
    s->wide = (struct ct_blocked_conv){
        .batch = x->dims[0],
        .ic = x->dims[1],
        .oc = w1->dims[0],
        .window = {.kernel = {1, 1}},
        .kernel = ct_conv_blocked_f32_select(ct_cpu_features()),
        .post = {post[0].act, {post[0].act_params[0], post[0].act_params[1]}},
    };
    s->deep = s->wide;
    s->deep.ic = 1;
    s->deep.window = ct_blocked_window_of(&window);
    s->deep.post =
        (struct ct_conv_blocked_post){post[1].act, {post[1].act_params[0], post[1].act_params[1]}};
    CT_TRY(ct_blocked_conv_pack(prepare, &s->wide, CT_BLOCKED_TILES, 1, 3));
    CT_TRY(ct_blocked_conv_pack(prepare, &s->deep, CT_BLOCKED_DEPTHWISE, 2, 4));
    prepare->run = run_expand;
    prepare->state = s;
    prepare->kernel = s->wide.kernel->name;
    return cut(prepare, s);
}

/* ------------------------------------------------------------------ shapes */

static ct_status check_weights(struct ct_infer *infer, ct_dim *channels)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const struct ct_fact *w[2] = {ct_infer_in(infer, 1), ct_infer_in(infer, 2)};
    for (int i = 0; i < 2; i++) {
        CT_TRY(ct_blocked_check(infer, 1 + i, CT_LAYOUT_PLAIN));
        if (!w[i] || !ct_fact_is_concrete(w[i]) || w[i]->rank != 4 || w[i]->dims[0] < 1)
            return ct_infer_fail(infer, "weights must have a known shape");
        const struct ct_fact *b = ct_infer_in(infer, 3 + i);
        CT_TRY(ct_infer_check_rank(infer, 3 + i, 1, 1));
        CT_TRY(ct_infer_check_dtype(infer, 3 + i, CT_BIT(F32)));
        if (b && b->rank == 1 && ct_dim_known(b->dims[0]) && b->dims[0] != w[i]->dims[0])
            return ct_infer_fail(infer, "a bias has %lld elements, expected %lld",
                                 (long long)b->dims[0], (long long)w[i]->dims[0]);
    }
    *channels = w[0]->dims[0];
    if (w[0]->dims[1] < 1 || w[0]->dims[2] != 1 || w[0]->dims[3] != 1 || w[1]->dims[1] != 1 ||
        w[1]->dims[0] != *channels)
        return ct_infer_fail(infer, "expected weights [C, K, 1, 1] and [C, 1, rows, columns]");
    if (x && x->rank == 4 && ct_dim_known(x->dims[1]) && x->dims[1] != w[0]->dims[1])
        return ct_infer_fail(infer, "input has %lld channels, but the weight takes %lld",
                             (long long)x->dims[1], (long long)w[0]->dims[1]);
    return CORTEN_OK;
}

static ct_status infer_expand(struct ct_infer *infer)
{
    struct ct_gemm_post post;
    const struct ct_fact *x = ct_infer_in(infer, 0);
    ct_dim channels = CT_DIM_UNKNOWN;
    if (!ct_activation_read(infer->node, &post) ||
        !ct_activation_read_as(infer->node, "expand_activation", "expand_activation_params", &post))
        return ct_infer_fail(infer, "activation: expected one of FusedConv");
    if (!x)
        return ct_infer_fail(infer, "input and weights must be present");
    CT_TRY(ct_blocked_check(infer, 0, CT_LAYOUT_NCXc16));
    CT_TRY(check_weights(infer, &channels));
    ct_dim dims[4] = {CT_DIM_UNKNOWN, channels, CT_DIM_UNKNOWN, CT_DIM_UNKNOWN};
    if (x->rank == 4) {
        struct ct_window window;
        CT_TRY(ct_window_read(infer->node, 2, x->dims + 2, ct_infer_in(infer, 2)->dims + 2, &window,
                              infer->error));
        CT_TRY(ct_window_resolve(infer->node, infer, &window, infer->error));
        dims[0] = x->dims[0];
        dims[2] = window.out[0];
        dims[3] = window.out[1];
    }
    ct_infer_set(infer, 0, CORTEN_F32, 4, dims);
    ct_blocked_set_layout(infer);
    if (infer->n_out < 2 || !infer->out[1])
        return CORTEN_OK;
    for (int i = 2; i < 4; i++) {
        if (ct_dim_known(dims[i]) && dims[i] < 1)
            return ct_infer_fail(infer, "axis %d of the output is empty and has no mean", i);
        dims[i] = 1;
    }
    ct_infer_set(infer, 1, CORTEN_F32, 4, dims);
    infer->out[1]->layout = CT_LAYOUT_NCXc16;
    return CORTEN_OK;
}

static void cost_expand(const struct ct_infer *infer, struct ct_cost *cost)
{
    const struct ct_fact *x = infer->in[0], *w = infer->in[1], *deep = infer->in[2];
    const struct ct_fact *y = infer->out[0];
    if (!x || !y || !ct_fact_is_concrete(x) || !ct_fact_is_concrete(y))
        return;
    double pixels = (double)x->dims[0] * (double)x->dims[2] * (double)x->dims[3];
    double out = (double)y->dims[0] * (double)y->dims[2] * (double)y->dims[3];
    cost->flops +=
        2 * (double)w->dims[0] *
        (pixels * (double)w->dims[1] + out * (double)deep->dims[2] * (double)deep->dims[3]);
}

/* prepare chooses another run; this one stands for it in the tables. */
static ct_status run_unprepared(const struct ct_run *run)
{
    return ct_run_fail(run, "was not prepared");
}

const struct ct_op ct_op_blocked_expand_depthwise = {
    .infer = infer_expand,
    .prepare = prepare_expand,
    .run = run_unprepared,
    .cost = cost_expand,
    .flags = CT_OP_LAYOUTS,
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
    .max_out = 2,
};
