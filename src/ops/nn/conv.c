/* Conv and FusedConv: shapes, and the choice among the ways to compute them. */
#include "ops/nn/conv.h"

#include <string.h>

#include "ops/activation.h"

static ct_status check_channels(struct ct_infer *infer, const struct ct_fact *x,
                                const struct ct_fact *w, int64_t groups)
{
    ct_dim c = x->dims[1], wc = w->dims[1], m = w->dims[0];
    if (ct_dim_known(wc) && wc < 1)
        return ct_infer_fail(infer, "the weight takes no channels");
    if (ct_dim_known(m) && m % groups)
        return ct_infer_fail(infer, "%lld filters do not split into %lld groups", (long long)m,
                             (long long)groups);
    if (ct_dim_known(c) && ct_dim_known(wc) && (c % groups || c / groups != wc))
        return ct_infer_fail(infer,
                             "input has %lld channels, but the weight takes %lld for each of %lld "
                             "groups",
                             (long long)c, (long long)wc, (long long)groups);
    return CORTEN_OK;
}

static ct_status check_bias(struct ct_infer *infer, int b, ct_dim m)
{
    const struct ct_fact *bias = b < 0 ? NULL : ct_infer_in(infer, b);
    if (!bias)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_rank(infer, b, 1, 1));
    if (bias->rank == 1 && ct_dim_known(bias->dims[0]) && ct_dim_known(m) && bias->dims[0] != m)
        return ct_infer_fail(infer, "bias has %lld elements, expected one for each of %lld filters",
                             (long long)bias->dims[0], (long long)m);
    return CORTEN_OK;
}

ct_status ct_conv_infer(struct ct_infer *infer, int xi, int wi, int bi, ct_dtype dtype)
{
    const struct ct_fact *x = ct_infer_in(infer, xi), *w = ct_infer_in(infer, wi);
    int64_t groups = ct_attr_int(infer->node, "group", 1);
    if (!x || !w)
        return ct_infer_fail(infer, "input and weight must be present");
    CT_TRY(ct_infer_check_rank(infer, xi, 3, -1));
    CT_TRY(ct_infer_check_rank(infer, wi, 3, -1));
    if (groups < 1)
        return ct_infer_fail(infer, "group: found %lld, expected 1 or more", (long long)groups);
    if (x->rank < 0 || w->rank < 0) {
        int rank = x->rank < 0 ? w->rank : x->rank;
        ct_infer_set(infer, 0, dtype, rank, NULL);
        return CORTEN_OK;
    }
    if (x->rank != w->rank)
        return ct_infer_fail(infer, "input has rank %d and weight rank %d, expected the same",
                             x->rank, w->rank);
    CT_TRY(check_channels(infer, x, w, groups));
    CT_TRY(check_bias(infer, bi, w->dims[0]));
    struct ct_window window;
    CT_TRY(
        ct_window_read(infer->node, x->rank - 2, x->dims + 2, w->dims + 2, &window, infer->error));
    CT_TRY(ct_window_resolve(infer->node, infer, &window, infer->error));
    ct_dim dims[CT_MAX_RANK] = {x->dims[0], w->dims[0]};
    for (int i = 0; i < window.n; i++)
        dims[2 + i] = window.out[i];
    ct_infer_set(infer, 0, dtype, x->rank, dims);
    return CORTEN_OK;
}

ct_status ct_conv_shape_read(const struct ct_prepare *prepare, int xi, int wi,
                             struct ct_conv_shape *shape)
{
    const struct ct_tensor *x = prepare->in[xi], *w = prepare->in[wi];
    struct ct_window *window = &shape->window;
    shape->groups = ct_attr_int(prepare->node, "group", 1);
    shape->batch = x->dims[0];
    shape->ic = w->dims[1];
    shape->oc = w->dims[0] / shape->groups;
    CT_TRY(ct_window_read(prepare->node, x->rank - 2, x->dims + 2, w->dims + 2, window,
                          prepare->error));
    CT_TRY(ct_window_resolve(prepare->node, NULL, window, prepare->error));
    shape->in_plane = ct_dims_product(window->in, 0, window->n);
    shape->out_plane = ct_dims_product(window->out, 0, window->n);
    shape->kernel_volume = ct_dims_product(window->kernel, 0, window->n);
    return CORTEN_OK;
}

