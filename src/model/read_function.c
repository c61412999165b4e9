/* FunctionProto: a graph whose inputs and outputs are names alone. */
#include "model/read_parts.h"

#include <string.h>

enum {
    FUNCTION_NAME = 1,
    FUNCTION_INPUT = 4,
    FUNCTION_OUTPUT = 5,
    FUNCTION_ATTRIBUTE = 6,
    FUNCTION_NODE = 7,
    FUNCTION_DOC = 8,
    FUNCTION_OPSET = 9,
    FUNCTION_DOMAIN = 10,
    FUNCTION_ATTRIBUTE_PROTO = 11,
    FUNCTION_VALUE_INFO = 12,
    FUNCTION_OVERLOAD = 13,
    FUNCTION_METADATA = 14
};

/* The lists that are counted before they are allocated. */
static ct_status make_room(struct ct_reader *reader, const struct ct_wire *message,
                           struct ct_function *function)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    size_t n_attributes = 0, n_defaults = 0, n_opsets = 0;
    while (ct_wire_next(&wire, &field)) {
        n_attributes += field.number == FUNCTION_ATTRIBUTE;
        n_defaults += field.number == FUNCTION_ATTRIBUTE_PROTO;
        n_opsets += field.number == FUNCTION_OPSET;
    }
    CT_TRY(ct_read_end(reader, &wire));
    if (n_opsets > CT_READ_MAX_OPSETS)
        return ct_read_fail(reader, CORTEN_LIMIT_EXCEEDED, "more than %d operator sets",
                            CT_READ_MAX_OPSETS);
    function->attributes = ct_arena_array(reader->arena, n_attributes, sizeof(const char *));
    function->defaults = ct_arena_array(reader->arena, n_defaults, sizeof *function->defaults);
    function->opsets = ct_arena_array(reader->arena, n_opsets, sizeof *function->opsets);
    if (!function->attributes || !function->defaults || !function->opsets)
        return ct_read_no_memory(reader, sizeof *function);
    return CORTEN_OK;
}

static ct_status add_input(struct ct_reader *reader, struct ct_wire *wire,
                           const struct ct_field *field, struct ct_function *function)
{
    struct ct_graph *body = function->body;
    const char *name;
    CT_TRY(ct_read_text(reader, wire, field, &name));
    if (!name[0] || ct_map_get(&body->names, name))
        return ct_read_fail(
            reader, CORTEN_INVALID_MODEL,
            "function '%.200s': input %zu has no name or one that is taken: '%.200s'",
            function->name, body->n_inputs, name);
    struct ct_value *value = ct_graph_add_value(body, name);
    if (!value || !ct_graph_add_input(body, value))
        return ct_read_no_memory(reader, sizeof *value);
    return CORTEN_OK;
}

static ct_status read_field(struct ct_reader *reader, struct ct_wire *wire,
                            const struct ct_field *field, struct ct_function *function)
{
    switch (field->number) {
    case FUNCTION_NAME: return ct_read_text(reader, wire, field, &function->name);
    case FUNCTION_DOMAIN: return ct_read_text(reader, wire, field, &function->domain);
    case FUNCTION_OVERLOAD: return ct_read_text(reader, wire, field, &function->overload);
    case FUNCTION_DOC: return ct_read_text(reader, wire, field, &function->doc);
    case FUNCTION_INPUT: return add_input(reader, wire, field, function);
    case FUNCTION_ATTRIBUTE:
        return ct_read_text(reader, wire, field, &function->attributes[function->n_attributes++]);
    case FUNCTION_ATTRIBUTE_PROTO:
        if (!ct_wire_expect(wire, field, CT_WIRE_BYTES))
            return ct_read_end(reader, wire);
        return ct_read_attr(reader, field, function->body, NULL,
                            &function->defaults[function->n_defaults++]);
    case FUNCTION_OPSET:
        return ct_read_opset(reader, wire, field, &function->opsets[function->n_opsets++]);
    case FUNCTION_METADATA: return ct_read_property(reader, wire, field, &function->metadata);
    case FUNCTION_OUTPUT:
    case FUNCTION_NODE:
    case FUNCTION_VALUE_INFO: return CORTEN_OK;
    default: return ct_read_extra(reader, field, &function->extra);
    }
}

