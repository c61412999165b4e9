#include "model/tensor_proto.h"
#include "model/write_parts.h"
#include "model/writer.h"

#include <inttypes.h>
#include <stdio.h>

/* Large tensors start on a page, so that they can be mapped on their own, small ones on a cache
 * line. */
static size_t alignment_of(size_t size_bytes)
{
    return size_bytes >= 65536 ? 4096 : 64;
}

static void add_data(struct ct_writer *writer, const void *data, size_t size_bytes)
{
    writer->data_bytes += size_bytes;
    if (!writer->out.writing || !size_bytes)
        return;
    if (!CT_ARENA_PUSH(&writer->arena, writer->data_pieces, writer->n_data_pieces,
                       writer->data_pieces_capacity)) {
        writer->out.failed = true;
        return;
    }
    writer->data_pieces[writer->n_data_pieces++] = (struct ct_os_piece){data, size_bytes};
}

static void put_entry(struct ct_writer *writer, const char *key, const char *value)
{
    size_t token = ct_wire_out_begin(&writer->out, CT_TENSOR_EXTERNAL_DATA);
    ct_wire_out_text(&writer->out, 1, key);
    ct_wire_out_text(&writer->out, 2, value);
    ct_wire_out_end(&writer->out, CT_TENSOR_EXTERNAL_DATA, token);
}

static void put_external(struct ct_writer *writer, const void *data, size_t size_bytes)
{
    size_t start = ct_align_up(writer->data_bytes, alignment_of(size_bytes));
    char number[24];
    put_entry(writer, "location", writer->data_name);
    snprintf(number, sizeof number, "%zu", start);
    put_entry(writer, "offset", number);
    snprintf(number, sizeof number, "%zu", size_bytes);
    put_entry(writer, "length", number);
    ct_wire_out_varint(&writer->out, CT_TENSOR_DATA_LOCATION, 1);
    add_data(writer, NULL, start - writer->data_bytes);
    add_data(writer, data, size_bytes);
}

static void put_dims(struct ct_writer *writer, uint32_t number, const struct ct_tensor *tensor)
{
    for (int i = 0; i < tensor->rank; i++)
        ct_wire_out_varint(&writer->out, number, (uint64_t)tensor->dims[i]);
}

void ct_write_tensor(struct ct_writer *writer, const struct ct_tensor *tensor, const char *name,
                     const struct ct_extra *extra, bool may_be_external)
{
    struct ct_wire_out *out = &writer->out;
    put_dims(writer, CT_TENSOR_DIMS, tensor);
    ct_wire_out_varint(out, CT_TENSOR_DATA_TYPE, (uint64_t)tensor->dtype);
    ct_wire_out_text_if(out, CT_TENSOR_NAME, name);
    ct_write_extra(writer, extra);
    if (tensor->layout != CT_LAYOUT_PLAIN || (!tensor->data && ct_count(tensor))) {
        if (writer->status == CORTEN_OK)
            writer->status =
                ct_fail(writer->error, CORTEN_INTERNAL,
                        "constant '%.200s' has no plain elements to write", name ? name : "");
        return;
    }
    if (tensor->dtype == CORTEN_STRING) {
        const corten_string *strings = tensor->data;
        size_t count = ct_count(tensor);
        for (size_t i = 0; i < count; i++)
            ct_wire_out_bytes(out, CT_TENSOR_STRING_DATA, strings[i].data, strings[i].size_bytes);
        return;
    }
    size_t size_bytes = ct_tensor_bytes(tensor);
    if (may_be_external && writer->data_name && size_bytes >= CT_WRITE_EXTERNAL_BYTES)
        put_external(writer, tensor->data, size_bytes);
    else
        ct_wire_out_bytes(out, CT_TENSOR_RAW_DATA, tensor->data, size_bytes);
}

void ct_write_sparse(struct ct_writer *writer, const struct ct_tensor *tensor, const char *name,
                     const struct ct_extra *values_extra, const struct ct_extra *indices_extra)
{
    const struct ct_sparse *sparse = tensor->data;
    struct ct_wire_out *out = &writer->out;
    size_t token = ct_wire_out_begin(out, 1);
    ct_write_tensor(writer, &sparse->values, name, values_extra, false);
    ct_wire_out_end(out, 1, token);
    token = ct_wire_out_begin(out, 2);
    ct_write_tensor(writer, &sparse->indices, NULL, indices_extra, false);
    ct_wire_out_end(out, 2, token);
    put_dims(writer, 3, tensor);
}
