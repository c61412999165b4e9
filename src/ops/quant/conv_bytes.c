#include "ops/quant/conv_bytes.h"

#include <stdio.h>
#include <string.h>

#include "kernels/quant.h"
#include "ops/quant/round.h"
#include "ops/quant/transpose.h"

enum {
    BLOCK_BYTES = 128 * 1024, /* of gathered rows: a part of the second cache */
    BLOCK_PIXELS = 512,       /* at most */
    LINE_PIXELS = 256,        /* at most, of a depthwise item */
    X_BLOCK = 256             /* pixels transposed by an item */
};

struct call {
    const struct ct_conv_bytes *conv;
    const struct ct_run *run;
    int64_t image;
    const uint8_t *x; /* [in_plane, channels] */
    const char *packed;
    struct ct_gemm_i8_post post;
    struct ct_gemm_i8_residual residual;
    const int32_t *add; /* of each padded column of each group */
    uint8_t x_zero;     /* as it lies */
    bool any_b_zero;
};

static const struct ct_tensor *input(const struct ct_run *run, int i)
{
    return i < 0 || i >= run->n_in ? NULL : run->in[i];
}

static char *scratch_at(const struct call *c, size_t at)
{
    return (char *)c->run->scratch + at;
}

static char *worker_at(const struct call *c, int worker)
{
    return scratch_at(c, c->conv->workers_at) + (size_t)worker * c->conv->worker_bytes;
}

/* ------------------------------------------------------------------ the plain layout */

static void transpose_x(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    int64_t channels = ct_conv_bytes_channels(c->conv), plane = c->conv->shape.in_plane;
    const uint8_t *x = c->run->in[c->conv->at->x]->data;
    (void)worker;
    x += c->image * channels * plane;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i * X_BLOCK, n = plane - first < X_BLOCK ? plane - first : X_BLOCK;
        ct_transpose_bytes(x + first, (size_t)plane, (size_t)channels, (size_t)n,
                           (uint8_t *)scratch_at(c, c->conv->x_at) + first * channels,
                           (size_t)channels);
    }
}

/* Columns [first_col, first_col + cols) of the result of n pixels, to their planes of y. */
static void put_result(const struct call *c, const char *result, int64_t pixel, int64_t n,
                       int64_t first_col, int64_t cols)
{
    int64_t plane = c->conv->shape.out_plane;
    size_t to = (size_t)((c->image * ct_conv_bytes_filters(c->conv) + first_col) * plane + pixel);
    if (c->conv->to_byte) {
        ct_transpose_bytes((const uint8_t *)result, (size_t)cols, (size_t)n, (size_t)cols,
                           CT_DATA(uint8_t, c->run->out[0]) + to, (size_t)plane);
        return;
    }
    const int32_t *from = (const int32_t *)(const void *)result;
    int32_t *y = CT_DATA(int32_t, c->run->out[0]) + to;
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < n; i++)
            y[j * plane + i] = from[i * cols + j];
}

/* ------------------------------------------------------------------ products */

/* Rows of the product, and how they lie. */
struct rows {
    const char *a;
    size_t lda;
};

/* For n pixels of one group: in the image where kernels can read them there, else gathered, and packed
 * where bytes are not what kernels read. */
