/* corten inspect: what is in a model, without running it. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "facts.h"
#include "session_args.h"
#include "table.h"
#include "text.h"

struct args {
    struct ct_cli_session_args session;
    bool nodes, dot, text, json, optimize;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "nodes", .type = CT_CLI_FLAG, .offset = FIELD(nodes), .help = "list every node"},
    {.name = "text",
     .type = CT_CLI_FLAG,
     .offset = FIELD(text),
     .help = "print the graph as text, and nothing else"},
    {.name = "dot",
     .type = CT_CLI_FLAG,
     .offset = FIELD(dot),
     .help = "print the graph for Graphviz, and nothing else"},
    {.name = "optimize",
     .type = CT_CLI_FLAG,
     .offset = FIELD(optimize),
     .help = "run the optimiser first (see --level and --disable-pass)"},
    {.name = "json", .type = CT_CLI_FLAG, .offset = FIELD(json), .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"What to show", options, 0},
    {"Model", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

static void add_field(struct ct_cli_table *table, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    ct_cli_table_add(table, "%s", name);
    ct_cli_table_add(table, "%s", text);
}

static corten_status add_header(const struct ct_cli_facts *facts, struct ct_cli_table *table,
                                corten_error *error)
{
    const corten_model_info *info = &facts->info;
    char size[CT_CLI_SIZE_TEXT_SIZE];
    char text[256];
    add_field(table, "graph", info->graph_name);
    snprintf(text, sizeof text, "%.120s %.120s", info->producer_name, info->producer_version);
    add_field(table, "producer", info->producer_name[0] ? text : "");
    add_field(table, "domain", info->domain);
    snprintf(text, sizeof text, "%lld", (long long)info->ir_version);
    add_field(table, "IR version", text);
    snprintf(text, sizeof text, "%lld", (long long)info->model_version);
    add_field(table, "model version", info->model_version ? text : "");
    for (size_t i = 0; i < info->opset_count; i++) {
        const char *domain = NULL;
        int64_t version = 0;
        CT_CLI_TRY(corten_model_opset(facts->model, i, &domain, &version, error));
        snprintf(text, sizeof text, "%.200s %lld", ct_cli_domain_text(domain), (long long)version);
        add_field(table, "opset", text);
    }
    snprintf(text, sizeof text, "%zu", info->node_count);
    add_field(table, "nodes", text);
    snprintf(text, sizeof text, "%zu", info->function_count);
    add_field(table, "functions", info->function_count ? text : "");
    snprintf(text, sizeof text, "%zu, %s", info->initializer_count,
             ct_cli_bytes_text(size, facts->all_weights.size_bytes));
    add_field(table, "weights", text);
    for (size_t i = 0; i < info->metadata_count; i++) {
        const char *key = NULL;
        const char *value = NULL;
        CT_CLI_TRY(corten_model_metadata(facts->model, i, &key, &value, error));
        ct_cli_table_add(table, "metadata");
        ct_cli_table_add(table, "%s = %s", key, value);
    }
    add_field(table, "description", info->doc);
    return CORTEN_OK;
}

static void value_type(const corten_value_info *info, char *out, size_t size_bytes)
{
    char shape[CT_CLI_SHAPE_TEXT_SIZE];
    if (info->kind != CORTEN_TENSOR && info->type_text[0])
        snprintf(out, size_bytes, "%s", info->type_text);
    else
        snprintf(out, size_bytes, "%s%s", corten_dtype_name(info->dtype),
                 ct_cli_shape_text(shape, info->rank, info->dims, info->dim_names));
}

static corten_status add_values(const struct ct_cli_facts *facts, bool output,
                                struct ct_cli_table *table, corten_error *error)
{
    size_t count = output ? facts->info.output_count : facts->info.input_count;
    for (size_t i = 0; i < count; i++) {
        corten_value_info info;
        char type[CT_CLI_SHAPE_TEXT_SIZE + 64];
        CT_CLI_TRY(ct_cli_facts_value(facts, output, i, &info, error));
        value_type(&info, type, sizeof type);
        ct_cli_table_add(table, "%s", info.name);
        ct_cli_table_add(table, "%s", type);
    }
    return CORTEN_OK;
}

static void add_weights(const struct ct_cli_facts *facts, struct ct_cli_table *table)
{
    char text[CT_CLI_SIZE_TEXT_SIZE];
    static const char *const heads[] = {"dtype", "tensors", "parameters", "memory"};
    for (size_t i = 0; i < 4 && facts->weights.count > 0; i++)
        ct_cli_table_add(table, "%s", heads[i]);
    for (size_t i = 0; i < facts->weights.count; i++) {
        const struct ct_cli_tally *tally = &facts->weights.items[i];
        ct_cli_table_add(table, "%s", corten_dtype_name(tally->dtype));
        ct_cli_table_add(table, "%zu", tally->count);
        ct_cli_table_add(table, "%s", ct_cli_count_text(text, tally->n_elems));
        ct_cli_table_add(table, "%s", ct_cli_bytes_text(text, tally->size_bytes));
    }
}

static void add_operator(struct ct_cli_table *table, const char *name,
                         const struct ct_cli_tally *tally, double all_flops)
{
    char text[CT_CLI_SIZE_TEXT_SIZE];
    bool known = tally->n_unknown < tally->count;
    ct_cli_table_add(table, "%s", name);
    ct_cli_table_add(table, "%zu", tally->count);
    ct_cli_table_add(table, "%s", ct_cli_count_text(text, known ? tally->flops : -1.0));
    if (all_flops > 0.0)
        ct_cli_table_add(table, "%.1f%%", 100.0 * tally->flops / all_flops);
    else
        ct_cli_table_add(table, "-");
    ct_cli_table_add(table, "%s", ct_cli_bytes_text(text, known ? tally->bytes : -1.0));
}

static void add_operators(const struct ct_cli_facts *facts, struct ct_cli_table *table)
{
    static const char *const heads[] = {"operator", "nodes", "FLOPs", "share", "bytes"};
    double all_flops = facts->all_operators.flops;
    for (size_t i = 0; i < 5; i++)
        ct_cli_table_add(table, "%s", heads[i]);
    for (size_t i = 0; i < facts->operators.count; i++) {
        const struct ct_cli_tally *tally = &facts->operators.items[i];
        char name[256];
        snprintf(name, sizeof name, "%.100s%s%.100s", tally->domain, tally->domain[0] ? "." : "",
                 tally->op_type);
        add_operator(table, name, tally, all_flops);
    }
    add_operator(table, "total", &facts->all_operators, all_flops);
}

/* The types of a node's inputs or outputs, with commas. */
static corten_status node_types(const struct ct_cli_facts *facts, size_t node, bool output,
                                size_t count, char *out, size_t size_bytes, corten_error *error)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && used + 1 < size_bytes; i++) {
        corten_value_info info;
        char type[CT_CLI_SHAPE_TEXT_SIZE + 64];
        CT_CLI_TRY(corten_model_node_value(facts->model, node, output, i, &info, error));
        if (info.name[0])
            value_type(&info, type, sizeof type);
        else
            snprintf(type, sizeof type, "-");
        int size = snprintf(out + used, size_bytes - used, "%s%s", i > 0 ? " " : "", type);
        used += size > 0 ? (size_t)size : 0;
    }
    return CORTEN_OK;
}

