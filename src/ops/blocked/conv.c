/* BlockedConv: shapes, and the choice between the ways to compute it. */
#include "ops/activation.h"
#include "ops/blocked/blocked.h"

static bool differ(ct_dim a, ct_dim b)
{
    return ct_dim_known(a) && ct_dim_known(b) && a != b;
}

static ct_status check_scale(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *w = ct_infer_in(infer, 1);
    const struct ct_fact *scale = ct_infer_in(infer, 4);
    CT_TRY(ct_blocked_check(infer, 4, CT_LAYOUT_NCXc16));
    for (int i = 0; x && x->rank == 4 && scale->rank == 4 && i < 4; i++)
        if (differ(scale->dims[i], i < 2 ? x->dims[i] : 1))
            return ct_infer_fail(infer, "the scale must be one number for each channel");
    if (!x || x->layout == CT_LAYOUT_PLAIN || ct_attr_int(infer->node, "group", 1) != 1 || !w ||
        w->rank != 4 || w->dims[2] != 1 || w->dims[3] != 1)
        return ct_infer_fail(infer, "only windows of 1 x 1 take a scale");
    return CORTEN_OK;
}

static ct_status infer_conv(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *z = ct_infer_in(infer, 3);
    struct ct_gemm_post post;
    if (!ct_activation_read(infer->node, &post))
        return ct_infer_fail(infer, "activation: expected one of FusedConv");
    bool plain = x && x->layout == CT_LAYOUT_PLAIN;
    CT_TRY(ct_blocked_check(infer, 0, plain ? CT_LAYOUT_PLAIN : CT_LAYOUT_NCXc16));
    CT_TRY(ct_blocked_check(infer, 1, CT_LAYOUT_PLAIN));
    if (z)
        CT_TRY(ct_blocked_check(infer, 3, CT_LAYOUT_NCXc16));
    if (ct_infer_in(infer, 4))
        CT_TRY(check_scale(infer));
    CT_TRY(ct_conv_infer(infer, 0, 1, 2, CORTEN_F32));
    ct_blocked_set_layout(infer);
    const struct ct_fact *y = infer->out[0];
    for (int i = 0; z && y && i < 4 && z->rank == 4 && y->rank == 4; i++)
        if (differ(z->dims[i], y->dims[i]))
            return ct_infer_fail(infer, "the added input must have the shape of the output");
    return CORTEN_OK;
}

static ct_status fail(const struct ct_prepare *prepare, const char *what)
{
    char text[256];
    return ct_fail(prepare->error, CORTEN_INVALID_MODEL, "%s: %s",
                   ct_node_describe(prepare->node, text, sizeof text), what);
}

ct_status ct_blocked_check_constants(const struct ct_prepare *prepare, int weight, int bias)
{
    const struct ct_tensor *b = bias < prepare->n_in ? prepare->in[bias] : NULL;
    return !prepare->in[weight]->data || (b && !b->data)
               ? fail(prepare, "weight and bias must be constant")
               : CORTEN_OK;
}

/* What the layout pass sees to; a model may say anything. */
static ct_status check(const struct ct_prepare *prepare, const struct ct_conv_shape *shape,
                       bool plain)
{
    const struct ct_window *w = &shape->window;
    bool depthwise = shape->groups > 1 && shape->ic == 1 && shape->oc == 1;
    if (shape->groups > 1 && (!depthwise || plain))
        return fail(prepare, "expected one group, or one for each channel");
    if (plain && shape->ic > CT_BLOCKED_PLAIN_CHANNELS)
        return fail(prepare, "an input in the plain layout must have few channels");
    if (w->stride[1] > CT_BLOCKED_MAX_STRIDE || shape->kernel_volume > CT_BLOCKED_MAX_TAPS)
        return fail(prepare, "kernel or stride are too large");
    return ct_blocked_check_constants(prepare, 1, 2);
}

static ct_status pack_bias(struct ct_prepare *prepare, struct ct_blocked_conv *c, int bias)
{
    const void *packed;
    if (prepare->n_in <= bias || !prepare->in[bias])
        return CORTEN_OK;
    size_t size_bytes = (size_t)(ct_blocks(c->oc) * CT_CONV_BLOCK) * sizeof(float);
    CT_TRY(ct_prepare_pack(prepare, bias, "blocked bias", size_bytes, ct_blocked_pack_bias, c,
                           &packed));
    c->bias = packed;
    return CORTEN_OK;
}

