/* Initializers and tensor attributes: in place where they are large, copied where they are small,
 * from external files where they say so. */
#include "model/read_parts.h"
#include "model/reader.h"

#include <inttypes.h>
#include <string.h>

static ct_status keep_extra(struct ct_reader *reader, const struct ct_tensor_proto *proto,
                            bool keep_name, struct ct_extra *extra)
{
    struct ct_wire wire;
    struct ct_field field;
    ct_wire_init(&wire, proto->message.data, proto->message.size_bytes, "TensorProto",
                 reader->file);
    while (ct_wire_next(&wire, &field)) {
        if (ct_tensor_field_is_extra(field.number) || (keep_name && field.number == CT_TENSOR_NAME))
            CT_TRY(ct_read_extra(reader, &field, extra));
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ external data */

ct_status ct_read_keep_map(struct ct_reader *reader, const char *location, struct ct_os_map map)
{
    struct ct_model_maps *maps = reader->model->maps;
    if (!CT_ARENA_PUSH(reader->arena, maps->items, maps->count, maps->capacity)) {
        ct_os_unmap(&map);
        return ct_read_no_memory(reader, sizeof *maps->items);
    }
    maps->items[maps->count++] = (struct ct_mapped){location, map};
    return CORTEN_OK;
}

/* Models keep most of their weights in one file, so that the latest is looked at first. */
static const struct ct_os_map *find_map(const struct ct_model_maps *maps, corten_string location)
{
    for (size_t i = maps->count; i-- > 0;) {
        const char *known = maps->items[i].location;
        if (known && strlen(known) == location.size_bytes &&
            memcmp(known, location.data, location.size_bytes) == 0)
            return &maps->items[i].map;
    }
    return NULL;
}

static const struct ct_external_file *find_file(const struct ct_external_files *files,
                                                corten_string location)
{
    for (size_t i = 0; files && i < files->count; i++)
        if (strlen(files->items[i].location) == location.size_bytes &&
            memcmp(files->items[i].location, location.data, location.size_bytes) == 0)
            return &files->items[i];
    return NULL;
}

static ct_status open_external(struct ct_reader *reader, const struct ct_tensor_proto *proto,
                               const char *name, struct ct_os_map *map)
{
    const struct ct_external_file *file = find_file(reader->files, proto->location);
    if (file) {
        *map = (struct ct_os_map){.data = file->data, .size_bytes = file->size_bytes};
        return CORTEN_OK;
    }
    struct ct_model_maps *maps = reader->model->maps;
    const struct ct_os_map *known = find_map(maps, proto->location);
    if (known) {
        *map = *known;
        return CORTEN_OK;
    }
    const char *location =
        ct_arena_strndup(reader->arena, proto->location.data, proto->location.size_bytes);
    if (!location)
        return ct_read_no_memory(reader, proto->location.size_bytes);
    if (!reader->folder)
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "tensor '%s' lies in the external file '%s', but the model has no "
                            "folder to look in",
                            name, location);
    ct_status status = ct_os_map_beneath(reader->folder, location, map, reader->error);
    if (status != CORTEN_OK) {
        ct_error_prefix(reader->error, "%s: external data of tensor '%s'", reader->model->source,
                        name);
        return status;
    }
    /* "a.bin" and "./a.bin" are one file: it is mapped once. */
    for (size_t i = 0; i < maps->count; i++) {
        const struct ct_os_map *other = &maps->items[i].map;
        if (other->data && other->device == map->device && other->inode == map->inode &&
            maps->items[i].location) {
            ct_os_unmap(map);
            *map = *other;
            return CORTEN_OK;
        }
    }
    return ct_read_keep_map(reader, location, *map);
}

static ct_status read_external(struct ct_reader *reader, const struct ct_tensor_proto *proto,
                               const char *name, const void **data)
{
    struct ct_os_map map = {0};
    CT_TRY(open_external(reader, proto, name, &map));
    if (proto->offset_bytes > map.size_bytes ||
        proto->size_bytes > map.size_bytes - proto->offset_bytes)
        return ct_read_fail(
            reader, CORTEN_INVALID_MODEL,
            "tensor '%s' needs %zu bytes at offset %" PRIu64
            " of the external file '%.*s', which has %zu bytes",
            name, proto->size_bytes, proto->offset_bytes,
            (int)(proto->location.size_bytes < 200 ? proto->location.size_bytes : 200),
            proto->location.data, map.size_bytes);
    *data = proto->size_bytes ? (const uint8_t *)map.data + proto->offset_bytes : NULL;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ tensors */

static ct_status read_elements(struct ct_reader *reader, const struct ct_tensor_proto *proto,
                               const char *name, void **data)
{
    const void *whole = proto->whole;
    if (proto->external)
        CT_TRY(read_external(reader, proto, name, &whole));
    if (whole && proto->size_bytes > CT_READ_COPY_BYTES) {
        *data = (void *)(uintptr_t)whole; /* constants are never written to */
        return CORTEN_OK;
    }
    void *copy = ct_arena_alloc(reader->arena, proto->size_bytes ? proto->size_bytes : 1);
    if (!copy)
        return ct_read_no_memory(reader, proto->size_bytes);
    if (whole)
        memcpy(copy, whole, proto->size_bytes);
    else
        ct_tensor_proto_decode(proto, copy);
    *data = copy;
    return CORTEN_OK;
}

static ct_status own_name(struct ct_reader *reader, const struct ct_tensor_proto *proto,
                          const char **name)
{
    struct ct_wire wire;
    struct ct_field field = {.type = CT_WIRE_BYTES,
                             .data = (const uint8_t *)proto->name.data,
                             .size_bytes = proto->name.size_bytes};
    ct_wire_init(&wire, NULL, 0, "TensorProto", reader->file);
    return ct_read_text(reader, &wire, &field, name);
}

ct_status ct_read_tensor(struct ct_reader *reader, corten_string message, struct ct_tensor *tensor,
                         const char **name, bool keep_name, struct ct_extra *extra)
{
    struct ct_tensor_proto proto;
    const char *text = "";
    CT_TRY(
        ct_tensor_proto_parse(message, reader->model->source, reader->file, &proto, reader->error));
    if (name || proto.external)
        CT_TRY(own_name(reader, &proto, &text));
    *tensor = (struct ct_tensor){.dtype = proto.dtype, .rank = proto.rank};
    memcpy(tensor->dims, proto.dims, sizeof tensor->dims);
    CT_TRY(read_elements(reader, &proto, text, &tensor->data));
    if (name)
        *name = text;
    if (proto.has_extra || (keep_name && proto.name.size_bytes))
        return keep_extra(reader, &proto, keep_name, extra);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ sparse tensors */

enum { SPARSE_VALUES = 1, SPARSE_INDICES = 2, SPARSE_DIMS = 3 };

static ct_status add_dim(struct ct_reader *reader, struct ct_tensor *tensor, uint64_t dim)
{
    if (dim > INT64_MAX)
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "a sparse tensor has a dimension below 0");
    if (tensor->rank == CT_MAX_RANK)
        return ct_read_fail(reader, CORTEN_LIMIT_EXCEEDED,
                            "a sparse tensor has a rank above %d, the highest", CT_MAX_RANK);
    tensor->dims[tensor->rank++] = (int64_t)dim;
    return CORTEN_OK;
}

static ct_status read_sparse_dims(struct ct_reader *reader, struct ct_wire *outer,
                                  const struct ct_field *field, struct ct_tensor *tensor)
{
    struct ct_wire wire;
    uint64_t dim;
    if (field->type == CT_WIRE_VARINT)
        return add_dim(reader, tensor, field->value);
    if (!ct_wire_expect(outer, field, CT_WIRE_BYTES))
        return ct_read_end(reader, outer);
    ct_read_begin(reader, &wire, field, "SparseTensorProto");
    while (wire.at < wire.end && ct_wire_varint(&wire, &dim))
        CT_TRY(add_dim(reader, tensor, dim));
    return ct_read_end(reader, &wire);
}

static ct_status check_sparse(struct ct_reader *reader, const struct ct_tensor *tensor,
                              const char *name)
{
    const struct ct_sparse *sparse = tensor->data;
    const struct ct_tensor *values = &sparse->values, *indices = &sparse->indices;
    size_t n_elems;
    if (!ct_shape_count(tensor->rank, tensor->dims, &n_elems))
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "sparse tensor '%s': its shape has too many elements", name);
    if (values->rank != 1)
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "sparse tensor '%s': its values have rank %d, expected 1", name,
                            values->rank);
    bool linear = indices->rank == 1;
    bool shaped = indices->rank == 2 && indices->dims[1] == tensor->rank;
    if (indices->dtype != CORTEN_I64 || !(linear || shaped) ||
        indices->dims[0] != values->dims[0]) {
        char found[128];
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "sparse tensor '%s': its indices are %s, expected int64[%" PRId64
                            "] or int64[%" PRId64 ",%d]",
                            name, ct_tensor_describe(indices, found, sizeof found), values->dims[0],
                            values->dims[0], tensor->rank);
    }
    return CORTEN_OK;
}