static struct rows find_rows(const struct call *c, int64_t group, int64_t pixel, int64_t n,
                             char *work)
{
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_gemm_i8_kernel *kernel = conv->kernel;
    int64_t channels = ct_conv_bytes_channels(conv), channel = group * conv->shape.ic;
    bool as_bytes = kernel->a_bytes == 1 && !conv->x_signed && !c->any_b_zero;
    bool inside = pixel + (int64_t)ct_gemm_i8_m(kernel, (size_t)n) <= conv->shape.out_plane;
    struct rows in_image = {(const char *)c->x + pixel * channels + channel, (size_t)channels};
    struct rows gathered = {work + conv->rows_at, as_bytes ? conv->row_bytes : (size_t)conv->k};
    struct rows packed = {work + conv->panel_at, conv->row_bytes};
    if (conv->one_pixel && as_bytes && inside && conv->row_bytes == (size_t)conv->k)
        return in_image;
    if (!conv->one_pixel || as_bytes)
        ct_conv_gather(&conv->shape, c->x, channel, c->x_zero, pixel, n, gathered.lda,
                       (uint8_t *)work + conv->rows_at);
    if (as_bytes)
        return gathered;
    struct rows from = conv->one_pixel ? in_image : gathered;
    kernel->fn->pack_a((size_t)n, (size_t)conv->k, (const uint8_t *)from.a, from.lda, 1,
                       conv->x_signed ? 0x80 : 0, work + conv->panel_at, packed.lda,
                       c->any_b_zero ? (int32_t *)(void *)(work + conv->sums_at) : NULL);
    return packed;
}

/* Panels [begin, end) of columns of one group, for n pixels. y: of the first of them. */
static void multiply(const struct call *c, const struct rows *rows, int64_t group, int64_t pixel,
                     int64_t n, int64_t begin, int64_t end, const char *work, char *y, size_t ldc)
{
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_gemm_i8_kernel *kernel = conv->kernel;
    const char *packed = c->packed + (size_t)group * conv->group_bytes;
    const int32_t *sums = ct_conv_weight_sums(conv, packed);
    const int32_t *row_sums = (const int32_t *)(const void *)(work + conv->sums_at);
    int64_t mr = (int64_t)kernel->mr, nr = (int64_t)kernel->nr, padded = conv->col_panels * nr;
    size_t elem = conv->to_byte ? 1 : sizeof(int32_t);
    for (int64_t p = begin; p < end; p++)
        for (int64_t i = 0; i < n; i += mr) {
            int64_t col = p * nr;
            struct ct_gemm_i8_tile tile = {
                .m = (size_t)(n - i < mr ? n - i : mr),
                .n = (size_t)(conv->shape.oc - col < nr ? conv->shape.oc - col : nr),
                .k = ct_gemm_i8_k(kernel, (size_t)conv->k),
                .a = rows->a + (size_t)i * rows->lda,
                .lda = rows->lda,
                .b = packed + (size_t)p * ct_gemm_i8_panel_b_bytes(kernel, (size_t)conv->k),
                .add = c->add + group * padded + col,
                .a_sum = row_sums + i,
                .b_zero = c->any_b_zero ? sums + padded + col : NULL,
                .b_sum = sums + col,
                .c = y + ((size_t)i * ldc + (size_t)(col - begin * nr)) * elem,
                .ldc = ldc,
                .post = &c->post,
                .row = (size_t)(pixel + i),
                .col = (size_t)(group * conv->shape.oc + col)};
            kernel->fn->tile(&tile);
        }
}

/* Of pixels [pixel, pixel + n): panels [first, last) of the columns of a group. */
static void run_block(const struct call *c, int64_t group, int64_t pixel, int64_t n, int64_t first,
                      int64_t last, char *work)
{
    const struct ct_conv_bytes *conv = c->conv;
    int64_t nr = (int64_t)conv->kernel->nr, oc = conv->shape.oc;
    int64_t col = group * oc + first * nr, cols = (last * nr < oc ? last * nr : oc) - first * nr;
    int64_t filters = ct_conv_bytes_filters(conv);
    struct rows rows = find_rows(c, group, pixel, n, work);
    if (conv->channels_last) {
        char *y = CT_DATA(char, c->run->out[0]);
        y += (c->image * conv->shape.out_plane + pixel) * filters + col;
        multiply(c, &rows, group, pixel, n, first, last, work, y, (size_t)filters);
        return;
    }
    char *result = work + conv->result_at;
    multiply(c, &rows, group, pixel, n, first, last, work, result, (size_t)cols);
    put_result(c, result, pixel, n, col, cols);
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct ct_conv_bytes *conv = c->conv;
    int64_t plane = conv->shape.out_plane;
    if (conv->kernel->fn->enter)
        conv->kernel->fn->enter();
    for (int64_t item = begin; item < end; item++) {
        int64_t part = item % conv->col_parts, pixel = item / conv->col_parts * conv->block;
        int64_t n = plane - pixel < conv->block ? plane - pixel : conv->block;
        int64_t first = part * conv->col_panels / conv->col_parts;
        int64_t last = (part + 1) * conv->col_panels / conv->col_parts;
        for (int64_t g = 0; g < conv->shape.groups; g++)
            run_block(c, g, pixel, n, first, last, worker_at(c, worker));
    }
    if (conv->kernel->fn->leave)
        conv->kernel->fn->leave();
}

