#include "ops/quant/conv_bytes.h"

#include <stdio.h>
#include <string.h>

#include "kernels/quant.h"
#include "ops/quant/round.h"
#include "ops/quant/transpose.h"

enum {
    DEPTHWISE_TAPS = 256,     /* sums stay below 2^24 */
    BLOCK_BYTES = 128 * 1024, /* of gathered rows: a part of the second cache */
    FEW_BLOCKS = 4,           /* then columns are cut too, for other threads */
    X_BLOCK = 256,            /* pixels transposed by an item */
    MAX_ROWS = 32             /* of a panel, of any kernel */
};

struct call {
    const struct ct_conv_bytes *conv;
    const struct ct_run *run;
    const struct ct_quant_kernel *quant;
    int64_t image;
    uint8_t *x; /* [in_plane, channels] */
    const char *packed;
    struct ct_gemm_i8_post post;
    int32_t a_zero[MAX_ROWS]; /* as packed, for each row */
    uint8_t x_zero;           /* as it lies */
    bool any_b_zero;
};

static const struct ct_tensor *input(const struct ct_run *run, int i)
{
    return i < 0 || i >= run->n_in ? NULL : run->in[i];
}

static int64_t channels_of(const struct ct_conv_bytes *conv)
{
    return conv->shape.groups * conv->shape.ic;
}

static int64_t filters_of(const struct ct_conv_bytes *conv)
{
    return conv->shape.groups * conv->shape.oc;
}

/* ------------------------------------------------------------------ the window */

/* Position 0 of the window for an output pixel, on each axis. */
static void window_start(const struct ct_window *w, int64_t pixel, int64_t *start)
{
    for (int i = w->n - 1; i >= 0; i--) {
        start[i] = pixel % w->out[i] * w->stride[i] - w->pad_begin[i];
        pixel /= w->out[i];
    }
}

/* The input pixel at position k of the window; -1: in the padding. */
static int64_t window_pixel(const struct ct_window *w, const int64_t *start, const int64_t *k)
{
    int64_t pixel = 0;
    for (int i = 0; i < w->n; i++) {
        int64_t at = start[i] + k[i] * w->dilation[i];
        if (at < 0 || at >= w->in[i])
            return -1;
        pixel = pixel * w->in[i] + at;
    }
    return pixel;
}

static void next_position(const struct ct_window *w, int64_t *k)
{
    for (int i = w->n - 1; i >= 0 && ++k[i] == w->kernel[i]; i--)
        k[i] = 0;
}

/* What the window reads at a pixel, channels [0, ic) of each position one after the other. */
static void gather_row(const struct call *c, int64_t pixel, int64_t group, uint8_t *row)
{
    const struct ct_conv_shape *s = &c->conv->shape;
    const struct ct_window *w = &s->window;
    int64_t start[CT_WINDOW_MAX_AXES], k[CT_WINDOW_MAX_AXES] = {0};
    int64_t channels = channels_of(c->conv), last = w->n - 1;
    const uint8_t *x = c->x + group * s->ic;
    window_start(w, pixel, start);
    /* A line of the window is one run when it lies inside, and all channels are wanted. */
    bool line = s->groups == 1 && w->dilation[last] == 1 && start[last] >= 0 &&
                start[last] + w->kernel[last] <= w->in[last];
    int64_t step = line ? w->kernel[last] : 1;
    size_t run_bytes = (size_t)(step * s->ic);
    for (int64_t t = 0; t < s->kernel_volume; t += step, row += run_bytes) {
        int64_t from = window_pixel(w, start, k);
        if (from < 0)
            memset(row, c->x_zero, run_bytes);
        else
            memcpy(row, x + from * channels, run_bytes);
        if (line)
            k[last] += step - 1;
        next_position(w, k);
    }
}

/* ------------------------------------------------------------------ items */

static void transpose_x(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    int64_t channels = channels_of(c->conv), plane = c->conv->shape.in_plane;
    const uint8_t *x = c->run->in[c->conv->at->x]->data;
    (void)worker;
    x += c->image * channels * plane;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i * X_BLOCK, n = plane - first < X_BLOCK ? plane - first : X_BLOCK;
        ct_transpose_bytes(x + first, (size_t)plane, (size_t)channels, (size_t)n,
                           c->x + first * channels, (size_t)channels);
    }
}