ct_status ct_read_sparse(struct ct_reader *reader, corten_string message, struct ct_tensor *tensor,
                         const char **name, bool keep_name, struct ct_extra *values_extra,
                         struct ct_extra *indices_extra)
{
    struct ct_sparse *sparse = ct_arena_alloc_zero(reader->arena, sizeof *sparse);
    if (!sparse)
        return ct_read_no_memory(reader, sizeof *sparse);
    struct ct_wire wire;
    struct ct_field field;
    corten_string values = {NULL, 0}, indices = {NULL, 0};
    const char *text = "";
    *tensor = (struct ct_tensor){.kind = CORTEN_SPARSE, .data = sparse};
    ct_wire_init(&wire, message.data, message.size_bytes, "SparseTensorProto", reader->file);
    while (ct_wire_next(&wire, &field)) {
        if (field.number == SPARSE_VALUES)
            CT_TRY(ct_read_bytes(reader, &wire, &field, &values));
        else if (field.number == SPARSE_INDICES)
            CT_TRY(ct_read_bytes(reader, &wire, &field, &indices));
        else if (field.number == SPARSE_DIMS)
            CT_TRY(read_sparse_dims(reader, &wire, &field, tensor));
    }
    CT_TRY(ct_read_end(reader, &wire));
    if (!values.data || !indices.data)
        return ct_read_fail(reader, CORTEN_INVALID_MODEL, "a sparse tensor has no %s",
                            values.data ? "indices" : "values");
    CT_TRY(ct_read_tensor(reader, values, &sparse->values, &text, keep_name, values_extra));
    CT_TRY(ct_read_tensor(reader, indices, &sparse->indices, NULL, true, indices_extra));
    tensor->dtype = sparse->values.dtype;
    if (name)
        *name = text;
    return check_sparse(reader, tensor, text);
}

