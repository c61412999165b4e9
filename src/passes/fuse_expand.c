/* A convolution of 1 x 1 and the depthwise one that alone reads it, as one operator
 * (ops/blocked/conv_expand.c): what lies between them stays in the cache. */
#include <string.h>

#include "passes/rewrite.h"

static bool all_are(const struct ct_node *node, const char *name, int64_t expected)
{
    const int64_t *values;
    int n = ct_attr_ints(node, name, &values);
    for (int i = 0; i < n; i++)
        if (values[i] != expected)
            return false;
    return true;
}

/* The weight's dimensions, when the node is a convolution in the blocked layout without a residual;
 * else NULL. */
static const int64_t *weight_dims(const struct ct_node *node)
{
    if (!node || !ct_is_op(node, "ai.corten", "BlockedConv") || ct_input(node, 3) ||
        ct_input(node, 0)->fact.layout != CT_LAYOUT_NCXc16)
        return NULL;
    const struct ct_tensor *w = ct_value_const(ct_input(node, 1));
    return w && w->rank == 4 ? w->dims : NULL;
}

/* The convolution before `deep` that can be made with it, or NULL. */
static struct ct_node *find_wide(const struct ct_node *deep)
{
    const int64_t *w = weight_dims(deep);
    if (!w || w[1] != 1 || w[0] < 2 || ct_attr_int(deep, "group", 1) != w[0])
        return NULL;
    struct ct_value *between = ct_input(deep, 0);
    struct ct_node *wide = between->producer;
    const int64_t *v = weight_dims(wide);
    return v && v[2] == 1 && v[3] == 1 && ct_attr_int(wide, "group", 1) == 1 &&
                   all_are(wide, "strides", 1) && all_are(wide, "pads", 0) &&
                   ct_value_single_use(between)
               ? wide
               : NULL;
}

static bool copy_attrs(struct ct_node *made, const struct ct_node *wide, const struct ct_node *deep)
{
    static const char *const names[][2] = {{"activation", "expand_activation"},
                                           {"activation_params", "expand_activation_params"}};
    bool ok = true;
    for (int i = 0; i < deep->n_attrs; i++)
        ok = ok && ct_node_set_attr(made, &deep->attrs[i]);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const struct ct_attr *attr = ct_node_attr(wide, names[k][0]);
        if (!attr)
            continue;
        struct ct_attr renamed = *attr;
        renamed.name = names[k][1];
        ok = ok && ct_node_set_attr(made, &renamed);
    }
    return ok;
}

static ct_status fuse(struct ct_pass_context *context, struct ct_node *wide, struct ct_node *deep)
{
    struct ct_value *inputs[] = {ct_input(wide, 0), ct_input(wide, 1), ct_input(deep, 1),
                                 ct_input(wide, 2), ct_input(deep, 2)};
    struct ct_node *made =
        ct_pass_add_node(context, deep, "ai.corten", "BlockedExpandDepthwise", inputs,
                         inputs[4]   ? 5
                         : inputs[3] ? 4
                                     : 3);
    if (!made)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, copy_attrs(made, wide, deep)));
    const char *origin = wide->origin && *wide->origin ? wide->origin : wide->name;
    made->name = deep->name;
    CT_TRY(ct_pass_replace_node(context, deep, made));
    made->origin = ct_arena_printf(&context->model->arena, "%s + %s", origin,
                                   made->origin ? made->origin : made->name);
    ct_node_remove(wide);
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        struct ct_node *wide = find_wide(node);
        if (wide)
            CT_TRY(fuse(context, wide, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_expand = {
    .name = "fuse-expand",
    .summary =
        "a 1 x 1 convolution and the depthwise one after it, over rows that stay in the cache",
    .level = CORTEN_LEVEL_LAYOUT,
    .late = true,
    .run = run,
};