/* ------------------------------------------------------------------ depthwise */

/* Columns of the input that pixels share lie next to each other only without dilation. */
static int64_t depthwise_step(const struct ct_window *w)
{
    int last = w->n - 1;
    bool share = w->dilation[last] == 1 && w->stride[last] < w->kernel[last];
    return share ? w->stride[last] : w->kernel[last];
}

/* Pointers to what the window reads at n pixels of a line of the output. */
static void find_taps(const struct call *c, int64_t pixel, int64_t n, const uint8_t **taps)
{
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_window *w = &conv->shape.window;
    const uint8_t *zeros = (const uint8_t *)scratch_at(c, conv->zero_at);
    int last = w->n - 1;
    int64_t channels = ct_conv_bytes_channels(conv), step = depthwise_step(w);
    int64_t cols = w->kernel[last], rows = conv->shape.kernel_volume / cols;
    int64_t start[CT_WINDOW_MAX_AXES], first_col;
    ct_conv_window_start(w, pixel, start);
    first_col = start[last];
    for (int64_t r = 0; r < rows; r++) {
        int64_t k[CT_WINDOW_MAX_AXES] = {0}, rest = r, at = 0;
        for (int i = last - 1; i >= 0; rest /= w->kernel[i], i--)
            k[i] = rest % w->kernel[i];
        start[last] = 0;
        int64_t line = ct_conv_window_pixel(w, start, k);
        for (int64_t j = 0; j < (n - 1) * step + cols; j++) {
            int64_t i = step == cols ? j / cols : 0, t = j - i * cols;
            int64_t col =
                first_col + (step == cols ? i * w->stride[last] + t * w->dilation[last] : j);
            bool inside = line >= 0 && col >= 0 && col < w->in[last];
            at = j * rows + r;
            taps[at] = inside ? c->x + (line + col) * channels : zeros;
        }
    }
}

static void depthwise_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_window *w = &conv->shape.window;
    int64_t channels = ct_conv_bytes_channels(conv), line = w->out[w->n - 1];
    int64_t pieces = (line + conv->block - 1) / conv->block;
    char *work = worker_at(c, worker);
    const uint8_t **taps = (const uint8_t **)(void *)(work + conv->rows_at);
    struct ct_depthwise_i8_row row = {
        .channels = (size_t)channels,
        .n_rows = (size_t)(conv->shape.kernel_volume / w->kernel[w->n - 1]),
        .n_cols = (size_t)w->kernel[w->n - 1],
        .step = (size_t)depthwise_step(w),
        .taps = taps,
        .w = c->packed,
        .add = c->add,
        .scale = c->post.scale,
        .zero = c->post.zero - c->post.low, /* as an unsigned type's */
        .flip = conv->x_signed ? 0x80 : 0,
        .flip_y = conv->y_signed ? 0x80 : 0,
        .y_stride = (size_t)channels,
        .work = work + conv->panel_at,
    };
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item % pieces * conv->block, pixel = item / pieces * line + first;
        int64_t n = line - first < conv->block ? line - first : conv->block;
        find_taps(c, pixel, n, taps);
        row.pixels = (size_t)n;
        row.y = (uint8_t *)work + conv->result_at;
        if (conv->channels_last)
            row.y = CT_DATA(uint8_t, c->run->out[0]) +
                    (c->image * conv->shape.out_plane + pixel) * channels;
        conv->depthwise->fn->run(&row);
        if (!conv->channels_last)
            put_result(c, (const char *)row.y, pixel, n, 0, channels);
    }
}