/* Position of entry `i` in the dense tensor; false when it is outside. */
static bool dense_position(const struct ct_tensor *tensor, size_t n_elems, size_t i, size_t *at)
{
    const struct ct_sparse *sparse = tensor->data;
    int rank = sparse->indices.rank == 1 ? 1 : tensor->rank;
    int64_t position = 0;
    for (int d = 0; d < rank; d++) {
        int64_t index;
        int64_t bound = sparse->indices.rank == 1 ? (int64_t)n_elems : tensor->dims[d];
        memcpy(&index, (const char *)sparse->indices.data + 8 * (i * (size_t)rank + (size_t)d), 8);
        if (index < 0 || index >= bound)
            return false;
        position = position * bound + index;
    }
    *at = (size_t)position;
    return true;
}

ct_status ct_read_densify(struct ct_reader *reader, const struct ct_tensor *sparse,
                          const char *name, struct ct_tensor *dense)
{
    const struct ct_sparse *parts = sparse->data;
    size_t n_elems, size_bytes;
    if (!ct_shape_count(sparse->rank, sparse->dims, &n_elems) ||
        !ct_dtype_bytes(sparse->dtype, n_elems, &size_bytes) ||
        size_bytes > reader->dense_left_bytes)
        return ct_read_fail(reader, CORTEN_LIMIT_EXCEEDED,
                            "sparse tensor '%s' is out of proportion: its dense form would take "
                            "more than %zu bytes",
                            name, reader->dense_left_bytes);
    reader->dense_left_bytes -= size_bytes;
    *dense = *sparse;
    dense->kind = CORTEN_TENSOR;
    dense->data = ct_arena_alloc_zero(reader->arena, size_bytes ? size_bytes : 1);
    if (!dense->data)
        return ct_read_no_memory(reader, size_bytes);
    for (size_t i = 0; i < (size_t)parts->values.dims[0]; i++) {
        size_t at;
        if (!dense_position(sparse, n_elems, i, &at))
            return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                                "sparse tensor '%s': index %zu lies outside of its shape", name, i);
        ct_copy_elems(sparse->dtype, dense->data, at, parts->values.data, i, 1);
    }
    return CORTEN_OK;
}
