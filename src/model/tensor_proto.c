#include "model/tensor_proto.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DATA_LOCATION_EXTERNAL = 1, NAME_CHARS = 200 };

/* Where the typed elements of a dtype are stored and how many bytes of memory one entry fills.
 * Complex numbers are two entries; of 2 and 4 bits an entry is one byte of packed elements, of 6 bits
 * one element. */
struct storage {
    uint8_t field, entry_bytes;
};

static struct storage storage_of(ct_dtype dtype)
{
    switch (dtype) {
    case CORTEN_F32:
    case CORTEN_C64: return (struct storage){CT_TENSOR_FLOAT_DATA, 4};
    case CORTEN_F64:
    case CORTEN_C128: return (struct storage){CT_TENSOR_DOUBLE_DATA, 8};
    case CORTEN_I64: return (struct storage){CT_TENSOR_INT64_DATA, 8};
    case CORTEN_U32:
    case CORTEN_U64:
        return (struct storage){CT_TENSOR_UINT64_DATA, (uint8_t)ct_dtype_elem_bytes(dtype)};
    case CORTEN_STRING: return (struct storage){CT_TENSOR_STRING_DATA, sizeof(corten_string)};
    default: {
        size_t bytes = ct_dtype_elem_bytes(dtype);
        return (struct storage){CT_TENSOR_INT32_DATA, (uint8_t)(bytes ? bytes : 1)};
    }
    }
}

static bool is_six_bits(ct_dtype dtype)
{
    return corten_dtype_bits(dtype) == 6;
}

/* Bytes of a fixed-width entry in a typed field, 0 where entries are varints. */
static size_t wire_bytes(uint32_t number)
{
    return number == CT_TENSOR_FLOAT_DATA ? 4 : number == CT_TENSOR_DOUBLE_DATA ? 8 : 0;
}

static const char *field_name(uint32_t number)
{
    switch (number) {
    case CT_TENSOR_FLOAT_DATA: return "float_data";
    case CT_TENSOR_INT32_DATA: return "int32_data";
    case CT_TENSOR_STRING_DATA: return "string_data";
    case CT_TENSOR_INT64_DATA: return "int64_data";
    case CT_TENSOR_DOUBLE_DATA: return "double_data";
    case CT_TENSOR_UINT64_DATA: return "uint64_data";
    default: return "raw_data";
    }
}

bool ct_tensor_field_is_extra(uint32_t number)
{
    return number == CT_TENSOR_SEGMENT || number == CT_TENSOR_DOC || number == 15 ||
           number >= CT_TENSOR_METADATA;
}

/* How much of a text of unknown length goes into an error text. */
static int shown_chars(corten_string text)
{
    return text.size_bytes > NAME_CHARS ? NAME_CHARS : (int)text.size_bytes;
}

__attribute__((format(printf, 4, 5), cold)) static ct_status fail(
    const struct ct_tensor_proto *proto, ct_status status, corten_error *error, const char *format,
    ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ct_fail(error, status, "%s: tensor '%.*s': %s", proto->source, shown_chars(proto->name),
                   proto->name.data, n < 0 ? "" : text);
}

/* ------------------------------------------------------------------ the fields */

/* What is gathered before it can be checked, since the fields come in any order. */
struct gather {
    struct ct_tensor_proto *proto;
    corten_error *error;
    int64_t data_type, data_location;
    size_t n_dims;
    size_t n_entries;   /* in the typed field */
    uint32_t typed;     /* its number; 0: none is there */
    uint32_t typed_too; /* another one that is there; 0: none */
    const uint8_t *run; /* of a fixed-width field that lies in one piece */
    size_t n_runs;
    corten_string raw, offset, length;
    bool has_raw, has_segment;
};

