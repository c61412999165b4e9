/* Values as protobuf, of the kind that the first byte says: parse, write, and parse what was written. */
#include "model/value_proto.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void round_trip(corten_kind kind, const struct ct_tensor *value,
                       const corten_allocator *allocator)
{
    struct ct_tensor again = {0};
    void *bytes;
    size_t size_bytes;
    corten_error error;
    ct_status status =
        ct_value_proto_serialize(value, "name", allocator, &bytes, &size_bytes, &error);
    if (status == CORTEN_OUT_OF_MEMORY)
        return;
    require(status == CORTEN_OK);
    status = ct_value_proto_parse(kind, bytes, size_bytes, allocator, NULL, &again, &error);
    require(status == CORTEN_OK || status == CORTEN_OUT_OF_MEMORY);
    require(status != CORTEN_OK || (again.kind == value->kind && again.dtype == value->dtype));
    ct_tensor_clear(&again);
    ct_release(allocator, bytes, size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct ct_meter meter = {.base = *ct_default_allocator(), .limit_bytes = 64 << 20};
    corten_allocator allocator = ct_meter_allocator(&meter);
    struct ct_tensor value = {0};
    corten_string name;
    corten_error error;
    if (size_bytes == 0)
        return 0;
    corten_kind kind = (corten_kind)(data[0] % 5);
    if (ct_value_proto_parse(kind, data + 1, size_bytes - 1, &allocator, &name, &value, &error) ==
        CORTEN_OK)
        round_trip(kind, &value, &allocator);
    ct_tensor_clear(&value);
    require(meter.live_bytes == 0);
    return 0;
}
