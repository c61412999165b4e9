/* Squeeze and excite in the blocked layout, around BlockedExpandDepthwise and BlockedConv:
 *
 *   the mean over rows and columns of what an expansion made is its second output;
 *   a factor for each channel of what a 1 x 1 convolution reads multiplies the weights instead,
 *   where there are fewer of them. */
#include "ops/registry.h"
#include "passes/rewrite.h"

/* The same node with a second output. */
static struct ct_node *widen(struct ct_node *node)
{
    struct ct_node *made =
        ct_graph_add_node(node->graph, node, node->domain, node->op_type, node->n_in, 2);
    bool ok = made != NULL;
    for (int i = 0; i < node->n_attrs; i++)
        ok = ok && ct_node_set_attr(made, &node->attrs[i]);
    if (!ok)
        return NULL;
    for (int i = 0; i < node->n_in; i++)
        ct_node_set_input(made, i, ct_input(node, i));
    made->name = node->name;
    made->origin = node->origin;
    return made;
}

static ct_status squeeze(struct ct_pass_context *context, struct ct_node *pool)
{
    struct ct_value *x = ct_input(pool, 0), *mean = pool->out[0];
    struct ct_node *made = x ? x->producer : NULL;
    if (!ct_is_op(pool, "ai.corten", "BlockedGlobalAveragePool") || !made || !mean ||
        !ct_is_op(made, "ai.corten", "BlockedExpandDepthwise") || x->producer_index != 0 ||
        made->graph != pool->graph || (made->n_out > 1 && made->out[1]))
        return CORTEN_OK;
    struct ct_node *wide = widen(made);
    CT_TRY(ct_pass_check(context, wide != NULL));
    ct_node_set_output(pool, 0, NULL);
    ct_node_set_output(made, 0, NULL);
    ct_node_set_output(wide, 0, x);
    ct_node_set_output(wide, 1, mean);
    ct_node_remove(pool);
    ct_node_remove(made);
    context->stats->changes++;
    return ct_op_resolve(wide, context->error);
}

/* One number for each channel of x, both in the blocked layout. */
static bool is_scale(const struct ct_value *scale, const struct ct_value *x)
{
    const struct ct_fact *s = &scale->fact, *f = &x->fact;
    return s->layout == CT_LAYOUT_NCXc16 && f->layout == CT_LAYOUT_NCXc16 && s->rank == 4 &&
           f->rank == 4 && s->dims[0] == f->dims[0] && s->dims[0] != CT_DIM_UNKNOWN &&
           s->dims[1] == f->dims[1] && s->dims[2] == 1 && s->dims[3] == 1;
}

/* Whether the convolution has fewer weights than inputs; those of unknown size are taken to be
 * many. */
static bool has_few_weights(const struct ct_node *conv)
{
    const struct ct_fact *w = &ct_input(conv, 1)->fact, *x = &ct_input(conv, 0)->fact;
    if (!ct_dim_known(x->dims[2]) || !ct_dim_known(x->dims[3]))
        return true;
    return (double)x->dims[2] * (double)x->dims[3] > (double)w->dims[0];
}

static ct_status excite(struct ct_pass_context *context, struct ct_node *conv)
{
    if (!ct_is_op(conv, "ai.corten", "BlockedConv") || ct_input(conv, 4) ||
        ct_attr_int(conv, "group", 1) != 1)
        return CORTEN_OK;
    struct ct_value *product = ct_input(conv, 0);
    struct ct_node *mul = ct_made_by(product, "Mul");
    const struct ct_fact *w = &ct_input(conv, 1)->fact;
    if (!mul || !ct_value_single_use(product) || w->rank != 4 || w->dims[2] != 1 ||
        w->dims[3] != 1 || !has_few_weights(conv))
        return CORTEN_OK;
    for (int k = 0; k < 2; k++) {
        struct ct_value *x = ct_input(mul, 1 - k), *scale = ct_input(mul, k);
        if (!is_scale(scale, x) || !ct_same_dims(&x->fact, &product->fact))
            continue;
        CT_TRY(ct_pass_check(context, ct_node_resize_inputs(conv, 5)));
        ct_node_set_input(conv, 4, scale);
        ct_node_set_input(conv, 0, x);
        ct_node_remove(mul);
        context->stats->changes++;
        break;
    }
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        CT_TRY(excite(context, node));
        CT_TRY(squeeze(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_squeeze = {
    .name = "fuse-squeeze",
    .summary = "squeeze and excite: means by the depthwise convolution, factors in the weights",
    .level = CORTEN_LEVEL_LAYOUT,
    .late = true,
    .run = run,
};
