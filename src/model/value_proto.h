/* Values as protobuf: TensorProto, SparseTensorProto, SequenceProto, OptionalProto and MapProto of
 * onnx.proto and onnx-data.proto. */
#ifndef CT_MODEL_VALUE_PROTO_H
#define CT_MODEL_VALUE_PROTO_H

#include "base/tensor.h"

/** Parses a message of the kind. `value` (which must hold nothing) owns all of its memory. *name
 *  (NULL: not wanted) points into `bytes`. External data is INVALID_MODEL: there is no folder. */
ct_status ct_value_proto_parse(corten_kind kind, const void *bytes, size_t size_bytes,
                               const corten_allocator *allocator, corten_string *name,
                               struct ct_tensor *value, corten_error *error);
/** Serializes into memory of the allocator, which the caller releases by ct_release with
 *  *size_bytes. `name` may be NULL. */
ct_status ct_value_proto_serialize(const struct ct_tensor *value, const char *name,
                                   const corten_allocator *allocator, void **bytes,
                                   size_t *size_bytes, corten_error *error);

#endif