static void gather_dims(struct gather *gather, struct ct_wire *wire, const struct ct_field *field)
{
    struct ct_wire packed;
    uint64_t value = field->value;
    if (field->type == CT_WIRE_VARINT) {
        if (gather->n_dims < CT_MAX_RANK)
            gather->proto->dims[gather->n_dims] = (int64_t)value;
        gather->n_dims++;
        return;
    }
    if (!ct_wire_expect(wire, field, CT_WIRE_BYTES))
        return;
    ct_wire_init(&packed, field->data, field->size_bytes, "TensorProto", wire->file);
    while (packed.at < packed.end && ct_wire_varint(&packed, &value)) {
        if (gather->n_dims < CT_MAX_RANK)
            gather->proto->dims[gather->n_dims] = (int64_t)value;
        gather->n_dims++;
    }
    if (packed.problem) {
        wire->problem = packed.problem;
        wire->problem_at = packed.problem_at;
        wire->at = wire->end;
    }
}

static void problem(struct ct_wire *wire, const struct ct_field *field, const char *what)
{
    wire->problem = what;
    wire->problem_at = (const uint8_t *)field->whole.data;
    wire->at = wire->end;
}

static void gather_typed(struct gather *gather, struct ct_wire *wire, const struct ct_field *field)
{
    size_t width = wire_bytes(field->number), count = 1;
    const uint8_t *run = NULL;
    bool is_string = field->number == CT_TENSOR_STRING_DATA;
    if (field->type == CT_WIRE_BYTES && !is_string) {
        if (width ? field->size_bytes % width != 0
                  : !ct_wire_count_varints(field->data, field->size_bytes, &count)) {
            problem(wire, field, "the elements of a packed field are cut off");
            return;
        }
        if (width)
            count = field->size_bytes / width;
        run = field->data;
    } else {
        enum ct_wire_type single = is_string    ? CT_WIRE_BYTES
                                   : width == 4 ? CT_WIRE_FIXED32
                                   : width == 8 ? CT_WIRE_FIXED64
                                                : CT_WIRE_VARINT;
        if (!ct_wire_expect(wire, field, single))
            return;
    }
    if (!count)
        return;
    if (gather->typed && gather->typed != field->number)
        gather->typed_too = field->number;
    gather->typed = field->number;
    gather->n_entries += count;
    gather->run = run;
    gather->n_runs++;
}

static bool key_is(corten_string key, const char *text)
{
    return key.size_bytes == strlen(text) && memcmp(key.data, text, key.size_bytes) == 0;
}

