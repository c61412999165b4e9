/* Protobuf messages put together by hand, for tests of the reader. Header only. */
#ifndef CT_TESTS_MODEL_PROTO_H
#define CT_TESTS_MODEL_PROTO_H

#include "base/status.h"

#include <stdio.h>
#include <string.h>

enum { PROTO_BYTES = 8192 };

struct proto {
    uint8_t bytes[PROTO_BYTES];
    size_t size_bytes;
};

static inline void proto_raw(struct proto *p, const void *data, size_t size_bytes)
{
    if (size_bytes > PROTO_BYTES - p->size_bytes)
        return;
    if (size_bytes)
        memcpy(p->bytes + p->size_bytes, data, size_bytes);
    p->size_bytes += size_bytes;
}

static inline void proto_number(struct proto *p, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        proto_raw(p, &byte, 1);
        value >>= 7;
    } while (value);
}

static inline void proto_varint(struct proto *p, uint32_t field, uint64_t value)
{
    proto_number(p, (uint64_t)field << 3);
    proto_number(p, value);
}

static inline void proto_bytes(struct proto *p, uint32_t field, const void *data, size_t size_bytes)
{
    proto_number(p, (uint64_t)field << 3 | 2);
    proto_number(p, size_bytes);
    proto_raw(p, data, size_bytes);
}

static inline void proto_text(struct proto *p, uint32_t field, const char *text)
{
    proto_bytes(p, field, text, strlen(text));
}

static inline void proto_message(struct proto *p, uint32_t field, const struct proto *message)
{
    proto_bytes(p, field, message->bytes, message->size_bytes);
}

static inline void proto_float(struct proto *p, uint32_t field, float value)
{
    proto_number(p, (uint64_t)field << 3 | 5);
    proto_raw(p, &value, sizeof value);
}

/** TensorProto: name, dtype and dims. */
static inline struct proto proto_tensor(const char *name, int dtype, int rank, const int64_t *dims)
{
    struct proto p = {.size_bytes = 0};
    for (int i = 0; i < rank; i++)
        proto_varint(&p, 1, (uint64_t)dims[i]);
    proto_varint(&p, 2, (uint64_t)dtype);
    if (name)
        proto_text(&p, 8, name);
    return p;
}

/** ValueInfoProto of a tensor; a dimension of -2 is the symbol "N". */
static inline struct proto proto_info(const char *name, int dtype, int rank, const int64_t *dims)
{
    struct proto shape = {.size_bytes = 0}, tensor = shape, type = shape, info = shape;
    for (int i = 0; i < rank; i++) {
        struct proto dim = {.size_bytes = 0};
        if (dims[i] == -2)
            proto_text(&dim, 2, "N");
        else
            proto_varint(&dim, 1, (uint64_t)dims[i]);
        proto_message(&shape, 1, &dim);
    }
    proto_varint(&tensor, 1, (uint64_t)dtype);
    proto_message(&tensor, 2, &shape);
    proto_message(&type, 1, &tensor);
    proto_text(&info, 1, name);
    proto_message(&info, 2, &type);
    return info;
}

/** NodeProto; a and b may be NULL, out too. */
static inline struct proto proto_node(const char *op_type, const char *name, const char *a,
                                      const char *b, const char *out)
{
    struct proto p = {.size_bytes = 0};
    if (a)
        proto_text(&p, 1, a);
    if (b)
        proto_text(&p, 1, b);
    if (out)
        proto_text(&p, 2, out);
    proto_text(&p, 3, name);
    proto_text(&p, 4, op_type);
    return p;
}

/** ModelProto of IR version 10 and operator set 20 around a graph. */
static inline struct proto proto_model(const struct proto *graph)
{
    struct proto p = {.size_bytes = 0}, opset = p;
    proto_varint(&p, 1, 10);
    proto_message(&p, 7, graph);
    proto_text(&opset, 1, "");
    proto_varint(&opset, 2, 20);
    proto_message(&p, 8, &opset);
    return p;
}

/** A model with one initializer, `tensor`, which its output "y" is made of. */
static inline struct proto proto_model_of_tensor(const struct proto *tensor, const char *name)
{
    struct proto graph = {.size_bytes = 0}, info = graph;
    struct proto node = proto_node("Identity", "n", name, NULL, "y");
    proto_message(&graph, 1, &node);
    proto_text(&graph, 2, "g");
    proto_message(&graph, 5, tensor);
    proto_text(&info, 1, "y");
    proto_message(&graph, 12, &info);
    return proto_model(&graph);
}

#endif
