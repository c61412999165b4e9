/* What stands around a convolution with constant weights goes into its weights and bias:
 * BatchNormalization, Mul and Add by one number a channel after it, and a Pad with zeros before. */
#include <math.h>
#include <string.h>

#include "passes/rewrite.h"

/* y = y * factor + offset, for each output channel. */
struct affine {
    float *factor, *offset;
    int64_t n;
};

static const float *f32(const struct ct_value *value, int64_t n, float *copy)
{
    const struct ct_tensor *t = ct_const_f32(value);
    if (!t || ct_count(t) != (size_t)n)
        return NULL;
    memcpy(copy, t->data, (size_t)n * sizeof *copy); /* the file may hold it misaligned */
    return copy;
}

/* ------------------------------------------------------------------ what comes after */

static bool read_batch_norm(const struct ct_node *node, struct affine *a, float *scratch)
{
    int64_t n = a->n;
    const float *scale = f32(ct_input(node, 1), n, scratch);
    const float *bias = f32(ct_input(node, 2), n, scratch + n);
    const float *mean = f32(ct_input(node, 3), n, scratch + 2 * n);
    const float *var = f32(ct_input(node, 4), n, scratch + 3 * n);
    float epsilon = ct_attr_float(node, "epsilon", 1e-5f);
    if (!scale || !bias || !mean || !var || ct_attr_int(node, "training_mode", 0) != 0 ||
        ct_attr_int(node, "is_test", 1) == 0 || ct_attr_int(node, "spatial", 1) == 0)
        return false;
    for (int64_t i = 0; i < n; i++) {
        a->factor[i] = scale[i] / sqrtf(var[i] + epsilon);
        a->offset[i] = bias[i] - mean[i] * a->factor[i];
        if (!isfinite(a->factor[i]) || !isfinite(a->offset[i]))
            return false;
    }
    return true;
}

/* A constant that holds one number a channel, of an output of that rank: [C, 1, 1] and the like.
 * Or one number for all. */
static const float *per_channel(const struct ct_value *value, int rank, int64_t n, float *copy)
{
    const struct ct_tensor *t = ct_const_f32(value);
    if (!t || t->rank > rank || t->rank < 0)
        return NULL;
    for (int i = 0; i < t->rank; i++) {
        int at = rank - t->rank + i;
        if (t->dims[i] != 1 && (at != 1 || t->dims[i] != n))
            return NULL;
    }
    size_t count = ct_count(t);
    memcpy(copy, t->data, count * sizeof *copy);
    for (int64_t i = 1; count == 1 && i < n; i++)
        copy[i] = copy[0];
    return copy;
}

/* What `node`, the reader of a convolution with output `conv`, does to it. */
static bool read_affine(const struct ct_node *node, const struct ct_value *conv, struct affine *a,
                        float *scratch)
{
    if (ct_is_op(node, "", "BatchNormalization"))
        return ct_input(node, 0) == conv && read_batch_norm(node, a, scratch);
    bool mul = ct_is_op(node, "", "Mul");
    if ((!mul && !ct_is_op(node, "", "Add")) || node->opset < 7)
        return false;
    const struct ct_value *other = ct_input(node, ct_input(node, 0) == conv ? 1 : 0);
    if (!other || !per_channel(other, conv->fact.rank, a->n, mul ? a->factor : a->offset))
        return false;
    for (int64_t i = 0; i < a->n; i++) {
        a->factor[i] = mul ? a->factor[i] : 1;
        a->offset[i] = mul ? 0 : a->offset[i];
    }
    return true;
}

/* ------------------------------------------------------------------ into the weights */

static ct_status scaled_weight(struct ct_pass_context *context, struct ct_node *conv,
                               const struct affine *a, struct ct_value **made)
{
    const struct ct_tensor *w = ct_const_f32(ct_input(conv, 1));
    void *data;
    *made = ct_input(conv, 1);
    bool same = true;
    for (int64_t i = 0; i < a->n; i++)
        same &= a->factor[i] == 1;
    if (same)
        return CORTEN_OK;
    CT_TRY(ct_pass_constant(context, conv->graph, CORTEN_F32, w->rank, w->dims, made, &data));
    size_t per = ct_count(w) / (size_t)a->n;
    float *to = data;
    memcpy(to, w->data, ct_tensor_bytes(w));
    for (int64_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < per; k++)
            to[(size_t)i * per + k] *= a->factor[i];
    return ct_pass_constant_done(context, *made);
}

static ct_status moved_bias(struct ct_pass_context *context, struct ct_node *conv,
                            const struct affine *a, float *scratch, struct ct_value **made)
{
    const float *old = ct_input(conv, 2) ? f32(ct_input(conv, 2), a->n, scratch) : NULL;
    void *data;
    CT_TRY(ct_pass_constant(context, conv->graph, CORTEN_F32, 1, &a->n, made, &data));
    float *to = data;
    for (int64_t i = 0; i < a->n; i++)
        to[i] = (old ? old[i] * a->factor[i] : 0) + a->offset[i];
    return ct_pass_constant_done(context, *made);
}

