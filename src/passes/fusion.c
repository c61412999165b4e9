/* Applying fusions, and what rewrites need. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph/infer.h"
#include "ops/registry.h"
#include "passes/pattern.h"

enum { MAX_PATTERNS = 16, NEAR_MISS_NODES = 3 };

ct_status ct_match_decline(struct ct_match *match, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(match->reason, sizeof match->reason, format, args);
    va_end(args);
    match->best_nodes = CT_PATTERN_NODES; /* it says more than any near miss */
    return CORTEN_OK;
}

/* The matched nodes go when nobody else reads them, the outermost first. */
static void remove_matched(struct ct_match *match)
{
    for (bool again = true; again;) {
        again = false;
        for (int i = match->n_nodes - 1; i >= 0; i--) {
            struct ct_node *node = match->nodes[i];
            bool unused = node != NULL;
            for (int k = 0; unused && k < node->n_out; k++)
                unused = !node->out[k] || ct_value_unused(node->out[k]);
            if (!unused)
                continue;
            for (int k = 0; k < match->n_nodes; k++) /* a node may have been matched twice */
                if (match->nodes[k] == node)
                    match->nodes[k] = NULL;
            ct_node_remove(node);
            again = true;
        }
    }
}

/* The names of the nodes that a fused one was made of. */
static const char *origin_of(struct ct_pass_context *context, const struct ct_match *match)
{
    char text[512];
    size_t at = 0;
    for (int i = 0; i < match->n_nodes && at < sizeof text; i++) {
        const struct ct_node *node = match->nodes[i];
        const char *name = node->origin && *node->origin ? node->origin : node->name;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? " + " : "", name);
    }
    const char *copy = ct_arena_strdup(&context->model->arena, text);
    return copy ? copy : "";
}

/* More than three quarters of the pattern's operators were there. */
static bool is_near_miss(const struct ct_pattern *pattern, const struct ct_match *match)
{
    int n_calls = 0;
    for (int i = 0; i < pattern->n_nodes; i++)
        n_calls += pattern->nodes[i].kind == CT_PATTERN_CALL;
    return match->best_nodes >= NEAR_MISS_NODES && 4 * match->best_nodes > 3 * n_calls;
}

/* Whether the node takes its inputs and gives what its output is known to be: constants of a pattern may
 * have broadcast what they met. */
static ct_status check_made(struct ct_pass_context *context, const struct ct_node *made, bool *good)
{
    struct ct_arena *arena = &context->model->arena;
    const struct ct_fact **in = ct_arena_array(arena, (size_t)made->n_in, sizeof *in);
    struct ct_fact **out = ct_arena_array(arena, (size_t)made->n_out, sizeof *out);
    struct ct_fact found;
    corten_error error;
    if (!in || !out)
        return ct_fail_memory(context->error, 0, "a fusion");
    for (int i = 0; i < made->n_in; i++)
        in[i] = made->in[i].value ? &made->in[i].value->fact : NULL;
    for (int i = 0; i < made->n_out; i++)
        out[i] = i == 0 ? &found : NULL;
    ct_status status = ct_infer_node(made, in, out, &context->model->symbols, arena, &error);
    if (status == CORTEN_OUT_OF_MEMORY)
        return ct_fail_memory(context->error, 0, "a fusion");
    *good = status == CORTEN_OK && ct_fact_merge(&found, &made->out[0]->fact);
    return CORTEN_OK;
}

static ct_status apply(const struct ct_fusion *fusion, struct ct_pass_context *context,
                       struct ct_match *match, bool *applied)
{
    struct ct_node *root = match->nodes[match->n_nodes - 1], *made = NULL;
    CT_TRY(fusion->rewrite(context, match, &made));
    if (!made)
        return CORTEN_OK;
    struct ct_value *output = root->out[0];
    made->origin = origin_of(context, match);
    CT_TRY(ct_pass_take_output(context, made, root));
    CT_TRY(check_made(context, made, applied));
    if (!*applied) {
        ct_node_set_output(made, 0, NULL);
        ct_node_set_output(root, 0, output);
        ct_node_remove(made);
        return ct_match_decline(match, "%s would give another type or shape", made->op_type);
    }
    remove_matched(match);
    context->stats->changes++;
    return CORTEN_OK;
}

ct_status ct_fusion_run(const struct ct_fusion *fusion, struct ct_pass_context *context,
                        struct ct_graph *graph)
{
    /* Before opset 7, attributes said how operands broadcast; patterns do not look at those. */
    if (ct_model_opset(context->model, "") < 7)
        return CORTEN_OK;
    struct ct_pattern *patterns =
        ct_alloc(context->model->allocator, MAX_PATTERNS * sizeof *patterns);
    if (!patterns)
        return ct_fail_memory(context->error, MAX_PATTERNS * sizeof *patterns, "patterns");
    int n = 0;
    ct_status status = CORTEN_OK;
    for (; fusion->patterns[n] && status == CORTEN_OK; n++)
        if (n == MAX_PATTERNS || !ct_pattern_parse(fusion->patterns[n], &patterns[n]))
            status =
                ct_fail(context->error, CORTEN_INTERNAL, "not a pattern: %s", fusion->patterns[n]);
    for (struct ct_node *node = graph->first, *next; node && status == CORTEN_OK; node = next) {
        next = node->next;
        struct ct_match nearest = {.best_nodes = 0};
        bool applied = false;
        for (int i = 0; i < n && !applied && status == CORTEN_OK; i++) {
            const struct ct_pattern_node *root = &patterns[i].nodes[0];
            if (strlen(node->op_type) != root->op.size_bytes ||
                memcmp(node->op_type, root->op.data, root->op.size_bytes))
                continue;
            struct ct_match match;
            if (ct_pattern_match(&patterns[i], node, &match))
                status = apply(fusion, context, &match, &applied);
            else if (!is_near_miss(&patterns[i], &match))
                continue;
            if (!applied && match.best_nodes > nearest.best_nodes)
                nearest = match;
        }
        if (!applied && nearest.best_nodes)
            ct_pass_note(context, node, "%s", nearest.reason);
    }
    ct_release(context->model->allocator, patterns, MAX_PATTERNS * sizeof *patterns);
    return status;
}