static corten_status add_nodes(const struct ct_cli_facts *facts, struct ct_cli_table *table,
                               corten_error *error)
{
    static const char *const heads[] = {"#",     "operator", "name",  "FLOPs",
                                        "bytes", "outputs",  "inputs"};
    for (size_t i = 0; i < 7; i++)
        ct_cli_table_add(table, "%s", heads[i]);
    for (size_t i = 0; i < facts->info.node_count; i++) {
        corten_node_info node;
        char text[CT_CLI_SIZE_TEXT_SIZE];
        char types[1024];
        CT_CLI_TRY(corten_model_node(facts->model, i, &node, error));
        ct_cli_table_add(table, "%zu", i);
        ct_cli_table_add(table, "%s%s%s", node.domain, node.domain[0] ? "." : "", node.op_type);
        ct_cli_table_add(table, "%s", node.name);
        ct_cli_table_add(table, "%s", ct_cli_count_text(text, (double)node.flops));
        ct_cli_table_add(table, "%s", ct_cli_bytes_text(text, (double)node.bytes));
        CT_CLI_TRY(node_types(facts, i, true, node.output_count, types, sizeof types, error));
        ct_cli_table_add(table, "%s", types);
        CT_CLI_TRY(node_types(facts, i, false, node.input_count, types, sizeof types, error));
        ct_cli_table_add(table, "%s", types);
    }
    return CORTEN_OK;
}

