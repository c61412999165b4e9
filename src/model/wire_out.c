#include "model/wire_out.h"

#include "model/wire.h"

#include <string.h>

enum { PIECE_BYTES = 4096 /* from here on a piece of its own is cheaper than a copy */ };

void ct_wire_out_init(struct ct_wire_out *out, struct ct_arena *arena)
{
    *out = (struct ct_wire_out){.arena = arena};
}

bool ct_wire_out_start_writing(struct ct_wire_out *out)
{
    if (out->failed)
        return false;
    out->writing = true;
    out->total_bytes = 0;
    out->next_length = 0;
    out->buffer = ct_arena_alloc(out->arena, out->buffer_bytes ? out->buffer_bytes : 1);
    out->failed = !out->buffer;
    return !out->failed;
}

/* ------------------------------------------------------------------ bytes */

static void add_piece(struct ct_wire_out *out, const void *data, size_t size_bytes)
{
    if (!CT_ARENA_PUSH(out->arena, out->pieces, out->n_pieces, out->pieces_capacity)) {
        out->failed = true;
        return;
    }
    out->pieces[out->n_pieces++] = (struct ct_os_piece){data, size_bytes};
}

static void put_copied(struct ct_wire_out *out, const void *data, size_t size_bytes)
{
    out->total_bytes += size_bytes;
    if (!out->writing) {
        out->buffer_bytes += size_bytes;
        return;
    }
    if (out->failed || !size_bytes)
        return;
    char *at = out->buffer + out->buffer_used;
    memcpy(at, data, size_bytes);
    out->buffer_used += size_bytes;
    struct ct_os_piece *last = out->n_pieces ? &out->pieces[out->n_pieces - 1] : NULL;
    if (last && (const char *)last->data + last->size_bytes == at)
        last->size_bytes += size_bytes;
    else
        add_piece(out, at, size_bytes);
}

static void put_bytes(struct ct_wire_out *out, const void *data, size_t size_bytes)
{
    if (size_bytes < PIECE_BYTES) {
        put_copied(out, data, size_bytes);
        return;
    }
    out->total_bytes += size_bytes;
    if (out->writing && !out->failed)
        add_piece(out, data, size_bytes);
}

static void put_varint(struct ct_wire_out *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    while (value >= 0x80) {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (uint8_t)value;
    put_copied(out, bytes, n);
}

static void put_tag(struct ct_wire_out *out, uint32_t number, enum ct_wire_type type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

/* ------------------------------------------------------------------ fields */

void ct_wire_out_varint(struct ct_wire_out *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, CT_WIRE_VARINT);
    put_varint(out, value);
}

void ct_wire_out_fixed32(struct ct_wire_out *out, uint32_t number, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};
    put_tag(out, number, CT_WIRE_FIXED32);
    put_copied(out, bytes, sizeof bytes);
}

void ct_wire_out_bytes(struct ct_wire_out *out, uint32_t number, const void *data,
                       size_t size_bytes)
{
    put_tag(out, number, CT_WIRE_BYTES);
    put_varint(out, size_bytes);
    put_bytes(out, data, size_bytes);
}

void ct_wire_out_text(struct ct_wire_out *out, uint32_t number, const char *text)
{
    ct_wire_out_bytes(out, number, text, strlen(text));
}

void ct_wire_out_text_if(struct ct_wire_out *out, uint32_t number, const char *text)
{
    if (text && text[0])
        ct_wire_out_text(out, number, text);
}

void ct_wire_out_whole(struct ct_wire_out *out, corten_string fields)
{
    put_bytes(out, fields.data, fields.size_bytes);
}

size_t ct_wire_out_begin(struct ct_wire_out *out, uint32_t number)
{
    if (out->writing) {
        put_tag(out, number, CT_WIRE_BYTES);
        put_varint(out, out->failed ? 0 : out->lengths[out->next_length++]);
        return 0;
    }
    if (out->failed ||
        !CT_ARENA_PUSH(out->arena, out->lengths, out->n_lengths, out->lengths_capacity)) {
        out->failed = true;
        return 0;
    }
    out->lengths[out->n_lengths] = out->total_bytes;
    return out->n_lengths++;
}

void ct_wire_out_end(struct ct_wire_out *out, uint32_t number, size_t token)
{
    if (out->writing || out->failed)
        return;
    out->lengths[token] = out->total_bytes - out->lengths[token];
    put_tag(out, number, CT_WIRE_BYTES);
    put_varint(out, out->lengths[token]);
}
