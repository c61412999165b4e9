#include "model/reader.h"

#include "model/read_parts.h"

#include <inttypes.h>
#include <string.h>

enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_DOMAIN = 4,
    MODEL_VERSION = 5,
    MODEL_DOC = 6,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14,
    MODEL_FUNCTION = 25,
    FIRST_IR_WITH_OPSETS = 3 /* before, a model used version 1 of ai.onnx and said nothing */
};

/* ------------------------------------------------------------------ ModelProto */

static ct_status add_opset(struct ct_reader *reader, struct ct_wire *wire,
                           const struct ct_field *field)
{
    struct ct_model *model = reader->model;
    if (model->n_opsets == CT_READ_MAX_OPSETS)
        return ct_read_fail(reader, CORTEN_LIMIT_EXCEEDED, "more than %d operator sets",
                            CT_READ_MAX_OPSETS);
    if (!CT_ARENA_PUSH(reader->arena, model->opsets, model->n_opsets, model->opsets_capacity))
        return ct_read_no_memory(reader, sizeof *model->opsets);
    CT_TRY(ct_read_opset(reader, wire, field, &model->opsets[model->n_opsets]));
    model->n_opsets++;
    return CORTEN_OK;
}

static ct_status read_field(struct ct_reader *reader, struct ct_wire *wire,
                            const struct ct_field *field)
{
    struct ct_model *model = reader->model;
    switch (field->number) {
    case MODEL_IR_VERSION: return ct_read_int(reader, wire, field, &model->ir_version);
    case MODEL_PRODUCER_NAME: return ct_read_text(reader, wire, field, &model->producer_name);
    case MODEL_PRODUCER_VERSION: return ct_read_text(reader, wire, field, &model->producer_version);
    case MODEL_DOMAIN: return ct_read_text(reader, wire, field, &model->domain);
    case MODEL_VERSION: return ct_read_int(reader, wire, field, &model->model_version);
    case MODEL_DOC: return ct_read_text(reader, wire, field, &model->doc);
    case MODEL_OPSET: return add_opset(reader, wire, field);
    case MODEL_METADATA: return ct_read_property(reader, wire, field, &model->metadata);
    case MODEL_GRAPH:
    case MODEL_FUNCTION: return CORTEN_OK;
    default: /* training_info and configuration too */
        return ct_read_extra(reader, field, &model->extra);
    }
}

/* All but the graph and the functions, which need the operator sets that may come after them. */
static ct_status read_header(struct ct_reader *reader, const struct ct_wire *message,
                             corten_string *graph)
{
    struct ct_wire wire = *message;
    struct ct_field field;
    while (ct_wire_next(&wire, &field)) {
        CT_TRY(read_field(reader, &wire, &field));
        if (field.number != MODEL_GRAPH)
            continue;
        if (graph->data)
            return ct_read_fail(reader, CORTEN_INVALID_MODEL, "the model has two graphs");
        CT_TRY(ct_read_bytes(reader, &wire, &field, graph));
    }
    CT_TRY(ct_read_end(reader, &wire));
    if (!graph->data)
        return ct_read_fail(reader, CORTEN_INVALID_MODEL,
                            "not a valid ONNX model: at byte %zu, where it ends: it has no graph",
                            reader->file_bytes);
    struct ct_model *model = reader->model;
    if (!model->n_opsets && model->ir_version < FIRST_IR_WITH_OPSETS)
        CT_TRY(ct_model_import(model, "", 1, reader->error));
    reader->opsets = model->opsets;
    reader->n_opsets = model->n_opsets;
    return CORTEN_OK;
}

static ct_status read_model(struct ct_reader *reader)
{
    struct ct_wire message, wire;
    struct ct_field field;
    corten_string graph = {NULL, 0};
    ct_wire_init(&message, reader->file, reader->file_bytes, "ModelProto", NULL);
    CT_TRY(read_header(reader, &message, &graph));
    CT_TRY(ct_read_graph(reader, graph, reader->model->graph));
    wire = message;
    while (ct_wire_next(&wire, &field)) {
        if (field.number == MODEL_FUNCTION && ct_wire_expect(&wire, &field, CT_WIRE_BYTES))
            CT_TRY(ct_read_function(reader, &field));
    }
    return ct_read_end(reader, &wire);
}

/* ------------------------------------------------------------------ opening */

