/* Reorder: between the plain layout and the blocked one, or channels last for bytes. */
#include "ops/blocked/blocked.h"
#include "ops/quant/transpose.h"

enum { PIXELS = 512 }; /* of an item */

struct reorder {
    const struct ct_conv_blocked_kernel *kernel;
    bool to_plain;
    int64_t channels, plane, pieces;
};

struct call {
    const struct reorder *state;
    const float *x;
    float *y;
};

static bool is_to_plain(const struct ct_node *node)
{
    return ct_attr_is(node, "to", "plain", "blocked");
}

static bool is_bytes(ct_dtype dtype)
{
    return dtype == CORTEN_U8 || dtype == CORTEN_I8;
}

static ct_status infer_bytes(const struct ct_infer *infer, bool plain)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 4, 4));
    if (x->layout != (plain ? CT_LAYOUT_NXC : CT_LAYOUT_PLAIN))
        return ct_infer_fail(infer, "the input must have its channels %s",
                             plain ? "last" : "first");
    ct_infer_same(infer, 0, 0);
    if (infer->out[0])
        infer->out[0]->layout = plain ? CT_LAYOUT_PLAIN : CT_LAYOUT_NXC;
    return CORTEN_OK;
}

static ct_status infer_reorder(struct ct_infer *infer)
{
    bool plain = is_to_plain(infer->node);
    const struct ct_fact *x = ct_infer_in(infer, 0);
    if (x && ct_attr_is(infer->node, "to", "channels_last", "blocked") != is_bytes(x->dtype) &&
        !plain)
        return ct_infer_fail(infer, "to: expected channels_last for bytes, blocked for others");
    if (x && is_bytes(x->dtype))
        return infer_bytes(infer, plain);
    CT_TRY(ct_blocked_check(infer, 0, plain ? CT_LAYOUT_NCXc16 : CT_LAYOUT_PLAIN));
    ct_infer_same(infer, 0, 0);
    if (infer->out[0])
        infer->out[0]->layout = plain ? CT_LAYOUT_PLAIN : CT_LAYOUT_NCXc16;
    return CORTEN_OK;
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct reorder *s = call->state;
    int64_t blocks = ct_blocks(s->channels);
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t piece = i % s->pieces, block = i / s->pieces % blocks;
        int64_t image = i / s->pieces / blocks, first = piece * PIXELS;
        int64_t n = s->plane - first < PIXELS ? s->plane - first : PIXELS;
        int64_t channel = block * CT_CONV_BLOCK, channels = s->channels - channel;
        int64_t plain = (image * s->channels + channel) * s->plane + first;
        int64_t blocked = ((image * blocks + block) * s->plane + first) * CT_CONV_BLOCK;
        channels = channels < CT_CONV_BLOCK ? channels : CT_CONV_BLOCK;
        if (s->to_plain)
            s->kernel->fn->to_plain((size_t)n, (size_t)channels, call->x + blocked, call->y + plain,
                                    (size_t)s->plane);
        else
            s->kernel->fn->to_blocked((size_t)n, (size_t)channels, call->x + plain,
                                      (size_t)s->plane, call->y + blocked);
    }
}

static ct_status run_reorder(const struct ct_run *run)
{
    const struct reorder *s = run->state;
    struct call call = {s, run->in[0]->data, run->out[0]->data};
    int64_t images = run->in[0]->dims[0];
    ct_run_parallel(run, images * ct_blocks(s->channels) * s->pieces, 0.15 * CT_CONV_BLOCK * PIXELS,
                    run_items, &call);
    return CORTEN_OK;
}

/* Items are pieces of the pixels of an image. */
static void run_bytes_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct reorder *s = call->state;
    const uint8_t *x = (const uint8_t *)call->x;
    uint8_t *y = (uint8_t *)call->y;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i % s->pieces * PIXELS, image = i / s->pieces * s->channels * s->plane;
        int64_t n = s->plane - first < PIXELS ? s->plane - first : PIXELS;
        int64_t plain = image + first, last = image + first * s->channels;
        if (s->to_plain)
            ct_transpose_bytes(x + last, (size_t)s->channels, (size_t)n, (size_t)s->channels,
                               y + plain, (size_t)s->plane);
        else
            ct_transpose_bytes(x + plain, (size_t)s->plane, (size_t)s->channels, (size_t)n,
                               y + last, (size_t)s->channels);
    }
}

static ct_status run_bytes(const struct ct_run *run)
{
    const struct reorder *s = run->state;
    struct call call = {s, run->in[0]->data, run->out[0]->data};
    ct_run_parallel(run, run->in[0]->dims[0] * s->pieces, 0.1 * (double)s->channels * PIXELS,
                    run_bytes_items, &call);
    return CORTEN_OK;
}

static ct_status prepare_reorder(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct reorder *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    s->kernel = ct_conv_blocked_f32_select(ct_cpu_features());
    s->to_plain = is_to_plain(prepare->node);
    s->channels = x->dims[1];
    s->plane = x->dims[2] * x->dims[3];
    s->pieces = (s->plane + PIXELS - 1) / PIXELS;
    prepare->state = s;
    if (is_bytes(x->dtype))
        prepare->run = run_bytes;
    else
        prepare->kernel = s->kernel->name;
    return CORTEN_OK;
}

const struct ct_op ct_op_reorder = {
    .infer = infer_reorder,
    .prepare = prepare_reorder,
    .run = run_reorder,
    .flags = CT_OP_LAYOUTS,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