/* ------------------------------------------------------------------ run */

/* The zero point of x times the sum of a filter's weights comes off all sums; the padding holds the
 * zero point, so that it is the same everywhere. */
static void find_additions(struct call *c)
{
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_tensor *bias = input(c->run, conv->at->bias);
    int64_t oc = conv->depthwise ? conv->shape.groups : conv->shape.oc;
    int64_t groups = conv->depthwise ? 1 : conv->shape.groups;
    int64_t padded = conv->depthwise ? oc : conv->col_panels * (int64_t)conv->kernel->nr;
    uint32_t zero = (uint32_t)(conv->x_signed ? (int8_t)c->x_zero + 128 : c->x_zero);
    int32_t *to = (int32_t *)(void *)scratch_at(c, conv->add_at);
    c->add = to;
    for (int64_t g = 0; g < groups; g++) {
        const int32_t *sums = ct_conv_weight_sums(conv, c->packed + (size_t)g * conv->group_bytes);
        for (int64_t j = 0; j < padded; j++) {
            uint32_t own = bias && j < oc ? (uint32_t)CT_DATA(int32_t, bias)[g * oc + j] : 0;
            to[g * padded + j] = (int32_t)(own - zero * (uint32_t)sums[j]);
        }
    }
}

static int32_t zero_of(const struct ct_tensor *zero)
{
    int64_t number = 0;
    if (zero)
        ct_load_i64(zero->dtype, zero->data, 0, 1, &number);
    return (int32_t)number;
}

static float scale_of(const struct ct_tensor *scale)
{
    return *CT_DATA(const float, scale);
}

static void set_residual(struct call *c)
{
    const struct ct_conv_places *at = c->conv->at;
    const struct ct_tensor *other = input(c->run, at->residual);
    if (!other)
        return;
    float sum_scale = scale_of(input(c->run, at->sum_scale));
    bool is_signed = other->dtype == CORTEN_I8;
    c->residual = (struct ct_gemm_i8_residual){
        .ld = (size_t)ct_conv_bytes_filters(c->conv),
        .flip = is_signed ? 0x80 : 0,
        .other_zero = zero_of(input(c->run, at->residual_zero)) + (is_signed ? 128 : 0),
        .sum_zero = zero_of(input(c->run, at->sum_zero)),
        .sum_low = c->post.low,
        .sum_high = c->post.high,
        .ratio = scale_of(c->run->in[at->y_scale]) / sum_scale,
        .other_ratio = scale_of(input(c->run, at->residual_scale)) / sum_scale,
    };
    c->post.residual = &c->residual;
}

static void set_output(struct call *c)
{
    const struct ct_conv_bytes *conv = c->conv;
    float low, high, *scales = (float *)(void *)scratch_at(c, conv->scale_at);
    c->post.output = conv->to_byte ? CT_GEMM_I8_TO_BYTE : CT_GEMM_I8_TO_I32;
    if (!conv->to_byte)
        return;
    ct_int_range(c->run->out[0]->dtype, &low, &high);
    ct_byte_scales(c->run->in[conv->at->x_scale], c->run->in[conv->at->w_scale],
                   c->run->in[conv->at->y_scale], ct_conv_bytes_filters(conv), 0, scales);
    c->post.scale = scales;
    c->post.scale_stride = 1;
    c->post.zero = zero_of(input(c->run, conv->at->y_zero));
    c->post.low = (int32_t)low;
    c->post.high = (int32_t)high;
    set_residual(c);
}

static bool any_nonzero(const struct ct_tensor *t)
{
    for (size_t i = 0, n = t ? ct_count(t) : 0; i < n; i++)
        if (((const uint8_t *)t->data)[i])
            return true;
    return false;
}

