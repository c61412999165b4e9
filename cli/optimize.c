/* corten optimize: writes the optimised model, and tells what the optimiser did and why not. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "facts.h"
#include "fused.h"
#include "session_args.h"
#include "table.h"
#include "text.h"

struct args {
    struct ct_cli_session_args session;
    bool external, report, explain, json;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "external-data",
     .type = CT_CLI_FLAG,
     .offset = FIELD(external),
     .help = "weights of 1 KiB and more go to OUT.data"},
    {.name = "report",
     .type = CT_CLI_FLAG,
     .offset = FIELD(report),
     .help = "print what each pass did, and operators before and after"},
    {.name = "explain",
     .type = CT_CLI_FLAG,
     .offset = FIELD(explain),
     .help = "print also what nearly matched, and what was missing"},
    {.name = "json", .type = CT_CLI_FLAG, .offset = FIELD(json), .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"What to write and print", options, 0},
    {"Model", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

/* A model before and after. */
struct comparison {
    corten_model *model;
    struct ct_cli_facts before, after;
    double time_s;
};

/* ------------------------------------------------------------------ text */

static corten_status print_passes(const struct comparison *c, corten_error *error)
{
    static const char *const heads[] = {"pass", "changes", "ms"};
    struct ct_cli_table table;
    double rest_s = c->time_s;
    ct_cli_table_init(&table, "lrr");
    for (size_t i = 0; i < 3; i++)
        ct_cli_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; i < corten_model_pass_count(c->model); i++) {
        corten_pass_info info;
        CT_CLI_TRY(corten_model_pass(c->model, i, &info, error));
        ct_cli_table_add(&table, "%s", info.name);
        ct_cli_table_add(&table, "%zu", info.changes);
        ct_cli_table_add(&table, "%.3f", 1e3 * info.time_s);
        rest_s -= info.time_s;
    }
    ct_cli_table_add(&table, "types, shapes, this report");
    ct_cli_table_add(&table, "%s", "");
    ct_cli_table_add(&table, "%.3f", 1e3 * rest_s);
    puts("Passes");
    corten_status status = ct_cli_table_print(&table, 2, stdout, error);
    ct_cli_table_deinit(&table);
    return status;
}

static size_t count_of(const struct ct_cli_facts *facts, const struct ct_cli_tally *like)
{
    for (size_t i = 0; i < facts->operators.count; i++) {
        const struct ct_cli_tally *tally = &facts->operators.items[i];
        if (!strcmp(tally->domain, like->domain) && !strcmp(tally->op_type, like->op_type))
            return tally->count;
    }
    return 0;
}

static void add_operator(struct ct_cli_table *table, const struct ct_cli_tally *tally,
                         size_t before, size_t after)
{
    ct_cli_table_add(table, "%s%s%s", tally->domain, tally->domain[0] ? "." : "", tally->op_type);
    ct_cli_table_add(table, "%zu", before);
    ct_cli_table_add(table, "%zu", after);
}

static corten_status print_operators(const struct comparison *c, corten_error *error)
{
    struct ct_cli_table table;
    ct_cli_table_init(&table, "lrr");
    ct_cli_table_add(&table, "operator");
    ct_cli_table_add(&table, "before");
    ct_cli_table_add(&table, "after");
    for (size_t i = 0; i < c->after.operators.count; i++) {
        const struct ct_cli_tally *tally = &c->after.operators.items[i];
        add_operator(&table, tally, count_of(&c->before, tally), tally->count);
    }
    for (size_t i = 0; i < c->before.operators.count; i++) {
        const struct ct_cli_tally *tally = &c->before.operators.items[i];
        if (!count_of(&c->after, tally))
            add_operator(&table, tally, tally->count, 0);
    }
    ct_cli_table_add(&table, "total");
    ct_cli_table_add(&table, "%zu", c->before.info.node_count);
    ct_cli_table_add(&table, "%zu", c->after.info.node_count);
    puts("\nOperators");
    corten_status status = ct_cli_table_print(&table, 2, stdout, error);
    ct_cli_table_deinit(&table);
    return status;
}

static void print_cost(const struct comparison *c)
{
    const struct ct_cli_tally *before = &c->before.all_operators, *after = &c->after.all_operators;
    char a[CT_CLI_SIZE_TEXT_SIZE], b[CT_CLI_SIZE_TEXT_SIZE];
    if (before->n_unknown || after->n_unknown) {
        printf("\nFLOPs and bytes need shapes: fix symbolic dimensions with --dim NAME=N\n");
        return;
    }
    printf("\nFLOPs %s -> %s", ct_cli_count_text(a, before->flops),
           ct_cli_count_text(b, after->flops));
    printf(", bytes moved %s -> %s\n", ct_cli_bytes_text(a, before->bytes),
           ct_cli_bytes_text(b, after->bytes));
}

static corten_status print_notes(const struct comparison *c, corten_error *error)
{
    for (int whole = 0; whole < 2; whole++) {
        puts(whole ? "\nSaved" : "\nNearly matched");
        for (size_t i = 0; i < corten_model_note_count(c->model); i++) {
            corten_pass_note note;
            CT_CLI_TRY(corten_model_note(c->model, i, &note, error));
            if (whole && !note.node[0])
                printf("  %s: %s\n", note.pass, note.text);
            else if (!whole && note.node[0])
                printf("  %s at '%s': %s\n", note.pass, note.node, note.text);
        }
    }
    printf("\nMade of several nodes\n");
    for (size_t i = 0; i < c->after.info.node_count; i++) {
        corten_node_info node;
        CT_CLI_TRY(corten_model_node(c->model, i, &node, error));
        if (strchr(node.origin, '+'))
            printf("  %s%s%s '%s': %s\n", node.domain, node.domain[0] ? "." : "", node.op_type,
                   node.name, node.origin);
    }
    return CORTEN_OK;
}

