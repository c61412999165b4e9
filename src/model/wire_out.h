/* Writes the protobuf wire format. A message stands behind its length, which is known only when all
 * of it is: so the same calls are made twice, first to count, then to write into memory of just
 * that size. Large bytes are not copied: the result is a list of pieces, some of which are the
 * caller's memory. */
#ifndef CT_MODEL_WIRE_OUT_H
#define CT_MODEL_WIRE_OUT_H

#include "os/os.h"

struct ct_wire_out {
    struct ct_arena *arena; /* borrowed; holds lengths, buffer and pieces */
    bool writing;           /* the second time */
    bool failed;            /* no memory */
    size_t total_bytes;     /* so far */
    size_t *lengths;        /* of messages, in the order in which they begin */
    size_t n_lengths, lengths_capacity, next_length;
    char *buffer; /* what is not in pieces of the caller's */
    size_t buffer_bytes, buffer_used;
    struct ct_os_piece *pieces;
    size_t n_pieces, pieces_capacity;
};

void ct_wire_out_init(struct ct_wire_out *out, struct ct_arena *arena);
/** After the first round: the calls are made again. False when there is no memory. */
bool ct_wire_out_start_writing(struct ct_wire_out *out);

void ct_wire_out_varint(struct ct_wire_out *out, uint32_t number, uint64_t value);
void ct_wire_out_fixed32(struct ct_wire_out *out, uint32_t number, uint32_t value);
/** `data` is borrowed until the pieces are written, when it is large. */
void ct_wire_out_bytes(struct ct_wire_out *out, uint32_t number, const void *data,
                       size_t size_bytes);
void ct_wire_out_text(struct ct_wire_out *out, uint32_t number, const char *text);
/** The same, but nothing when the text is empty. */
void ct_wire_out_text_if(struct ct_wire_out *out, uint32_t number, const char *text);
/** Whole fields, as they are. */
void ct_wire_out_whole(struct ct_wire_out *out, corten_string fields);
/** Everything between the two is inside field `number`; hand on what begin returned. */
size_t ct_wire_out_begin(struct ct_wire_out *out, uint32_t number);
void ct_wire_out_end(struct ct_wire_out *out, uint32_t number, size_t token);

#endif
