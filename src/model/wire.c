#include "model/wire.h"

enum { MAX_VARINT_BYTES = 10 };

void ct_wire_init(struct ct_wire *wire, const void *data, size_t size_bytes, const char *message,
                  const void *file)
{
    /* An empty message has no bytes to point at; arithmetic on NULL is undefined. */
    static const uint8_t nothing[1];
    const uint8_t *start = data ? data : nothing;
    *wire = (struct ct_wire){
        .at = start, .end = start + size_bytes, .message = message, .file = file ? file : start};
}

static bool stop(struct ct_wire *wire, const uint8_t *at, const char *problem)
{
    wire->problem = problem;
    wire->problem_at = at;
    wire->at = wire->end;
    return false;
}

bool ct_wire_varint(struct ct_wire *wire, uint64_t *value)
{
    const uint8_t *at = wire->at;
    uint64_t result = 0;
    for (int i = 0; i < MAX_VARINT_BYTES; i++) {
        if (at == wire->end)
            return stop(wire, wire->at, "a number is cut off");
        uint8_t byte = *at++;
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            wire->at = at;
            *value = result;
            return true;
        }
    }
    return stop(wire, wire->at, "a number is longer than ten bytes");
}

static uint64_t fixed(const uint8_t *at, int size_bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < size_bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static bool read_payload(struct ct_wire *wire, struct ct_field *field, const uint8_t *start)
{
    size_t left = (size_t)(wire->end - wire->at);
    size_t size_bytes = 0;
    switch (field->type) {
    case CT_WIRE_VARINT: return ct_wire_varint(wire, &field->value);
    case CT_WIRE_FIXED64:
    case CT_WIRE_FIXED32:
        size_bytes = field->type == CT_WIRE_FIXED64 ? 8 : 4;
        if (left < size_bytes)
            return stop(wire, start, "a field is cut off");
        field->value = fixed(wire->at, (int)size_bytes);
        break;
    case CT_WIRE_BYTES: {
        uint64_t length;
        if (!ct_wire_varint(wire, &length))
            return false;
        left = (size_t)(wire->end - wire->at);
        if (length > left)
            return stop(wire, start, "a field is longer than what is left of its message");
        size_bytes = (size_t)length;
        field->data = wire->at;
        field->size_bytes = size_bytes;
        break;
    }
    default: return stop(wire, start, "unknown wire type");
    }
    wire->at += size_bytes;
    return true;
}

bool ct_wire_next(struct ct_wire *wire, struct ct_field *field)
{
    if (wire->at == wire->end)
        return false;
    const uint8_t *start = wire->at;
    uint64_t tag;
    if (!ct_wire_varint(wire, &tag))
        return false;
    if (tag > UINT32_MAX || tag >> 3 == 0)
        return stop(wire, start, "a field has an impossible number");
    *field =
        (struct ct_field){.number = (uint32_t)(tag >> 3), .type = (enum ct_wire_type)(tag & 7)};
    if (!read_payload(wire, field, start))
        return false;
    field->whole = (corten_string){(const char *)start, (size_t)(wire->at - start)};
    return true;
}

bool ct_wire_count_varints(const uint8_t *data, size_t size_bytes, size_t *count)
{
    size_t n = 0;
    for (size_t i = 0; i < size_bytes; i++)
        n += data[i] < 0x80;
    *count = n;
    return !size_bytes || data[size_bytes - 1] < 0x80;
}

bool ct_wire_expect(struct ct_wire *wire, const struct ct_field *field, enum ct_wire_type type)
{
    if (field->type == type)
        return true;
    return stop(wire, (const uint8_t *)field->whole.data, "a field has the wrong wire type");
}

ct_status ct_wire_status(const struct ct_wire *wire, const char *source, corten_error *error)
{
    if (!wire->problem)
        return CORTEN_OK;
    return ct_fail(error, CORTEN_INVALID_MODEL,
                   "%s: not a valid ONNX model: at byte %zu, in %s: %s", source,
                   (size_t)(wire->problem_at - wire->file), wire->message, wire->problem);
}