/* Columns [first_col, first_col + cols) of the result of n pixels, to their planes of y. */
static void put_result(const struct call *c, const char *result, int64_t pixel, int64_t n,
                       int64_t first_col, int64_t cols)
{
    int64_t plane = c->conv->shape.out_plane;
    size_t to = (size_t)((c->image * filters_of(c->conv) + first_col) * plane + pixel);
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

/* Rows of the product for n pixels of one group, packed in panels. */
static void pack_rows(const struct call *c, int64_t group, int64_t pixel, int64_t n, char *work)
{
    const struct ct_conv_bytes *conv = c->conv;
    int64_t mr = (int64_t)conv->kernel->mr;
    size_t row_bytes = ct_gemm_i8_panel_a_bytes(conv->kernel, 1, (size_t)conv->k);
    size_t stride = (size_t)(conv->in_place ? channels_of(conv) : conv->k);
    int32_t *sums = (int32_t *)(void *)(work + conv->sums_at);
    for (int64_t i = 0; i < n; i += mr) {
        int64_t rows = n - i < mr ? n - i : mr;
        const uint8_t *from = c->x + (pixel + i) * channels_of(conv) + group * conv->shape.ic;
        if (!conv->in_place) {
            uint8_t *gathered = (uint8_t *)work + conv->rows_at;
            for (int64_t r = 0; r < rows; r++)
                gather_row(c, pixel + i + r, group, gathered + r * conv->k);
            from = gathered;
        }
        conv->kernel->fn->pack_a((size_t)rows, (size_t)conv->k, from, stride, 1,
                                 conv->x_signed ? 0x80 : 0,
                                 work + conv->panel_at + (size_t)i * row_bytes, sums + i);
    }
}

/* Panels [begin, end) of columns of one group, for n pixels. */
static void multiply(const struct call *c, int64_t group, int64_t n, int64_t begin, int64_t end,
                     char *work)
{
    const struct ct_conv_bytes *conv = c->conv;
    const char *packed = c->packed + (size_t)group * conv->group_bytes;
    const int32_t *sums = ct_conv_weight_sums(conv, packed);
    int64_t mr = (int64_t)conv->kernel->mr, nr = (int64_t)conv->kernel->nr;
    const int32_t *zeros = sums + conv->col_panels * nr;
    int64_t first_col = begin * nr, end_col = end * nr < conv->shape.oc ? end * nr : conv->shape.oc;
    size_t row_bytes = ct_gemm_i8_panel_a_bytes(conv->kernel, 1, (size_t)conv->k);
    size_t elem = conv->to_byte ? 1 : sizeof(int32_t);
    const int32_t *row_sums = (const int32_t *)(const void *)(work + conv->sums_at);
    for (int64_t p = begin; p < end; p++)
        for (int64_t i = 0; i < n; i += mr) {
            int64_t col = p * nr;
            struct ct_gemm_i8_tile tile = {
                .m = (size_t)(n - i < mr ? n - i : mr),
                .n = (size_t)(end_col - col < nr ? end_col - col : nr),
                .k = (size_t)conv->k,
                .a = work + conv->panel_at + (size_t)i * row_bytes,
                .b = packed + (size_t)p * ct_gemm_i8_panel_b_bytes(conv->kernel, (size_t)conv->k),
                .a_zero = c->a_zero,
                .a_sum = row_sums + i,
                .b_zero = c->any_b_zero ? zeros + col : NULL,
                .b_sum = sums + col,
                .c = work + conv->result_at +
                     (size_t)(i * (end_col - first_col) + col - first_col) * elem,
                .ldc = (size_t)(end_col - first_col),
                .post = &c->post,
                .col = (size_t)(group * conv->shape.oc + col)};
            conv->kernel->fn->tile(&tile);
        }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct ct_conv_bytes *conv = c->conv;
    char *work = (char *)c->run->scratch + conv->workers_at + (size_t)worker * conv->worker_bytes;
    int64_t nr = (int64_t)conv->kernel->nr, oc = conv->shape.oc, plane = conv->shape.out_plane;
    for (int64_t item = begin; item < end; item++) {
        int64_t part = item % conv->col_parts, pixel = item / conv->col_parts * conv->block;
        int64_t n = plane - pixel < conv->block ? plane - pixel : conv->block;
        int64_t first = part * conv->col_panels / conv->col_parts;
        int64_t last = (part + 1) * conv->col_panels / conv->col_parts;
        int64_t end_col = last * nr < oc ? last * nr : oc;
        for (int64_t g = 0; g < conv->shape.groups; g++) {
            pack_rows(c, g, pixel, n, work);
            multiply(c, g, n, first, last, work);
            put_result(c, work + conv->result_at, pixel, n, g * oc + first * nr,
                       end_col - first * nr);
        }
    }
}

/* ------------------------------------------------------------------ depthwise */

static void depthwise_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_window *w = &conv->shape.window;
    char *scratch = c->run->scratch;
    uint8_t *result = (uint8_t *)scratch + conv->workers_at + (size_t)worker * conv->worker_bytes +
                      conv->result_at;
    int64_t channels = channels_of(conv), plane = conv->shape.out_plane;
    const uint8_t *taps[DEPTHWISE_TAPS];
    struct ct_quant_depthwise job = {
        .n = (size_t)channels,
        .n_taps = (size_t)conv->shape.kernel_volume,
        .taps = taps,
        .w = (const float *)(const void *)c->packed,
        .bias = (const int32_t *)(const void *)(scratch + conv->bias_at),
        .scale = c->post.scale,
        .zero = c->post.zero - c->post.low, /* as an unsigned type's */
        .high = 255,
        .flip = conv->x_signed ? 0x80 : 0,
        .flip_y = conv->y_signed ? 0x80 : 0,
    };
    for (int64_t item = begin; item < end; item++) {
        int64_t pixel = item * conv->block;
        int64_t n = plane - pixel < conv->block ? plane - pixel : conv->block;
        for (int64_t i = 0; i < n; i++) {
            int64_t start[CT_WINDOW_MAX_AXES], k[CT_WINDOW_MAX_AXES] = {0};
            window_start(w, pixel + i, start);
            for (size_t t = 0; t < job.n_taps; t++, next_position(w, k)) {
                int64_t from = window_pixel(w, start, k);
                taps[t] =
                    from < 0 ? (const uint8_t *)scratch + conv->zero_at : c->x + from * channels;
            }
            job.y = result + i * channels;
            c->quant->fn->depthwise(&job);
        }
        put_result(c, (const char *)result, pixel, n, 0, channels);
    }
}

