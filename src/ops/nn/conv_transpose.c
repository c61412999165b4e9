/* ConvTranspose, and the form of com.microsoft whose pads are an input. Computed as the adjoint of a convolution from the space of Y to that of X. */
#include "ops/nn/conv.h"
#include "ops/widen.h"

#include <string.h>

#define T float
#define FN transpose_f32
#include "ops/nn/conv_transpose_tmpl.h"
#define T double
#define FN transpose_f64
#include "ops/nn/conv_transpose_tmpl.h"

struct conv_transpose {
    struct ct_conv_shape shape; /* window.in: Y; window.out: X */
    struct ct_widen widen;
    int bias; /* the number of that input */
};

static bool has_dynamic_pads(const struct ct_node *node)
{
    return *node->domain; /* that of com.microsoft: pads before the bias */
}

struct call {
    const struct conv_transpose *state;
    const void *x, *w, *bias;
    char *y;
};

static ct_status fail(const struct ct_node *node, corten_error *error, const char *what)
{
    char text[256];
    return ct_fail(error, CORTEN_INVALID_MODEL, "%s: %s", ct_node_describe(node, text, sizeof text),
                   what);
}

enum { SIZE_LIMIT = 1 << 30 };

/* Sets pads and window.in, the size of Y, from window.out, that of X. */
static ct_status resolve_axis(const struct ct_node *node, struct ct_window *w, int i,
                              const int64_t *wanted, int64_t extra, corten_error *error)
{
    if (!ct_dim_known(w->out[i]) || !ct_dim_known(w->kernel[i])) {
        w->in[i] = wanted ? *wanted : CT_DIM_UNKNOWN;
        return CORTEN_OK;
    }
    if (w->out[i] < 0 || w->out[i] > SIZE_LIMIT)
        return fail(node, error, "the input is too large");
    int64_t full = w->stride[i] * (w->out[i] - 1) + extra + ct_window_extent(w, i), size;
    bool same = w->auto_pad == CT_PAD_SAME_UPPER || w->auto_pad == CT_PAD_SAME_LOWER;
    if (wanted || same) {
        size = wanted ? *wanted : w->out[i] * w->stride[i];
        int64_t pad = full > size ? full - size : 0, half = pad / 2;
        w->pad_begin[i] = w->auto_pad == CT_PAD_SAME_UPPER ? half : pad - half;
        w->pad_end[i] = pad - w->pad_begin[i];
    } else {
        size = full - w->pad_begin[i] - w->pad_end[i];
    }
    if (size < 0 || (size == 0 && w->out[i] > 0))
        return fail(node, error, "pads leave nothing of the output");
    w->in[i] = size;
    return CORTEN_OK;
}

/* Pads from an input, in the place of the attribute. */
static ct_status put_pads(const struct ct_node *node, const int64_t *pads, int count,
                          struct ct_window *w, corten_error *error)
{
    if (count != 2 * w->n)
        return fail(node, error, "pads: expected two numbers for each spatial axis");
    for (int i = 0; i < w->n; i++) {
        if (pads[i] < 0 || pads[i] > SIZE_LIMIT || pads[w->n + i] < 0 ||
            pads[w->n + i] > SIZE_LIMIT)
            return fail(node, error, "pads: expected 0 to 2^30");
        w->pad_begin[i] = pads[i];
        w->pad_end[i] = pads[w->n + i];
    }
    return CORTEN_OK;
}

/* `pads`: of an input, or NULL. */
static ct_status resolve(const struct ct_node *node, int n, const ct_dim *x_dims,
                         const ct_dim *w_dims, const int64_t *pads, int n_pads, struct ct_window *w,
                         corten_error *error)
{
    const int64_t *wanted, *extra;
    int n_wanted = ct_attr_ints(node, "output_shape", &wanted);
    int n_extra = ct_attr_ints(node, "output_padding", &extra);
    CT_TRY(ct_window_read(node, n, x_dims + 2, w_dims + 2, w, error));
    /* Some writers put batch and channels in front. */
    if (n_wanted == n + 2) {
        wanted += 2;
        n_wanted = n;
    }
    if ((n_wanted > 0 && n_wanted != n) || (n_extra > 0 && n_extra != n))
        return fail(node, error,
                    "output_shape and output_padding: expected one number for each "
                    "spatial axis");
    for (int i = 0; i < n; i++) {
        w->out[i] = w->in[i];
        if (n_extra > 0 && (extra[i] < 0 || extra[i] > SIZE_LIMIT))
            return fail(node, error, "output_padding: expected 0 to 2^30");
        if (n_wanted > 0 && (wanted[i] < 1 || wanted[i] > SIZE_LIMIT))
            return fail(node, error, "output_shape: expected 1 to 2^30");
    }
    if (pads)
        CT_TRY(put_pads(node, pads, n_pads, w, error));
    for (int i = 0; i < n; i++)
        CT_TRY(resolve_axis(node, w, i, n_wanted > 0 ? &wanted[i] : NULL,
                            n_extra > 0 ? extra[i] : 0, error));
    return CORTEN_OK;
}

