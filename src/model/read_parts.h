/* The parts of the reader, one for each group of messages. Internal to model/. */
#ifndef CT_MODEL_READ_PARTS_H
#define CT_MODEL_READ_PARTS_H

#include "graph/graph.h"
#include "model/tensor_proto.h"
#include "model/wire.h"
#include "os/os.h"

enum { CT_READ_MAX_OPSETS = 1024 /* they are looked up one by one, for every node */ };

/** What reading one model carries along. */
struct ct_reader {
    struct ct_model *model;
    struct ct_arena *arena; /* the model's */
    corten_error *error;
    const void *file; /* start of the model's bytes */
    size_t file_bytes;
    const char *folder;                    /* of external data; NULL: none is allowed */
    const struct ct_external_files *files; /* the same in memory; NULL: none */
    const struct ct_opset *opsets;         /* in force: the model's or the function's */
    size_t n_opsets;
    int depth;               /* of subgraphs */
    struct ct_map functions; /* by "domain:name:overload" */
    size_t dense_left_bytes; /* what sparse initializers may still grow to */
    char *scratch;           /* a NUL-terminated name */
    size_t scratch_bytes;
};

/** The files that a model keeps open. */
struct ct_model_maps {
    struct ct_mapped {
        const char *location; /* of external data; NULL: the model itself */
        struct ct_os_map map;
    } * items;
    size_t count, capacity;
};

/* ------------------------------------------------------------------ read_common.c */

static inline void ct_read_begin(const struct ct_reader *reader, struct ct_wire *wire,
                                 const struct ct_field *field, const char *message)
{
    ct_wire_init(wire, field->data, field->size_bytes, message, reader->file);
}
/** The error of a cursor that stopped, if it is one. */
ct_status ct_read_end(const struct ct_reader *reader, const struct ct_wire *wire);
/** Fails with the source in front. */
ct_status ct_read_fail(const struct ct_reader *reader, ct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
ct_status ct_read_no_memory(const struct ct_reader *reader, size_t size_bytes);
/** A string field as NUL-terminated text in the arena; a NUL inside is INVALID_MODEL. */
ct_status ct_read_text(struct ct_reader *reader, struct ct_wire *wire, const struct ct_field *field,
                       const char **text);
/** The same, in reader->scratch, for looking up; valid until the next call. */
ct_status ct_read_scratch(struct ct_reader *reader, struct ct_wire *wire,
                          const struct ct_field *field);
/** Bytes, borrowed from the file. */
ct_status ct_read_bytes(struct ct_reader *reader, struct ct_wire *wire,
                        const struct ct_field *field, corten_string *bytes);
ct_status ct_read_int(struct ct_reader *reader, struct ct_wire *wire, const struct ct_field *field,
                      int64_t *value);
/** A StringStringEntryProto. */
ct_status ct_read_property(struct ct_reader *reader, struct ct_wire *wire,
                           const struct ct_field *field, struct ct_properties *properties);
/** Keeps the field as it is. */
ct_status ct_read_extra(struct ct_reader *reader, const struct ct_field *field,
                        struct ct_extra *extra);
/** An OperatorSetIdProto. */
ct_status ct_read_opset(struct ct_reader *reader, struct ct_wire *wire,
                        const struct ct_field *field, struct ct_opset *opset);

/* ------------------------------------------------------------------ read_type.c */

/** A TypeProto. *exact is false when the fact does not say all of it. `denotations` (CT_MAX_RANK)
 *  and `denotation` may be NULL. */
ct_status ct_read_type(struct ct_reader *reader, corten_string message, struct ct_fact *fact,
                       bool *exact, const char **denotation, const char **denotations);
/** A ValueInfoProto's name, into reader->scratch. */
ct_status ct_read_info_name(struct ct_reader *reader, struct ct_wire *wire,
                            const struct ct_field *field);
/** All of a ValueInfoProto but the name, into the value. */
ct_status ct_read_info(struct ct_reader *reader, const struct ct_field *field,
                       struct ct_value *value);

/* ------------------------------------------------------------------ read_tensor.c */

/** A TensorProto. What is left of it goes to `extra` (its name too when keep_name). *name, when
 *  wanted, is in the arena. */
ct_status ct_read_tensor(struct ct_reader *reader, corten_string message, struct ct_tensor *tensor,
                         const char **name, bool keep_name, struct ct_extra *extra);
/** A SparseTensorProto; kind SPARSE. */
ct_status ct_read_sparse(struct ct_reader *reader, corten_string message, struct ct_tensor *tensor,
                         const char **name, bool keep_name, struct ct_extra *values_extra,
                         struct ct_extra *indices_extra);
/** The dense form of a sparse tensor, in the arena. */
ct_status ct_read_densify(struct ct_reader *reader, const struct ct_tensor *sparse,
                          const char *name, struct ct_tensor *dense);
/** Remembers a map that the model is to unmap. The map is unmapped when that fails. */
ct_status ct_read_keep_map(struct ct_reader *reader, const char *location, struct ct_os_map map);

/* ------------------------------------------------------------------ read_attr.c, read_graph.c */

/** An AttributeProto of a node of `graph`, or (node NULL) of a function's defaults. */
ct_status ct_read_attr(struct ct_reader *reader, const struct ct_field *field,
                       struct ct_graph *graph, struct ct_node *node, struct ct_attr *attr);
/** A GraphProto into an empty graph. */
ct_status ct_read_graph(struct ct_reader *reader, corten_string message, struct ct_graph *graph);
/** Nodes (in two goes, since a node may read what a later one makes) and value_info, in the fields
 *  of these numbers of any message. Between the goes, all names of the graph are known. */
ct_status ct_read_node_outputs(struct ct_reader *reader, const struct ct_wire *message,
                               uint32_t number, struct ct_graph *graph);
ct_status ct_read_node_inputs(struct ct_reader *reader, const struct ct_wire *message,
                              uint32_t number, struct ct_graph *graph);
ct_status ct_read_value_infos(struct ct_reader *reader, const struct ct_wire *message,
                              uint32_t number, struct ct_graph *graph, struct ct_extra *extra);

/* ------------------------------------------------------------------ read_function.c */

ct_status ct_read_function(struct ct_reader *reader, const struct ct_field *field);

#endif
