/* corten inspect: what is in a model, without running it. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "element.h"
#include "json.h"
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

/* Weights of one dtype, or operators of one type. */
struct tally {
    corten_dtype dtype;
    const char *domain, *op_type;
    size_t count;
    double n_elems, size_bytes;
    double flops, bytes;
    size_t n_unknown; /* nodes whose shapes are not known */
};

struct tallies {
    struct tally *items;
    size_t count;
};

/* All that is shown of a model. */
struct facts {
    const struct args *args;
    const corten_model *model;
    corten_model_info info;
    struct tallies weights, operators;
    struct tally all_weights, all_operators;
    corten_error shapes; /* why shapes are not known; OK: they are */
};

static corten_status find_tally(struct tallies *tallies, const struct tally *like,
                                struct tally **tally, corten_error *error)
{
    for (size_t i = 0; i < tallies->count; i++) {
        struct tally *item = &tallies->items[i];
        bool same = item->dtype == like->dtype;
        if (same && like->op_type)
            same = strcmp(item->op_type, like->op_type) == 0 &&
                   strcmp(item->domain, like->domain) == 0;
        if (same) {
            *tally = item;
            return CORTEN_OK;
        }
    }
    struct tally *items = realloc(tallies->items, (tallies->count + 1) * sizeof *items);
    if (!items)
        return ct_cli_no_memory(error, "a count");
    tallies->items = items;
    items[tallies->count] = *like;
    *tally = &items[tallies->count++];
    return CORTEN_OK;
}

static corten_status count_weights(struct facts *facts, corten_error *error)
{
    for (size_t i = 0; i < facts->info.initializer_count; i++) {
        corten_value_info info;
        size_t size_bytes = 0;
        struct tally *tally = NULL;
        CT_CLI_TRY(corten_model_initializer(facts->model, i, &info, &size_bytes, error));
        CT_CLI_TRY(
            find_tally(&facts->weights, &(struct tally){.dtype = info.dtype}, &tally, error));
        double n_elems = 1.0;
        for (int d = 0; d < info.rank; d++)
            n_elems *= (double)info.dims[d];
        struct tally *both[] = {tally, &facts->all_weights};
        for (int k = 0; k < 2; k++) {
            both[k]->count++;
            both[k]->n_elems += n_elems;
            both[k]->size_bytes += (double)size_bytes;
        }
    }
    return CORTEN_OK;
}

static corten_status count_operators(struct facts *facts, corten_error *error)
{
    for (size_t i = 0; i < facts->info.node_count; i++) {
        corten_node_info node;
        struct tally *tally = NULL;
        CT_CLI_TRY(corten_model_node(facts->model, i, &node, error));
        struct tally like = {.domain = node.domain, .op_type = node.op_type};
        CT_CLI_TRY(find_tally(&facts->operators, &like, &tally, error));
        struct tally *both[] = {tally, &facts->all_operators};
        for (int k = 0; k < 2; k++) {
            both[k]->count++;
            both[k]->flops += node.flops > 0 ? (double)node.flops : 0.0;
            both[k]->bytes += node.bytes > 0 ? (double)node.bytes : 0.0;
            both[k]->n_unknown += node.flops < 0 || node.bytes < 0;
        }
    }
    return CORTEN_OK;
}

static int by_cost(const void *a, const void *b)
{
    const struct tally *x = a;
    const struct tally *y = b;
    if (x->flops != y->flops)
        return x->flops < y->flops ? 1 : -1;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    int order = strcmp(x->op_type ? x->op_type : "", y->op_type ? y->op_type : "");
    return order != 0 ? order : (int)x->dtype - (int)y->dtype;
}

static corten_status collect(struct facts *facts, corten_error *error)
{
    CT_CLI_TRY(count_weights(facts, error));
    CT_CLI_TRY(count_operators(facts, error));
    if (facts->operators.count > 0)
        qsort(facts->operators.items, facts->operators.count, sizeof *facts->operators.items,
              by_cost);
    return CORTEN_OK;
}