static ct_status infer_transpose(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *w = ct_infer_in(infer, 1);
    int64_t groups = ct_attr_int(infer->node, "group", 1);
    const bool dynamic = has_dynamic_pads(infer->node);
    const int bias_at = dynamic ? 3 : 2;
    if (!x || !w)
        return ct_infer_fail(infer, "input and weight must be present");
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, bias_at));
    CT_TRY(ct_infer_check_rank(infer, 0, 3, -1));
    CT_TRY(ct_infer_check_rank(infer, 1, 3, -1));
    CT_TRY(ct_infer_check_rank(infer, bias_at, 1, 1));
    if (groups < 1)
        return ct_infer_fail(infer, "group: found %lld, expected 1 or more", (long long)groups);
    ct_infer_set(infer, 0, x->dtype, x->rank, NULL);
    if (x->rank < 0 || w->rank < 0)
        return CORTEN_OK;
    if (x->rank != w->rank)
        return ct_infer_fail(infer, "input has rank %d and weight rank %d, expected the same",
                             x->rank, w->rank);
    ct_dim c = x->dims[1], wc = w->dims[0], filters = ct_dim_mul(infer, w->dims[1], groups);
    if (ct_dim_known(c) && ct_dim_known(wc) && (c != wc || c % groups))
        return ct_infer_fail(infer, "input has %lld channels, weight %lld, in %lld groups",
                             (long long)c, (long long)wc, (long long)groups);
    const struct ct_fact *bias = ct_infer_in(infer, bias_at);
    if (bias && bias->rank == 1 && ct_dim_known(bias->dims[0]) && ct_dim_known(filters) &&
        bias->dims[0] != filters)
        return ct_infer_fail(infer, "bias has %lld elements, expected %lld",
                             (long long)bias->dims[0], (long long)filters);
    struct ct_window window;
    const int64_t *pads = NULL;
    int n_pads = 0;
    if (dynamic) {
        CT_TRY(ct_infer_check_dtype(infer, 2, CT_BIT(I64)));
        CT_TRY(ct_infer_ints(infer, 2, &pads, &n_pads));
    }
    CT_TRY(
        resolve(infer->node, x->rank - 2, x->dims, w->dims, pads, n_pads, &window, infer->error));
    bool known = !dynamic || pads || !ct_infer_in(infer, 2);
    ct_dim dims[CT_MAX_RANK] = {x->dims[0], filters};
    for (int i = 0; i < window.n; i++)
        dims[2 + i] = known ? window.in[i] : CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    return CORTEN_OK;
}

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct ct_conv_shape *s = &c->state->shape;
    int64_t filters = s->groups * s->oc;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        if (c->state->widen.dtype == CORTEN_F64)
            transpose_f64(s, c->x, c->w, c->bias, i / filters, i % filters,
                          (double *)(void *)c->y + i * s->in_plane);
        else
            transpose_f32(s, c->x, c->w, c->bias, i / filters, i % filters,
                          (float *)(void *)c->y + i * s->in_plane);
    }
}

static ct_status run_transpose(const struct ct_run *run)
{
    const struct conv_transpose *s = run->state;
    const struct ct_conv_shape *shape = &s->shape;
    struct call call = {s, ct_widen_in(&s->widen, run, 0), ct_widen_in(&s->widen, run, 1),
                        ct_widen_in(&s->widen, run, s->bias), ct_widen_out(&s->widen, run, 0)};
    double products = (double)(shape->ic * shape->kernel_volume) * (double)shape->out_plane;
    ct_run_parallel(run, shape->batch * shape->groups * shape->oc,
                    products * 0.3 + (double)shape->in_plane, run_planes, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

static ct_status prepare_transpose(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0], *w = prepare->in[1];
    struct conv_transpose *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a convolution");
    struct ct_conv_shape *shape = &s->shape;
    shape->groups = ct_attr_int(prepare->node, "group", 1);
    shape->batch = x->dims[0];
    shape->ic = x->dims[1] / shape->groups;
    shape->oc = w->dims[1];
    const bool dynamic = has_dynamic_pads(prepare->node);
    const struct ct_tensor *pads = dynamic && prepare->n_in > 2 ? prepare->in[2] : NULL;
    if (pads && !pads->data) /* then the output had no shape */
        return fail(prepare->node, prepare->error, "the pads are not known");
    int64_t numbers[2 * CT_MAX_RANK] = {0};
    if (pads)
        memcpy(numbers, pads->data, (size_t)(2 * (x->rank - 2)) * sizeof *numbers);
    CT_TRY(resolve(prepare->node, x->rank - 2, x->dims, w->dims, pads ? numbers : NULL,
                   2 * (x->rank - 2), &shape->window, prepare->error));
    s->bias = dynamic ? 3 : 2;
    shape->in_plane = ct_dims_product(shape->window.in, 0, shape->window.n);
    shape->out_plane = ct_dims_product(shape->window.out, 0, shape->window.n);
    shape->kernel_volume = ct_dims_product(shape->window.kernel, 0, shape->window.n);
    CT_TRY(ct_widen_init(&s->widen, prepare, ct_widen_dtype(x->dtype), 3u | 1u << s->bias, 1));
    prepare->state = s;
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *total)
{
    const struct ct_fact *x = infer->in[0], *w = infer->n_in > 1 ? infer->in[1] : NULL;
    if (!x || !w || !ct_fact_is_concrete(x) || !ct_fact_is_concrete(w))
        return;
    double flops = 2;
    for (int i = 0; i < x->rank; i++)
        flops *= (double)x->dims[i];
    for (int i = 1; i < w->rank; i++)
        flops *= (double)w->dims[i];
    total->flops += flops;
}

const struct ct_op ct_op_conv_transpose = {
    .infer = infer_transpose,
    .prepare = prepare_transpose,
    .run = run_transpose,
    .cost = cost,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
};

const struct ct_op ct_op_conv_transpose_dynamic_pads = {
    .infer = infer_transpose,
    .prepare = prepare_transpose,
    .run = run_transpose,
    .cost = cost,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
};
