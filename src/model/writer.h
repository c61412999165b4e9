/* Writes models as ONNX. What was read is written back whole: what the IR does not interpret it
 * carries along. Elements of tensors are written as raw_data (strings: string_data), wherever they
 * were stored before. Weights go from the mapped file to the new one without a copy. */
#ifndef CT_MODEL_WRITER_H
#define CT_MODEL_WRITER_H

#include "graph/graph.h"

enum { CT_WRITE_EXTERNAL_BYTES = 1024 };

/** Writes, or replaces, the file whole or not at all. With `external`, and always where the model
 *  would have 2 GB or more, initializers of CT_WRITE_EXTERNAL_BYTES and more go to PATH.data.
 *  IO_ERROR, LIMIT_EXCEEDED, OUT_OF_MEMORY. */
ct_status ct_model_write_file(const struct ct_model *model, const char *path, bool external,
                              corten_error *error);
/** The same into memory of the allocator (NULL: the default), which the caller releases by
 *  ct_release with *size_bytes. LIMIT_EXCEEDED at 2 GB and more. */
ct_status ct_model_write_memory(const struct ct_model *model, const corten_allocator *allocator,
                                void **bytes, size_t *size_bytes, corten_error *error);

#endif