/* The Conv that makes `value`, if its weights can be changed. */
static struct ct_node *foldable_conv(const struct ct_pass_context *context,
                                     const struct ct_value *value)
{
    struct ct_node *conv = ct_made_by(value, "Conv");
    const struct ct_tensor *w = conv ? ct_const_f32(ct_input(conv, 1)) : NULL;
    if (!w || w->rank < 3 || w->dims[0] < 1 || !ct_value_single_use(value) ||
        value->fact.rank != w->rank || ct_tensor_bytes(w) > context->fold_limit_bytes)
        return NULL;
    const struct ct_value *bias = ct_input(conv, 2);
    if (bias && (!ct_const_f32(bias) || ct_count(bias->constant) != (size_t)w->dims[0]))
        return NULL;
    return conv;
}

static ct_status fold_into(struct ct_pass_context *context, struct ct_node *conv,
                           struct ct_node *node, const struct affine *a, float *scratch)
{
    struct ct_value *weight, *bias;
    CT_TRY(scaled_weight(context, conv, a, &weight));
    CT_TRY(moved_bias(context, conv, a, scratch, &bias));
    struct ct_value *inputs[3] = {ct_input(conv, 0), weight, bias};
    struct ct_node *made = ct_pass_add_node(context, node, "", "Conv", inputs, 3);
    if (!made)
        return CORTEN_OUT_OF_MEMORY;
    for (int i = 0; i < conv->n_attrs; i++)
        CT_TRY(ct_pass_check(context, ct_node_set_attr(made, &conv->attrs[i])));
    made->origin = ct_arena_printf(&context->model->arena, "%s + %s", conv->name, node->name);
    CT_TRY(ct_pass_replace_node(context, node, made));
    ct_node_remove(conv);
    return CORTEN_OK;
}

static ct_status fold_after(struct ct_pass_context *context, struct ct_node *node)
{
    for (int i = 0; i < 2 && i < node->n_in; i++) {
        struct ct_node *conv = foldable_conv(context, ct_input(node, i));
        if (!conv || (node->n_out > 1 && node->out[1]))
            continue;
        struct affine a = {.n = ct_const_f32(ct_input(conv, 1))->dims[0]};
        size_t size_bytes = (size_t)a.n * 6 * sizeof(float);
        float *memory = ct_alloc(context->model->allocator, size_bytes);
        if (!memory)
            return ct_fail_memory(context->error, size_bytes, "folding a convolution");
        a.factor = memory + 4 * a.n;
        a.offset = memory + 5 * a.n;
        ct_status status = CORTEN_OK;
        bool fits = read_affine(node, conv->out[0], &a, memory);
        if (fits)
            status = fold_into(context, conv, node, &a, memory);
        ct_release(context->model->allocator, memory, size_bytes);
        return status;
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Pad before */

static bool pads_with_zero(const struct ct_node *pad)
{
    const struct ct_value *value = ct_input(pad, 2);
    const struct ct_tensor *t = ct_const_f32(value);
    float number = 0;
    if (!ct_attr_is(pad, "mode", "constant", "constant") || (pad->n_in > 3 && ct_input(pad, 3)))
        return false;
    if (value && (!t || ct_count(t) != 1))
        return false;
    if (t)
        memcpy(&number, t->data, sizeof number);
    return number == 0;
}

/* Conv with pads that are numbers; false: it has others. */
static bool read_conv_pads(const struct ct_node *conv, int n_spatial, int64_t *pads)
{
    const int64_t *own;
    int n = ct_attr_ints(conv, "pads", &own);
    bool valid = ct_attr_is(conv, "auto_pad", "VALID", "NOTSET");
    if (!valid && !ct_attr_is(conv, "auto_pad", "NOTSET", "NOTSET"))
        return false;
    if (n >= 0 && n != 2 * n_spatial)
        return false;
    for (int i = 0; i < 2 * n_spatial; i++)
        pads[i] = n < 0 || valid ? 0 : own[i];
    return true;
}

static ct_status fold_pad(struct ct_pass_context *context, struct ct_node *conv)
{
    struct ct_node *pad = ct_made_by(ct_input(conv, 0), "Pad");
    int64_t pads[2 * CT_MAX_RANK];
    const int64_t *added;
    if (!ct_is_op(conv, "", "Conv") || !pad || pad->opset < 11 || pad->n_in < 2 ||
        !pads_with_zero(pad))
        return CORTEN_OK;
    int rank = pad->out[0]->fact.rank, n_spatial = rank - 2, n = ct_const_ints(pad, 1, &added);
    if (rank < 3 || n != 2 * rank || !read_conv_pads(conv, n_spatial, pads))
        return CORTEN_OK;
    for (int i = 0; i < n; i++)
        if (added[i] < 0 || added[i] > INT32_MAX || (i % rank < 2 && added[i]))
            return CORTEN_OK;
    for (int i = 0; i < n_spatial; i++) {
        pads[i] += added[2 + i];
        pads[n_spatial + i] += added[rank + 2 + i];
    }
    CT_TRY(ct_pass_check(context, ct_node_set_ints(conv, "pads", pads, 2 * n_spatial)));
    ct_node_drop_attr(conv, "auto_pad");
    ct_node_set_input(conv, 0, ct_input(pad, 0));
    context->stats->changes++;
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (!node->n_out || !node->out[0])
            continue;
        CT_TRY(fold_pad(context, node));
        CT_TRY(fold_after(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fold_conv = {
    .name = "fold-conv",
    .summary = "BatchNormalization, Mul, Add and Pad into the weights of a Conv",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
