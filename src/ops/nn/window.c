#include "ops/nn/window.h"

/* Far above any image, and low enough that no sum or product below overflows. */
#define LIMIT (INT64_C(1) << 30)
#define IN_LIMIT (INT64_C(1) << 40)

static ct_status fail(const struct ct_node *node, corten_error *error, const char *name,
                      const char *what, int64_t found)
{
    char text[256];
    return ct_fail(error, CORTEN_INVALID_MODEL, "%s: %s: found %lld, expected %s",
                   ct_node_describe(node, text, sizeof text), name, (long long)found, what);
}

/* Reads `n` ints of an attribute into `to`, all in [least, LIMIT]. *found false: absent. */
static ct_status read_ints(const struct ct_node *node, const char *name, int n, int64_t least,
                           int64_t *to, bool *found, corten_error *error)
{
    const int64_t *values;
    int count = ct_attr_ints(node, name, &values);
    *found = count > 0;
    if (!*found)
        return CORTEN_OK;
    if (count != n)
        return fail(node, error, name, "one value for each spatial axis (and side)", count);
    for (int i = 0; i < n; i++) {
        if (values[i] < least || values[i] > LIMIT)
            return fail(node, error, name,
                        least ? "values from 1 to 2^30" : "values from 0 to 2^30", values[i]);
        to[i] = values[i];
    }
    return CORTEN_OK;
}

static ct_status read_kernel(const struct ct_node *node, const ct_dim *kernel, struct ct_window *w,
                             corten_error *error)
{
    bool found;
    int64_t shape[CT_WINDOW_MAX_AXES];
    CT_TRY(read_ints(node, "kernel_shape", w->n, 1, shape, &found, error));
    for (int i = 0; i < w->n; i++) {
        if (found && kernel && ct_dim_known(kernel[i]) && kernel[i] != shape[i])
            return fail(node, error, "kernel_shape", "the spatial shape of the weight", shape[i]);
        if (found)
            w->kernel[i] = shape[i];
        else if (kernel)
            w->kernel[i] = kernel[i];
        else
            return fail(node, error, "kernel_shape", "this attribute to be present", 0);
        if (ct_dim_known(w->kernel[i]) && (w->kernel[i] < 1 || w->kernel[i] > LIMIT))
            return fail(node, error, "kernel", "a size from 1 to 2^30", w->kernel[i]);
    }
    return CORTEN_OK;
}

static ct_status read_auto_pad(const struct ct_node *node, struct ct_window *w, corten_error *error)
{
    if (ct_attr_is(node, "auto_pad", "NOTSET", "NOTSET") || ct_attr_is(node, "auto_pad", "", ""))
        w->auto_pad = CT_PAD_EXPLICIT;
    else if (ct_attr_is(node, "auto_pad", "SAME_UPPER", ""))
        w->auto_pad = CT_PAD_SAME_UPPER;
    else if (ct_attr_is(node, "auto_pad", "SAME_LOWER", ""))
        w->auto_pad = CT_PAD_SAME_LOWER;
    else if (ct_attr_is(node, "auto_pad", "VALID", ""))
        w->auto_pad = CT_PAD_VALID;
    else {
        char text[256];
        return ct_fail(error, CORTEN_INVALID_MODEL,
                       "%s: auto_pad: expected NOTSET, SAME_UPPER, SAME_LOWER or VALID",
                       ct_node_describe(node, text, sizeof text));
    }
    return CORTEN_OK;
}

