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
    const char *name = node->name && *node->name     ? node->name
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

/* Every pass of the level and below, once. */
static ct_status run_round(struct ct_pass_context *context, const struct ct_pass_options *options,
                           struct ct_pass_stats *stats, bool *changed)
{
    struct ct_model *model = context->model;
    *changed = false;
    for (size_t i = 0; i < N_PASSES; i++) {
        if (!is_enabled(passes[i], options) || passes[i]->level > context->level ||
            (passes[i]->late && *changed))
            continue;
        size_t before = stats[i].changes;
        int64_t start = ct_os_now_ns();
        context->pass = passes[i];
        context->stats = &stats[i];
        forget_notes(context->report, passes[i]->name);
        ct_status status = run_pass(passes[i], context, model->graph);
        if (status == CORTEN_OK && context->verify && stats[i].changes != before)
            status = ct_graph_verify(model->graph, context->error);
        stats[i].time_ns += ct_os_now_ns() - start;
        if (status != CORTEN_OK) {
            ct_error_prefix(context->error, "pass %s", passes[i]->name);
            return status;
        }
        *changed |= stats[i].changes != before;
    }
    return *changed ? ct_graph_infer(model->graph, context->error) : CORTEN_OK;
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
    return CORTEN_OK;
}
