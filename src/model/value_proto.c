#include "model/value_proto.h"

#include "model/tensor_proto.h"
#include "model/write_parts.h"

#include <string.h>

enum {
    MAX_DEPTH = 64,
    NAME = 1,       /* of SequenceProto, OptionalProto and MapProto */
    ELEM_TYPE = 2,  /* of SequenceProto and OptionalProto */
    FIRST_ITEM = 3, /* the field of kind k, as numbered below, is k + 2 */
    LAST_ITEM = 7,
    MAP_KEY_TYPE = 2,
    MAP_KEYS = 3,
    MAP_STRING_KEYS = 4,
    MAP_VALUES = 5
};

/* The numbers of SequenceProto.DataType and OptionalProto.DataType. */
static const corten_kind kind_of_elem[] = {[1] = CORTEN_TENSOR,
                                           [2] = CORTEN_SPARSE,
                                           [3] = CORTEN_SEQUENCE,
                                           [4] = CORTEN_MAP,
                                           [5] = CORTEN_OPTIONAL};

static uint32_t elem_of_kind(uint8_t kind)
{
    uint32_t elem = 1;
    while (elem < 5 && kind_of_elem[elem] != (corten_kind)kind)
        elem++;
    return elem;
}

struct parser {
    const corten_allocator *allocator;
    const void *file;
    int depth;
    corten_error *error;
};

static const char source[] = "<value>";

static ct_status parse(struct parser *parser, corten_kind kind, corten_string message,
                       corten_string *name, struct ct_tensor *value);

static ct_status end(const struct parser *parser, const struct ct_wire *wire)
{
    return ct_wire_status(wire, source, parser->error);
}

static ct_status invalid(const struct parser *parser, const char *what)
{
    return ct_fail(parser->error, CORTEN_INVALID_MODEL, "%s: %s", source, what);
}

static corten_string bytes_of(const struct ct_field *field)
{
    return (corten_string){(const char *)field->data, field->size_bytes};
}

/* ------------------------------------------------------------------ tensors */

static ct_status parse_tensor(struct parser *parser, corten_string message, corten_string *name,
                              struct ct_tensor *value)
{
    struct ct_tensor_proto proto;
    CT_TRY(ct_tensor_proto_parse(message, source, parser->file, &proto, parser->error));
    if (proto.external)
        return invalid(parser, "a tensor lies in an external file, which a value cannot");
    CT_TRY(ct_tensor_alloc(value, parser->allocator, proto.dtype, proto.rank, proto.dims,
                           parser->error));
    ct_tensor_proto_decode(&proto, value->data);
    *name = proto.name;
    if (proto.dtype != CORTEN_STRING)
        return CORTEN_OK;
    ct_status status = ct_tensor_own_strings(value, parser->allocator, parser->error);
    if (status != CORTEN_OK)
        ct_tensor_clear(value);
    return status;
}

/* Up to CT_MAX_RANK dims and how many there are. */
static ct_status parse_dims(struct parser *parser, struct ct_wire *outer,
                            const struct ct_field *field, int64_t *dims, int *rank)
{
    struct ct_wire wire;
    uint64_t dim = field->value;
    bool packed = field->type == CT_WIRE_BYTES;
    if (!packed && !ct_wire_expect(outer, field, CT_WIRE_VARINT))
        return end(parser, outer);
    ct_wire_init(&wire, field->data, packed ? field->size_bytes : 0, "SparseTensorProto",
                 parser->file);
    while (!packed || (wire.at < wire.end && ct_wire_varint(&wire, &dim))) {
        if (*rank == CT_MAX_RANK || dim > INT64_MAX)
            return invalid(parser, "the shape of a sparse tensor is impossible");
        dims[(*rank)++] = (int64_t)dim;
        if (!packed)
            break;
    }
    return end(parser, &wire);
}

static ct_status parse_sparse(struct parser *parser, corten_string message, corten_string *name,
                              struct ct_tensor *value)
{
    struct ct_tensor values = {0}, indices = {0};
    struct ct_wire wire;
    struct ct_field field;
    int64_t dims[CT_MAX_RANK];
    int rank = 0;
    corten_string parts[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}}, ignored;
    ct_wire_init(&wire, message.data, message.size_bytes, "SparseTensorProto", parser->file);
    while (ct_wire_next(&wire, &field)) {
        if ((field.number == 1 || field.number == 2) &&
            ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            parts[field.number] = bytes_of(&field);
        else if (field.number == 3)
            CT_TRY(parse_dims(parser, &wire, &field, dims, &rank));
    }
    CT_TRY(end(parser, &wire));
    if (!parts[1].data || !parts[2].data)
        return invalid(parser, "a sparse tensor has no values or no indices");
    ct_status status = parse_tensor(parser, parts[1], name, &values);
    if (status == CORTEN_OK)
        status = parse_tensor(parser, parts[2], &ignored, &indices);
    if (status == CORTEN_OK)
        status =
            ct_sparse_init(value, parser->allocator, rank, dims, &values, &indices, parser->error);
    ct_tensor_clear(&values);
    ct_tensor_clear(&indices);
    return status;
}