/* The standard domain is written as people call it. */
static const char *domain_text(const char *domain)
{
    return domain[0] ? domain : "ai.onnx";
}

static void add_field(struct ct_cli_table *table, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    ct_cli_table_add(table, "%s", name);
    ct_cli_table_add(table, "%s", text);
}

static corten_status add_header(const struct facts *facts, struct ct_cli_table *table,
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
        snprintf(text, sizeof text, "%.200s %lld", domain_text(domain), (long long)version);
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

static corten_status value_at(const struct facts *facts, bool output, size_t index,
                              corten_value_info *info, corten_error *error)
{
    return output ? corten_model_output(facts->model, index, info, error)
                  : corten_model_input(facts->model, index, info, error);
}

static corten_status add_values(const struct facts *facts, bool output, struct ct_cli_table *table,
                                corten_error *error)
{
    size_t count = output ? facts->info.output_count : facts->info.input_count;
    for (size_t i = 0; i < count; i++) {
        corten_value_info info;
        char type[CT_CLI_SHAPE_TEXT_SIZE + 64];
        CT_CLI_TRY(value_at(facts, output, i, &info, error));
        value_type(&info, type, sizeof type);
        ct_cli_table_add(table, "%s", info.name);
        ct_cli_table_add(table, "%s", type);
    }
    return CORTEN_OK;
}

static corten_status add_weights(const struct facts *facts, struct ct_cli_table *table)
{
    char text[CT_CLI_SIZE_TEXT_SIZE];
    static const char *const heads[] = {"dtype", "tensors", "parameters", "memory"};
    for (size_t i = 0; i < 4 && facts->weights.count > 0; i++)
        ct_cli_table_add(table, "%s", heads[i]);
    for (size_t i = 0; i < facts->weights.count; i++) {
        const struct tally *tally = &facts->weights.items[i];
        ct_cli_table_add(table, "%s", corten_dtype_name(tally->dtype));
        ct_cli_table_add(table, "%zu", tally->count);
        ct_cli_table_add(table, "%s", ct_cli_count_text(text, tally->n_elems));
        ct_cli_table_add(table, "%s", ct_cli_bytes_text(text, tally->size_bytes));
    }
    return CORTEN_OK;
}

static void add_operator(struct ct_cli_table *table, const char *name, const struct tally *tally,
                         double all_flops)
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

static corten_status add_operators(const struct facts *facts, struct ct_cli_table *table)
{
    static const char *const heads[] = {"operator", "nodes", "FLOPs", "share", "bytes"};
    double all_flops = facts->all_operators.flops;
    for (size_t i = 0; i < 5; i++)
        ct_cli_table_add(table, "%s", heads[i]);
    for (size_t i = 0; i < facts->operators.count; i++) {
        const struct tally *tally = &facts->operators.items[i];
        char name[256];
        snprintf(name, sizeof name, "%.100s%s%.100s", tally->domain, tally->domain[0] ? "." : "",
                 tally->op_type);
        add_operator(table, name, tally, all_flops);
    }
    add_operator(table, "total", &facts->all_operators, all_flops);
    return CORTEN_OK;
}

/* The types of a node's inputs or outputs, with commas. */
static corten_status node_types(const struct facts *facts, size_t node, bool output, size_t count,
                                char *out, size_t size_bytes, corten_error *error)
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

static corten_status add_nodes(const struct facts *facts, struct ct_cli_table *table,
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

static corten_status fill_section(const struct facts *facts, enum section section,
                                  struct ct_cli_table *table, corten_error *error)
{
    switch (section) {
    case HEADER: return add_header(facts, table, error);
    case INPUTS: return add_values(facts, false, table, error);
    case OUTPUTS: return add_values(facts, true, table, error);
    case WEIGHTS: return add_weights(facts, table);
    case OPERATORS: return add_operators(facts, table);
    case NODES: return facts->args->nodes ? add_nodes(facts, table, error) : CORTEN_OK;
    case SECTION_COUNT: break;
    }
    return CORTEN_OK;
}

static corten_status print_text(const struct facts *facts, corten_error *error)
{
    for (int i = 0; i < SECTION_COUNT; i++) {
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

static void json_value(struct ct_cli_json *json, cJSON *array, const corten_value_info *info)
{
    cJSON *object = ct_cli_json_object(json, array, NULL);
    ct_cli_json_text(json, object, "name", info->name);
    if (info->type_text[0])
        ct_cli_json_text(json, object, "type", info->type_text);
    ct_cli_json_text(json, object, "dtype", corten_dtype_name(info->dtype));
    ct_cli_json_shape(json, object, info->rank, info->dims, info->dim_names);
}

static void json_cost(struct ct_cli_json *json, cJSON *object, double flops, double bytes)
{
    /* What is not known is left out. */
    if (flops >= 0.0)
        ct_cli_json_number(json, object, "flops", flops);
    if (bytes >= 0.0)
        ct_cli_json_number(json, object, "bytes", bytes);
}

static corten_status json_header(const struct facts *facts, struct ct_cli_json *json,
                                 corten_error *error)
{
    const corten_model_info *info = &facts->info;
    cJSON *root = json->root;
    ct_cli_json_text(json, root, "graph", info->graph_name);
    ct_cli_json_text(json, root, "producer", info->producer_name);
    ct_cli_json_text(json, root, "producer_version", info->producer_version);
    ct_cli_json_text(json, root, "domain", info->domain);
    ct_cli_json_text(json, root, "description", info->doc);
    ct_cli_json_number(json, root, "ir_version", (double)info->ir_version);
    ct_cli_json_number(json, root, "model_version", (double)info->model_version);
    ct_cli_json_number(json, root, "function_count", (double)info->function_count);
    cJSON *opsets = ct_cli_json_object(json, root, "opsets");
    for (size_t i = 0; i < info->opset_count; i++) {
        const char *domain = NULL;
        int64_t version = 0;
        CT_CLI_TRY(corten_model_opset(facts->model, i, &domain, &version, error));
        ct_cli_json_number(json, opsets, domain_text(domain), (double)version);
    }
    cJSON *metadata = ct_cli_json_object(json, root, "metadata");
    for (size_t i = 0; i < info->metadata_count; i++) {
        const char *key = NULL;
        const char *value = NULL;
        CT_CLI_TRY(corten_model_metadata(facts->model, i, &key, &value, error));
        ct_cli_json_text(json, metadata, key, value);
    }
    return CORTEN_OK;
}

static corten_status json_values(const struct facts *facts, struct ct_cli_json *json, bool output,
                                 corten_error *error)
{
    size_t count = output ? facts->info.output_count : facts->info.input_count;
    cJSON *array = ct_cli_json_array(json, json->root, output ? "outputs" : "inputs");
    for (size_t i = 0; i < count; i++) {
        corten_value_info info;
        CT_CLI_TRY(value_at(facts, output, i, &info, error));
        json_value(json, array, &info);
    }
    return CORTEN_OK;
}

static void json_tallies(const struct facts *facts, struct ct_cli_json *json)
{
    cJSON *weights = ct_cli_json_array(json, json->root, "weights");
    for (size_t i = 0; i < facts->weights.count; i++) {
        const struct tally *tally = &facts->weights.items[i];
        cJSON *object = ct_cli_json_object(json, weights, NULL);
        ct_cli_json_text(json, object, "dtype", corten_dtype_name(tally->dtype));
        ct_cli_json_number(json, object, "tensors", (double)tally->count);
        ct_cli_json_number(json, object, "parameters", tally->n_elems);
        ct_cli_json_number(json, object, "size_bytes", tally->size_bytes);
    }
    ct_cli_json_number(json, json->root, "weights_size_bytes", facts->all_weights.size_bytes);
    cJSON *operators = ct_cli_json_array(json, json->root, "operators");
    for (size_t i = 0; i < facts->operators.count; i++) {
        const struct tally *tally = &facts->operators.items[i];
        cJSON *object = ct_cli_json_object(json, operators, NULL);
        ct_cli_json_text(json, object, "domain", tally->domain);
        ct_cli_json_text(json, object, "op_type", tally->op_type);
        ct_cli_json_number(json, object, "count", (double)tally->count);
        ct_cli_json_number(json, object, "unknown", (double)tally->n_unknown);
        json_cost(json, object, tally->flops, tally->bytes);
    }
    ct_cli_json_number(json, json->root, "node_count", (double)facts->all_operators.count);
    ct_cli_json_number(json, json->root, "unknown", (double)facts->all_operators.n_unknown);
    json_cost(json, json->root, facts->all_operators.flops, facts->all_operators.bytes);
}

static corten_status json_node_values(const struct facts *facts, struct ct_cli_json *json,
                                      cJSON *object, size_t node, bool output, size_t count,
                                      corten_error *error)
{
    cJSON *array = ct_cli_json_array(json, object, output ? "outputs" : "inputs");
    for (size_t i = 0; i < count; i++) {
        corten_value_info info;
        CT_CLI_TRY(corten_model_node_value(facts->model, node, output, i, &info, error));
        json_value(json, array, &info);
    }
    return CORTEN_OK;
}

static corten_status json_nodes(const struct facts *facts, struct ct_cli_json *json,
                                corten_error *error)
{
    cJSON *nodes = ct_cli_json_array(json, json->root, "nodes");
    for (size_t i = 0; i < facts->info.node_count; i++) {
        corten_node_info node;
        CT_CLI_TRY(corten_model_node(facts->model, i, &node, error));
        cJSON *object = ct_cli_json_object(json, nodes, NULL);
        ct_cli_json_text(json, object, "name", node.name);
        ct_cli_json_text(json, object, "domain", node.domain);
        ct_cli_json_text(json, object, "op_type", node.op_type);
        json_cost(json, object, (double)node.flops, (double)node.bytes);
        CT_CLI_TRY(json_node_values(facts, json, object, i, false, node.input_count, error));
        CT_CLI_TRY(json_node_values(facts, json, object, i, true, node.output_count, error));
    }
    return CORTEN_OK;
}

static corten_status fill_json(const struct facts *facts, struct ct_cli_json *json,
                               corten_error *error)
{
    CT_CLI_TRY(json_header(facts, json, error));
    CT_CLI_TRY(json_values(facts, json, false, error));
    CT_CLI_TRY(json_values(facts, json, true, error));
    json_tallies(facts, json);
    if (facts->shapes.status != CORTEN_OK)
        ct_cli_json_text(json, json->root, "shapes_error", facts->shapes.text);
    return facts->args->nodes ? json_nodes(facts, json, error) : CORTEN_OK;
}

static corten_status print_json(const struct facts *facts, corten_error *error)
{
    struct ct_cli_json json;
    ct_cli_json_init(&json);
    corten_status status = fill_json(facts, &json, error);
    if (status == CORTEN_OK)
        status = ct_cli_json_print(&json, stdout, error);
    ct_cli_json_deinit(&json);
    return status;
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
    struct facts facts = {.args = args, .model = model};
    if (args->optimize)
        CT_CLI_TRY(corten_model_optimize(model, error));
    /* A model whose shapes do not fit can still be looked at. */
    if (corten_model_infer(model, &facts.shapes) == CORTEN_OK)
        facts.shapes.status = CORTEN_OK;
    if (args->dot || args->text)
        return print_graph(model, args->dot ? CORTEN_DUMP_DOT : CORTEN_DUMP_TEXT, error);
    corten_model_get_info(model, &facts.info);
    corten_status status = collect(&facts, error);
    if (status == CORTEN_OK)
        status = args->json ? print_json(&facts, error) : print_text(&facts, error);
    free(facts.weights.items);
    free(facts.operators.items);
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