static void run_image(struct call *c)
{
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_conv_shape *s = &conv->shape;
    int64_t channels = ct_conv_bytes_channels(conv), filters = ct_conv_bytes_filters(conv);
    c->x = CT_DATA(const uint8_t, c->run->in[conv->at->x]) + c->image * s->in_plane * channels;
    if (!conv->channels_last) {
        ct_run_parallel(c->run, (s->in_plane + X_BLOCK - 1) / X_BLOCK,
                        (double)channels * X_BLOCK * 0.1, transpose_x, c);
        c->x = (const uint8_t *)scratch_at(c, conv->x_at);
    }
    if (c->post.residual)
        c->residual.other = CT_DATA(const uint8_t, input(c->run, conv->at->residual)) +
                            c->image * s->out_plane * filters;
    if (conv->depthwise) {
        int64_t line = s->window.out[s->window.n - 1];
        ct_run_parallel(c->run, s->out_plane / line * ((line + conv->block - 1) / conv->block),
                        (double)(conv->k * filters * conv->block) / 30, depthwise_items, c);
        return;
    }
    double pixel_ns = (double)conv->k * (double)filters / 400;
    ct_run_parallel(c->run, conv->blocks * conv->col_parts,
                    pixel_ns * (double)conv->block / (double)conv->col_parts, run_items, c);
}

/* The padding of the window, and of the arrays by channel: numbers that happen to be denormal would
 * slow down the lanes beside them. */
static void fill_depthwise(const struct call *c)
{
    const struct ct_conv_bytes *conv = c->conv;
    size_t channels = (size_t)ct_conv_bytes_channels(conv);
    size_t rest = ct_align_up(channels, CT_DEPTHWISE_I8_CHANNELS) - channels;
    memset(scratch_at(c, conv->zero_at), c->x_zero, channels);
    memset(scratch_at(c, conv->scale_at) + channels * sizeof(float), 0, rest * sizeof(float));
    memset(scratch_at(c, conv->add_at) + channels * sizeof(int32_t), 0, rest * sizeof(int32_t));
}

ct_status ct_conv_bytes_run(const struct ct_run *run)
{
    const struct ct_conv_bytes *conv = run->state;
    const struct ct_conv_shape *s = &conv->shape;
    const struct ct_tensor *x_zero = input(run, conv->at->x_zero);
    struct call c = {.conv = conv, .run = run};
    if (s->out_plane == 0 || ct_conv_bytes_filters(conv) == 0)
        return CORTEN_OK;
    c.x_zero = x_zero ? *CT_DATA(uint8_t, x_zero) : 0;
    c.any_b_zero = !conv->w_signed || any_nonzero(input(run, conv->at->w_zero));
    c.packed = conv->packed ? conv->packed : scratch_at(&c, conv->packed_at);
    if (!conv->packed)
        ct_conv_weight_pack(conv, run->in[conv->at->w], input(run, conv->at->w_zero),
                            scratch_at(&c, conv->packed_at), scratch_at(&c, conv->unpacked_at));
    set_output(&c);
    find_additions(&c);
    if (conv->depthwise)
        fill_depthwise(&c);
    for (c.image = 0; c.image < s->batch; c.image++)
        run_image(&c);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct packing {
    const struct ct_conv_bytes *conv;
    const struct ct_tensor *zero;
};

static ct_status pack(void *arg, const struct ct_tensor *constant, void *packed,
                      struct ct_pool *pool, corten_error *error)
{
    const struct packing *job = arg;
    size_t bytes = ct_conv_weight_rows_bytes(job->conv);
    void *rows = ct_alloc(ct_default_allocator(), bytes);
    (void)pool;
    if (!rows)
        return ct_fail_memory(error, bytes, "packing a weight");
    ct_conv_weight_pack(job->conv, constant, job->zero, packed, rows);
    ct_release(ct_default_allocator(), rows, bytes);
    return CORTEN_OK;
}

static ct_status prepare_weight(struct ct_prepare *prepare, struct ct_conv_bytes *conv)
{
    const struct ct_conv_places *at = conv->at;
    const struct ct_tensor *w = prepare->in[at->w];
    const struct ct_tensor *zero =
        at->w_zero >= 0 && at->w_zero < prepare->n_in ? prepare->in[at->w_zero] : NULL;
    size_t bytes = ct_conv_weight_bytes(conv);
    if (!ct_prepare_may_pack(prepare, at->w) || ct_count(w) == 0 || (zero && !zero->data)) {
        CT_TRY(ct_byte_scratch(prepare, bytes, &conv->packed_at));
        return ct_byte_scratch(prepare, ct_conv_weight_rows_bytes(conv), &conv->unpacked_at);
    }
    struct packing job = {conv, zero};
    char what[40], key[64];
    snprintf(what, sizeof what, "i8conv:%d:%lldx%lld",
             conv->depthwise ? conv->depthwise->w_most : 0, (long long)conv->k,
             (long long)conv->shape.groups);
    ct_byte_key(what, zero, key, sizeof key);
    return ct_prepare_pack(prepare, at->w, key, bytes, pack, &job, &conv->packed);
}

static bool is_one_pixel(const struct ct_window *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_begin[i] || w->pad_end[i])
            return false;
    return true;
}