/* The zero point of x times the sum of a channel's weights comes off all sums; the padding holds
 * the zero point, so that it is the same everywhere. */
static void fill_depthwise(const struct call *c)
{
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_tensor *bias = input(c->run, conv->at->bias);
    char *scratch = c->run->scratch;
    int64_t channels = channels_of(conv), taps = conv->shape.kernel_volume;
    const int32_t *sums =
        (const int32_t *)(const void *)(c->packed + (size_t)(channels * taps) * sizeof(float));
    int32_t *to = (int32_t *)(void *)(scratch + conv->bias_at);
    for (int64_t i = 0; i < channels; i++) {
        uint32_t own = bias ? (uint32_t)CT_DATA(int32_t, bias)[i] : 0;
        to[i] = (int32_t)(own - (uint32_t)c->a_zero[0] * (uint32_t)sums[i]);
    }
    memset(scratch + conv->zero_at, c->x_zero, (size_t)channels);
}

/* ------------------------------------------------------------------ run */

static void set_output(struct call *c)
{
    const struct ct_conv_bytes *conv = c->conv;
    const struct ct_tensor *bias = input(c->run, conv->at->bias);
    float low, high, *scales = (float *)(void *)((char *)c->run->scratch + conv->scale_at);
    int64_t zero = 0;
    c->post.output = conv->to_byte ? CT_GEMM_I8_TO_BYTE : CT_GEMM_I8_TO_I32;
    if (!conv->to_byte)
        return;
    const struct ct_tensor *y_zero = input(c->run, conv->at->y_zero);
    ct_int_range(c->run->out[0]->dtype, &low, &high);
    if (y_zero)
        ct_load_i64(y_zero->dtype, y_zero->data, 0, 1, &zero);
    ct_byte_scales(c->run->in[conv->at->x_scale], c->run->in[conv->at->w_scale],
                   c->run->in[conv->at->y_scale], filters_of(conv), 0, scales);
    c->post.bias = bias ? bias->data : NULL;
    c->post.scale = scales;
    c->post.scale_stride = 1;
    c->post.zero = (int32_t)zero;
    c->post.low = (int32_t)low;
    c->post.high = (int32_t)high;
}

static bool any_nonzero(const struct ct_tensor *t)
{
    for (size_t i = 0, n = t ? ct_count(t) : 0; i < n; i++)
        if (((const uint8_t *)t->data)[i])
            return true;
    return false;
}

