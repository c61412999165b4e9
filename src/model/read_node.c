/* NodeProto, in two goes: outputs of all nodes first, so that inputs find what they read even when
 * the nodes are not in order. */
#include "model/read_parts.h"
#include "model/reader.h"

#include <string.h>

enum {
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOC = 6,
    NODE_DOMAIN = 7,
    NODE_OVERLOAD = 8,
    NODE_METADATA = 9,
    MAX_ATTRS = 4096 /* they are looked up one by one */
};

/* The scalar fields, before there is a node to put them into. */
struct header {
    const char *name, *op_type, *domain, *overload, *doc;
    size_t n_in, n_out, n_attrs;
};

static ct_status read_header(struct ct_reader *reader, const struct ct_field *message,
                             struct header *header)
{
    struct ct_wire wire;
    struct ct_field field;
    *header = (struct header){"", "", "", "", "", 0, 0, 0};
    ct_read_begin(reader, &wire, message, "NodeProto");
    while (ct_wire_next(&wire, &field)) {
        switch (field.number) {
        case NODE_INPUT: header->n_in++; break;
        case NODE_OUTPUT: header->n_out++; break;
        case NODE_ATTRIBUTE: header->n_attrs++; break;
        case NODE_NAME: CT_TRY(ct_read_text(reader, &wire, &field, &header->name)); break;
        case NODE_OP_TYPE: CT_TRY(ct_read_text(reader, &wire, &field, &header->op_type)); break;
        case NODE_DOC: CT_TRY(ct_read_text(reader, &wire, &field, &header->doc)); break;
        case NODE_DOMAIN: CT_TRY(ct_read_text(reader, &wire, &field, &header->domain)); break;
        case NODE_OVERLOAD: CT_TRY(ct_read_text(reader, &wire, &field, &header->overload)); break;
        default: break;
        }
    }
    CT_TRY(ct_read_end(reader, &wire));
    if (strcmp(header->domain, "ai.onnx") == 0)
        header->domain = "";
    if (header->n_in > INT32_MAX || header->n_out > INT32_MAX || header->n_attrs > MAX_ATTRS)
        return ct_read_fail(
            reader, CORTEN_LIMIT_EXCEEDED,
            "node '%.200s' has %zu inputs, %zu outputs and %zu attributes: too many", header->name,
            header->n_in, header->n_out, header->n_attrs);
    if (!header->op_type[0])
        return ct_read_fail(reader, CORTEN_INVALID_MODEL, "node '%.200s' has no operator type",
                            header->name);
    return CORTEN_OK;
}

static int opset_in_force(const struct ct_reader *reader, const char *domain)
{
    for (size_t i = 0; i < reader->n_opsets; i++) {
        const struct ct_opset *opset = &reader->opsets[i];
        if (strcmp(opset->domain, domain) == 0)
            return opset->version > 0 && opset->version <= INT32_MAX ? (int)opset->version : 0;
    }
    return 0;
}

static ct_status add_output(struct ct_reader *reader, struct ct_wire *wire,
                            const struct ct_field *field, struct ct_node *node, int index)
{
    if (field->type == CT_WIRE_BYTES && !field->size_bytes)
        return CORTEN_OK; /* not wanted */
    const char *name;
    CT_TRY(ct_read_text(reader, wire, field, &name));
    struct ct_graph *graph = node->graph;
    const struct ct_value *taken = ct_map_get(&graph->names, name);
    if (taken) {
        char text[256], other[256] = "an input or initializer";
        if (taken->producer)
            ct_node_describe(taken->producer, other, sizeof other);
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "%s: output %d, '%.200s', is already the name of what %s gives",
                            ct_node_describe(node, text, sizeof text), index, name, other);
    }
    struct ct_value *value = ct_graph_add_value(graph, name);
    if (!value)
        return ct_read_no_memory(reader, sizeof *value);
    ct_node_set_output(node, index, value);
    return CORTEN_OK;
}