static void gather_external(struct gather *gather, struct ct_wire *outer,
                            const struct ct_field *entry)
{
    struct ct_wire wire;
    struct ct_field field;
    corten_string key = {"", 0}, value = {"", 0};
    ct_wire_init(&wire, entry->data, entry->size_bytes, "StringStringEntryProto", outer->file);
    while (ct_wire_next(&wire, &field)) {
        if (field.number > 2 || !ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            continue;
        *(field.number == 1 ? &key : &value) =
            (corten_string){(const char *)field.data, field.size_bytes};
    }
    if (wire.problem) {
        outer->problem = wire.problem;
        outer->problem_at = wire.problem_at;
        outer->at = outer->end;
        return;
    }
    if (key_is(key, "location"))
        gather->proto->location = value;
    else if (key_is(key, "offset"))
        gather->offset = value;
    else if (key_is(key, "length"))
        gather->length = value;
}

static void gather_field(struct gather *gather, struct ct_wire *wire, const struct ct_field *field)
{
    struct ct_tensor_proto *proto = gather->proto;
    switch (field->number) {
    case CT_TENSOR_DIMS: gather_dims(gather, wire, field); break;
    case CT_TENSOR_DATA_TYPE:
        if (ct_wire_expect(wire, field, CT_WIRE_VARINT))
            gather->data_type = (int32_t)field->value;
        break;
    case CT_TENSOR_FLOAT_DATA:
    case CT_TENSOR_INT32_DATA:
    case CT_TENSOR_STRING_DATA:
    case CT_TENSOR_INT64_DATA:
    case CT_TENSOR_DOUBLE_DATA:
    case CT_TENSOR_UINT64_DATA: gather_typed(gather, wire, field); break;
    case CT_TENSOR_NAME:
        if (ct_wire_expect(wire, field, CT_WIRE_BYTES))
            proto->name = (corten_string){(const char *)field->data, field->size_bytes};
        break;
    case CT_TENSOR_RAW_DATA:
        if (ct_wire_expect(wire, field, CT_WIRE_BYTES)) {
            gather->raw = (corten_string){(const char *)field->data, field->size_bytes};
            gather->has_raw = true;
        }
        break;
    case CT_TENSOR_EXTERNAL_DATA:
        if (ct_wire_expect(wire, field, CT_WIRE_BYTES))
            gather_external(gather, wire, field);
        break;
    case CT_TENSOR_DATA_LOCATION:
        if (ct_wire_expect(wire, field, CT_WIRE_VARINT))
            gather->data_location = (int32_t)field->value;
        break;
    case CT_TENSOR_SEGMENT:
        gather->has_segment = true;
        proto->has_extra = true;
        break;
    default: proto->has_extra = true;
    }
}

/* ------------------------------------------------------------------ the checks */

static ct_status check_type_and_shape(struct gather *gather)
{
    struct ct_tensor_proto *proto = gather->proto;
    corten_error *error = gather->error;
    if (gather->has_segment)
        return fail(proto, CORTEN_UNSUPPORTED, error, "it is stored in segments");
    if (!ct_dtype_valid(gather->data_type))
        return fail(proto, CORTEN_INVALID_MODEL, error, "element type %" PRId64 " is unknown",
                    gather->data_type);
    proto->dtype = (ct_dtype)gather->data_type;
    if (gather->n_dims > CT_MAX_RANK)
        return fail(proto, CORTEN_LIMIT_EXCEEDED, error, "rank %zu, the highest is %d",
                    gather->n_dims, CT_MAX_RANK);
    proto->rank = (int)gather->n_dims;
    for (int i = 0; i < proto->rank; i++) {
        if (proto->dims[i] < 0)
            return fail(proto, CORTEN_INVALID_MODEL, error, "dimension %d is %" PRId64, i,
                        proto->dims[i]);
    }
    if (!ct_shape_count(proto->rank, proto->dims, &proto->n_elems) ||
        !ct_dtype_bytes(proto->dtype, proto->n_elems, &proto->size_bytes) ||
        proto->size_bytes > PTRDIFF_MAX)
        return fail(proto, CORTEN_INVALID_MODEL, error, "its shape has too many elements");
    return CORTEN_OK;
}

static bool parse_number(corten_string text, uint64_t *number)
{
    uint64_t value = 0;
    if (!text.size_bytes)
        return false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
            return false;
    }
    *number = value;
    return true;
}

static ct_status check_external(struct gather *gather)
{
    struct ct_tensor_proto *proto = gather->proto;
    uint64_t length = proto->size_bytes;
    proto->external = true;
    if (proto->dtype == CORTEN_STRING)
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "strings cannot be stored in an external file");
    if (!proto->location.size_bytes || memchr(proto->location.data, 0, proto->location.size_bytes))
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "its external data has no usable location");
    if (gather->offset.size_bytes && !parse_number(gather->offset, &proto->offset_bytes))
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "the offset of its external data is '%.*s', not a number of bytes",
                    shown_chars(gather->offset), gather->offset.data);
    if (gather->length.size_bytes && !parse_number(gather->length, &length))
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "the length of its external data is '%.*s', not a number of bytes",
                    shown_chars(gather->length), gather->length.data);
    if (length != proto->size_bytes)
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "its external data has %" PRIu64 " bytes, but type and shape need %zu", length,
                    proto->size_bytes);
    return CORTEN_OK;
}

static ct_status check_elements(struct gather *gather)
{
    struct ct_tensor_proto *proto = gather->proto;
    struct storage storage = storage_of(proto->dtype);
    if (gather->raw.size_bytes && gather->typed)
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "its elements are stored twice, in raw_data and in %s",
                    field_name(gather->typed));
    if (gather->raw.size_bytes || (gather->has_raw && !gather->typed)) {
        if (proto->dtype == CORTEN_STRING)
            return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                        "strings cannot be stored in raw_data");
        if (gather->raw.size_bytes != proto->size_bytes)
            return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                        "raw_data has %zu bytes, but type and shape need %zu",
                        gather->raw.size_bytes, proto->size_bytes);
        proto->stored_in = CT_TENSOR_RAW_DATA;
        proto->whole = (const uint8_t *)gather->raw.data;
        return CORTEN_OK;
    }
    uint32_t wrong = gather->typed_too ? gather->typed_too : gather->typed;
    if (gather->typed && (gather->typed != storage.field || gather->typed_too))
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "its elements are stored in %s; %s elements belong in %s or raw_data",
                    field_name(wrong == storage.field ? gather->typed : wrong),
                    corten_dtype_name(proto->dtype), field_name(storage.field));
    size_t expected =
        is_six_bits(proto->dtype) ? proto->n_elems : proto->size_bytes / storage.entry_bytes;
    if (gather->n_entries != expected)
        return fail(proto, CORTEN_INVALID_MODEL, gather->error,
                    "%s has %zu entries, but type and shape need %zu", field_name(storage.field),
                    gather->n_entries, expected);
    proto->stored_in = gather->typed;
    if (gather->n_runs == 1 && wire_bytes(gather->typed))
        proto->whole = gather->run;
    return CORTEN_OK;
}