int64_t ct_conv_input_row(const struct ct_window *w, int64_t out_row, int64_t kernel_row)
{
    int64_t row = 0, scale = 1;
    for (int i = w->n - 2; i >= 0; i--) {
        int64_t at = out_row % w->out[i] * w->stride[i] - w->pad_begin[i] +
                     kernel_row % w->kernel[i] * w->dilation[i];
        if (at < 0 || at >= w->in[i])
            return -1;
        row += at * scale;
        scale *= w->in[i];
        out_row /= w->out[i];
        kernel_row /= w->kernel[i];
    }
    return row;
}

void ct_conv_cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    const struct ct_fact *w = infer->n_in > 1 ? infer->in[1] : NULL;
    const struct ct_fact *y = infer->out[0];
    if (!w || !y || !ct_fact_is_concrete(w) || !ct_fact_is_concrete(y) || w->rank < 2)
        return;
    double flops = 2;
    for (int i = 1; i < w->rank; i++)
        flops *= (double)w->dims[i];
    for (int i = 0; i < y->rank; i++)
        flops *= (double)y->dims[i];
    cost->flops += flops;
}

static ct_status infer_conv(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    return ct_conv_infer(infer, 0, 1, 2, x ? x->dtype : CORTEN_DTYPE_NONE);
}

/* Its one output is the product of the whole input with the filter. */
static bool covers_input(const struct ct_conv_shape *s)
{
    const struct ct_window *w = &s->window;
    for (int i = 0; i < w->n; i++)
        if (w->out[i] != 1 || w->kernel[i] != w->in[i] || w->pad_begin[i] ||
            (w->dilation[i] != 1 && w->kernel[i] != 1))
            return false;
    return true;
}

static ct_status prepare_f32(struct ct_prepare *prepare, struct ct_conv_f32 *conv)
{
    const struct ct_conv_shape *s = &conv->shape;
    conv->post.alpha = 1;
    conv->post.beta = 1;
    if (ct_conv_fits_depthwise(conv))
        return ct_conv_prepare_depthwise(prepare, conv);
    /* Tiles of the GEMM would be almost empty. */
    if (covers_input(s))
        return ct_conv_prepare_dot(prepare, conv);
    return ct_conv_prepare_gemm(prepare, conv);
}

static ct_status prepare_conv(struct ct_prepare *prepare)
{
    struct ct_conv_f32 conv = {0};
    CT_TRY(ct_conv_shape_read(prepare, 0, 1, &conv.shape));
    if (prepare->in[0]->dtype == CORTEN_F64)
        return ct_conv_prepare_f64(prepare, &conv.shape);
    return prepare_f32(prepare, &conv);
}

/* ------------------------------------------------------------------ FusedConv */

static ct_status infer_fused(struct ct_infer *infer)
{
    struct ct_gemm_post post;
    if (!ct_activation_read(infer->node, &post))
        return ct_infer_fail(infer, "activation: expected one of FusedConv");
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 3));
    CT_TRY(infer_conv(infer));
    const struct ct_fact *z = ct_infer_in(infer, 3), *y = infer->out[0];
    if (!z || !y || z->rank < 0 || y->rank < 0)
        return CORTEN_OK;
    for (int i = 0; i < y->rank; i++)
        if (z->rank != y->rank ||
            (ct_dim_known(z->dims[i]) && ct_dim_known(y->dims[i]) && z->dims[i] != y->dims[i]))
            return ct_infer_fail(infer, "the added input must have the shape of the output");
    return CORTEN_OK;
}

static ct_status prepare_fused(struct ct_prepare *prepare)
{
    struct ct_conv_f32 conv = {0};
    CT_TRY(ct_conv_shape_read(prepare, 0, 1, &conv.shape));
    ct_activation_read(prepare->node, &conv.post);
    return prepare_f32(prepare, &conv);
}

/* prepare always chooses another run; this one stands for it in the tables. */
static ct_status run_unprepared(const struct ct_run *run)
{
    return ct_run_fail(run, "was not prepared");
}

const struct ct_op ct_op_conv = {
    .infer = infer_conv,
    .prepare = prepare_conv,
    .run = run_unprepared,
    .cost = ct_conv_cost,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
};

const struct ct_op ct_op_fused_conv = {
    .infer = infer_fused,
    .prepare = prepare_fused,
    .run = run_unprepared,
    .cost = ct_conv_cost,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
};
