/* TypeProto, ValueInfoProto and metadata. */
#include "model/write_parts.h"

static void put_dim(struct ct_writer *writer, ct_dim dim, const char *denotation)
{
    struct ct_wire_out *out = &writer->out;
    size_t token = ct_wire_out_begin(out, 1);
    const char *symbol = ct_symbol_name(writer->symbols, dim);
    if (symbol)
        ct_wire_out_text_if(out, 2, symbol);
    else
        ct_wire_out_varint(out, 1, (uint64_t)dim);
    ct_wire_out_text_if(out, 3, denotation);
    ct_wire_out_end(out, 1, token);
}

static void put_tensor(struct ct_writer *writer, const struct ct_fact *fact,
                       const char *const *denotations)
{
    struct ct_wire_out *out = &writer->out;
    if (fact->dtype != CORTEN_DTYPE_NONE)
        ct_wire_out_varint(out, 1, (uint64_t)fact->dtype);
    if (fact->rank < 0)
        return;
    size_t token = ct_wire_out_begin(out, 2);
    for (int i = 0; i < fact->rank; i++)
        put_dim(writer, fact->dims[i], denotations ? denotations[i] : NULL);
    ct_wire_out_end(out, 2, token);
}

static void put_elem(struct ct_writer *writer, uint32_t number, const struct ct_fact *elem)
{
    if (!elem)
        return;
    size_t token = ct_wire_out_begin(&writer->out, number);
    ct_write_type(writer, elem, NULL, NULL);
    ct_wire_out_end(&writer->out, number, token);
}

/* The field of TypeProto's oneof. */
static uint32_t case_of(uint8_t kind)
{
    switch ((corten_kind)kind) {
    case CORTEN_TENSOR: return 1;
    case CORTEN_SEQUENCE: return 4;
    case CORTEN_MAP: return 5;
    case CORTEN_SPARSE: return 8;
    case CORTEN_OPTIONAL: return 9;
    }
    return 1;
}

void ct_write_type(struct ct_writer *writer, const struct ct_fact *fact, const char *denotation,
                   const char *const *denotations)
{
    struct ct_wire_out *out = &writer->out;
    uint32_t number = case_of(fact->kind);
    size_t token = ct_wire_out_begin(out, number);
    switch ((corten_kind)fact->kind) {
    case CORTEN_TENSOR:
    case CORTEN_SPARSE: put_tensor(writer, fact, denotations); break;
    case CORTEN_SEQUENCE:
    case CORTEN_OPTIONAL: put_elem(writer, 1, fact->elem); break;
    case CORTEN_MAP:
        if (fact->dtype != CORTEN_DTYPE_NONE)
            ct_wire_out_varint(out, 1, (uint64_t)fact->dtype);
        put_elem(writer, 2, fact->elem);
        break;
    }
    ct_wire_out_end(out, number, token);
    ct_wire_out_text_if(out, 6, denotation);
}

static bool says_nothing(const struct ct_fact *fact)
{
    return fact->kind == CORTEN_TENSOR && fact->dtype == CORTEN_DTYPE_NONE && fact->rank < 0;
}

void ct_write_value_info(struct ct_writer *writer, uint32_t number, const struct ct_value *value)
{
    struct ct_wire_out *out = &writer->out;
    size_t token = ct_wire_out_begin(out, number);
    ct_wire_out_text(out, 1, value->name);
    if (value->type_proto.data) {
        ct_wire_out_bytes(out, 2, value->type_proto.data, value->type_proto.size_bytes);
    } else if (!says_nothing(&value->fact) || value->type_denotation[0]) {
        size_t type = ct_wire_out_begin(out, 2);
        ct_write_type(writer, &value->fact, value->type_denotation, value->denotations);
        ct_wire_out_end(out, 2, type);
    }
    ct_wire_out_text_if(out, 3, value->doc);
    ct_write_properties(writer, 4, &value->metadata);
    ct_write_extra(writer, &value->info_extra);
    ct_wire_out_end(out, number, token);
}

void ct_write_properties(struct ct_writer *writer, uint32_t number,
                         const struct ct_properties *properties)
{
    struct ct_wire_out *out = &writer->out;
    for (size_t i = 0; i < properties->count; i++) {
        size_t token = ct_wire_out_begin(out, number);
        ct_wire_out_text(out, 1, properties->items[i].key);
        ct_wire_out_text(out, 2, properties->items[i].value);
        ct_wire_out_end(out, number, token);
    }
}