/* ------------------------------------------------------------------ sequences and optionals */

/* Counts the items and finds their kind from where they stand. */
static ct_status scan_items(struct parser *parser, corten_string message, size_t *count,
                            uint32_t *number, corten_string *name)
{
    struct ct_wire wire;
    struct ct_field field;
    *count = 0;
    *number = FIRST_ITEM;
    ct_wire_init(&wire, message.data, message.size_bytes, "SequenceProto", parser->file);
    while (ct_wire_next(&wire, &field)) {
        if (field.number == NAME && ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            *name = bytes_of(&field);
        if (field.number < FIRST_ITEM || field.number > LAST_ITEM ||
            !ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            continue;
        if (*count && field.number != *number)
            return invalid(parser, "the items of a sequence are not all of one kind");
        *number = field.number;
        ++*count;
    }
    return end(parser, &wire);
}

static ct_status parse_items(struct parser *parser, corten_string message, uint32_t number,
                             struct ct_tensor *items)
{
    struct ct_wire wire;
    struct ct_field field;
    corten_string ignored;
    size_t at = 0;
    ct_wire_init(&wire, message.data, message.size_bytes, "SequenceProto", parser->file);
    while (ct_wire_next(&wire, &field)) {
        if (field.number == number)
            CT_TRY(
                parse(parser, kind_of_elem[number - 2], bytes_of(&field), &ignored, &items[at++]));
    }
    return CORTEN_OK;
}

/* What the innermost tensors of the items are. */
static ct_dtype dtype_of_items(const struct ct_tensor *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].dtype != CORTEN_DTYPE_NONE)
            return items[i].dtype;
    }
    return CORTEN_DTYPE_NONE;
}

static ct_status parse_container(struct parser *parser, corten_kind kind, corten_string message,
                                 corten_string *name, struct ct_tensor *value)
{
    size_t count, size_bytes;
    uint32_t number;
    CT_TRY(scan_items(parser, message, &count, &number, name));
    if (kind == CORTEN_OPTIONAL && count > 1)
        return invalid(parser, "an optional has two values");
    if (!ct_mul_size(count, sizeof(struct ct_tensor), &size_bytes))
        return ct_fail_memory(parser->error, SIZE_MAX, "a sequence");
    struct ct_tensor *items = ct_alloc_zero(parser->allocator, size_bytes);
    if (!items)
        return ct_fail_memory(parser->error, size_bytes, "a sequence");
    ct_status status = parse_items(parser, message, number, items);
    ct_dtype dtype = dtype_of_items(items, count);
    if (status == CORTEN_OK && kind == CORTEN_SEQUENCE)
        status = ct_sequence_init(value, parser->allocator, dtype, items, count, parser->error);
    else if (status == CORTEN_OK)
        status =
            ct_optional_init(value, parser->allocator, dtype, count ? items : NULL, parser->error);
    for (size_t i = 0; i < count; i++)
        ct_tensor_clear(&items[i]);
    ct_release(parser->allocator, items, size_bytes);
    return status;
}

/* ------------------------------------------------------------------ maps */

struct map_parts {
    ct_dtype key_type;
    size_t n_ints, n_strings;
    corten_string values;
};

static ct_status scan_map(struct parser *parser, corten_string message, corten_string *name,
                          struct map_parts *parts)
{
    struct ct_wire wire;
    struct ct_field field;
    *parts = (struct map_parts){CORTEN_DTYPE_NONE, 0, 0, {NULL, 0}};
    ct_wire_init(&wire, message.data, message.size_bytes, "MapProto", parser->file);
    while (ct_wire_next(&wire, &field)) {
        size_t n = 1;
        bool packed_keys = field.number == MAP_KEYS && field.type == CT_WIRE_BYTES;
        bool number = field.number == MAP_KEY_TYPE || (field.number == MAP_KEYS && !packed_keys);
        if (field.number > MAP_VALUES ||
            !ct_wire_expect(&wire, &field, number ? CT_WIRE_VARINT : CT_WIRE_BYTES))
            continue;
        if (field.number == NAME) {
            *name = bytes_of(&field);
        } else if (field.number == MAP_KEY_TYPE) {
            if (!ct_dtype_valid((int64_t)field.value))
                return invalid(parser, "the type of a map's keys is unknown");
            parts->key_type = (ct_dtype)field.value;
        } else if (field.number == MAP_KEYS) {
            if (packed_keys && !ct_wire_count_varints(field.data, field.size_bytes, &n))
                return invalid(parser, "a key of a map is cut off");
            parts->n_ints += n;
        } else if (field.number == MAP_STRING_KEYS) {
            parts->n_strings++;
        } else {
            parts->values = bytes_of(&field);
        }
    }
    CT_TRY(end(parser, &wire));
    bool strings = parts->key_type == CORTEN_STRING;
    if (!strings && !ct_dtype_in(parts->key_type, CT_INTS_8_64))
        return invalid(parser, "the keys of a map are neither integers nor strings");
    if (strings ? parts->n_ints : parts->n_strings)
        return invalid(parser, "the keys of a map are not of the type that it states");
    return CORTEN_OK;
}

