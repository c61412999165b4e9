/* The driver of the optimiser. */
#include "passes/pass.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/infer.h"
#include "os/os.h"

#define CT_PASS(descriptor) extern const struct ct_pass descriptor;
#include "passes/passes.def"
#undef CT_PASS

static const struct ct_pass *const passes[] = {
#define CT_PASS(descriptor) &descriptor,
#include "passes/passes.def"
#undef CT_PASS
};
enum {
    N_PASSES = sizeof passes / sizeof *passes,
    MAX_ROUNDS = 16,            /* at each level; fixed points come after two or three */
    FOLD_LIMIT_BYTES = 16 << 20 /* larger constants are not made: the model would grow */
};

const struct ct_pass *const *ct_pass_list(size_t *count)
{
    *count = N_PASSES;
    return passes;
}

const struct ct_pass *ct_pass_find(const char *name)
{
    for (size_t i = 0; i < N_PASSES; i++)
        if (!strcmp(passes[i]->name, name))
            return passes[i];
    return NULL;
}

void ct_pass_note(struct ct_pass_context *context, const struct ct_node *node, const char *format,
                  ...)
{
    struct ct_pass_report *report = context->report;
    struct ct_arena *arena = &context->model->arena;
    char text[256];
    if (!report)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *name = !node                         ? ""
                       : node->name && *node->name   ? node->name
                       : node->n_out && node->out[0] ? node->out[0]->name
                                                     : "";
    const char *copy = ct_arena_strdup(arena, text);
    if (copy && CT_ARENA_PUSH(arena, report->notes, report->n_notes, report->notes_capacity))
        report->notes[report->n_notes++] = (struct ct_pass_note){context->pass->name, name, copy};
}

/* Only what a pass says of the graph as it is now is kept. */
static void forget_notes(struct ct_pass_report *report, const char *pass)
{
    size_t n = 0;
    for (size_t i = 0; report && i < report->n_notes; i++)
        if (report->notes[i].pass != pass)
            report->notes[n++] = report->notes[i];
    if (report)
        report->n_notes = n;
}

static bool is_enabled(const struct ct_pass *pass, const struct ct_pass_options *options)
{
    if (pass->level > options->level)
        return false;
    for (size_t i = 0; i < options->n_disabled; i++)
        if (!strcmp(pass->name, options->disabled[i]))
            return false;
    return true;
}

static ct_status run_pass(const struct ct_pass *pass, struct ct_pass_context *context,
                          struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first; node; node = node->next)
        for (int i = 0; i < node->n_attrs; i++)
            for (int j = 0; j < ct_attr_graph_count(&node->attrs[i]); j++)
                CT_TRY(run_pass(pass, context, node->attrs[i].graphs[j]));
    return pass->run(context, graph);
}

/* Whether somebody reads what the node gives; `live`: values that others of the graph do. */
static bool is_read(const struct ct_node *node, const bool *live)
{
    for (int i = 0; i < node->n_out; i++) {
        const struct ct_value *value = node->out[i];
        if (!value)
            continue;
        if (live[value->id] || value->n_output_refs)
            return true;
        for (const struct ct_use *use = value->uses; use; use = use->next)
            if (use->node->graph != node->graph)
                return true;
    }
    return false;
}

/* What the main graph costs, less what is to be removed yet; false: not all shapes are known. */
static bool reckon(const struct ct_model *model, struct ct_cost *cost)
{
    const struct ct_graph *graph = model->graph;
    struct ct_arena scratch;
    *cost = (struct ct_cost){0};
    ct_arena_init(&scratch, model->allocator);
    bool *live = ct_arena_alloc_zero(&scratch, graph->n_values + 1), known = live != NULL;
    for (const struct ct_node *node = graph->last; node && known; node = node->prev) {
        struct ct_cost own;
        if (!is_read(node, live))
            continue;
        for (int i = 0; i < node->n_in; i++)
            if (node->in[i].value && node->in[i].value->graph == graph)
                live[node->in[i].value->id] = true;
        known = ct_node_cost(node, &scratch, &own);
        cost->flops += own.flops;
        cost->bytes += own.bytes;
    }
    ct_arena_deinit(&scratch);
    return known;
}

