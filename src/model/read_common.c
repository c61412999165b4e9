#include "model/read_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ct_status ct_read_end(const struct ct_reader *reader, const struct ct_wire *wire)
{
    return ct_wire_status(wire, reader->model->source, reader->error);
}

ct_status ct_read_fail(const struct ct_reader *reader, ct_status status, const char *format, ...)
{
    char text[sizeof reader->error->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ct_fail(reader->error, status, "%s: %s", reader->model->source, n < 0 ? "" : text);
}

ct_status ct_read_no_memory(const struct ct_reader *reader, size_t size_bytes)
{
    return ct_fail_memory(reader->error, size_bytes, "reading a model");
}

ct_status ct_read_bytes(struct ct_reader *reader, struct ct_wire *wire,
                        const struct ct_field *field, corten_string *bytes)
{
    if (!ct_wire_expect(wire, field, CT_WIRE_BYTES))
        return ct_read_end(reader, wire);
    *bytes = (corten_string){(const char *)field->data, field->size_bytes};
    return CORTEN_OK;
}

static ct_status check_text(struct ct_reader *reader, struct ct_wire *wire,
                            const struct ct_field *field)
{
    if (!ct_wire_expect(wire, field, CT_WIRE_BYTES))
        return ct_read_end(reader, wire);
    if (!field->size_bytes || !memchr(field->data, 0, field->size_bytes))
        return CORTEN_OK;
    wire->problem = "a text has a NUL inside";
    wire->problem_at = field->data;
    return ct_read_end(reader, wire);
}

ct_status ct_read_text(struct ct_reader *reader, struct ct_wire *wire, const struct ct_field *field,
                       const char **text)
{
    CT_TRY(check_text(reader, wire, field));
    if (!field->size_bytes) {
        *text = "";
        return CORTEN_OK;
    }
    const char *copy =
        ct_arena_strndup(reader->arena, (const char *)field->data, field->size_bytes);
    if (!copy)
        return ct_read_no_memory(reader, field->size_bytes);
    *text = copy;
    return CORTEN_OK;
}

ct_status ct_read_scratch(struct ct_reader *reader, struct ct_wire *wire,
                          const struct ct_field *field)
{
    CT_TRY(check_text(reader, wire, field));
    if (field->size_bytes >= reader->scratch_bytes) {
        /* Twice what is needed: the outgrown ones, which stay in the arena, add up to less. */
        size_t size_bytes = 2 * field->size_bytes + 256;
        char *larger = ct_arena_alloc(reader->arena, size_bytes);
        if (!larger)
            return ct_read_no_memory(reader, size_bytes);
        reader->scratch = larger;
        reader->scratch_bytes = size_bytes;
    }
    memcpy(reader->scratch, field->data, field->size_bytes);
    reader->scratch[field->size_bytes] = '\0';
    return CORTEN_OK;
}

ct_status ct_read_int(struct ct_reader *reader, struct ct_wire *wire, const struct ct_field *field,
                      int64_t *value)
{
    if (!ct_wire_expect(wire, field, CT_WIRE_VARINT))
        return ct_read_end(reader, wire);
    *value = (int64_t)field->value;
    return CORTEN_OK;
}

ct_status ct_read_property(struct ct_reader *reader, struct ct_wire *wire,
                           const struct ct_field *field, struct ct_properties *properties)
{
    if (!ct_wire_expect(wire, field, CT_WIRE_BYTES))
        return ct_read_end(reader, wire);
    struct ct_property property = {"", ""};
    struct ct_wire entry;
    struct ct_field part;
    ct_read_begin(reader, &entry, field, "StringStringEntryProto");
    while (ct_wire_next(&entry, &part)) {
        if (part.number == 1)
            CT_TRY(ct_read_text(reader, &entry, &part, &property.key));
        else if (part.number == 2)
            CT_TRY(ct_read_text(reader, &entry, &part, &property.value));
    }
    CT_TRY(ct_read_end(reader, &entry));
    if (!CT_ARENA_PUSH(reader->arena, properties->items, properties->count, properties->capacity))
        return ct_read_no_memory(reader, sizeof property);
    properties->items[properties->count++] = property;
    return CORTEN_OK;
}

ct_status ct_read_extra(struct ct_reader *reader, const struct ct_field *field,
                        struct ct_extra *extra)
{
    if (!CT_ARENA_PUSH(reader->arena, extra->items, extra->count, extra->capacity))
        return ct_read_no_memory(reader, sizeof *extra->items);
    extra->items[extra->count++] = field->whole;
    return CORTEN_OK;
}

ct_status ct_read_opset(struct ct_reader *reader, struct ct_wire *wire,
                        const struct ct_field *field, struct ct_opset *opset)
{
    if (!ct_wire_expect(wire, field, CT_WIRE_BYTES))
        return ct_read_end(reader, wire);
    *opset = (struct ct_opset){"", 0};
    struct ct_wire entry;
    struct ct_field part;
    ct_read_begin(reader, &entry, field, "OperatorSetIdProto");
    while (ct_wire_next(&entry, &part)) {
        if (part.number == 1)
            CT_TRY(ct_read_text(reader, &entry, &part, &opset->domain));
        else if (part.number == 2)
            CT_TRY(ct_read_int(reader, &entry, &part, &opset->version));
    }
    if (strcmp(opset->domain, "ai.onnx") == 0)
        opset->domain = "";
    return ct_read_end(reader, &entry);
}