static void decode_keys(corten_string message, struct ct_tensor *keys)
{
    struct ct_wire wire, packed;
    struct ct_field field;
    size_t at = 0;
    ct_wire_init(&wire, message.data, message.size_bytes, "MapProto", NULL);
    while (ct_wire_next(&wire, &field)) {
        uint64_t value = field.value;
        if (field.number == MAP_STRING_KEYS) {
            CT_DATA(corten_string, keys)[at++] = bytes_of(&field);
        } else if (field.number == MAP_KEYS && field.type != CT_WIRE_BYTES) {
            ct_store_i64(keys->dtype, keys->data, at++, 1, &(int64_t){(int64_t)value});
        } else if (field.number == MAP_KEYS) {
            ct_wire_init(&packed, field.data, field.size_bytes, "MapProto", NULL);
            while (packed.at < packed.end && ct_wire_varint(&packed, &value))
                ct_store_i64(keys->dtype, keys->data, at++, 1, &(int64_t){(int64_t)value});
        }
    }
}

/* The values are a sequence of scalars; here they are one tensor. */
static ct_status join_values(struct parser *parser, const struct ct_tensor *sequence,
                             struct ct_tensor *values)
{
    const struct ct_sequence *items = ct_sequence_of(sequence);
    int64_t count = (int64_t)items->count;
    ct_dtype dtype = items->count ? items->items[0].dtype : CORTEN_F32;
    for (size_t i = 0; i < items->count; i++) {
        const struct ct_tensor *item = &items->items[i];
        if (item->kind != CORTEN_TENSOR || item->dtype != dtype || ct_count(item) != 1)
            return ct_fail(parser->error, CORTEN_UNSUPPORTED,
                           "%s: the values of a map are not single elements of one type", source);
    }
    CT_TRY(ct_tensor_alloc(values, parser->allocator, dtype, 1, &count, parser->error));
    for (size_t i = 0; i < items->count; i++)
        ct_copy_elems(dtype, values->data, i, items->items[i].data, 0, 1);
    if (dtype != CORTEN_STRING)
        return CORTEN_OK;
    ct_status status = ct_tensor_own_strings(values, parser->allocator, parser->error);
    if (status != CORTEN_OK)
        ct_tensor_clear(values);
    return status;
}

static ct_status parse_map(struct parser *parser, corten_string message, corten_string *name,
                           struct ct_tensor *value)
{
    struct map_parts parts;
    struct ct_tensor keys = {0}, sequence = {0}, values = {0};
    corten_string ignored;
    CT_TRY(scan_map(parser, message, name, &parts));
    int64_t n_keys = (int64_t)(parts.n_ints + parts.n_strings);
    ct_status status;
    CT_TRY_GOTO(status, parse(parser, CORTEN_SEQUENCE, parts.values, &ignored, &sequence), done);
    CT_TRY_GOTO(status, join_values(parser, &sequence, &values), done);
    CT_TRY_GOTO(
        status,
        ct_tensor_alloc(&keys, parser->allocator, parts.key_type, 1, &n_keys, parser->error), done);
    decode_keys(message, &keys);
    if (parts.key_type == CORTEN_STRING)
        CT_TRY_GOTO(status, ct_tensor_own_strings(&keys, parser->allocator, parser->error), done);
    if (values.dims[0] != n_keys)
        status = invalid(parser, "a map has not as many values as keys");
    else
        status = ct_mapping_init(value, parser->allocator, &keys, &values, parser->error);
done:
    ct_tensor_clear(&keys);
    ct_tensor_clear(&sequence);
    ct_tensor_clear(&values);
    return status;
}

/* ------------------------------------------------------------------ all kinds */

static ct_status parse(struct parser *parser, corten_kind kind, corten_string message,
                       corten_string *name, struct ct_tensor *value)
{
    ct_status status = CORTEN_OK;
    if (++parser->depth > MAX_DEPTH)
        return ct_fail(parser->error, CORTEN_LIMIT_EXCEEDED,
                       "%s: values are nested more than %d deep", source, MAX_DEPTH);
    switch (kind) {
    case CORTEN_TENSOR: status = parse_tensor(parser, message, name, value); break;
    case CORTEN_SPARSE: status = parse_sparse(parser, message, name, value); break;
    case CORTEN_SEQUENCE:
    case CORTEN_OPTIONAL: status = parse_container(parser, kind, message, name, value); break;
    case CORTEN_MAP: status = parse_map(parser, message, name, value); break;
    }
    parser->depth--;
    return status;
}

