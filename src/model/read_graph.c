/* GraphProto. Its fields come in any order, and each kind of them needs another one read before:
 * hence several goes over the fields, which skip what is large. */
#include "model/read_parts.h"
#include "model/reader.h"

#include <string.h>

enum {
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_DOC = 10,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE_INFO = 13,
    GRAPH_SPARSE_INITIALIZER = 15,
    GRAPH_METADATA = 16,
    FIRST_IR_WITH_DEFAULTS = 4 /* before, an initializer had to stand among the inputs too */
};

/* ------------------------------------------------------------------ inputs */

static ct_status add_input(struct ct_reader *reader, struct ct_wire *wire,
                           const struct ct_field *field, struct ct_graph *graph)
{
    CT_TRY(ct_read_info_name(reader, wire, field));
    if (!reader->scratch[0])
        return ct_read_fail(reader, CORTEN_INVALID_MODEL, "graph '%.200s': input %zu has no name",
                            graph->name, graph->n_inputs);
    if (ct_map_get(&graph->names, reader->scratch))
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "graph '%.200s': two inputs have the name '%.200s'", graph->name,
                            reader->scratch);
    const char *name = ct_arena_strdup(reader->arena, reader->scratch);
    struct ct_value *value = name ? ct_graph_add_value(graph, name) : NULL;
    if (!value || !ct_graph_add_input(graph, value))
        return ct_read_no_memory(reader, sizeof *value);
    return ct_read_info(reader, field, value);
}

static ct_status read_header(struct ct_reader *reader, const struct ct_wire *message,
                             struct ct_graph *graph)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    while (ct_wire_next(&wire, &field)) {
        switch (field.number) {
        case GRAPH_NAME: CT_TRY(ct_read_text(reader, &wire, &field, &graph->name)); break;
        case GRAPH_DOC: CT_TRY(ct_read_text(reader, &wire, &field, &graph->doc)); break;
        case GRAPH_INPUT: CT_TRY(add_input(reader, &wire, &field, graph)); break;
        case GRAPH_METADATA:
            CT_TRY(ct_read_property(reader, &wire, &field, &graph->metadata));
            break;
        case GRAPH_NODE:
        case GRAPH_INITIALIZER:
        case GRAPH_OUTPUT:
        case GRAPH_VALUE_INFO:
        case GRAPH_SPARSE_INITIALIZER: break;
        default: /* quantization_annotation too */
            CT_TRY(ct_read_extra(reader, &field, &graph->extra));
        }
    }
    return ct_read_end(reader, &wire);
}

/* ------------------------------------------------------------------ initializers */

static ct_status check_declared(struct ct_reader *reader, const struct ct_value *value,
                                const struct ct_fact *fact)
{
    struct ct_fact both = value->fact;
    if (ct_fact_merge(&both, fact))
        return CORTEN_OK;
    char found[256], declared[256];
    ct_fact_describe(fact, NULL, found, sizeof found);
    ct_fact_describe(&value->fact, &reader->model->symbols, declared, sizeof declared);
    return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                        "initializer '%.200s' is %s, but the input of that name is declared as %s",
                        value->name, found, declared);
}

/* An initializer of the name of an input: its default, or with old IR versions just its value. */
static ct_status set_default(struct ct_reader *reader, struct ct_value *value,
                             const struct ct_tensor *tensor)
{
    if (value->constant)
        return ct_read_fail(reader, CORTEN_INVALID_MODEL, "two initializers have the name '%.200s'",
                            value->name);
    struct ct_fact fact;
    CT_TRY(ct_fact_of_tensor(&fact, tensor, reader->arena, reader->error));
    CT_TRY(check_declared(reader, value, &fact));
    value->constant = tensor;
    value->overridable = reader->model->ir_version >= FIRST_IR_WITH_DEFAULTS;
    if (!value->overridable)
        value->fact = fact;
    return CORTEN_OK;
}

/* *value NULL: no memory. */
static ct_status add_constant(struct ct_reader *reader, struct ct_graph *graph, const char *name,
                              const struct ct_tensor *tensor, struct ct_value **value)
{
    if (!name[0])
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "graph '%.200s': an initializer has no name", graph->name);
    *value = ct_map_get(&graph->names, name);
    if (*value)
        return set_default(reader, *value, tensor);
    *value = ct_graph_add_constant(graph, name, tensor);
    return CORTEN_OK;
}

static ct_status read_initializer(struct ct_reader *reader, const struct ct_field *field,
                                  struct ct_graph *graph)
{
    struct ct_tensor *tensor = ct_arena_alloc_zero(reader->arena, sizeof *tensor);
    if (!tensor)
        return ct_read_no_memory(reader, sizeof *tensor);
    corten_string message = {(const char *)field->data, field->size_bytes};
    struct ct_extra extra = {0};
    struct ct_value *value = NULL;
    const char *name = "";
    CT_TRY(ct_read_tensor(reader, message, tensor, &name, false, &extra));
    CT_TRY(add_constant(reader, graph, name, tensor, &value));
    if (!value)
        return ct_read_no_memory(reader, sizeof *value);
    value->init_extra = extra;
    return CORTEN_OK;
}

