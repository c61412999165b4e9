/* Convolution as a product, for each image and group: Y[oc, pixels] = W[oc, k] * columns[k, pixels]
 * with k = ic * kernel volume. W is packed once as A; the columns are made panel by panel, as B, by
 * the thread that uses them. */
#include "ops/nn/conv.h"
#include "ops/nn/im2col.h"
#include "ops/widen.h"

#include <stdio.h>
#include <string.h>

enum {
    K_BLOCK = 512, /* rows of B in memory at once: with N_BLOCK columns a quarter of an L2 */
    N_BLOCK = 128,
    WANTED_ITEMS = 16, /* cut filters apart until there are as many, so that threads find work */
    PACK_ROWS = 8      /* but never below this many A panels: each cut packs the columns again */
};

struct conv_gemm {
    struct ct_conv_f32 conv;
    const struct ct_gemm_f32_kernel *kernel;
    const struct ct_conv_f32_kernel *gather;
    struct ct_widen widen;
    const float *packed; /* NULL: W is not constant, pack when running */
    size_t packed_at;    /* in scratch, for that */
    size_t columns_at;   /* one block for each worker */
    size_t columns_elems;
    int64_t k, channels_block, n_block, n_blocks, m_block, m_blocks;
    bool pointwise; /* columns are the rows of X */
};

struct call {
    const struct conv_gemm *state;
    const float *x, *packed;
    float *y, *columns;
    struct ct_gemm_post post;
};

/* ------------------------------------------------------------------ weights */

static void pack_weights(const struct conv_gemm *s, const float *w, float *to)
{
    size_t mr = s->kernel->mr, k = (size_t)s->k, oc = (size_t)s->conv.shape.oc;
    for (int64_t g = 0; g < s->conv.shape.groups; g++)
        for (size_t row = 0; row < oc; row += mr) {
            size_t m = oc - row < mr ? oc - row : mr, at = ((size_t)g * oc + row) * k;
            s->kernel->fn->pack_a(m, k, w + at, k, 1, to + at);
        }
}

