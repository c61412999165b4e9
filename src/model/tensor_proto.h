/* TensorProto: a view of its fields, checked against its shape, and its elements from whichever of
 * raw_data, the typed fields and external data they are stored in. */
#ifndef CT_MODEL_TENSOR_PROTO_H
#define CT_MODEL_TENSOR_PROTO_H

#include "base/tensor.h"
#include "model/wire.h"

/* Field numbers of TensorProto. */
enum ct_tensor_field {
    CT_TENSOR_DIMS = 1,
    CT_TENSOR_DATA_TYPE = 2,
    CT_TENSOR_SEGMENT = 3,
    CT_TENSOR_FLOAT_DATA = 4,
    CT_TENSOR_INT32_DATA = 5,
    CT_TENSOR_STRING_DATA = 6,
    CT_TENSOR_INT64_DATA = 7,
    CT_TENSOR_NAME = 8,
    CT_TENSOR_RAW_DATA = 9,
    CT_TENSOR_DOUBLE_DATA = 10,
    CT_TENSOR_UINT64_DATA = 11,
    CT_TENSOR_DOC = 12,
    CT_TENSOR_EXTERNAL_DATA = 13,
    CT_TENSOR_DATA_LOCATION = 14,
    CT_TENSOR_METADATA = 16
};

/** Borrows from the message. */
struct ct_tensor_proto {
    corten_string message;
    const char *source; /* for error texts */
    corten_string name;
    ct_dtype dtype;
    int rank;
    int64_t dims[CT_MAX_RANK];
    size_t n_elems, size_bytes; /* as dtype and dims say */
    uint32_t stored_in;         /* field number of the elements; 0: none, or external */
    const uint8_t *whole;       /* all elements in one piece as they lie in memory, or NULL */
    bool external;
    corten_string location; /* of external data */
    uint64_t offset_bytes;
    bool has_extra; /* there are fields that none of this tells of */
};

/** Parses and checks: dtype, shape and the number of elements agree (but for external data, which
 *  only its file can tell). INVALID_MODEL, UNSUPPORTED or LIMIT_EXCEEDED name the tensor. */
ct_status ct_tensor_proto_parse(corten_string message, const char *source, const void *file,
                                struct ct_tensor_proto *proto, corten_error *error);
/** Writes the elements to `to` (size_bytes bytes). Strings: n_elems of corten_string that point
 *  into the message. Not for external data. */
void ct_tensor_proto_decode(const struct ct_tensor_proto *proto, void *to);
/** Whether a field is among those that `has_extra` means. The name is not. */
bool ct_tensor_field_is_extra(uint32_t number);

#endif
