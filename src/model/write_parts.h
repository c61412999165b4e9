/* The parts of the writer, one for each group of messages. Internal to model/. Every function is
 * called twice, see model/wire_out.h, and must do the same both times. */
#ifndef CT_MODEL_WRITE_PARTS_H
#define CT_MODEL_WRITE_PARTS_H

#include "graph/graph.h"
#include "model/wire_out.h"

struct ct_writer {
    struct ct_wire_out out;
    struct ct_arena arena;
    const struct ct_symbols *symbols;
    const char *data_name; /* of the file for external data; NULL: there is none */
    size_t data_bytes;     /* in it so far */
    struct ct_os_piece *data_pieces;
    size_t n_data_pieces, data_pieces_capacity;
    ct_status status; /* the first failure */
    corten_error *error;
};

void ct_writer_init(struct ct_writer *writer, const corten_allocator *allocator,
                    corten_error *error);
void ct_writer_deinit(struct ct_writer *writer);
/** Calls `write` twice, then the pieces are there. Fails with LIMIT_EXCEEDED at 2 GB and more. */
ct_status ct_writer_run(struct ct_writer *writer,
                        void (*write)(struct ct_writer *writer, const void *what),
                        const void *what);
/** One piece of memory of the allocator, from all pieces. */
ct_status ct_writer_join(const struct ct_writer *writer, const corten_allocator *allocator,
                         void **bytes, size_t *size_bytes);

void ct_write_extra(struct ct_writer *writer, const struct ct_extra *extra); /* NULL allowed */

/* write_tensor.c: the fields of the messages, without tag and length. */
void ct_write_tensor(struct ct_writer *writer, const struct ct_tensor *tensor, const char *name,
                     const struct ct_extra *extra, bool may_be_external);
void ct_write_sparse(struct ct_writer *writer, const struct ct_tensor *tensor, const char *name,
                     const struct ct_extra *values_extra, const struct ct_extra *indices_extra);

/* write_type.c */
void ct_write_type(struct ct_writer *writer, const struct ct_fact *fact, const char *denotation,
                   const char *const *denotations);
void ct_write_value_info(struct ct_writer *writer, uint32_t number, const struct ct_value *value);
void ct_write_properties(struct ct_writer *writer, uint32_t number,
                         const struct ct_properties *properties);

/* write_node.c, write_graph.c */
void ct_write_attr(struct ct_writer *writer, const struct ct_attr *attr);
void ct_write_node(struct ct_writer *writer, const struct ct_node *node);
void ct_write_graph(struct ct_writer *writer, const struct ct_graph *graph);
void ct_write_function(struct ct_writer *writer, const struct ct_function *function);

#endif