/* Adds to the pass's account what the model has become cheaper by; *cost is brought up to date. */
static ct_status account(struct ct_pass_context *context, struct ct_cost *cost)
{
    struct ct_cost now;
    CT_TRY(ct_graph_infer(context->model->graph, context->error));
    context->stats->unknown |= !reckon(context->model, &now);
    context->stats->saved.flops += cost->flops - now.flops;
    context->stats->saved.bytes += cost->bytes - now.bytes;
    *cost = now;
    return CORTEN_OK;
}

/* Every pass of the level and below, once. */
static ct_status run_round(struct ct_pass_context *context, const struct ct_pass_options *options,
                           struct ct_pass_stats *stats, bool *changed)
{
    struct ct_model *model = context->model;
    struct ct_pass_report *report = context->report;
    struct ct_cost cost = {0};
    bool known = !report || reckon(model, &cost);
    *changed = false;
    for (size_t i = 0; i < N_PASSES; i++) {
        if (!is_enabled(passes[i], options) || passes[i]->level > context->level ||
            (passes[i]->late && *changed))
            continue;
        size_t before = stats[i].changes;
        int64_t start = ct_os_now_ns();
        context->pass = passes[i];
        context->stats = &stats[i];
        /* What it misses in graphs that higher levels have changed is nobody's fault. */
        context->report = passes[i]->level == context->level ? report : NULL;
        forget_notes(context->report, passes[i]->name);
        ct_status status = run_pass(passes[i], context, model->graph);
        context->report = report;
        if (status == CORTEN_OK && context->verify && stats[i].changes != before)
            status = ct_graph_verify(model->graph, context->error);
        stats[i].time_ns += ct_os_now_ns() - start;
        if (status != CORTEN_OK) {
            ct_error_prefix(context->error, "pass %s", passes[i]->name);
            return status;
        }
        if (stats[i].changes == before)
            continue;
        *changed = true;
        stats[i].unknown |= !known;
        if (report)
            CT_TRY(account(context, &cost));
    }
    return *changed ? ct_graph_infer(model->graph, context->error) : CORTEN_OK;
}

/* Notes on the whole graph: by how much less it costs, pass by pass. */
static void note_savings(struct ct_pass_context *context, const struct ct_pass_stats *stats)
{
    for (size_t i = 0; context->report && i < N_PASSES; i++) {
        const struct ct_cost *saved = &stats[i].saved;
        context->pass = passes[i];
        if (stats[i].changes && !stats[i].unknown && (saved->flops != 0 || saved->bytes != 0))
            ct_pass_note(context, NULL, "%.0f FLOPs and %.0f bytes less, by estimate", saved->flops,
                         saved->bytes);
    }
}

ct_status ct_passes_run(struct ct_model *model, const struct ct_pass_options *options,
                        struct ct_pass_stats *stats, struct ct_pass_report *report,
                        corten_error *error)
{
    struct ct_pass_stats own[N_PASSES] = {0};
    if (!stats)
        stats = own;
    struct ct_pass_context context = {.model = model,
                                      .report = report,
                                      .fold_limit_bytes = FOLD_LIMIT_BYTES,
                                      .verify = getenv("CORTEN_VERIFY_PASSES") != NULL,
                                      .error = error};
    /* Level by level: fusions look at graphs that the lower levels have brought to their form. */
    static const corten_level levels[] = {CORTEN_LEVEL_BASIC, CORTEN_LEVEL_EXTENDED,
                                          CORTEN_LEVEL_LAYOUT, CORTEN_LEVEL_ALL};
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (levels[l] > options->level)
            break;
        context.level = levels[l];
        context.target = options->level;
        bool changed = true;
        for (int round = 0; round < MAX_ROUNDS && changed; round++)
            CT_TRY(run_round(&context, options, stats, &changed));
    }
    note_savings(&context, stats);
    return CORTEN_OK;
}