ct_status ct_window_read(const struct ct_node *node, int n, const ct_dim *in, const ct_dim *kernel,
                         struct ct_window *window, corten_error *error)
{
    struct ct_window *w = window;
    *w = (struct ct_window){.n = n};
    if (n < 0 || n > CT_WINDOW_MAX_AXES)
        return fail(node, error, "rank of the input", "2 to 16", n + 2);
    for (int i = 0; i < n; i++) {
        w->in[i] = in[i];
        w->stride[i] = w->dilation[i] = 1;
        if (ct_dim_known(in[i]) && (in[i] < 0 || in[i] > IN_LIMIT))
            return fail(node, error, "spatial size", "0 to 2^40", in[i]);
    }
    bool found;
    int64_t pads[2 * CT_WINDOW_MAX_AXES] = {0};
    CT_TRY(read_kernel(node, kernel, w, error));
    CT_TRY(read_ints(node, "strides", n, 1, w->stride, &found, error));
    CT_TRY(read_ints(node, "dilations", n, 1, w->dilation, &found, error));
    CT_TRY(read_auto_pad(node, w, error));
    if (w->auto_pad == CT_PAD_EXPLICIT) {
        CT_TRY(read_ints(node, "pads", 2 * n, 0, pads, &found, error));
        for (int i = 0; i < n; i++) {
            w->pad_begin[i] = pads[i];
            w->pad_end[i] = pads[n + i];
        }
    }
    w->ceil_mode = ct_attr_int(node, "ceil_mode", 0) != 0;
    return CORTEN_OK;
}

static ct_dim symbolic_out(const struct ct_infer *infer, const struct ct_window *w, int i)
{
    if (!infer || !ct_dim_known(w->kernel[i]))
        return CT_DIM_UNKNOWN;
    ct_dim in = w->in[i];
    if (w->auto_pad == CT_PAD_SAME_UPPER || w->auto_pad == CT_PAD_SAME_LOWER) {
        if (w->stride[i] == 1)
            return in;
        return ct_dim_div(infer, ct_dim_add(infer, in, w->stride[i] - 1), w->stride[i]);
    }
    int64_t more = w->pad_begin[i] + w->pad_end[i] - ct_window_extent(w, i);
    if (w->stride[i] == 1)
        return ct_dim_add(infer, in, more + 1);
    /* The last window of ceil_mode may be dropped, depending on the size. */
    if (w->ceil_mode)
        return CT_DIM_UNKNOWN;
    return ct_dim_add(infer, ct_dim_div(infer, ct_dim_add(infer, in, more), w->stride[i]), 1);
}

ct_status ct_window_resolve(const struct ct_node *node, const struct ct_infer *infer,
                            struct ct_window *window, corten_error *error)
{
    struct ct_window *w = window;
    for (int i = 0; i < w->n; i++) {
        if (!ct_dim_known(w->in[i]) || !ct_dim_known(w->kernel[i])) {
            w->out[i] = symbolic_out(infer, w, i);
            continue;
        }
        int64_t in = w->in[i], s = w->stride[i], extent = ct_window_extent(w, i);
        if (w->auto_pad == CT_PAD_SAME_UPPER || w->auto_pad == CT_PAD_SAME_LOWER) {
            w->out[i] = (in + s - 1) / s;
            int64_t pad = w->out[i] ? (w->out[i] - 1) * s + extent - in : 0;
            pad = pad < 0 ? 0 : pad;
            int64_t half = pad / 2;
            w->pad_begin[i] = w->auto_pad == CT_PAD_SAME_UPPER ? half : pad - half;
            w->pad_end[i] = pad - w->pad_begin[i];
            continue;
        }
        int64_t room = in + w->pad_begin[i] + w->pad_end[i] - extent;
        if (room < 0)
            return fail(node, error, "padded input", "at least the size of the kernel",
                        room + extent);
        w->out[i] = room / s + 1;
        /* A window that would start in the padding at the end does not count. */
        if (w->ceil_mode && room % s && w->out[i] * s < in + w->pad_begin[i])
            w->out[i]++;
    }
    return CORTEN_OK;
}

ct_status ct_window_infer_pool(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    if (x->rank < 0) {
        ct_infer_set(infer, 0, x->dtype, -1, NULL);
        ct_infer_set(infer, 1, CORTEN_I64, -1, NULL);
        return CORTEN_OK;
    }
    struct ct_window w;
    CT_TRY(ct_window_read(infer->node, x->rank - 2, x->dims + 2, NULL, &w, infer->error));
    CT_TRY(ct_window_resolve(infer->node, infer, &w, infer->error));
    ct_dim dims[CT_MAX_RANK] = {x->dims[0], x->dims[1]};
    for (int i = 0; i < w.n; i++)
        dims[2 + i] = w.out[i];
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    ct_infer_set(infer, 1, CORTEN_I64, x->rank, dims);
    return CORTEN_OK;
}
