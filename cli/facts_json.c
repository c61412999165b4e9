#include "facts.h"

#include <stdio.h>

#include "json.h"
#include "text.h"

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

static corten_status json_header(const struct ct_cli_facts *facts, struct ct_cli_json *json,
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
        ct_cli_json_number(json, opsets, ct_cli_domain_text(domain), (double)version);
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

static corten_status json_values(const struct ct_cli_facts *facts, struct ct_cli_json *json,
                                 bool output, corten_error *error)
{
    size_t count = output ? facts->info.output_count : facts->info.input_count;
    cJSON *array = ct_cli_json_array(json, json->root, output ? "outputs" : "inputs");
    for (size_t i = 0; i < count; i++) {
        corten_value_info info;
        CT_CLI_TRY(ct_cli_facts_value(facts, output, i, &info, error));
        json_value(json, array, &info);
    }
    return CORTEN_OK;
}

static void json_tallies(const struct ct_cli_facts *facts, struct ct_cli_json *json)
{
    cJSON *weights = ct_cli_json_array(json, json->root, "weights");
    for (size_t i = 0; i < facts->weights.count; i++) {
        const struct ct_cli_tally *tally = &facts->weights.items[i];
        cJSON *object = ct_cli_json_object(json, weights, NULL);
        ct_cli_json_text(json, object, "dtype", corten_dtype_name(tally->dtype));
        ct_cli_json_number(json, object, "tensors", (double)tally->count);
        ct_cli_json_number(json, object, "parameters", tally->n_elems);
        ct_cli_json_number(json, object, "size_bytes", tally->size_bytes);
    }
    ct_cli_json_number(json, json->root, "weights_size_bytes", facts->all_weights.size_bytes);
    cJSON *operators = ct_cli_json_array(json, json->root, "operators");
    for (size_t i = 0; i < facts->operators.count; i++) {
        const struct ct_cli_tally *tally = &facts->operators.items[i];
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

static corten_status json_node_values(const struct ct_cli_facts *facts, struct ct_cli_json *json,
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

static corten_status json_nodes(const struct ct_cli_facts *facts, struct ct_cli_json *json,
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

static corten_status fill_json(const struct ct_cli_facts *facts, bool nodes,
                               struct ct_cli_json *json, corten_error *error)
{
    CT_CLI_TRY(json_header(facts, json, error));
    CT_CLI_TRY(json_values(facts, json, false, error));
    CT_CLI_TRY(json_values(facts, json, true, error));
    json_tallies(facts, json);
    if (facts->shapes.status != CORTEN_OK)
        ct_cli_json_text(json, json->root, "shapes_error", facts->shapes.text);
    return nodes ? json_nodes(facts, json, error) : CORTEN_OK;
}

corten_status ct_cli_facts_print_json(const struct ct_cli_facts *facts, bool nodes,
                                      corten_error *error)
{
    struct ct_cli_json json;
    ct_cli_json_init(&json);
    corten_status status = fill_json(facts, nodes, &json, error);
    if (status == CORTEN_OK)
        status = ct_cli_json_print(&json, stdout, error);
    ct_cli_json_deinit(&json);
    return status;
}