static ct_status start_node(struct ct_reader *reader, const struct ct_field *message,
                            struct ct_graph *graph)
{
    struct header header;
    CT_TRY(read_header(reader, message, &header));
    struct ct_node *node = ct_graph_add_node(graph, NULL, header.domain, header.op_type,
                                             (int)header.n_in, (int)header.n_out);
    struct ct_attr *attrs = ct_arena_array(reader->arena, header.n_attrs, sizeof *attrs);
    if (!node || !attrs)
        return ct_read_no_memory(reader, sizeof *node + header.n_attrs * sizeof *attrs);
    node->name = header.name;
    node->overload = header.overload;
    node->doc = header.doc;
    node->opset = opset_in_force(reader, header.domain);
    node->attrs = attrs;

    struct ct_wire wire;
    struct ct_field field;
    int index = 0;
    ct_read_begin(reader, &wire, message, "NodeProto");
    while (ct_wire_next(&wire, &field)) {
        if (field.number == NODE_OUTPUT)
            CT_TRY(add_output(reader, &wire, &field, node, index++));
        else if (field.number == NODE_METADATA)
            CT_TRY(ct_read_property(reader, &wire, &field, &node->metadata));
        else if (field.number > NODE_METADATA)
            CT_TRY(ct_read_extra(reader, &field, &node->extra));
    }
    return CORTEN_OK;
}

static ct_status set_input(struct ct_reader *reader, struct ct_wire *wire,
                           const struct ct_field *field, struct ct_node *node, int index)
{
    CT_TRY(ct_read_scratch(reader, wire, field));
    if (!reader->scratch[0])
        return CORTEN_OK; /* absent */
    struct ct_value *value = ct_graph_find(node->graph, reader->scratch);
    if (!value) {
        char text[256];
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "%s: input %d, '%.200s', is not the name of any node's output, input "
                            "or initializer",
                            ct_node_describe(node, text, sizeof text), index, reader->scratch);
    }
    ct_node_set_input(node, index, value);
    return CORTEN_OK;
}

static ct_status add_attr(struct ct_reader *reader, struct ct_wire *wire,
                          const struct ct_field *field, struct ct_node *node)
{
    if (!ct_wire_expect(wire, field, CT_WIRE_BYTES))
        return ct_read_end(reader, wire);
    struct ct_attr attr;
    CT_TRY(ct_read_attr(reader, field, node->graph, node, &attr));
    if (ct_node_attr(node, attr.name)) {
        char text[256];
        return ct_read_fail(reader, CORTEN_INVALID_MODEL, "%s: attribute '%.200s' is there twice",
                            ct_node_describe(node, text, sizeof text), attr.name);
    }
    node->attrs[node->n_attrs++] = attr;
    return CORTEN_OK;
}

static ct_status finish_node(struct ct_reader *reader, const struct ct_field *message,
                             struct ct_node *node)
{
    struct ct_wire wire;
    struct ct_field field;
    int index = 0;
    ct_read_begin(reader, &wire, message, "NodeProto");
    while (ct_wire_next(&wire, &field)) {
        if (field.number == NODE_INPUT)
            CT_TRY(set_input(reader, &wire, &field, node, index++));
        else if (field.number == NODE_ATTRIBUTE)
            CT_TRY(add_attr(reader, &wire, &field, node));
    }
    return CORTEN_OK;
}

ct_status ct_read_node_outputs(struct ct_reader *reader, const struct ct_wire *message,
                               uint32_t number, struct ct_graph *graph)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    while (ct_wire_next(&wire, &field)) {
        if (field.number == number && ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            CT_TRY(start_node(reader, &field, graph));
    }
    return ct_read_end(reader, &wire);
}

ct_status ct_read_node_inputs(struct ct_reader *reader, const struct ct_wire *message,
                              uint32_t number, struct ct_graph *graph)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    struct ct_node *node = graph->first;
    while (node && ct_wire_next(&wire, &field)) {
        if (field.number != number)
            continue;
        struct ct_node *next = node->next;
        CT_TRY(finish_node(reader, &field, node));
        node = next;
    }
    return CORTEN_OK;
}