static void drop_pages(const struct ct_model *model, const void *data, size_t size_bytes)
{
    uintptr_t at = (uintptr_t)data;
    for (size_t i = 0; i < model->maps->count; i++) {
        const struct ct_os_map *map = &model->maps->items[i].map;
        if (at >= (uintptr_t)map->data && at - (uintptr_t)map->data < map->size_bytes)
            ct_os_drop_pages(data, size_bytes);
    }
}

static void close_maps(struct ct_model *model)
{
    for (size_t i = 0; i < model->maps->count; i++)
        ct_os_unmap(&model->maps->items[i].map);
    model->maps->count = 0;
}

static ct_status start(struct ct_reader *reader, const char *source,
                       const corten_allocator *allocator)
{
    CT_TRY(ct_model_create(allocator, source, &reader->model, reader->error));
    struct ct_model *model = reader->model;
    reader->arena = &model->arena;
    ct_map_init(&reader->functions, reader->arena);
    model->maps = ct_arena_alloc_zero(reader->arena, sizeof *model->maps);
    if (!model->maps)
        return ct_read_no_memory(reader, sizeof *model->maps);
    model->close_maps = close_maps;
    model->drop_pages = drop_pages;
    return CORTEN_OK;
}

static ct_status read_bytes(struct ct_reader *reader, const void *bytes, size_t size_bytes)
{
    /* Sparse initializers are the one thing that may be larger in memory than in the file. */
    const size_t dense_bytes = 64 << 20, dense_per_byte = 256;
    reader->file = bytes;
    reader->file_bytes = size_bytes;
    if (!ct_mul_size(size_bytes, dense_per_byte, &reader->dense_left_bytes) ||
        !ct_add_size(reader->dense_left_bytes, dense_bytes, &reader->dense_left_bytes))
        reader->dense_left_bytes = SIZE_MAX;
    return read_model(reader);
}

static ct_status finish(struct ct_reader *reader, ct_status status, struct ct_model **model)
{
    if (status == CORTEN_OK)
        *model = reader->model;
    else
        ct_model_destroy(reader->model);
    return status;
}

ct_status ct_model_read_memory(const void *bytes, size_t size_bytes, const char *folder,
                               const struct ct_external_files *files, const char *source,
                               const corten_allocator *allocator, struct ct_model **model,
                               corten_error *error)
{
    struct ct_reader reader = {.error = error, .folder = folder, .files = files};
    ct_status status = start(&reader, source, allocator);
    if (status == CORTEN_OK)
        status = read_bytes(&reader, bytes, size_bytes);
    return finish(&reader, status, model);
}

static const char *folder_of(struct ct_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : ct_arena_strndup(arena, path, (size_t)(slash - path));
}

static ct_status read_file(struct ct_reader *reader, const char *path)
{
    struct ct_os_map map;
    reader->folder = folder_of(reader->arena, path);
    if (!reader->folder)
        return ct_read_no_memory(reader, strlen(path));
    CT_TRY(ct_os_map_file(path, &map, reader->error));
    CT_TRY(ct_read_keep_map(reader, NULL, map));
    return read_bytes(reader, map.data, map.size_bytes);
}

ct_status ct_model_read_file(const char *path, const struct ct_external_files *files,
                             const corten_allocator *allocator, struct ct_model **model,
                             corten_error *error)
{
    struct ct_reader reader = {.error = error, .files = files};
    ct_status status = start(&reader, path, allocator);
    if (status == CORTEN_OK)
        status = read_file(&reader, path);
    return finish(&reader, status, model);
}

ct_status ct_model_check_versions(const struct ct_model *model, int64_t newest_ir_version,
                                  const struct ct_known_opset *opsets, size_t n_opsets,
                                  corten_error *error)
{
    if (model->ir_version > newest_ir_version)
        return ct_fail(error, CORTEN_UNSUPPORTED,
                       "%s: IR version %" PRId64 " is newer than the newest known, %" PRId64,
                       model->source, model->ir_version, newest_ir_version);
    for (size_t i = 0; i < n_opsets; i++) {
        int64_t version = ct_model_opset(model, opsets[i].domain);
        if (version > opsets[i].version)
            return ct_fail(error, CORTEN_UNSUPPORTED,
                           "%s: version %" PRId64 " of operator set '%s' is newer than the newest "
                           "known, %" PRId64,
                           model->source, version,
                           opsets[i].domain[0] ? opsets[i].domain : "ai.onnx", opsets[i].version);
    }
    return CORTEN_OK;
}
