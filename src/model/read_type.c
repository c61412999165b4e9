/* TypeProto and ValueInfoProto. */
#include "model/read_parts.h"
#include "model/reader.h"

#include <string.h>

/* Cases of TypeProto's oneof. */
enum {
    TYPE_TENSOR = 1,
    TYPE_SEQUENCE = 4,
    TYPE_MAP = 5,
    TYPE_DENOTATION = 6,
    TYPE_OPAQUE = 7,
    TYPE_SPARSE = 8,
    TYPE_OPTIONAL = 9
};

struct type_reader {
    struct ct_reader *reader;
    const char **denotation, **denotations;
    bool exact;
    int depth;
};

static ct_status read_dim(struct type_reader *type, const struct ct_field *field, ct_dim *dim,
                          const char **denotation)
{
    struct ct_reader *reader = type->reader;
    struct ct_wire wire;
    struct ct_field part;
    bool seen = false;
    *dim = CT_DIM_UNKNOWN;
    ct_read_begin(reader, &wire, field, "TensorShapeProto.Dimension");
    while (ct_wire_next(&wire, &part)) {
        if (part.number == 1 || part.number == 2) {
            if (seen)
                type->exact = false;
            seen = true;
        }
        switch (part.number) {
        case 1:
            CT_TRY(ct_read_int(reader, &wire, &part, dim));
            if (*dim < 0) { /* some exporters write -1 for an unknown one */
                *dim = CT_DIM_UNKNOWN;
                type->exact = false;
            }
            break;
        case 2:
            CT_TRY(ct_read_scratch(reader, &wire, &part));
            *dim = ct_symbol(&reader->model->symbols, reader->scratch);
            if (*dim == CT_DIM_UNKNOWN && part.size_bytes)
                return ct_read_no_memory(reader, part.size_bytes);
            if (*dim == CT_DIM_UNKNOWN)
                type->exact = false;
            break;
        case 3:
            if (denotation)
                CT_TRY(ct_read_text(reader, &wire, &part, denotation));
            else
                type->exact = false;
            break;
        default: type->exact = false;
        }
    }
    return ct_read_end(reader, &wire);
}

static ct_status read_shape(struct type_reader *type, struct ct_wire *outer,
                            const struct ct_field *field, struct ct_fact *fact)
{
    struct ct_reader *reader = type->reader;
    if (!ct_wire_expect(outer, field, CT_WIRE_BYTES))
        return ct_read_end(reader, outer);
    struct ct_wire wire;
    struct ct_field part;
    int rank = 0;
    ct_read_begin(reader, &wire, field, "TensorShapeProto");
    while (ct_wire_next(&wire, &part)) {
        if (part.number != 1) {
            type->exact = false;
            continue;
        }
        if (!ct_wire_expect(&wire, &part, CT_WIRE_BYTES))
            break;
        if (rank < CT_MAX_RANK)
            CT_TRY(read_dim(type, &part, &fact->dims[rank],
                            type->denotations ? &type->denotations[rank] : NULL));
        if (rank <= CT_MAX_RANK)
            rank++;
    }
    fact->rank = rank;
    if (rank > CT_MAX_RANK) { /* such a value cannot be; but a model may say so of an unused one */
        ct_fact_init(fact);
        type->exact = false;
    }
    return ct_read_end(reader, &wire);
}

static ct_status read_dtype(struct type_reader *type, struct ct_wire *wire,
                            const struct ct_field *field, ct_dtype *dtype)
{
    int64_t number = 0;
    CT_TRY(ct_read_int(type->reader, wire, field, &number));
    *dtype = ct_dtype_valid(number) ? (ct_dtype)number : CORTEN_DTYPE_NONE;
    if (*dtype == CORTEN_DTYPE_NONE)
        type->exact = false;
    return CORTEN_OK;
}

static ct_status read_tensor_type(struct type_reader *type, const struct ct_field *field,
                                  struct ct_fact *fact)
{
    struct ct_wire wire;
    struct ct_field part;
    ct_dtype dtype = CORTEN_DTYPE_NONE;
    ct_read_begin(type->reader, &wire, field, "TypeProto.Tensor");
    while (ct_wire_next(&wire, &part)) {
        if (part.number == 1)
            CT_TRY(read_dtype(type, &wire, &part, &dtype));
        else if (part.number == 2)
            CT_TRY(read_shape(type, &wire, &part, fact));
        else
            type->exact = false;
    }
    fact->dtype = dtype;
    if (dtype == CORTEN_DTYPE_NONE && fact->rank < 0)
        type->exact = false;
    return ct_read_end(type->reader, &wire);
}

static ct_status read_type(struct type_reader *type, corten_string message, struct ct_fact *fact);

/* Sequence, optional (elem_type is field 1) and map (key_type 1, value_type 2). */
static ct_status read_container(struct type_reader *type, const struct ct_field *field,
                                uint32_t elem_number, struct ct_fact *fact)
{
    struct ct_reader *reader = type->reader;
    struct ct_wire wire;
    struct ct_field part;
    ct_read_begin(reader, &wire, field, "TypeProto");
    while (ct_wire_next(&wire, &part)) {
        if (part.number == elem_number) {
            corten_string message;
            CT_TRY(ct_read_bytes(reader, &wire, &part, &message));
            struct ct_fact *elem = ct_arena_alloc_zero(reader->arena, sizeof *elem);
            if (!elem)
                return ct_read_no_memory(reader, sizeof *elem);
            const char **outer = type->denotations;
            type->denotations = NULL;
            CT_TRY(read_type(type, message, elem));
            type->denotations = outer;
            fact->elem = elem;
        } else if (part.number == 1) {
            CT_TRY(read_dtype(type, &wire, &part, &fact->dtype));
        } else {
            type->exact = false;
        }
    }
    if (!fact->elem)
        type->exact = false;
    return ct_read_end(reader, &wire);
}