ct_status ct_conv_bytes_run(const struct ct_run *run)
{
    const struct ct_conv_bytes *conv = run->state;
    const struct ct_conv_shape *s = &conv->shape;
    const struct ct_tensor *x_zero = input(run, conv->at->x_zero);
    struct call c = {.conv = conv, .run = run, .quant = ct_quant_select(ct_cpu_features())};
    char *scratch = run->scratch;
    if (s->out_plane == 0 || filters_of(conv) == 0)
        return CORTEN_OK;
    c.x = (uint8_t *)scratch + conv->x_at;
    c.x_zero = x_zero ? *CT_DATA(uint8_t, x_zero) : 0;
    int32_t zero = conv->x_signed ? (int8_t)c.x_zero + 128 : c.x_zero;
    for (int i = 0; i < MAX_ROWS; i++)
        c.a_zero[i] = zero;
    c.any_b_zero = !conv->w_signed || any_nonzero(input(run, conv->at->w_zero));
    c.packed = conv->packed ? conv->packed : scratch + conv->packed_at;
    if (!conv->packed)
        ct_conv_weight_pack(conv, run->in[conv->at->w], input(run, conv->at->w_zero),
                            scratch + conv->packed_at, (uint8_t *)scratch + conv->unpacked_at);
    set_output(&c);
    if (conv->depthwise)
        fill_depthwise(&c);
    double pixel_ns = (double)conv->k * (double)filters_of(conv) / (conv->depthwise ? 15 : 200);
    for (c.image = 0; c.image < s->batch; c.image++) {
        ct_run_parallel(run, (s->in_plane + X_BLOCK - 1) / X_BLOCK,
                        (double)channels_of(conv) * X_BLOCK * 0.1, transpose_x, &c);
        ct_run_parallel(run, conv->blocks * conv->col_parts,
                        pixel_ns * (double)conv->block / (double)conv->col_parts,
                        conv->depthwise ? depthwise_items : run_items, &c);
    }
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
    uint8_t *rows = ct_alloc(ct_default_allocator(), bytes);
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
    snprintf(what, sizeof what, "i8conv:%d:%lldx%lld", conv->depthwise, (long long)conv->k,
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

/* Pixels of an item: whole panels, and whole blocks of a transpose. */
static void choose_blocks(struct ct_conv_bytes *conv)
{
    int64_t unit = (int64_t)conv->kernel->mr, plane = conv->shape.out_plane;
    while (unit % 16)
        unit += (int64_t)conv->kernel->mr;
    int64_t most = BLOCK_BYTES / (conv->k * unit + 1);
    conv->block = unit * (most < 1 ? 1 : most > 4 ? 4 : most);
    conv->blocks = (plane + conv->block - 1) / conv->block;
    conv->col_parts = 1;
    if (!conv->depthwise && conv->blocks < FEW_BLOCKS)
        conv->col_parts = conv->col_panels < FEW_BLOCKS ? conv->col_panels : FEW_BLOCKS;
    if (conv->col_parts < 1)
        conv->col_parts = 1;
}

static ct_status lay_out(struct ct_prepare *prepare, struct ct_conv_bytes *conv)
{
    size_t channels = (size_t)channels_of(conv), filters = (size_t)filters_of(conv);
    size_t block = (size_t)conv->block, mr = conv->kernel->mr, at = 0, workers;
    CT_TRY(ct_byte_scratch(prepare, ct_count(prepare->in[conv->at->x]), &conv->x_at));
    CT_TRY(ct_byte_scratch(prepare, filters * sizeof(float), &conv->scale_at));
    CT_TRY(ct_byte_scratch(prepare, channels * sizeof(int32_t), &conv->bias_at));
    CT_TRY(ct_byte_scratch(prepare, channels, &conv->zero_at));
    if (!conv->depthwise) {
        conv->rows_at = at;
        at = ct_align_up(at + mr * (size_t)conv->k, CT_ALIGN);
        conv->panel_at = at;
        at += ct_gemm_i8_panel_a_bytes(conv->kernel, block, (size_t)conv->k);
        at = conv->sums_at = ct_align_up(at, CT_ALIGN);
        at = ct_align_up(at + block * sizeof(int32_t), CT_ALIGN);
    }
    conv->result_at = at;
    at += block * (conv->depthwise ? channels : (size_t)conv->shape.oc) *
          (conv->to_byte ? 1 : sizeof(int32_t));
    conv->worker_bytes = ct_align_up(at, CT_ALIGN);
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
    conv->to_byte = at->y_scale >= 0;
    conv->k = s->ic * s->kernel_volume;
    conv->col_panels = (s->oc + (int64_t)conv->kernel->nr - 1) / (int64_t)conv->kernel->nr;
    conv->in_place = is_one_pixel(&s->window);
    conv->depthwise = conv->to_byte && s->groups > 1 && s->ic == 1 && s->oc == 1 &&
                      s->kernel_volume <= DEPTHWISE_TAPS;
    conv->group_bytes = conv->depthwise ? 0 : ct_conv_weight_bytes(conv) / (size_t)s->groups;
    choose_blocks(conv);
    CT_TRY(prepare_weight(prepare, conv));
    CT_TRY(lay_out(prepare, conv));
    prepare->state = conv;
    prepare->kernel =
        conv->depthwise ? ct_quant_select(ct_cpu_features())->name : conv->kernel->name;
    return CORTEN_OK;
}
