/* AttributeProto. Its value is in the field that its type names; fields of other types are kept,
 * but mean nothing. */
#include "model/read_parts.h"
#include "model/reader.h"

#include <string.h>

enum { ATTR_NAME = 1, ATTR_DOC = 13, ATTR_TYPE = 20, ATTR_REF = 21 };

/* Where each type keeps its value; in the order of enum ct_attr_type. */
struct attr_row {
    uint32_t field;
    bool plural;
};
static const struct attr_row rows[] = {
    [CT_ATTR_NONE] = {0, false},
    [CT_ATTR_FLOAT] = {2, false},
    [CT_ATTR_INT] = {3, false},
    [CT_ATTR_STRING] = {4, false},
    [CT_ATTR_TENSOR] = {5, false},
    [CT_ATTR_GRAPH] = {6, false},
    [CT_ATTR_FLOATS] = {7, true},
    [CT_ATTR_INTS] = {8, true},
    [CT_ATTR_STRINGS] = {9, true},
    [CT_ATTR_TENSORS] = {10, true},
    [CT_ATTR_GRAPHS] = {11, true},
    [CT_ATTR_SPARSE_TENSOR] = {22, false},
    [CT_ATTR_SPARSE_TENSORS] = {23, true},
    [CT_ATTR_TYPE] = {14, false},
    [CT_ATTR_TYPES] = {15, true},
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

struct attr_reader {
    struct ct_reader *reader;
    const struct ct_field *message;
    struct ct_graph *graph;
    struct ct_node *node; /* NULL: a default of a function */
    struct ct_attr *attr;
    size_t count; /* values there are */
    struct ct_extra *extra;
};

static enum ct_attr_type type_of_field(uint32_t number)
{
    for (int i = 1; i < ROW_COUNT; i++) {
        if (rows[i].field == number)
            return (enum ct_attr_type)i;
    }
    return CT_ATTR_NONE;
}

static ct_status fail(const struct attr_reader *in, ct_status status, const char *what)
{
    char text[256] = "a function";
    if (in->node)
        ct_node_describe(in->node, text, sizeof text);
    return ct_read_fail(in->reader, status, "%s: attribute '%.200s' %s", text, in->attr->name,
                        what);
}

/* Number of values in one field: packed numbers come many at once. */
static ct_status count_values(struct attr_reader *in, struct ct_wire *wire,
                              const struct ct_field *field, size_t *count)
{
    *count = 1;
    bool packed = field->type == CT_WIRE_BYTES;
    if (in->attr->type == CT_ATTR_FLOATS && packed) {
        *count = field->size_bytes / sizeof(float);
        if (field->size_bytes % sizeof(float))
            return fail(in, CORTEN_INVALID_MODEL, "has a float that is cut off");
    } else if (in->attr->type == CT_ATTR_INTS && packed) {
        if (!ct_wire_count_varints(field->data, field->size_bytes, count))
            return fail(in, CORTEN_INVALID_MODEL, "has an integer that is cut off");
    } else if (in->attr->type == CT_ATTR_FLOATS || in->attr->type == CT_ATTR_FLOAT) {
        ct_wire_expect(wire, field, CT_WIRE_FIXED32);
    } else if (in->attr->type == CT_ATTR_INTS || in->attr->type == CT_ATTR_INT) {
        ct_wire_expect(wire, field, CT_WIRE_VARINT);
    } else {
        ct_wire_expect(wire, field, CT_WIRE_BYTES);
    }
    return ct_read_end(in->reader, wire);
}

static ct_status read_header(struct attr_reader *in)
{
    struct ct_reader *reader = in->reader;
    struct ct_attr *attr = in->attr;
    struct ct_wire wire;
    struct ct_field field;
    int64_t type = CT_ATTR_NONE;
    enum ct_attr_type implied = CT_ATTR_NONE;
    ct_read_begin(reader, &wire, in->message, "AttributeProto");
    while (ct_wire_next(&wire, &field)) {
        if (field.number == ATTR_NAME)
            CT_TRY(ct_read_text(reader, &wire, &field, &attr->name));
        else if (field.number == ATTR_DOC)
            CT_TRY(ct_read_text(reader, &wire, &field, &attr->doc));
        else if (field.number == ATTR_REF)
            CT_TRY(ct_read_text(reader, &wire, &field, &attr->ref_name));
        else if (field.number == ATTR_TYPE)
            CT_TRY(ct_read_int(reader, &wire, &field, &type));
        else if (!implied)
            implied = type_of_field(field.number);
    }
    CT_TRY(ct_read_end(reader, &wire));
    if (!attr->name[0])
        return fail(in, CORTEN_INVALID_MODEL, "has no name");
    if (attr->ref_name && !attr->ref_name[0])
        attr->ref_name = NULL;
    if (type < 0 || type >= ROW_COUNT)
        return fail(in, CORTEN_INVALID_MODEL, "is of a type that is not known");
    /* Files of the first IR versions do not state the type. */
    attr->type = type ? (enum ct_attr_type)type : implied;
    return CORTEN_OK;
}

/* Allocates what the type needs; *items is the array of a plural or pointed-at value. */
static ct_status make_room(struct attr_reader *in, void **items)
{
    struct ct_attr *attr = in->attr;
    struct ct_arena *arena = in->reader->arena;
    size_t n = in->count;
    size_t item_bytes = 0, extras = 0;
    bool type = false;
    switch (attr->type) {
    case CT_ATTR_FLOATS: item_bytes = sizeof(float); break;
    case CT_ATTR_INTS: item_bytes = sizeof(int64_t); break;
    case CT_ATTR_STRINGS: item_bytes = sizeof(corten_string); break;
    case CT_ATTR_TENSOR:
    case CT_ATTR_TENSORS:
        item_bytes = sizeof(struct ct_tensor);
        extras = n;
        break;
    case CT_ATTR_SPARSE_TENSOR:
    case CT_ATTR_SPARSE_TENSORS:
        item_bytes = sizeof(struct ct_tensor);
        extras = 2 * n;
        break;
    case CT_ATTR_GRAPH:
    case CT_ATTR_GRAPHS: item_bytes = sizeof(struct ct_graph *); break;
    case CT_ATTR_TYPE:
    case CT_ATTR_TYPES:
        item_bytes = sizeof(struct ct_fact);
        type = true;
        break;
    default: *items = attr; return CORTEN_OK; /* the value is in the attribute itself */
    }
    *items = ct_arena_array(arena, n ? n : 1, item_bytes);
    if (!*items)
        return ct_read_no_memory(in->reader, n * item_bytes);
    if (extras && !(attr->tensor_extras = ct_arena_array(arena, extras, sizeof(struct ct_extra))))
        return ct_read_no_memory(in->reader, extras * sizeof(struct ct_extra));
    if (type && !(attr->type_protos = ct_arena_array(arena, n ? n : 1, sizeof(corten_string))))
        return ct_read_no_memory(in->reader, n * sizeof(corten_string));
    return CORTEN_OK;
}

static ct_status read_numbers(struct attr_reader *in, struct ct_wire *wire,
                              const struct ct_field *field, void *items, size_t at)
{
    if (in->attr->type == CT_ATTR_FLOATS) {
        float *to = (float *)items + at;
        uint32_t bits = (uint32_t)field->value;
        if (field->type == CT_WIRE_BYTES)
            memcpy(to, field->data, field->size_bytes);
        else
            memcpy(to, &bits, sizeof bits);
        return CORTEN_OK;
    }
    int64_t *to = (int64_t *)items + at;
    if (field->type != CT_WIRE_BYTES) {
        *to = (int64_t)field->value;
        return CORTEN_OK;
    }
    struct ct_wire packed;
    uint64_t value;
    ct_wire_init(&packed, field->data, field->size_bytes, "AttributeProto", wire->file);
    while (packed.at < packed.end && ct_wire_varint(&packed, &value))
        *to++ = (int64_t)value;
    return ct_read_end(in->reader, &packed);
}

static ct_status read_subgraph(struct attr_reader *in, corten_string message,
                               struct ct_graph **place)
{
    struct ct_reader *reader = in->reader;
    if (!in->node)
        return fail(in, CORTEN_UNSUPPORTED, "is a graph, which cannot be a default");
    struct ct_graph *graph = ct_graph_create(reader->model, in->graph, "");
    if (!graph)
        return ct_read_no_memory(reader, sizeof *graph);
    graph->owner = in->node;
    *place = graph;
    return ct_read_graph(reader, message, graph);
}

static ct_status read_type_value(struct attr_reader *in, corten_string message, size_t at,
                                 void *items)
{
    bool exact;
    CT_TRY(ct_read_type(in->reader, message, (struct ct_fact *)items + at, &exact, NULL, NULL));
    corten_string *stored = (corten_string *)(uintptr_t)in->attr->type_protos;
    if (!exact)
        stored[at] = message;
    return CORTEN_OK;
}

static ct_status read_value(struct attr_reader *in, struct ct_wire *wire,
                            const struct ct_field *field, void *items, size_t at)
{
    struct ct_reader *reader = in->reader;
    struct ct_attr *attr = in->attr;
    struct ct_extra *extras = (struct ct_extra *)(uintptr_t)attr->tensor_extras;
    corten_string bytes = {(const char *)field->data, field->size_bytes};
    uint32_t bits = (uint32_t)field->value;
    switch (attr->type) {
    case CT_ATTR_FLOAT: memcpy(&attr->f, &bits, sizeof bits); return CORTEN_OK;
    case CT_ATTR_INT: attr->i = (int64_t)field->value; return CORTEN_OK;
    case CT_ATTR_STRING: attr->s = bytes; return CORTEN_OK;
    case CT_ATTR_STRINGS: ((corten_string *)items)[at] = bytes; return CORTEN_OK;
    case CT_ATTR_FLOATS:
    case CT_ATTR_INTS: return read_numbers(in, wire, field, items, at);
    case CT_ATTR_TENSOR:
    case CT_ATTR_TENSORS:
        return ct_read_tensor(reader, bytes, (struct ct_tensor *)items + at, NULL, true,
                              &extras[at]);
    case CT_ATTR_SPARSE_TENSOR:
    case CT_ATTR_SPARSE_TENSORS:
        return ct_read_sparse(reader, bytes, (struct ct_tensor *)items + at, NULL, true,
                              &extras[2 * at], &extras[2 * at + 1]);
    case CT_ATTR_GRAPH:
    case CT_ATTR_GRAPHS: return read_subgraph(in, bytes, (struct ct_graph **)items + at);
    case CT_ATTR_TYPE:
    case CT_ATTR_TYPES: return read_type_value(in, bytes, at, items);
    case CT_ATTR_NONE: break;
    }
    return CORTEN_OK;
}

static ct_status keep_other_field(struct attr_reader *in, const struct ct_field *field)
{
    if (field->number == ATTR_NAME || field->number == ATTR_DOC || field->number == ATTR_TYPE ||
        field->number == ATTR_REF)
        return CORTEN_OK;
    if (!in->extra) {
        in->extra = ct_arena_alloc_zero(in->reader->arena, sizeof *in->extra);
        if (!in->extra)
            return ct_read_no_memory(in->reader, sizeof *in->extra);
        in->attr->extra = in->extra;
    }
    return ct_read_extra(in->reader, field, in->extra);
}

static ct_status count_all(struct attr_reader *in, uint32_t value_field)
{
    struct ct_wire wire;
    struct ct_field field;
    ct_read_begin(in->reader, &wire, in->message, "AttributeProto");
    while (ct_wire_next(&wire, &field)) {
        size_t count;
        if (!value_field || field.number != value_field)
            continue;
        CT_TRY(count_values(in, &wire, &field, &count));
        in->count += count;
    }
    if (in->count > INT32_MAX)
        return fail(in, CORTEN_LIMIT_EXCEEDED, "has too many values");
    return CORTEN_OK;
}

/* Of a field that should be there once, the last one counts; graphs and tensors are not merged. */
static ct_status read_values(struct attr_reader *in)
{
    struct ct_reader *reader = in->reader;
    struct ct_attr *attr = in->attr;
    const struct attr_row *row = &rows[attr->type];
    CT_TRY(count_all(in, row->field));
    if (!row->plural && in->count > 1)
        return fail(in, CORTEN_INVALID_MODEL, "has more than one value");
    bool numeric = attr->type == CT_ATTR_FLOAT || attr->type == CT_ATTR_INT ||
                   attr->type == CT_ATTR_STRING || attr->type == CT_ATTR_NONE;
    if (!row->plural && !in->count && !numeric && !attr->ref_name)
        return fail(in, CORTEN_INVALID_MODEL, "has no value");

    void *items;
    CT_TRY(make_room(in, &items));
    attr->count = attr->ref_name ? 0 : row->plural ? (int)in->count : 1;
    if (attr->type == CT_ATTR_STRING)
        attr->s = (corten_string){"", 0};
    else if (items != attr)
        attr->floats = items; /* all pointers of the union lie in one place */

    struct ct_wire wire;
    struct ct_field field;
    size_t at = 0;
    ct_read_begin(reader, &wire, in->message, "AttributeProto");
    while (ct_wire_next(&wire, &field)) {
        size_t count;
        if (!row->field || field.number != row->field || attr->ref_name) {
            CT_TRY(keep_other_field(in, &field));
            continue;
        }
        CT_TRY(count_values(in, &wire, &field, &count));
        if (count)
            CT_TRY(read_value(in, &wire, &field, items, at));
        at += count;
    }
    return CORTEN_OK;
}

ct_status ct_read_attr(struct ct_reader *reader, const struct ct_field *field,
                       struct ct_graph *graph, struct ct_node *node, struct ct_attr *attr)
{
    *attr = (struct ct_attr){.name = "", .doc = ""};
    struct attr_reader in = {
        .reader = reader, .message = field, .graph = graph, .node = node, .attr = attr};
    CT_TRY(read_header(&in));
    return read_values(&in);
}
