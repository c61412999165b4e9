/* The blocked channel layout for chains of convolutions (ops/blocked/blocked.h).
 *
 * Going through the graph in order, each operator that has a form for the layout is replaced by
 * it. A value then has a twin, the same in the blocked layout: what the new operator makes, or a
 * Reorder where the chain begins. The value itself becomes a Reorder of its twin, which goes when
 * everyone who read it reads the twin. So each value is converted at most once each way.
 *
 * Convolutions begin chains; all others are replaced only when their inputs have twins. Chains of
 * bytes have their channels last: layout_bytes.c. */
#include "passes/layout.h"

#include <string.h>

#include "ops/blocked/blocked.h"
#include "ops/registry.h"

enum { MAX_WALK = 6, LONE_REUSE = 100, PATCH_LIMIT = 1 << 22 };

static bool is_op(const struct ct_node *node, const char *domain, const char *op_type)
{
    return !strcmp(node->domain, domain) && !strcmp(node->op_type, op_type);
}

static struct ct_value *input(const struct ct_node *node, int index)
{
    return index < node->n_in ? node->in[index].value : NULL;
}

struct ct_value *ct_layout_twin_of(const struct ct_layout_pass *layout,
                                   const struct ct_value *value)
{
    return value && (size_t)value->id < layout->n_values ? layout->twins[value->id] : NULL;
}

/* ------------------------------------------------------------------ which convolutions */

static bool is_image(const struct ct_value *value)
{
    return value && value->fact.kind == CORTEN_TENSOR && value->fact.dtype == CORTEN_F32 &&
           value->fact.rank == 4 && value->fact.layout == CT_LAYOUT_PLAIN;
}

struct conv {
    int64_t ic, oc, taps;
    bool depthwise;
};

static int64_t attr_at(const struct ct_node *node, const char *name, int index, int64_t fallback)
{
    const int64_t *values;
    return ct_attr_ints(node, name, &values) > index ? values[index] : fallback;
}

static bool read_conv(const struct ct_node *node, struct conv *conv)
{
    if (!is_op(node, "", "Conv") && !is_op(node, "com.microsoft", "FusedConv") &&
        !is_op(node, "ai.corten", "FusedConv"))
        return false;
    const struct ct_tensor *w = ct_value_const(input(node, 1));
    if (!node->out[0] || !is_image(input(node, 0)) || !is_image(node->out[0]) || !w ||
        w->rank != 4 || w->dtype != CORTEN_F32 ||
        (input(node, 2) && !ct_value_const(input(node, 2))) ||
        (input(node, 3) && !is_image(input(node, 3))))
        return false;
    int64_t group = ct_attr_int(node, "group", 1), cols_stride = attr_at(node, "strides", 1, 1);
    int64_t cols = 14 * cols_stride + w->dims[3] * attr_at(node, "dilations", 1, 1);
    *conv = (struct conv){w->dims[1], w->dims[0], w->dims[2] * w->dims[3], false};
    conv->depthwise = group > 1 && w->dims[1] == 1 && w->dims[0] == group;
    if ((group != 1 && !conv->depthwise) || cols_stride > CT_BLOCKED_MAX_STRIDE ||
        w->dims[2] > CT_BLOCKED_MAX_TAPS || w->dims[3] > CT_BLOCKED_MAX_TAPS ||
        conv->taps > CT_BLOCKED_MAX_TAPS || conv->taps < 1 || conv->ic < 1 || conv->oc < 1)
        return false;
    return conv->ic < PATCH_LIMIT && cols < PATCH_LIMIT &&
           w->dims[2] * cols * (conv->ic + CT_CONV_BLOCK) < PATCH_LIMIT;
}

static bool is_transparent(const struct ct_node *node)
{
    return node->op && ((node->op->flags & CT_OP_ANY_LAYOUT) || is_op(node, "", "MaxPool") ||
                        is_op(node, "", "AveragePool") || is_op(node, "", "GlobalAveragePool") ||
                        is_op(node, "", "ReduceMean") || is_op(node, "", "Concat") ||
                        is_op(node, "", "Resize"));
}

/* Whether another convolution is among the makers or the readers of a value, past operators that
 * work in any layout. */
