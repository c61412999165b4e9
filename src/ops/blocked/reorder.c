/* Reorder: between the plain and the blocked layout. */
#include "ops/blocked/blocked.h"

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

static ct_status infer_reorder(struct ct_infer *infer)
{
    bool plain = is_to_plain(infer->node);
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
