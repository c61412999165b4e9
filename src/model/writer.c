#include "model/writer.h"

#include "model/write_parts.h"

#include <string.h>

/* Protobuf's own limit for a message. */
static const size_t limit_bytes = INT32_MAX;

void ct_writer_init(struct ct_writer *writer, const corten_allocator *allocator,
                    corten_error *error)
{
    *writer = (struct ct_writer){.error = error};
    ct_arena_init(&writer->arena, allocator ? allocator : ct_default_allocator());
    ct_wire_out_init(&writer->out, &writer->arena);
}

void ct_writer_deinit(struct ct_writer *writer)
{
    ct_arena_deinit(&writer->arena);
}

static ct_status state_of(const struct ct_writer *writer)
{
    if (writer->out.failed)
        return ct_fail_memory(writer->error, writer->out.buffer_bytes, "writing a model");
    return writer->status;
}

ct_status ct_writer_run(struct ct_writer *writer,
                        void (*write)(struct ct_writer *writer, const void *what), const void *what)
{
    write(writer, what);
    CT_TRY(state_of(writer));
    if (writer->out.total_bytes > limit_bytes)
        return ct_fail(writer->error, CORTEN_LIMIT_EXCEEDED,
                       "%zu bytes are too many for a protobuf message, the limit is %zu",
                       writer->out.total_bytes, limit_bytes);
    writer->data_bytes = 0;
    if (ct_wire_out_start_writing(&writer->out))
        write(writer, what);
    return state_of(writer);
}

ct_status ct_writer_join(const struct ct_writer *writer, const corten_allocator *allocator,
                         void **bytes, size_t *size_bytes)
{
    size_t total = writer->out.total_bytes, at = 0;
    char *joined = ct_alloc(allocator, total);
    if (!joined)
        return ct_fail_memory(writer->error, total, "a serialized message");
    for (size_t i = 0; i < writer->out.n_pieces; i++) {
        const struct ct_os_piece *piece = &writer->out.pieces[i];
        memcpy(joined + at, piece->data, piece->size_bytes);
        at += piece->size_bytes;
    }
    *bytes = joined;
    *size_bytes = total;
    return CORTEN_OK;
}

void ct_write_extra(struct ct_writer *writer, const struct ct_extra *extra)
{
    for (size_t i = 0; extra && i < extra->count; i++)
        ct_wire_out_whole(&writer->out, extra->items[i]);
}

/* ------------------------------------------------------------------ ModelProto */

static void write_model(struct ct_writer *writer, const void *what)
{
    const struct ct_model *model = what;
    struct ct_wire_out *out = &writer->out;
    ct_wire_out_varint(out, 1, (uint64_t)model->ir_version);
    ct_wire_out_text_if(out, 2, model->producer_name);
    ct_wire_out_text_if(out, 3, model->producer_version);
    ct_wire_out_text_if(out, 4, model->domain);
    if (model->model_version)
        ct_wire_out_varint(out, 5, (uint64_t)model->model_version);
    ct_wire_out_text_if(out, 6, model->doc);
    size_t token = ct_wire_out_begin(out, 7);
    ct_write_graph(writer, model->graph);
    ct_wire_out_end(out, 7, token);
    for (size_t i = 0; i < model->n_opsets; i++) {
        token = ct_wire_out_begin(out, 8);
        ct_wire_out_text(out, 1, model->opsets[i].domain);
        ct_wire_out_varint(out, 2, (uint64_t)model->opsets[i].version);
        ct_wire_out_end(out, 8, token);
    }
    ct_write_properties(writer, 14, &model->metadata);
    ct_write_extra(writer, &model->extra);
    for (size_t i = 0; i < model->n_functions; i++) {
        token = ct_wire_out_begin(out, 25);
        ct_write_function(writer, model->functions[i]);
        ct_wire_out_end(out, 25, token);
    }
}

ct_status ct_model_write_memory(const struct ct_model *model, const corten_allocator *allocator,
                                void **bytes, size_t *size_bytes, corten_error *error)
{
    struct ct_writer writer;
    if (!allocator)
        allocator = ct_default_allocator();
    ct_writer_init(&writer, allocator, error);
    writer.symbols = &model->symbols;
    ct_status status = ct_writer_run(&writer, write_model, model);
    if (status == CORTEN_OK)
        status = ct_writer_join(&writer, allocator, bytes, size_bytes);
    ct_writer_deinit(&writer);
    return status;
}

/* The data first: a model never names data that is not there. */
static ct_status write_files(struct ct_writer *writer, const struct ct_model *model,
                             const char *path, bool external)
{
    const char *data_path = NULL;
    if (external) {
        data_path = ct_arena_printf(&writer->arena, "%s.data", path);
        if (!data_path)
            return ct_fail_memory(writer->error, strlen(path), "the path of external data");
        const char *slash = strrchr(data_path, '/');
        writer->data_name = slash ? slash + 1 : data_path;
    }
    CT_TRY(ct_writer_run(writer, write_model, model));
    if (writer->n_data_pieces)
        CT_TRY(
            ct_os_write_file(data_path, writer->data_pieces, writer->n_data_pieces, writer->error));
    return ct_os_write_file(path, writer->out.pieces, writer->out.n_pieces, writer->error);
}

ct_status ct_model_write_file(const struct ct_model *model, const char *path, bool external,
                              corten_error *error)
{
    struct ct_writer writer;
    ct_writer_init(&writer, model->allocator, error);
    writer.symbols = &model->symbols;
    ct_status status = write_files(&writer, model, path, external);
    ct_writer_deinit(&writer);
    if (status != CORTEN_LIMIT_EXCEEDED || external)
        return status;

    ct_writer_init(&writer, model->allocator, error);
    writer.symbols = &model->symbols;
    status = write_files(&writer, model, path, true);
    ct_writer_deinit(&writer);
    return status;
}