ct_status ct_tensor_proto_parse(corten_string message, const char *source, const void *file,
                                struct ct_tensor_proto *proto, corten_error *error)
{
    *proto = (struct ct_tensor_proto){.message = message, .source = source, .name = {"", 0}};
    struct gather gather = {.proto = proto, .error = error};
    struct ct_wire wire;
    struct ct_field field;
    ct_wire_init(&wire, message.data, message.size_bytes, "TensorProto", file);
    while (ct_wire_next(&wire, &field))
        gather_field(&gather, &wire, &field);
    CT_TRY(ct_wire_status(&wire, source, error));
    CT_TRY(check_type_and_shape(&gather));
    return gather.data_location == DATA_LOCATION_EXTERNAL ? check_external(&gather)
                                                          : check_elements(&gather);
}

/* ------------------------------------------------------------------ the elements */

struct output {
    uint8_t *at;
    size_t entry_bytes;
    bool is_bool, is_six_bits;
    unsigned shift; /* of the next 6 bits in *at */
};

static void put_six_bits(struct output *output, uint64_t value)
{
    unsigned word = (unsigned)(value & 0x3f) << output->shift;
    *output->at = (uint8_t)((output->shift ? *output->at : 0) | word);
    output->shift += 6;
    if (output->shift >= 8) {
        output->shift -= 8;
        output->at++;
        if (output->shift)
            *output->at = (uint8_t)(word >> 8);
    }
}

/* The low bytes: x86-64 is little-endian, as raw_data is. */
static void put(struct output *output, uint64_t value)
{
    if (output->is_six_bits) {
        put_six_bits(output, value);
        return;
    }
    if (output->is_bool)
        value = value != 0;
    memcpy(output->at, &value, output->entry_bytes);
    output->at += output->entry_bytes;
}

static void decode_field(struct output *output, const struct ct_field *field)
{
    if (field->number == CT_TENSOR_STRING_DATA) {
        corten_string s = {(const char *)field->data, field->size_bytes};
        memcpy(output->at, &s, sizeof s);
        output->at += sizeof s;
    } else if (field->type != CT_WIRE_BYTES) {
        put(output, field->value);
    } else if (wire_bytes(field->number)) {
        memcpy(output->at, field->data, field->size_bytes);
        output->at += field->size_bytes;
    } else {
        struct ct_wire packed;
        uint64_t value;
        ct_wire_init(&packed, field->data, field->size_bytes, "TensorProto", NULL);
        while (packed.at < packed.end && ct_wire_varint(&packed, &value))
            put(output, value);
    }
}

void ct_tensor_proto_decode(const struct ct_tensor_proto *proto, void *to)
{
    if (!proto->size_bytes)
        return;
    if (proto->whole) {
        memcpy(to, proto->whole, proto->size_bytes);
        return;
    }
    struct output output = {.at = to,
                            .entry_bytes = storage_of(proto->dtype).entry_bytes,
                            .is_bool = proto->dtype == CORTEN_BOOL,
                            .is_six_bits = is_six_bits(proto->dtype)};
    struct ct_wire wire;
    struct ct_field field;
    ct_wire_init(&wire, proto->message.data, proto->message.size_bytes, "TensorProto", NULL);
    while (ct_wire_next(&wire, &field)) {
        if (field.number == proto->stored_in)
            decode_field(&output, &field);
    }
}