static bool has_neighbour(const struct ct_value *value, bool up, int depth)
{
    struct conv conv;
    if (!is_image(value) || depth > MAX_WALK)
        return false;
    if (up) {
        const struct ct_node *node = value->producer;
        if (!node || node->graph != value->graph)
            return false;
        if (read_conv(node, &conv))
            return true;
        for (int i = 0; is_transparent(node) && i < node->n_in; i++)
            if (has_neighbour(input(node, i), true, depth + 1))
                return true;
        return false;
    }
    for (const struct ct_use *use = value->uses; use; use = use->next) {
        if (use->node->graph != value->graph)
            continue;
        if (read_conv(use->node, &conv) || (is_transparent(use->node) && use->node->out[0] &&
                                            has_neighbour(use->node->out[0], false, depth + 1)))
            return true;
    }
    return false;
}

/* A convolution by itself pays for two conversions: it must do much work with each element. */
static bool is_worth_it(const struct ct_node *node, const struct conv *conv)
{
    if (has_neighbour(input(node, 0), true, 0) || has_neighbour(node->out[0], false, 0))
        return true;
    return !conv->depthwise && (double)conv->taps * (double)conv->ic * (double)conv->oc >
                                   LONE_REUSE * ((double)conv->ic + (double)conv->oc);
}

/* ------------------------------------------------------------------ rewriting */

/* Of the twin. */
static uint8_t layout_of(const struct ct_value *value)
{
    return value->fact.dtype == CORTEN_F32 ? CT_LAYOUT_NCXc16 : CT_LAYOUT_NXC;
}

ct_status ct_layout_get_twin(struct ct_layout_pass *layout, struct ct_value *value,
                             struct ct_node *before, struct ct_value **twin)
{
    *twin = ct_layout_twin_of(layout, value);
    if (*twin)
        return CORTEN_OK;
    struct ct_pass_context *context = layout->context;
    struct ct_node *node = ct_pass_add_node(context, before, "ai.corten", "Reorder", &value, 1);
    struct ct_value *made = node ? ct_graph_add_value(before->graph, NULL) : NULL;
    bool bytes = layout_of(value) == CT_LAYOUT_NXC;
    if (!made || !ct_node_set_string(node, "to", bytes ? "channels_last" : "blocked"))
        return ct_fail_memory(context->error, 0, "a node");
    ct_node_set_output(node, 0, made);
    made->fact = value->fact;
    made->fact.layout = layout_of(value);
    *twin = layout->twins[value->id] = made;
    return ct_op_resolve(node, context->error);
}

ct_status ct_layout_replace(struct ct_layout_pass *layout, struct ct_node *node,
                            struct ct_node *old)
{
    struct ct_pass_context *context = layout->context;
    struct ct_value *plain = old->out[0];
    struct ct_value *made = ct_graph_add_value(old->graph, NULL);
    if (!made)
        return ct_fail_memory(context->error, 0, "a value");
    made->fact = plain->fact;
    made->fact.layout = layout_of(plain);
    node->name = old->name;
    node->origin = old->origin && *old->origin ? old->origin : old->name;
    ct_node_set_output(node, 0, made);
    CT_TRY(ct_op_resolve(node, context->error));
    struct ct_node *back = ct_pass_add_node(context, old, "ai.corten", "Reorder", &made, 1);
    if (!back || !ct_node_set_string(back, "to", "plain"))
        return ct_fail_memory(context->error, 0, "a node");
    ct_node_set_output(old, 0, NULL);
    ct_node_set_output(back, 0, plain);
    ct_node_remove(old);
    layout->twins[plain->id] = made;
    context->stats->changes++;
    return ct_op_resolve(back, context->error);
}

static ct_status copy_attrs(struct ct_layout_pass *layout, struct ct_node *to,
                            const struct ct_node *from)
{
    for (int i = 0; i < from->n_attrs; i++)
        if (!ct_node_set_attr(to, &from->attrs[i]))
            return ct_fail_memory(layout->context->error, 0, "an attribute");
    return CORTEN_OK;
}

ct_status ct_layout_replace_by(struct ct_layout_pass *layout, struct ct_node *old,
                               const char *domain, const char *op_type,
                               struct ct_value *const *inputs, int n_in)
{
    struct ct_node *node = ct_pass_add_node(layout->context, old, domain, op_type, inputs, n_in);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(copy_attrs(layout, node, old));
    return ct_layout_replace(layout, node, old);
}