static ct_status read_sparse_initializer(struct ct_reader *reader, const struct ct_field *field,
                                         struct ct_graph *graph)
{
    struct ct_sparse_init *sparse = ct_arena_alloc_zero(reader->arena, sizeof *sparse);
    struct ct_tensor *dense = ct_arena_alloc_zero(reader->arena, sizeof *dense);
    if (!sparse || !dense)
        return ct_read_no_memory(reader, sizeof *sparse + sizeof *dense);
    corten_string message = {(const char *)field->data, field->size_bytes};
    struct ct_extra extra = {0};
    struct ct_value *value = NULL;
    const char *name = "";
    CT_TRY(ct_read_sparse(reader, message, &sparse->tensor, &name, false, &extra,
                          &sparse->indices_extra));
    CT_TRY(ct_read_densify(reader, &sparse->tensor, name, dense));
    CT_TRY(add_constant(reader, graph, name, dense, &value));
    if (!value)
        return ct_read_no_memory(reader, sizeof *value);
    value->init_extra = extra;
    sparse->dense = dense;
    value->sparse = sparse;
    return CORTEN_OK;
}

static ct_status read_initializers(struct ct_reader *reader, const struct ct_wire *message,
                                   struct ct_graph *graph)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    while (ct_wire_next(&wire, &field)) {
        if (field.number != GRAPH_INITIALIZER && field.number != GRAPH_SPARSE_INITIALIZER)
            continue;
        if (!ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            break;
        if (field.number == GRAPH_INITIALIZER)
            CT_TRY(read_initializer(reader, &field, graph));
        else
            CT_TRY(read_sparse_initializer(reader, &field, graph));
    }
    return ct_read_end(reader, &wire);
}

/* With old IR versions what has a value is no input; its place is kept for the writer. */
static void hide_constant_inputs(struct ct_graph *graph)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        struct ct_value *value = graph->inputs[i];
        if (value->constant && !value->overridable) {
            value->is_input = false;
            value->hidden_input = (int)i + 1;
        } else {
            graph->inputs[kept++] = value;
        }
    }
    graph->n_inputs = kept;
}

/* ------------------------------------------------------------------ outputs and value_info */

static ct_status add_output(struct ct_reader *reader, struct ct_wire *wire,
                            const struct ct_field *field, struct ct_graph *graph)
{
    CT_TRY(ct_read_info_name(reader, wire, field));
    struct ct_value *value = ct_graph_find(graph, reader->scratch);
    if (!value)
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "graph '%.200s': output %zu, '%.200s', is not the name of any node's "
                            "output, input or initializer",
                            graph->name, graph->n_outputs, reader->scratch);
    if (!ct_graph_add_output(graph, value))
        return ct_read_no_memory(reader, sizeof value);
    /* What is declared already is not declared again: an input handed through, an outer value. */
    if (value->graph != graph || value->declared)
        return CORTEN_OK;
    return ct_read_info(reader, field, value);
}

static ct_status read_outputs(struct ct_reader *reader, const struct ct_wire *message,
                              struct ct_graph *graph)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    while (ct_wire_next(&wire, &field)) {
        if (field.number == GRAPH_OUTPUT)
            CT_TRY(add_output(reader, &wire, &field, graph));
    }
    return ct_read_end(reader, &wire);
}

ct_status ct_read_value_infos(struct ct_reader *reader, const struct ct_wire *message,
                              uint32_t number, struct ct_graph *graph, struct ct_extra *extra)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    while (ct_wire_next(&wire, &field)) {
        if (field.number != number)
            continue;
        CT_TRY(ct_read_info_name(reader, &wire, &field));
        struct ct_value *value = ct_map_get(&graph->names, reader->scratch);
        if (!value || value->declared)
            CT_TRY(ct_read_extra(reader, &field, extra));
        else
            CT_TRY(ct_read_info(reader, &field, value));
    }
    return ct_read_end(reader, &wire);
}

/* ------------------------------------------------------------------ graphs */

static void keep_unused(struct ct_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++)
        graph->values[i]->kept = graph->values[i]->constant && ct_value_unused(graph->values[i]);
}

static ct_status read_parts(struct ct_reader *reader, const struct ct_wire *message,
                            struct ct_graph *graph)
{
    CT_TRY(read_header(reader, message, graph));
    CT_TRY(read_initializers(reader, message, graph));
    hide_constant_inputs(graph);
    CT_TRY(ct_read_node_outputs(reader, message, GRAPH_NODE, graph));
    CT_TRY(read_outputs(reader, message, graph));
    CT_TRY(ct_read_value_infos(reader, message, GRAPH_VALUE_INFO, graph, &graph->extra));
    CT_TRY(ct_read_node_inputs(reader, message, GRAPH_NODE, graph));
    keep_unused(graph);
    return ct_graph_sort(graph, reader->error);
}

ct_status ct_read_graph(struct ct_reader *reader, corten_string message, struct ct_graph *graph)
{
    if (++reader->depth > CT_READ_MAX_DEPTH)
        return ct_read_fail(reader, CORTEN_LIMIT_EXCEEDED, "subgraphs are nested more than %d deep",
                            CT_READ_MAX_DEPTH);
    struct ct_wire wire;
    ct_wire_init(&wire, message.data, message.size_bytes, "GraphProto", reader->file);
    CT_TRY(read_parts(reader, &wire, graph));
    reader->depth--;
    return CORTEN_OK;
}