static ct_status pack(void *arg, const struct ct_tensor *constant, void *packed,
                      struct ct_pool *pool, corten_error *error)
{
    const struct conv_gemm *s = arg;
    size_t n = ct_count(constant);
    (void)pool;
    if (constant->dtype == CORTEN_F32 && (uintptr_t)constant->data % sizeof(float) == 0) {
        pack_weights(s, constant->data, packed);
        return CORTEN_OK;
    }
    size_t bytes = n * sizeof(float);
    const corten_allocator *allocator = ct_default_allocator();
    float *plain = ct_alloc(allocator, bytes);
    if (!plain)
        return ct_fail_memory(error, bytes, "weights of a convolution");
    if (constant->dtype == CORTEN_F32)
        memcpy(plain, constant->data, bytes);
    else
        ct_load_f32(constant->dtype, constant->data, 0, n, plain);
    pack_weights(s, plain, packed);
    ct_release(allocator, plain, bytes);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

static void make_columns(const struct call *call, int64_t image_group, int64_t c0, int64_t channels,
                         int64_t pixel, size_t n, float *panel)
{
    const struct conv_gemm *s = call->state;
    const struct ct_conv_shape *shape = &s->conv.shape;
    const float *x = call->x + (image_group * shape->ic + c0) * shape->in_plane;
    if (s->pointwise)
        s->kernel->fn->pack_b((size_t)channels, n, x + pixel, (size_t)shape->in_plane, 1, panel);
    else
        ct_im2col_panel(s->gather, &shape->window, x, channels, shape->in_plane, pixel, n,
                        s->kernel->nr, panel);
}

struct block {
    int64_t image_group, group, row, rows, pixel, pixels;
    int64_t k_first, k_count;
    const float *columns;
    bool first, last;
};

static void multiply(const struct call *call, const struct block *b)
{
    const struct conv_gemm *s = call->state;
    const struct ct_conv_shape *shape = &s->conv.shape;
    int64_t mr = (int64_t)s->kernel->mr, nr = (int64_t)s->kernel->nr;
    struct ct_gemm_post post = call->post;
    int64_t y_at = (b->image_group * shape->oc) * shape->out_plane;
    if (post.bias.p)
        post.bias.p += b->group * shape->oc;
    if (post.residual.p)
        post.residual.p += y_at;
    for (int64_t j = 0; j < b->pixels; j += nr)
        for (int64_t i = b->row; i < b->row + b->rows; i += mr) {
            int64_t left = b->row + b->rows - i, m = left < mr ? left : mr;
            int64_t n = b->pixels - j < nr ? b->pixels - j : nr;
            struct ct_gemm_f32_tile tile = {
                .m = (size_t)m,
                .n = (size_t)n,
                .k = (size_t)b->k_count,
                .a = call->packed + (b->group * shape->oc + i) * s->k + b->k_first * m,
                .lda = (size_t)m,
                .b = b->columns + j * b->k_count,
                .ldb = (size_t)nr,
                .c = call->y + y_at + i * shape->out_plane + b->pixel + j,
                .ldc = (size_t)shape->out_plane,
                .accumulate = !b->first,
                .post = b->last ? &post : NULL,
                .row = (size_t)i,
                .col = (size_t)(b->pixel + j),
            };
            s->kernel->fn->tile_kmajor(&tile);
        }
}

static void run_item(const struct call *call, int64_t item, int worker)
{
    const struct conv_gemm *s = call->state;
    const struct ct_conv_shape *shape = &s->conv.shape;
    float *columns = call->columns + (size_t)worker * s->columns_elems;
    struct block b = {.columns = columns};
    b.row = item % s->m_blocks * s->m_block;
    b.rows = shape->oc - b.row < s->m_block ? shape->oc - b.row : s->m_block;
    item /= s->m_blocks;
    b.pixel = item % s->n_blocks * s->n_block;
    b.pixels = shape->out_plane - b.pixel < s->n_block ? shape->out_plane - b.pixel : s->n_block;
    b.image_group = item / s->n_blocks;
    b.group = b.image_group % shape->groups;
    int64_t nr = (int64_t)s->kernel->nr;
    for (int64_t c = 0; c < shape->ic; c += s->channels_block) {
        int64_t channels = shape->ic - c < s->channels_block ? shape->ic - c : s->channels_block;
        b.k_first = c * shape->kernel_volume;
        b.k_count = channels * shape->kernel_volume;
        b.first = c == 0;
        b.last = c + channels == shape->ic;
        for (int64_t j = 0; j < b.pixels; j += nr) {
            int64_t n = b.pixels - j < nr ? b.pixels - j : nr;
            make_columns(call, b.image_group, c, channels, b.pixel + j, (size_t)n,
                         columns + j * b.k_count);
        }
        multiply(call, &b);
    }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    for (int64_t i = begin; i < end; i++)
        run_item(arg, i, worker);
}

static ct_status run_gemm(const struct ct_run *run)
{
    const struct conv_gemm *s = run->state;
    const struct ct_conv_shape *shape = &s->conv.shape;
    struct call call = {.state = s, .packed = s->packed, .post = s->conv.post};
    call.x = ct_widen_in(&s->widen, run, 0);
    if (!s->packed) {
        float *packed = (float *)((char *)run->scratch + s->packed_at);
        pack_weights(s, ct_widen_in(&s->widen, run, 1), packed);
        call.packed = packed;
    }
    call.post.bias = (struct ct_gemm_term){ct_widen_in(&s->widen, run, 2), 1, 0};
    call.post.residual = (struct ct_gemm_term){ct_widen_in(&s->widen, run, 3), shape->out_plane, 1};
    call.y = ct_widen_out(&s->widen, run, 0);
    call.columns = (float *)((char *)run->scratch + s->columns_at);
    int64_t items = shape->batch * shape->groups * s->n_blocks * s->m_blocks;
    double flops = 2.0 * (double)(s->m_block * s->n_block) * (double)s->k;
    ct_run_parallel(run, items, flops / 50, run_items, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

static ct_status take_scratch(struct ct_prepare *prepare, size_t n_elems, size_t *at)
{
    size_t bytes;
    *at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    if (!ct_mul_size(n_elems, sizeof(float), &bytes) ||
        !ct_add_size(*at, bytes, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    return CORTEN_OK;
}

static void choose_blocks(struct conv_gemm *s)
{
    const struct ct_conv_shape *shape = &s->conv.shape;
    int64_t mr = (int64_t)s->kernel->mr, nr = (int64_t)s->kernel->nr;
    s->channels_block = K_BLOCK / shape->kernel_volume;
    if (s->channels_block < 1)
        s->channels_block = 1;
    if (s->channels_block > shape->ic)
        s->channels_block = shape->ic > 0 ? shape->ic : 1;
    int64_t rows = s->channels_block * shape->kernel_volume;
    s->n_block = N_BLOCK / nr * nr;
    while (s->n_block > nr && s->n_block * rows > 2 * (int64_t)K_BLOCK * N_BLOCK)
        s->n_block -= nr;
    s->n_blocks = (shape->out_plane + s->n_block - 1) / s->n_block;
    int64_t others = shape->batch * shape->groups * s->n_blocks;
    int64_t panels = (shape->oc + mr - 1) / mr;
    int64_t cuts = others > 0 ? (WANTED_ITEMS + others - 1) / others : 1;
    if (cuts > panels / PACK_ROWS)
        cuts = panels / PACK_ROWS;
    if (cuts < 1)
        cuts = 1;
    s->m_block = (panels + cuts - 1) / cuts * mr;
    s->m_blocks = s->m_block ? (shape->oc + s->m_block - 1) / s->m_block : 0;
}

static bool is_pointwise(const struct ct_window *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_begin[i] || w->pad_end[i])
            return false;
    return true;
}

ct_status ct_conv_prepare_gemm(struct ct_prepare *prepare, const struct ct_conv_f32 *conv)
{
    struct conv_gemm *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a convolution");
    s->conv = *conv;
    s->kernel = ct_gemm_f32_select(ct_cpu_features());
    s->gather = ct_conv_f32_select(ct_cpu_features());
    s->k = conv->shape.ic * conv->shape.kernel_volume;
    s->pointwise = is_pointwise(&conv->shape.window);
    choose_blocks(s);
    size_t n_weights = ct_count(prepare->in[1]);
    bool constant = ct_prepare_may_pack(prepare, 1);
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F32, constant ? 0xD : 0xF, 1));
    if (constant) {
        const void *packed;
        char key[64];
        snprintf(key, sizeof key, "conv g%lld %s", (long long)conv->shape.groups, s->kernel->name);
        CT_TRY(ct_prepare_pack(prepare, 1, key, n_weights * sizeof(float), pack, s, &packed));
        s->packed = packed;
    } else {
        CT_TRY(take_scratch(prepare, n_weights, &s->packed_at));
    }
    s->columns_elems =
        ct_align_up((size_t)(s->n_block * s->channels_block * conv->shape.kernel_volume), 16);
    CT_TRY(take_scratch(prepare, s->columns_elems * (size_t)prepare->threads, &s->columns_at));
    prepare->state = s;
    prepare->run = run_gemm;
    prepare->kernel = s->kernel->name;
    return CORTEN_OK;
}