enum section { HEADER, INPUTS, OUTPUTS, WEIGHTS, OPERATORS, NODES, SECTION_COUNT };

static const struct {
    const char *title, *columns;
} sections[SECTION_COUNT] = {
    [HEADER] = {"Model", "ll"},           [INPUTS] = {"Inputs", "ll"},
    [OUTPUTS] = {"Outputs", "ll"},        [WEIGHTS] = {"Weights", "lrrr"},
    [OPERATORS] = {"Operators", "lrrrr"}, [NODES] = {"Nodes", "rllrrll"},
};

static corten_status fill_section(const struct ct_cli_facts *facts, enum section section,
                                  struct ct_cli_table *table, corten_error *error)
{
    switch (section) {
    case HEADER: return add_header(facts, table, error);
    case INPUTS: return add_values(facts, false, table, error);
    case OUTPUTS: return add_values(facts, true, table, error);
    case WEIGHTS: add_weights(facts, table); return CORTEN_OK;
    case OPERATORS: add_operators(facts, table); return CORTEN_OK;
    case NODES: return add_nodes(facts, table, error);
    case SECTION_COUNT: break;
    }
    return CORTEN_OK;
}

static corten_status print_text(const struct ct_cli_facts *facts, bool nodes, corten_error *error)
{
    for (int i = 0; i < (nodes ? SECTION_COUNT : NODES); i++) {
        struct ct_cli_table table;
        ct_cli_table_init(&table, sections[i].columns);
        corten_status status = fill_section(facts, (enum section)i, &table, error);
        if (status == CORTEN_OK && table.count > 0) {
            printf("%s%s\n", i > 0 ? "\n" : "", sections[i].title);
            status = ct_cli_table_print(&table, 2, stdout, error);
        }
        ct_cli_table_deinit(&table);
        CT_CLI_TRY(status);
    }
    if (facts->shapes.status != CORTEN_OK)
        printf("\nShapes are not known: %s\n", facts->shapes.text);
    else if (facts->all_operators.n_unknown > 0)
        printf(
            "\n%zu of %zu nodes have shapes that are not known and are not counted; fix symbolic "
            "dimensions with --dim NAME=N\n",
            facts->all_operators.n_unknown, facts->all_operators.count);
    return CORTEN_OK;
}

static corten_status print_graph(const corten_model *model, corten_dump_format format,
                                 corten_error *error)
{
    char *text = NULL;
    CT_CLI_TRY(corten_model_dump(model, format, &text, error));
    fputs(text, stdout);
    corten_free(text);
    return CORTEN_OK;
}

static corten_status inspect(const struct args *args, corten_model *model, corten_error *error)
{
    struct ct_cli_facts facts;
    if (args->optimize)
        CT_CLI_TRY(corten_model_optimize(model, error));
    CT_CLI_TRY(ct_cli_facts_init(&facts, model, error));
    corten_status status = CORTEN_OK;
    if (args->dot || args->text)
        status = print_graph(model, args->dot ? CORTEN_DUMP_DOT : CORTEN_DUMP_TEXT, error);
    else if (args->json)
        status = ct_cli_facts_print_json(&facts, args->nodes, error);
    else
        status = print_text(&facts, args->nodes, error);
    ct_cli_facts_deinit(&facts);
    return status;
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    if (args->dot + args->text + args->json > 1)
        return ct_cli_usage(call, error, "--dot, --text and --json exclude each other");
    corten_options *library_options = NULL;
    corten_model *model = NULL;
    CT_CLI_TRY(ct_cli_session_options_make(&args->session, &library_options, error));
    corten_status status = corten_model_open(call->operands[0], library_options, &model, error);
    corten_options_destroy(library_options);
    CT_CLI_TRY(status);
    status = inspect(args, model, error);
    corten_model_close(model);
    return status;
}

const struct ct_cli_command ct_cli_command_inspect = {
    .name = "inspect",
    .operands = "MODEL",
    .operands_least = 1,
    .operands_most = 1,
    .summary = "show what is in a model: types, operators, weights, cost",
    .details = "FLOPs and bytes need shapes: fix the symbolic dimensions of the inputs with --dim.",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