/* Pixels of an item: whole panels, and for a transpose whole blocks of that. Weights that are read for
 * each block should be read for few of them. */
static void choose_blocks(struct ct_conv_bytes *conv, int threads)
{
    int64_t unit = (int64_t)conv->kernel->mr, plane = conv->shape.out_plane;
    while (!conv->channels_last && unit % 16)
        unit += (int64_t)conv->kernel->mr;
    int64_t most = BLOCK_BYTES / ((int64_t)conv->row_bytes * unit + 1);
    if (most > BLOCK_PIXELS / unit)
        most = BLOCK_PIXELS / unit;
    conv->block = unit * (most < 1 ? 1 : most);
    conv->blocks = (plane + conv->block - 1) / conv->block;
    conv->col_parts = 1;
    if (threads > 1 && conv->blocks < 4 * threads)
        conv->col_parts = conv->col_panels < threads ? conv->col_panels : threads;
    if (conv->col_parts < 1)
        conv->col_parts = 1;
}

static bool fits_depthwise(const struct ct_conv_bytes *conv)
{
    const struct ct_conv_shape *s = &conv->shape;
    return conv->to_byte && s->groups > 1 && s->ic == 1 && s->oc == 1 && s->kernel_volume > 0 &&
           s->kernel_volume <= CT_DEPTHWISE_I8_TAPS && conv->at->residual < 0;
}

/* Weights less their zero points are int8 when these are 0. */
static void choose_depthwise(const struct ct_prepare *prepare, struct ct_conv_bytes *conv)
{
    int zero_in = conv->at->w_zero;
    const struct ct_tensor *zero =
        zero_in < 0 || zero_in >= prepare->n_in ? NULL : prepare->in[zero_in];
    int64_t line = conv->shape.window.out[conv->shape.window.n - 1];
    bool wide = !conv->w_signed || (zero && (!zero->data || any_nonzero(zero)));
    conv->depthwise = ct_depthwise_i8_select(ct_cpu_features(), wide);
    conv->block = line < 1 ? 1 : line < LINE_PIXELS ? line : LINE_PIXELS;
}