static corten_status print_text(const struct args *args, const struct comparison *c,
                                corten_error *error)
{
    if (args->report || args->explain) {
        CT_CLI_TRY(print_passes(c, error));
        CT_CLI_TRY(print_operators(c, error));
        print_cost(c);
        CT_CLI_TRY(ct_cli_fused_print(c->model, error));
    }
    if (args->explain)
        CT_CLI_TRY(print_notes(c, error));
    printf("%s%zu nodes -> %zu in %.1f ms\n", args->report || args->explain ? "\n" : "",
           c->before.info.node_count, c->after.info.node_count, 1e3 * c->time_s);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ JSON */

static void add_json_side(struct ct_cli_json *json, const char *key,
                          const struct ct_cli_facts *facts)
{
    cJSON *side = ct_cli_json_object(json, json->root, key);
    cJSON *operators = ct_cli_json_object(json, side, "operators");
    ct_cli_json_number(json, side, "nodes", (double)facts->info.node_count);
    if (!facts->all_operators.n_unknown) {
        ct_cli_json_number(json, side, "flops", facts->all_operators.flops);
        ct_cli_json_number(json, side, "bytes", facts->all_operators.bytes);
    }
    for (size_t i = 0; i < facts->operators.count; i++) {
        const struct ct_cli_tally *tally = &facts->operators.items[i];
        char name[256];
        snprintf(name, sizeof name, "%.100s%s%.100s", tally->domain, tally->domain[0] ? "." : "",
                 tally->op_type);
        ct_cli_json_number(json, operators, name, (double)tally->count);
    }
}

static corten_status fill_json(const struct args *args, const struct comparison *c,
                               struct ct_cli_json *json, corten_error *error)
{
    ct_cli_json_number(json, json->root, "time_ms", 1e3 * c->time_s);
    add_json_side(json, "before", &c->before);
    add_json_side(json, "after", &c->after);
    cJSON *passes = ct_cli_json_array(json, json->root, "passes");
    for (size_t i = 0; i < corten_model_pass_count(c->model); i++) {
        corten_pass_info info;
        CT_CLI_TRY(corten_model_pass(c->model, i, &info, error));
        cJSON *pass = ct_cli_json_object(json, passes, NULL);
        ct_cli_json_text(json, pass, "name", info.name);
        ct_cli_json_number(json, pass, "changes", (double)info.changes);
        ct_cli_json_number(json, pass, "time_ms", 1e3 * info.time_s);
    }
    CT_CLI_TRY(ct_cli_fused_add_json(c->model, json, error));
    cJSON *notes = args->explain ? ct_cli_json_array(json, json->root, "notes") : NULL;
    for (size_t i = 0; notes && i < corten_model_note_count(c->model); i++) {
        corten_pass_note note;
        CT_CLI_TRY(corten_model_note(c->model, i, &note, error));
        cJSON *entry = ct_cli_json_object(json, notes, NULL);
        ct_cli_json_text(json, entry, "pass", note.pass);
        ct_cli_json_text(json, entry, "node", note.node);
        ct_cli_json_text(json, entry, "text", note.text);
    }
    return CORTEN_OK;
}

static corten_status print_json(const struct args *args, const struct comparison *c,
                                corten_error *error)
{
    struct ct_cli_json json;
    ct_cli_json_init(&json);
    corten_status status = fill_json(args, c, &json, error);
    if (status == CORTEN_OK)
        status = ct_cli_json_print(&json, stdout, error);
    ct_cli_json_deinit(&json);
    return status;
}

/* ------------------------------------------------------------------ the command */

static corten_status optimize(const struct args *args, struct comparison *c, const char *path,
                              corten_error *error)
{
    CT_CLI_TRY(ct_cli_facts_init(&c->before, c->model, error));
    double start_s = ct_cli_now_s();
    CT_CLI_TRY(corten_model_optimize(c->model, error));
    c->time_s = ct_cli_now_s() - start_s;
    CT_CLI_TRY(ct_cli_facts_init(&c->after, c->model, error));
    if (path)
        CT_CLI_TRY(corten_model_save(c->model, path, args->external, error));
    return args->json ? print_json(args, c, error) : print_text(args, c, error);
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    const char *path = call->operand_count > 1 ? call->operands[1] : NULL;
    if (args->external && !path)
        return ct_cli_usage(call, error, "--external-data is for a model that is written to OUT");
    corten_options *library_options = NULL;
    struct comparison c = {.model = NULL};
    CT_CLI_TRY(ct_cli_session_options_make(&args->session, &library_options, error));
    corten_status status = corten_model_open(call->operands[0], library_options, &c.model, error);
    corten_options_destroy(library_options);
    CT_CLI_TRY(status);
    status = optimize(args, &c, path, error);
    ct_cli_facts_deinit(&c.before);
    ct_cli_facts_deinit(&c.after);
    corten_model_close(c.model);
    return status;
}

const struct ct_cli_command ct_cli_command_optimize = {
    .name = "optimize",
    .operands = "MODEL [OUT]",
    .operands_least = 1,
    .operands_most = 2,
    .summary = "optimise a model, write it, and tell what was done",
    .details = "Levels basic and extended give standard and com.microsoft operators, which other "
               "runtimes run too; layout and all add operators of ai.corten.",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