static ct_status read_header(struct ct_reader *reader, const struct ct_wire *message,
                             struct ct_function *function)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    while (ct_wire_next(&wire, &field))
        CT_TRY(read_field(reader, &wire, &field, function));
    CT_TRY(ct_read_end(reader, &wire));
    if (!function->name[0])
        return ct_read_fail(reader, CORTEN_INVALID_MODEL, "a function has no name");
    if (strcmp(function->domain, "ai.onnx") == 0)
        function->domain = "";
    function->body->name = function->name;
    return CORTEN_OK;
}

static ct_status read_outputs(struct ct_reader *reader, const struct ct_wire *message,
                              struct ct_function *function)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    struct ct_graph *body = function->body;
    while (ct_wire_next(&wire, &field)) {
        if (field.number != FUNCTION_OUTPUT)
            continue;
        CT_TRY(ct_read_scratch(reader, &wire, &field));
        struct ct_value *value = ct_map_get(&body->names, reader->scratch);
        if (!value)
            return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                                "function '%.200s': output '%.200s' is not the name of any node's "
                                "output or input",
                                function->name, reader->scratch);
        if (!ct_graph_add_output(body, value))
            return ct_read_no_memory(reader, sizeof value);
    }
    return ct_read_end(reader, &wire);
}

static ct_status check_unique(struct ct_reader *reader, struct ct_function *function)
{
    const char *key = ct_arena_printf(reader->arena, "%s:%s:%s", function->domain, function->name,
                                      function->overload);
    if (!key)
        return ct_read_no_memory(reader, strlen(function->name));
    if (ct_map_get(&reader->functions, key))
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "two functions have the name '%.200s' of domain '%.200s'",
                            function->name, function->domain);
    return ct_map_put(&reader->functions, key, function)
               ? CORTEN_OK
               : ct_read_no_memory(reader, sizeof *function);
}

ct_status ct_read_function(struct ct_reader *reader, const struct ct_field *field)
{
    struct ct_model *model = reader->model;
    struct ct_function *function = ct_arena_alloc_zero(reader->arena, sizeof *function);
    struct ct_graph *body = ct_graph_create(model, NULL, "");
    if (!function || !body)
        return ct_read_no_memory(reader, sizeof *function);
    function->name = function->domain = function->overload = function->doc = "";
    function->body = body;

    struct ct_wire wire;
    ct_read_begin(reader, &wire, field, "FunctionProto");
    CT_TRY(make_room(reader, &wire, function));
    CT_TRY(read_header(reader, &wire, function));
    CT_TRY(check_unique(reader, function));

    const struct ct_opset *outer = reader->opsets;
    size_t n_outer = reader->n_opsets;
    if (function->n_opsets) {
        reader->opsets = function->opsets;
        reader->n_opsets = function->n_opsets;
    }
    CT_TRY(ct_read_node_outputs(reader, &wire, FUNCTION_NODE, body));
    CT_TRY(read_outputs(reader, &wire, function));
    CT_TRY(ct_read_value_infos(reader, &wire, FUNCTION_VALUE_INFO, body, &function->extra));
    CT_TRY(ct_read_node_inputs(reader, &wire, FUNCTION_NODE, body));
    CT_TRY(ct_graph_sort(body, reader->error));
    reader->opsets = outer;
    reader->n_opsets = n_outer;

    if (!CT_ARENA_PUSH(reader->arena, model->functions, model->n_functions,
                       model->functions_capacity))
        return ct_read_no_memory(reader, sizeof function);
    model->functions[model->n_functions++] = function;
    return CORTEN_OK;
}