/* Memory of a worker. */
static size_t lay_out_worker(struct ct_conv_bytes *conv)
{
    const struct ct_window *w = &conv->shape.window;
    size_t block = (size_t)conv->block, at = 0, elem = conv->to_byte ? 1 : sizeof(int32_t);
    if (conv->depthwise) {
        size_t cols = (size_t)w->kernel[w->n - 1], rows = (size_t)conv->shape.kernel_volume / cols;
        size_t columns = (block - 1) * (size_t)depthwise_step(w) + cols;
        at = conv->panel_at = ct_align_up(columns * rows * sizeof(void *), CT_ALIGN);
        at = conv->result_at =
            ct_align_up(at + conv->depthwise->fn->work_bytes(rows, cols), CT_ALIGN);
        return at + (conv->channels_last ? 0 : block * (size_t)ct_conv_bytes_channels(conv));
    }
    size_t rows = ct_gemm_i8_m(conv->kernel, block);
    at = conv->panel_at = ct_align_up(rows * conv->row_bytes, CT_ALIGN);
    at = conv->sums_at = ct_align_up(at + rows * conv->row_bytes, CT_ALIGN);
    at = conv->result_at = ct_align_up(at + rows * sizeof(int32_t), CT_ALIGN);
    return at + (conv->channels_last ? 0 : block * (size_t)conv->shape.oc * elem);
}

static ct_status lay_out(struct ct_prepare *prepare, struct ct_conv_bytes *conv)
{
    size_t channels = (size_t)ct_conv_bytes_channels(conv);
    size_t filters = (size_t)ct_conv_bytes_filters(conv), workers;
    size_t cols = (size_t)(conv->shape.groups * conv->col_panels) * conv->kernel->nr;
    if (conv->depthwise)
        cols = filters = ct_align_up(filters, CT_DEPTHWISE_I8_CHANNELS);
    if (!conv->channels_last)
        CT_TRY(ct_byte_scratch(prepare, ct_count(prepare->in[conv->at->x]), &conv->x_at));
    CT_TRY(ct_byte_scratch(prepare, filters * sizeof(float), &conv->scale_at));
    CT_TRY(ct_byte_scratch(prepare, cols * sizeof(int32_t), &conv->add_at));
    CT_TRY(ct_byte_scratch(prepare, channels, &conv->zero_at));
    conv->worker_bytes = ct_align_up(lay_out_worker(conv), CT_ALIGN);
    if (!ct_mul_size(conv->worker_bytes, (size_t)prepare->threads, &workers))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    return ct_byte_scratch(prepare, workers, &conv->workers_at);
}

ct_status ct_conv_bytes_prepare(struct ct_prepare *prepare, const struct ct_conv_places *at)
{
    struct ct_conv_bytes *conv = ct_prepare_alloc(prepare, sizeof *conv);
    if (!conv)
        return ct_fail_memory(prepare->error, sizeof *conv, "a convolution");
    struct ct_conv_shape *s = &conv->shape;
    conv->at = at;
    CT_TRY(ct_conv_shape_read(prepare, at->x, at->w, s));
    conv->kernel = ct_gemm_i8_select(ct_cpu_features());
    conv->x_signed = prepare->in[at->x]->dtype == CORTEN_I8;
    conv->w_signed = prepare->in[at->w]->dtype == CORTEN_I8;
    conv->y_signed = prepare->out[0]->dtype == CORTEN_I8;
    conv->channels_last = prepare->in[at->x]->layout == CT_LAYOUT_NXC;
    conv->to_byte = at->y_scale >= 0;
    conv->k = s->ic * s->kernel_volume;
    conv->row_bytes = ct_gemm_i8_row_bytes(conv->kernel, (size_t)conv->k);
    conv->col_panels = (s->oc + (int64_t)conv->kernel->nr - 1) / (int64_t)conv->kernel->nr;
    conv->one_pixel = is_one_pixel(&s->window);
    if (fits_depthwise(conv))
        choose_depthwise(prepare, conv);
    else
        choose_blocks(conv, prepare->threads);
    conv->group_bytes = conv->depthwise ? 0 : ct_conv_weight_bytes(conv) / (size_t)s->groups;
    CT_TRY(prepare_weight(prepare, conv));
    CT_TRY(lay_out(prepare, conv));
    prepare->state = conv;
    prepare->kernel = conv->depthwise ? conv->depthwise->name : conv->kernel->name;
    return CORTEN_OK;
}
