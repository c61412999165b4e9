/* Values from and to ONNX's protobuf. */
#include "model/value_proto.h"

#include <string.h>

#include "api/api.h"

corten_status corten_value_parse(corten_kind kind, const void *bytes, size_t size_bytes, char *name,
                                 size_t name_size_bytes, corten_value **value, corten_error *error)
{
    CT_REQUIRE(value, error);
    if (size_bytes)
        CT_REQUIRE(bytes, error);
    if (kind < CORTEN_TENSOR || kind > CORTEN_SPARSE)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%d is not a kind of value", (int)kind);
    corten_value *v = ct_alloc_zero(ct_default_allocator(), sizeof *v);
    if (!v)
        return ct_fail_memory(error, sizeof *v, "a value");
    corten_string found = {0};
    ct_status status = ct_value_proto_parse(kind, bytes, size_bytes, ct_default_allocator(), &found,
                                            &v->tensor, error);
    if (status != CORTEN_OK) {
        corten_value_destroy(v);
        return status;
    }
    if (name && name_size_bytes) {
        size_t n = found.size_bytes < name_size_bytes ? found.size_bytes : name_size_bytes - 1;
        if (n)
            memcpy(name, found.data, n);
        name[n] = 0;
    }
    *value = v;
    return CORTEN_OK;
}

corten_status corten_value_serialize(const corten_value *value, const char *name, void **bytes,
                                     size_t *size_bytes, corten_error *error)
{
    CT_REQUIRE(value, error);
    CT_REQUIRE(bytes, error);
    CT_REQUIRE(size_bytes, error);
    return ct_value_proto_serialize(&value->tensor, name, ct_default_allocator(), bytes, size_bytes,
                                    error);
}
