/* GraphProto and FunctionProto. */
#include "model/write_parts.h"

static void put_nodes(struct ct_writer *writer, uint32_t number, const struct ct_graph *graph)
{
    for (const struct ct_node *node = graph->first; node; node = node->next) {
        size_t token = ct_wire_out_begin(&writer->out, number);
        ct_write_node(writer, node);
        ct_wire_out_end(&writer->out, number, token);
    }
}

/* Passes leave constants behind that nobody uses any more; those of the file itself stay. */
static bool is_initializer(const struct ct_value *value)
{
    return value->constant && (value->kept || value->is_input || !ct_value_unused(value));
}

static bool is_sparse(const struct ct_value *value)
{
    return value->sparse && value->sparse->dense == value->constant;
}

static void put_initializers(struct ct_writer *writer, const struct ct_graph *graph, bool sparse)
{
    uint32_t number = sparse ? 15 : 5;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        if (!is_initializer(value) || is_sparse(value) != sparse)
            continue;
        size_t token = ct_wire_out_begin(&writer->out, number);
        if (sparse)
            ct_write_sparse(writer, &value->sparse->tensor, value->name, &value->init_extra,
                            &value->sparse->indices_extra);
        else
            ct_write_tensor(writer, value->constant, value->name, &value->init_extra, true);
        ct_wire_out_end(&writer->out, number, token);
    }
}

/* The constants that old IR versions list as inputs too, by their place; NULL between. */
static const struct ct_value **hidden_inputs(struct ct_writer *writer, const struct ct_graph *graph,
                                             size_t *count)
{
    size_t n = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        if (value->hidden_input > 0 && (size_t)value->hidden_input > n && is_initializer(value))
            n = (size_t)value->hidden_input;
    }
    *count = n;
    if (!n)
        return NULL;
    const struct ct_value **places =
        ct_arena_array(&writer->arena, n, sizeof(const struct ct_value *));
    if (!places) {
        writer->out.failed = true;
        *count = 0;
        return NULL;
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        if (value->hidden_input > 0 && is_initializer(value))
            places[value->hidden_input - 1] = value;
    }
    return places;
}

static void put_inputs(struct ct_writer *writer, const struct ct_graph *graph)
{
    size_t n_places, next = 0;
    const struct ct_value **places = hidden_inputs(writer, graph, &n_places);
    for (size_t i = 0; i < n_places; i++) {
        if (places[i])
            ct_write_value_info(writer, 11, places[i]);
        else if (next < graph->n_inputs)
            ct_write_value_info(writer, 11, graph->inputs[next++]);
    }
    while (next < graph->n_inputs)
        ct_write_value_info(writer, 11, graph->inputs[next++]);
}

static void put_value_infos(struct ct_writer *writer, uint32_t number, const struct ct_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        bool listed = value->is_input || value->hidden_input || value->n_output_refs;
        if (value->declared && !listed && (value->producer || is_initializer(value)))
            ct_write_value_info(writer, number, value);
    }
}

void ct_write_graph(struct ct_writer *writer, const struct ct_graph *graph)
{
    struct ct_wire_out *out = &writer->out;
    put_nodes(writer, 1, graph);
    ct_wire_out_text_if(out, 2, graph->name);
    put_initializers(writer, graph, false);
    ct_wire_out_text_if(out, 10, graph->doc);
    put_inputs(writer, graph);
    for (size_t i = 0; i < graph->n_outputs; i++)
        ct_write_value_info(writer, 12, graph->outputs[i]);
    put_value_infos(writer, 13, graph);
    put_initializers(writer, graph, true);
    ct_write_properties(writer, 16, &graph->metadata);
    ct_write_extra(writer, &graph->extra);
}

static void put_opsets(struct ct_writer *writer, const struct ct_function *function)
{
    struct ct_wire_out *out = &writer->out;
    for (size_t i = 0; i < function->n_opsets; i++) {
        size_t token = ct_wire_out_begin(out, 9);
        ct_wire_out_text_if(out, 1, function->opsets[i].domain);
        ct_wire_out_varint(out, 2, (uint64_t)function->opsets[i].version);
        ct_wire_out_end(out, 9, token);
    }
}

void ct_write_function(struct ct_writer *writer, const struct ct_function *function)
{
    struct ct_wire_out *out = &writer->out;
    const struct ct_graph *body = function->body;
    ct_wire_out_text(out, 1, function->name);
    for (size_t i = 0; i < body->n_inputs; i++)
        ct_wire_out_text(out, 4, body->inputs[i]->name);
    for (size_t i = 0; i < body->n_outputs; i++)
        ct_wire_out_text(out, 5, body->outputs[i]->name);
    for (size_t i = 0; i < function->n_attributes; i++)
        ct_wire_out_text(out, 6, function->attributes[i]);
    put_nodes(writer, 7, body);
    ct_wire_out_text_if(out, 8, function->doc);
    put_opsets(writer, function);
    ct_wire_out_text_if(out, 10, function->domain);
    for (size_t i = 0; i < function->n_defaults; i++) {
        size_t token = ct_wire_out_begin(out, 11);
        ct_write_attr(writer, &function->defaults[i]);
        ct_wire_out_end(out, 11, token);
    }
    for (size_t i = 0; i < body->n_values; i++) {
        if (body->values[i]->declared)
            ct_write_value_info(writer, 12, body->values[i]);
    }
    ct_wire_out_text_if(out, 13, function->overload);
    ct_write_properties(writer, 14, &function->metadata);
    ct_write_extra(writer, &function->extra);
}