ct_status ct_value_proto_parse(corten_kind kind, const void *bytes, size_t size_bytes,
                               const corten_allocator *allocator, corten_string *name,
                               struct ct_tensor *value, corten_error *error)
{
    struct parser parser = {allocator ? allocator : ct_default_allocator(), bytes, 0, error};
    corten_string message = {bytes, size_bytes}, found = {"", 0};
    struct ct_tensor made = {0};
    if ((unsigned)kind > CORTEN_SPARSE)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%d is no kind of value", (int)kind);
    CT_TRY(parse(&parser, kind, message, &found, &made));
    *value = made;
    if (name)
        *name = found;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ serializing */

static void write_value(struct ct_writer *writer, const struct ct_tensor *value, const char *name);

static void write_item(struct ct_writer *writer, uint32_t number, const struct ct_tensor *item)
{
    size_t token = ct_wire_out_begin(&writer->out, number);
    write_value(writer, item, NULL);
    ct_wire_out_end(&writer->out, number, token);
}

static void write_container(struct ct_writer *writer, const struct ct_tensor *items, size_t count,
                            uint32_t if_empty)
{
    uint32_t elem = count ? elem_of_kind(items[0].kind) : if_empty;
    ct_wire_out_varint(&writer->out, ELEM_TYPE, elem);
    for (size_t i = 0; i < count; i++)
        write_item(writer, elem + 2, &items[i]);
}

static void write_map(struct ct_writer *writer, const struct ct_mapping *map)
{
    struct ct_wire_out *out = &writer->out;
    size_t count = ct_count(&map->keys);
    ct_wire_out_varint(out, MAP_KEY_TYPE, (uint64_t)map->keys.dtype);
    for (size_t i = 0; i < count; i++) {
        if (map->keys.dtype == CORTEN_STRING) {
            const corten_string *key = CT_DATA(const corten_string, &map->keys) + i;
            ct_wire_out_bytes(out, MAP_STRING_KEYS, key->data, key->size_bytes);
        } else {
            int64_t key;
            ct_load_i64(map->keys.dtype, map->keys.data, i, 1, &key);
            ct_wire_out_varint(out, MAP_KEYS, (uint64_t)key);
        }
    }
    size_t token = ct_wire_out_begin(out, MAP_VALUES);
    ct_wire_out_varint(out, ELEM_TYPE, 1);
    for (size_t i = 0; i < count; i++) {
        /* One element, where it lies: whole bytes, or strings. */
        struct ct_tensor item = {.dtype = map->values.dtype};
        item.data = (char *)map->values.data + i * ct_dtype_elem_bytes(item.dtype);
        write_item(writer, FIRST_ITEM, &item);
    }
    ct_wire_out_end(out, MAP_VALUES, token);
}

static void write_value(struct ct_writer *writer, const struct ct_tensor *value, const char *name)
{
    if (value->kind != CORTEN_TENSOR && value->kind != CORTEN_SPARSE)
        ct_wire_out_text_if(&writer->out, NAME, name);
    switch ((corten_kind)value->kind) {
    case CORTEN_TENSOR: ct_write_tensor(writer, value, name, NULL, false); break;
    case CORTEN_SPARSE: ct_write_sparse(writer, value, name, NULL, NULL); break;
    case CORTEN_SEQUENCE:
        write_container(writer, ct_sequence_of(value)->items, ct_sequence_of(value)->count, 1);
        break;
    case CORTEN_OPTIONAL:
        write_container(writer, &ct_optional_of(value)->item, ct_optional_of(value)->present, 0);
        break;
    case CORTEN_MAP: write_map(writer, ct_mapping_of(value)); break;
    }
}

struct named {
    const struct ct_tensor *value;
    const char *name;
};

static void write_named(struct ct_writer *writer, const void *what)
{
    const struct named *named = what;
    write_value(writer, named->value, named->name);
}

ct_status ct_value_proto_serialize(const struct ct_tensor *value, const char *name,
                                   const corten_allocator *allocator, void **bytes,
                                   size_t *size_bytes, corten_error *error)
{
    struct ct_writer writer;
    struct named named = {value, name};
    if (!allocator)
        allocator = ct_default_allocator();
    ct_writer_init(&writer, allocator, error);
    ct_status status = ct_writer_run(&writer, write_named, &named);
    if (status == CORTEN_OK)
        status = ct_writer_join(&writer, allocator, bytes, size_bytes);
    ct_writer_deinit(&writer);
    return status;
}
