/* Group normalisation, which exporters write as an InstanceNormalization of groups, and what
 * follows an InstanceNormalization channel by channel.
 *
 *   Reshape to [N,G,-1], InstanceNormalization, Reshape back, * gamma + beta
 *
 * Y. Wu, K. He, "Group Normalization", arXiv:1803.08494. */
#include "ops/registry.h"
#include "passes/pattern.h"

static const char *const group[] = {
    "Add(Mul(Reshape(n:InstanceNormalization(Reshape(x, _), c:scale, c:bias), _), c:gamma), "
    "c:beta)",
    NULL,
};
static const char *const instance[] = {
    "Add(Mul(n:InstanceNormalization(x, c:scale, c:bias), c:gamma), c:beta)",
    NULL,
};

/* One number for each channel: [C,1,…] or [1,C,1,…], float32. */
static bool is_by_channel(const struct ct_value *value, int64_t channels, int rank)
{
    const struct ct_tensor *t = ct_const_f32(value);
    if (!t || rank < 3 || t->rank > rank || t->rank < rank - 1)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != (i == t->rank - rank + 1 ? channels : 1))
            return false;
    return true;
}

/* A vector with a[i] * b[i] + c[i], in order of channels; b NULL: 1, c NULL: 0. */
static ct_status combine(struct ct_pass_context *context, struct ct_graph *graph, int64_t channels,
                         const struct ct_value *const *abc, struct ct_value **made)
{
    void *data;
    CT_TRY(ct_pass_constant(context, graph, CORTEN_F32, 1, &channels, made, &data));
    for (size_t i = 0; i < (size_t)channels; i++) {
        double x[3] = {0, 1, 0};
        for (int k = 0; k < 3; k++)
            if (abc[k])
                ct_load_f64(CORTEN_F32, abc[k]->constant->data, i, 1, &x[k]);
        x[0] = x[0] * x[1] + x[2];
        ct_store_f64(CORTEN_F32, data, i, 1, x);
    }
    return ct_pass_constant_done(context, *made);
}

static ct_status make(struct ct_pass_context *context, struct ct_match *match,
                      struct ct_value *scale, struct ct_value *bias, const char *domain,
                      const char *op_type, struct ct_node **made)
{
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    const struct ct_node *inner = ct_match_node(match, "n");
    struct ct_value *inputs[] = {ct_match_value(match, "x"), scale, bias};
    *made = ct_pass_add_node(context, root, domain, op_type, inputs, 3);
    if (!*made)
        return CORTEN_OUT_OF_MEMORY;
    return ct_pass_check(
        context, ct_node_set_float(*made, "epsilon", ct_attr_float(inner, "epsilon", 1e-5f)));
}

/* Channels of x, when gamma and beta are one number for each; 0: declined. */
static int64_t channels_of(struct ct_match *match)
{
    const struct ct_value *x = ct_match_value(match, "x");
    const char *const names[] = {"gamma", "beta"};
    const struct ct_node *root = match->nodes[match->n_nodes - 1];
    if (x->fact.rank < 3 || x->fact.dtype != CORTEN_F32 || !ct_dim_known(x->fact.dims[1]) ||
        !ct_same_type(&x->fact, &root->out[0]->fact)) {
        ct_match_decline(match, "the shape of '%s' is not known, or not that of the result",
                         x->name);
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        const struct ct_value *value = ct_match_value(match, names[i]);
        if (!is_by_channel(value, x->fact.dims[1], x->fact.rank)) {
            ct_match_decline(match, "'%s' is not one number for each channel", value->name);
            return 0;
        }
    }
    return x->fact.dims[1];
}

static ct_status make_group(struct ct_pass_context *context, struct ct_match *match,
                            struct ct_node **made)
{
    const struct ct_fact *inner = &ct_match_node(match, "n")->out[0]->fact;
    struct ct_value *gamma = ct_match_value(match, "gamma"), *beta = ct_match_value(match, "beta");
    double scale, bias;
    bool standard = ct_model_opset(context->model, "") >= 21;
    int64_t channels = channels_of(match);
    if (!channels)
        return CORTEN_OK;
    if (inner->rank != 3 || !ct_dim_known(inner->dims[1]) || inner->dims[1] < 1 ||
        channels % inner->dims[1] || inner->dims[0] != ct_match_value(match, "x")->fact.dims[0])
        return ct_match_decline(match, "the inner shape is not [N,groups,rest]");
    if (!ct_value_number(ct_match_value(match, "scale"), &scale) || scale != 1 ||
        !ct_value_number(ct_match_value(match, "bias"), &bias) || bias != 0)
        return ct_match_decline(match, "the groups have scales of their own");
    if (!standard && context->target < CORTEN_LEVEL_LAYOUT)
        return ct_match_decline(match, "opset %d has no GroupNormalization by channel",
                                (int)ct_model_opset(context->model, ""));
    struct ct_graph *graph = match->nodes[match->n_nodes - 1]->graph;
    CT_TRY(
        combine(context, graph, channels, (const struct ct_value *[]){gamma, NULL, NULL}, &gamma));
    CT_TRY(combine(context, graph, channels, (const struct ct_value *[]){beta, NULL, NULL}, &beta));
    CT_TRY(
        make(context, match, gamma, beta, standard ? "" : "ai.corten", "GroupNormalization", made));
    return ct_pass_check(context, ct_node_set_int(*made, "num_groups", inner->dims[1]));
}

static ct_status make_instance(struct ct_pass_context *context, struct ct_match *match,
                               struct ct_node **made)
{
    struct ct_value *scale = ct_match_value(match, "scale"), *bias = ct_match_value(match, "bias");
    const struct ct_value *gamma = ct_match_value(match, "gamma");
    const struct ct_value *beta = ct_match_value(match, "beta");
    struct ct_graph *graph = match->nodes[match->n_nodes - 1]->graph;
    int64_t channels = channels_of(match);
    if (!channels)
        return CORTEN_OK;
    CT_TRY(
        combine(context, graph, channels, (const struct ct_value *[]){scale, gamma, NULL}, &scale));
    CT_TRY(
        combine(context, graph, channels, (const struct ct_value *[]){bias, gamma, beta}, &bias));
    return make(context, match, scale, bias, "", "InstanceNormalization", made);
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusions[] = {{group, make_group}, {instance, make_instance}};
    for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++)
        CT_TRY(ct_fusion_run(&fusions[i], context, graph));
    return CORTEN_OK;
}

const struct ct_pass ct_pass_fuse_group_norm = {
    .name = "fuse-group-norm",
    .summary = "group normalisation from its InstanceNormalization, and factors after one",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};