static ct_status convert_conv(struct ct_layout_pass *layout, struct ct_node *node,
                              const struct conv *conv)
{
    struct ct_value *inputs[4] = {input(node, 0), input(node, 1), input(node, 2), input(node, 3)};
    int n_in = inputs[3] ? 4 : inputs[2] ? 3 : 2;
    bool plain = !conv->depthwise && conv->ic <= CT_BLOCKED_PLAIN_CHANNELS;
    if (!plain || ct_layout_twin_of(layout, inputs[0]))
        CT_TRY(ct_layout_get_twin(layout, inputs[0], node, &inputs[0]));
    if (inputs[3])
        CT_TRY(ct_layout_get_twin(layout, inputs[3], node, &inputs[3]));
    return ct_layout_replace_by(layout, node, "ai.corten", "BlockedConv", inputs, n_in);
}

static bool is_single_number(const struct ct_value *value)
{
    if (!ct_value_const(value) || value->fact.rank < 0)
        return false;
    for (int i = 0; i < value->fact.rank; i++)
        if (value->fact.dims[i] != 1)
            return false;
    return true;
}

ct_status ct_layout_elementwise(struct ct_layout_pass *layout, struct ct_node *node)
{
    struct ct_value *inputs[CT_LAYOUT_INPUTS];
    bool any = false;
    if (node->n_in > CT_LAYOUT_INPUTS || (node->op->flags & (CT_OP_VIEW | CT_OP_IMPURE)))
        return CORTEN_OK;
    for (int i = 0; i < node->n_in; i++) {
        struct ct_value *value = input(node, i), *twin = ct_layout_twin_of(layout, value);
        inputs[i] = twin ? twin : value;
        any |= twin != NULL;
        if (value && !twin && !is_single_number(value))
            return CORTEN_OK;
    }
    return any ? ct_layout_replace_by(layout, node, node->domain, node->op_type, inputs, node->n_in)
               : CORTEN_OK;
}

static ct_status convert_concat(struct ct_layout_pass *layout, struct ct_node *node)
{
    struct ct_value *inputs[CT_LAYOUT_INPUTS];
    int64_t axis = ct_attr_int(node, "axis", 1);
    if (node->n_in > CT_LAYOUT_INPUTS || (axis != 1 && axis != -3))
        return CORTEN_OK;
    for (int i = 0; i < node->n_in; i++) {
        inputs[i] = ct_layout_twin_of(layout, input(node, i));
        if (!inputs[i])
            return CORTEN_OK;
        ct_dim channels = inputs[i]->fact.dims[1];
        if (i < node->n_in - 1 && (!ct_dim_known(channels) || channels % CT_CONV_BLOCK))
            return CORTEN_OK;
    }
    return ct_layout_replace_by(layout, node, "ai.corten", "BlockedConcat", inputs, node->n_in);
}

/* Whole factors of the nearest pixel, where rounding gives floor(x / factor). */
static bool read_upsample(const struct ct_node *node, int64_t scales[2])
{
    const struct ct_tensor *t = ct_value_const(input(node, 2));
    bool floor = ct_attr_is(node, "coordinate_transformation_mode", "asymmetric", "half_pixel") &&
                 ct_attr_is(node, "nearest_mode", "floor", "round_prefer_floor");
    bool half = ct_attr_is(node, "coordinate_transformation_mode", "half_pixel", "half_pixel") &&
                ct_attr_is(node, "nearest_mode", "round_prefer_floor", "round_prefer_floor");
    if (node->opset < 11 || !ct_attr_is(node, "mode", "nearest", "nearest") || !(floor || half) ||
        !t || t->dtype != CORTEN_F32 || t->rank != 1 || t->dims[0] != 4 || input(node, 3) ||
        ct_node_attr(node, "axes"))
        return false;
    float values[4];
    ct_load_f32(t->dtype, t->data, 0, 4, values);
    for (int i = 0; i < 2; i++) {
        if (values[i] != 1 || !(values[2 + i] >= 1 && values[2 + i] <= 16))
            return false;
        scales[i] = (int64_t)values[2 + i];
        if ((float)scales[i] != values[2 + i])
            return false;
    }
    return true;
}

static ct_status convert_resize(struct ct_layout_pass *layout, struct ct_node *node)
{
    int64_t scales[2];
    struct ct_value *twin = ct_layout_twin_of(layout, input(node, 0));
    if (!twin || !read_upsample(node, scales))
        return CORTEN_OK;
    int64_t *kept = ct_arena_array(&layout->context->model->arena, 2, sizeof *kept);
    struct ct_node *made =
        ct_pass_add_node(layout->context, node, "ai.corten", "BlockedUpsample", &twin, 1);
    if (!made || !kept)
        return ct_fail_memory(layout->context->error, 0, "a node");
    memcpy(kept, scales, sizeof scales);
    if (!ct_node_set_ints(made, "scales", kept, 2))
        return ct_fail_memory(layout->context->error, 0, "an attribute");
    return ct_layout_replace(layout, made, node);
}