ct_status ct_blocked_conv_pack(struct ct_prepare *prepare, struct ct_blocked_conv *c,
                               enum ct_blocked_way way, int weight, int bias)
{
    static const char *const keys[] = {"blocked", "blocked winograd", "blocked depthwise"};
    static const ct_pack_fn fns[] = {ct_blocked_pack_dense, ct_blocked_pack_winograd,
                                     ct_blocked_pack_depthwise};
    const void *packed;
    bool winograd = way == CT_BLOCKED_WINOGRAD;
    int64_t taps = winograd ? CT_WINOGRAD_PLACES : c->window.kernel[0] * c->window.kernel[1];
    int64_t rows = winograd ? CT_CONV_BLOCK : ct_blocked_rows(c->ic);
    int64_t in_rows = way == CT_BLOCKED_DEPTHWISE ? 1 : ct_blocks(c->ic) * rows;
    size_t size_bytes = (size_t)(ct_blocks(c->oc) * CT_CONV_BLOCK * taps * in_rows) * sizeof(float);
    CT_TRY(ct_prepare_pack(prepare, weight, keys[way], size_bytes, fns[way], c, &packed));
    c->w = packed;
    return pack_bias(prepare, c, bias);
}

static ct_status prepare_conv(struct ct_prepare *prepare)
{
    struct ct_conv_shape shape;
    struct ct_gemm_post post = {0};
    bool plain = prepare->in[0]->layout == CT_LAYOUT_PLAIN;
    struct ct_blocked_conv *c = ct_prepare_alloc(prepare, sizeof *c);
    if (!c)
        return ct_fail_memory(prepare->error, sizeof *c, "a convolution");
    CT_TRY(ct_conv_shape_read(prepare, 0, 1, &shape));
    CT_TRY(check(prepare, &shape, plain));
    ct_activation_read(prepare->node, &post);
    *c = (struct ct_blocked_conv){
        .batch = shape.batch,
        .ic = shape.ic,
        .oc = shape.oc * shape.groups,
        .window = ct_blocked_window_of(&shape.window),
        .kernel = ct_conv_blocked_f32_select(ct_cpu_features()),
        .post = {post.act, {post.act_params[0], post.act_params[1]}},
        .plain = plain,
        .has_residual = prepare->n_in > 3 && prepare->in[3],
        .has_scale = prepare->n_in > 4 && prepare->in[4],
    };
    if (c->has_residual)
        ct_prepare_in_place(prepare, 0, 3);
    if (shape.groups == 1 && ct_blocked_conv_fits_bf16(prepare, c)) {
        CT_TRY(pack_bias(prepare, c, 2));
        return ct_blocked_conv_bf16(prepare, c);
    }
    enum ct_blocked_way way = shape.groups > 1                   ? CT_BLOCKED_DEPTHWISE
                              : ct_blocked_conv_fits_winograd(c) ? CT_BLOCKED_WINOGRAD
                                                                 : CT_BLOCKED_TILES;
    CT_TRY(ct_blocked_conv_pack(prepare, c, way, 1, 2));
    prepare->state = c;
    prepare->kernel = c->kernel->name;
    prepare->product = way == CT_BLOCKED_DEPTHWISE ? CT_PRODUCT_NONE : CT_PRODUCT_F32;
    return way == CT_BLOCKED_DEPTHWISE  ? ct_blocked_conv_depthwise(prepare, c)
           : way == CT_BLOCKED_WINOGRAD ? ct_blocked_conv_winograd(prepare, c)
                                        : ct_blocked_conv_tiles(prepare, c);
}

/* prepare always chooses another run; this one stands for it in the tables. */
static ct_status run_unprepared(const struct ct_run *run)
{
    return ct_run_fail(run, "was not prepared");
}

const struct ct_op ct_op_blocked_conv = {
    .infer = infer_conv,
    .prepare = prepare_conv,
    .run = run_unprepared,
    .cost = ct_conv_cost,
    .flags = CT_OP_LAYOUTS,
    .min_in = 2,
    .max_in = 5,
    .min_out = 1,
};
