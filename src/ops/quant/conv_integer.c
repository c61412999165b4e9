/* ConvInteger and QLinearConv: their inputs, checked. The QLinearConv of ai.corten is the same with
 * channels last (CT_LAYOUT_NXC), and with a residual: inputs 9 to 13 are those of the QLinearAdd that
 * follows (the other operand, its scale and zero point, and those of the sum). */
#include "ops/quant/conv_bytes.h"

static const struct ct_conv_places integer_places = {0,  2,  1,  3,  -1, -1, -1,
                                                     -1, -1, -1, -1, -1, -1, -1};
static const struct ct_conv_places qlinear_places = {0, 2, 3, 5, 1, 4, 6, 7, 8, -1, -1, -1, -1, -1};
static const struct ct_conv_places last_places = {0, 2, 3, 5, 1, 4, 6, 7, 8, -1, -1, -1, -1, -1};
static const struct ct_conv_places residual_places = {0, 2, 3, 5, 1, 4, 6, 7, 8, 9, 10, 11, 12, 13};

static ct_status prepare_integer(struct ct_prepare *prepare)
{
    return ct_conv_bytes_prepare(prepare, &integer_places);
}

static ct_status prepare_qlinear(struct ct_prepare *prepare)
{
    return ct_conv_bytes_prepare(prepare, &qlinear_places);
}

/* One number, or (when by_filter) one for each filter. */
static ct_status check_parameter(const struct ct_infer *infer, int i, int w, bool by_filter)
{
    const struct ct_fact *p = i < 0 ? NULL : ct_infer_in(infer, i), *weight = ct_infer_in(infer, w);
    CT_TRY(i < 0 ? CORTEN_OK : ct_infer_check_rank(infer, i, 0, 1));
    if (!p || p->rank < 1 || !ct_dim_known(p->dims[0]) || p->dims[0] == 1)
        return CORTEN_OK;
    bool fits = by_filter && (weight->rank < 1 || !ct_dim_known(weight->dims[0]) ||
                              weight->dims[0] == p->dims[0]);
    return fits ? CORTEN_OK
                : ct_infer_fail(infer, "input %d has %lld elements, expected 1%s", i,
                                (long long)p->dims[0], by_filter ? " or one for each filter" : "");
}

static ct_status infer_conv(struct ct_infer *infer, const struct ct_conv_places *at, ct_dtype dtype)
{
    CT_TRY(ct_infer_check_dtype(infer, at->w, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_conv_infer(infer, at->x, at->w, at->bias, dtype));
    CT_TRY(ct_infer_check_same_dtype(infer, at->x, at->x_zero));
    CT_TRY(ct_infer_check_same_dtype(infer, at->w, at->w_zero));
    CT_TRY(check_parameter(infer, at->x_zero, at->w, false));
    CT_TRY(check_parameter(infer, at->x_scale, at->w, false));
    CT_TRY(check_parameter(infer, at->y_scale, at->w, false));
    CT_TRY(check_parameter(infer, at->y_zero, at->w, false));
    CT_TRY(check_parameter(infer, at->w_zero, at->w, true));
    return check_parameter(infer, at->w_scale, at->w, true);
}

static ct_status infer_integer(struct ct_infer *infer)
{
    return infer_conv(infer, &integer_places, CORTEN_I32);
}

static ct_status infer_qlinear(struct ct_infer *infer)
{
    for (int i = 0; i < 8; i++)
        if (!ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d must be present", i);
    for (int i = 1; i < 7; i += i == 4 ? 2 : 3)
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, 7, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_infer_check_dtype(infer, 8, CT_BIT(I32)));
    return infer_conv(infer, &qlinear_places, ct_infer_in(infer, 7)->dtype);
}

static bool has_residual(const struct ct_node *node)
{
    return node->n_in > residual_places.residual;
}

static ct_status prepare_last(struct ct_prepare *prepare)
{
    bool residual = has_residual(prepare->node);
    return ct_conv_bytes_prepare(prepare, residual ? &residual_places : &last_places);
}

static ct_status check_residual(struct ct_infer *infer)
{
    const struct ct_conv_places *at = &residual_places;
    const struct ct_fact *y = infer->out[0], *other = ct_infer_in(infer, at->residual);
    for (int i = at->residual; i <= at->sum_zero; i++)
        if (!ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d must be present", i);
    CT_TRY(ct_infer_check_dtype(infer, at->residual_scale, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, at->sum_scale, CT_BIT(F32)));
    for (int i = at->residual_zero; i <= at->sum_zero; i += at->sum_zero - at->residual_zero)
        CT_TRY(ct_infer_check_same_dtype(infer, at->y_zero, i));
    CT_TRY(ct_infer_check_same_dtype(infer, at->y_zero, at->residual));
    for (int i = at->residual_scale; i <= at->sum_zero; i++)
        CT_TRY(check_parameter(infer, i, at->w, false));
    for (int i = 0; y && i < y->rank && other->rank >= 0; i++)
        if (other->rank != y->rank || (ct_dim_known(other->dims[i]) && ct_dim_known(y->dims[i]) &&
                                       other->dims[i] != y->dims[i]))
            return ct_infer_fail(infer, "the added input must have the shape of the output");
    return CORTEN_OK;
}

static ct_status infer_last(struct ct_infer *infer)
{
    for (int i = 0; i < infer->n_in; i++) {
        bool last = i == last_places.x || i == residual_places.residual;
        const struct ct_fact *in = ct_infer_in(infer, i);
        if (in && in->layout != (last ? CT_LAYOUT_NXC : CT_LAYOUT_PLAIN))
            return ct_infer_fail(infer, "input %d must have its channels %s", i,
                                 last ? "last" : "first");
    }
    CT_TRY(infer_qlinear(infer));
    if (infer->out[0])
        infer->out[0]->layout = CT_LAYOUT_NXC;
    return has_residual(infer->node) ? check_residual(infer) : CORTEN_OK;
}

static void cost_qlinear(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct ct_infer view = *infer;
    const struct ct_fact *in[2] = {infer->in[qlinear_places.x], infer->in[qlinear_places.w]};
    view.in = in;
    view.n_in = 2;
    ct_conv_cost(&view, cost);
}

const struct ct_op ct_op_conv_integer = {
    .infer = infer_integer,
    .prepare = prepare_integer,
    .run = ct_conv_bytes_run,
    .cost = ct_conv_cost,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
};

const struct ct_op ct_op_qlinear_conv = {
    .infer = infer_qlinear,
    .prepare = prepare_qlinear,
    .run = ct_conv_bytes_run,
    .cost = cost_qlinear,
    .min_in = 8,
    .max_in = 9,
    .min_out = 1,
};

const struct ct_op ct_op_qlinear_conv_last = {
    .infer = infer_last,
    .prepare = prepare_last,
    .run = ct_conv_bytes_run,
    .cost = cost_qlinear,
    .flags = CT_OP_LAYOUTS,
    .min_in = 8,
    .max_in = 14,
    .min_out = 1,
};
