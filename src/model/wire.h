/* The protobuf wire format, bounded: a cursor over the fields of one message. Nothing is copied,
 * nothing is read past the end, and whatever is malformed stops the cursor with a reason.
 * https://protobuf.dev/programming-guides/encoding */
#ifndef CT_MODEL_WIRE_H
#define CT_MODEL_WIRE_H

#include "base/status.h"

enum ct_wire_type {
    CT_WIRE_VARINT = 0,
    CT_WIRE_FIXED64 = 1,
    CT_WIRE_BYTES = 2,
    CT_WIRE_FIXED32 = 5
};

struct ct_field {
    uint32_t number;
    enum ct_wire_type type;
    uint64_t value;      /* of VARINT, FIXED32 and FIXED64 */
    const uint8_t *data; /* of BYTES; never NULL then */
    size_t size_bytes;
    corten_string whole; /* tag included, to keep it as it is */
};

struct ct_wire {
    const uint8_t *at, *end;
    const char *message; /* its type, such as "NodeProto" */
    const uint8_t *file; /* what positions in error texts count from */
    const char *problem; /* NULL: none. What is malformed */
    const uint8_t *problem_at;
};

/** A cursor over `size_bytes` bytes at `data` (NULL when there are none), which hold a message of
 *  type `message`. Positions count from `file` (NULL: from data). */
void ct_wire_init(struct ct_wire *wire, const void *data, size_t size_bytes, const char *message,
                  const void *file);
/** The next field. False at the end or when the bytes are malformed: see wire->problem. */
bool ct_wire_next(struct ct_wire *wire, struct ct_field *field);
/** Reads one varint; false at the end or when it is malformed. */
bool ct_wire_varint(struct ct_wire *wire, uint64_t *value);
/** Number of varints in a packed field; false when the last one is cut off. */
bool ct_wire_count_varints(const uint8_t *data, size_t size_bytes, size_t *count);
/** Whether the field has the wire type that its number calls for; if not, stops the cursor. */
bool ct_wire_expect(struct ct_wire *wire, const struct ct_field *field, enum ct_wire_type type);
/** INVALID_MODEL: "a.onnx: not a valid ONNX model: at byte 12, in NodeProto: a field is cut off".
 *  OK when nothing is malformed. `source` names the file. */
ct_status ct_wire_status(const struct ct_wire *wire, const char *source, corten_error *error);

#endif