static ct_status read_case(struct type_reader *type, const struct ct_field *field,
                           struct ct_fact *fact)
{
    switch (field->number) {
    case TYPE_TENSOR: return read_tensor_type(type, field, fact);
    case TYPE_SPARSE: fact->kind = CORTEN_SPARSE; return read_tensor_type(type, field, fact);
    case TYPE_SEQUENCE: fact->kind = CORTEN_SEQUENCE; return read_container(type, field, 1, fact);
    case TYPE_OPTIONAL: fact->kind = CORTEN_OPTIONAL; return read_container(type, field, 1, fact);
    case TYPE_MAP: fact->kind = CORTEN_MAP; return read_container(type, field, 2, fact);
    default: /* opaque: kept, but nothing is known of it */ type->exact = false; return CORTEN_OK;
    }
}

static ct_status read_type(struct type_reader *type, corten_string message, struct ct_fact *fact)
{
    struct ct_reader *reader = type->reader;
    if (++type->depth > CT_READ_MAX_DEPTH)
        return ct_read_fail(reader, CORTEN_LIMIT_EXCEEDED, "types are nested more than %d deep",
                            CT_READ_MAX_DEPTH);
    struct ct_wire wire;
    struct ct_field field;
    bool seen = false;
    ct_fact_init(fact);
    ct_wire_init(&wire, message.data, message.size_bytes, "TypeProto", reader->file);
    while (ct_wire_next(&wire, &field)) {
        if (!ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            break;
        if (field.number == TYPE_DENOTATION && type->denotation && type->depth == 1) {
            CT_TRY(ct_read_text(reader, &wire, &field, type->denotation));
            continue;
        }
        if (field.number == TYPE_DENOTATION || field.number > TYPE_OPTIONAL || seen) {
            type->exact = false;
            if (field.number == TYPE_DENOTATION || field.number > TYPE_OPTIONAL)
                continue;
        }
        seen = true;
        ct_fact_init(fact);
        CT_TRY(read_case(type, &field, fact));
    }
    type->depth--;
    return ct_read_end(reader, &wire);
}

ct_status ct_read_type(struct ct_reader *reader, corten_string message, struct ct_fact *fact,
                       bool *exact, const char **denotation, const char **denotations)
{
    struct type_reader type = {
        .reader = reader, .denotation = denotation, .denotations = denotations, .exact = true};
    CT_TRY(read_type(&type, message, fact));
    *exact = type.exact;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ ValueInfoProto */

enum { INFO_NAME = 1, INFO_TYPE = 2, INFO_DOC = 3, INFO_METADATA = 4 };

ct_status ct_read_info_name(struct ct_reader *reader, struct ct_wire *outer,
                            const struct ct_field *field)
{
    if (!ct_wire_expect(outer, field, CT_WIRE_BYTES))
        return ct_read_end(reader, outer);
    struct ct_wire wire;
    struct ct_field part, name = {.type = CT_WIRE_BYTES, .data = field->data};
    ct_read_begin(reader, &wire, field, "ValueInfoProto");
    while (ct_wire_next(&wire, &part)) {
        if (part.number == INFO_NAME)
            name = part;
    }
    CT_TRY(ct_read_end(reader, &wire));
    return ct_read_scratch(reader, &wire, &name);
}

static ct_status read_info_type(struct ct_reader *reader, corten_string message,
                                struct ct_value *value)
{
    struct ct_fact fact;
    bool exact;
    CT_TRY(
        ct_read_type(reader, message, &fact, &exact, &value->type_denotation, value->denotations));
    if (!exact)
        value->type_proto = message;
    if (ct_fact_merge(&value->fact, &fact))
        return CORTEN_OK;
    char found[256], declared[256];
    ct_fact_describe(&value->fact, &reader->model->symbols, found, sizeof found);
    ct_fact_describe(&fact, &reader->model->symbols, declared, sizeof declared);
    return ct_read_fail(reader, CORTEN_INVALID_MODEL, "value '%s' is declared as %s but is %s",
                        value->name, declared, found);
}

ct_status ct_read_info(struct ct_reader *reader, const struct ct_field *field,
                       struct ct_value *value)
{
    struct ct_wire wire;
    struct ct_field part;
    ct_read_begin(reader, &wire, field, "ValueInfoProto");
    while (ct_wire_next(&wire, &part)) {
        corten_string message;
        switch (part.number) {
        case INFO_NAME: break;
        case INFO_TYPE:
            CT_TRY(ct_read_bytes(reader, &wire, &part, &message));
            CT_TRY(read_info_type(reader, message, value));
            break;
        case INFO_DOC: CT_TRY(ct_read_text(reader, &wire, &part, &value->doc)); break;
        case INFO_METADATA: CT_TRY(ct_read_property(reader, &wire, &part, &value->metadata)); break;
        default: CT_TRY(ct_read_extra(reader, &part, &value->info_extra));
        }
    }
    value->declared = true;
    return ct_read_end(reader, &wire);
}