/* ReduceMean over rows and columns. */
static bool is_global_mean(const struct ct_node *node)
{
    const int64_t *axes = NULL;
    int n = ct_attr_ints(node, "axes", &axes);
    const struct ct_value *given = input(node, 1);
    if (n < 0 && given) {
        axes = given->fact.values;
        n = axes ? given->fact.n_values : 0;
    }
    if (ct_attr_int(node, "keepdims", 1) != 1 || n != 2)
        return false;
    int64_t a = axes[0] < 0 ? axes[0] + 4 : axes[0], b = axes[1] < 0 ? axes[1] + 4 : axes[1];
    return (a == 2 && b == 3) || (a == 3 && b == 2);
}

static ct_status convert_pool(struct ct_layout_pass *layout, struct ct_node *node,
                              const char *op_type, bool global)
{
    struct ct_value *twin = ct_layout_twin_of(layout, input(node, 0));
    if (!twin || (node->n_out > 1 && node->out[1]))
        return CORTEN_OK;
    if (!global)
        return ct_layout_replace_by(layout, node, "ai.corten", op_type, &twin, 1);
    struct ct_node *made = ct_pass_add_node(layout->context, node, "ai.corten", op_type, &twin, 1);
    return made ? ct_layout_replace(layout, made, node) : CORTEN_OUT_OF_MEMORY;
}

static ct_status convert(struct ct_layout_pass *layout, struct ct_node *node)
{
    struct conv conv;
    if (!node->op || node->n_out < 1 || !node->out[0])
        return CORTEN_OK;
    if (ct_layout_is_bytes(node->out[0]))
        return ct_layout_convert_bytes(layout, node);
    if (!is_image(node->out[0]))
        return CORTEN_OK;
    if (read_conv(node, &conv))
        return ct_layout_twin_of(layout, input(node, 0)) || is_worth_it(node, &conv)
                   ? convert_conv(layout, node, &conv)
                   : CORTEN_OK;
    if (is_op(node, "", "MaxPool"))
        return convert_pool(layout, node, "BlockedMaxPool", false);
    if (is_op(node, "", "AveragePool"))
        return convert_pool(layout, node, "BlockedAveragePool", false);
    if (is_op(node, "", "GlobalAveragePool") ||
        (is_op(node, "", "ReduceMean") && is_global_mean(node)))
        return convert_pool(layout, node, "BlockedGlobalAveragePool", true);
    if (is_op(node, "", "Concat"))
        return convert_concat(layout, node);
    if (is_op(node, "", "Resize"))
        return convert_resize(layout, node);
    if ((node->op->flags & CT_OP_ANY_LAYOUT) && node->n_out == 1)
        return ct_layout_elementwise(layout, node);
    return CORTEN_OK;
}

static void remove_unused(struct ct_graph *graph)
{
    for (struct ct_node *node = graph->last, *prev; node; node = prev) {
        prev = node->prev;
        if (is_op(node, "ai.corten", "Reorder") && node->out[0] && ct_value_unused(node->out[0]))
            ct_node_remove(node);
    }
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    struct ct_layout_pass layout = {.context = context, .n_values = graph->n_values};
    size_t size_bytes = graph->n_values * sizeof *layout.twins;
    if (!size_bytes)
        return CORTEN_OK;
    layout.twins = ct_alloc(context->model->allocator, size_bytes);
    if (!layout.twins)
        return ct_fail_memory(context->error, size_bytes, "the layout pass");
    memset(layout.twins, 0, size_bytes);
    ct_status status = CORTEN_OK;
    for (struct ct_node *node = graph->first, *next; node && status == CORTEN_OK; node = next) {
        next = node->next;
        status = convert(&layout, node);
    }
    ct_release(context->model->allocator, layout.twins, size_bytes);
    if (status == CORTEN_OK)
        remove_unused(graph);
    return status;
}

const struct ct_pass ct_pass_layout = {
    .name = "layout",
    .summary = "channels in blocks, or last for bytes, in chains of convolutions",
    .level = CORTEN_LEVEL_LAYOUT,
    .late = true,
    .run = run,
};
