/* Reads ONNX models into the graph IR, straight from the mapped file.
 *
 * Weights are pointers into the map; those of up to CT_READ_COPY_BYTES are copied so that they are
 * aligned. What this library does not interpret is kept (ct_extra) and written back by
 * model/writer.h. The reader trusts nothing: sizes, counts, depth and names are checked, and the
 * memory it takes is bounded by a multiple of the size of the file. */
#ifndef CT_MODEL_READER_H
#define CT_MODEL_READER_H

#include "graph/graph.h"

enum {
    CT_READ_COPY_BYTES = 64 * 1024,
    CT_READ_MAX_DEPTH = 64 /* of subgraphs and of types, each */
};

/** Files of external data in memory, which the model borrows. They are looked at first. */
struct ct_external_files {
    struct ct_external_file {
        const char *location; /* as the model names it */
        const void *data;
        size_t size_bytes;
    } * items;
    size_t count;
};

/** Maps and reads a file; *model owns the map. External data is opened beneath its folder, unless it
 *  is among `files` (NULL: none).
 *  NO_SUCH_FILE, IO_ERROR, INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY. The
 *  allocator (NULL: the default) is borrowed by the model. */
ct_status ct_model_read_file(const char *path, const struct ct_external_files *files,
                             const corten_allocator *allocator, struct ct_model **model,
                             corten_error *error);
/** The same from memory, which the model borrows. `folder` NULL: no external data. `source` names
 *  the model in error texts. */
ct_status ct_model_read_memory(const void *bytes, size_t size_bytes, const char *folder,
                               const struct ct_external_files *files, const char *source,
                               const corten_allocator *allocator, struct ct_model **model,
                               corten_error *error);

/** UNSUPPORTED when the model's IR version or one of its operator sets is newer than known. Domains
 *  that are not listed pass. */
ct_status ct_model_check_versions(const struct ct_model *model, int64_t newest_ir_version,
                                  const struct ct_known_opset *opsets, size_t n_opsets,
                                  corten_error *error);

#endif
