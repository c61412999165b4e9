#include "npz.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "file.h"
#include "npy.h"
#include "text.h"

struct ct_cli_npz {
    zip_t *archive;
    size_t count;
    char **names; /* NULL for an entry that is no array */
    uint64_t file_size_bytes;
};

struct ct_cli_npz_writer {
    zip_t *archive;
    bool deflate;
    struct ct_cli_npy_bytes *arrays; /* what the archive reads when it is closed */
    size_t count;
};

static corten_status open_archive(const char *path, int flags, zip_t **archive, corten_error *error)
{
    int code = 0;
    *archive = zip_open(path, flags, &code);
    if (*archive)
        return CORTEN_OK;
    zip_error_t reason;
    zip_error_init_with_code(&reason, code);
    corten_status status = code == ZIP_ER_NOENT ? CORTEN_NO_SUCH_FILE : CORTEN_IO_ERROR;
    status = ct_cli_fail(error, status, "cannot open '%s': %s", path, zip_error_strerror(&reason));
    zip_error_fini(&reason);
    return status;
}

static corten_status collect_names(struct ct_cli_npz *npz, corten_error *error)
{
    zip_int64_t entries = zip_get_num_entries(npz->archive, 0);
    npz->names = calloc((size_t)entries + 1, sizeof *npz->names);
    if (!npz->names)
        return ct_cli_no_memory(error, "the names of arrays");
    npz->count = (size_t)entries;
    for (size_t i = 0; i < npz->count; i++) {
        const char *name = zip_get_name(npz->archive, i, ZIP_FL_ENC_RAW);
        if (!name || !ct_cli_ends_with(name, ".npy"))
            continue;
        npz->names[i] = strndup(name, strlen(name) - 4);
        if (!npz->names[i])
            return ct_cli_no_memory(error, "the names of arrays");
    }
    return CORTEN_OK;
}

corten_status ct_cli_npz_open(const char *path, struct ct_cli_npz **npz, corten_error *error)
{
    struct ct_cli_reader file;
    CT_CLI_TRY(ct_cli_file_open(path, &file, error));
    uint64_t size = file.size_bytes;
    ct_cli_file_close(&file);
    struct ct_cli_npz *opened = calloc(1, sizeof *opened);
    if (!opened)
        return ct_cli_no_memory(error, "an archive");
    opened->file_size_bytes = size;
    corten_status status = open_archive(path, ZIP_RDONLY, &opened->archive, error);
    if (status == CORTEN_OK)
        status = collect_names(opened, error);
    if (status != CORTEN_OK) {
        ct_cli_npz_close(opened);
        return status;
    }
    *npz = opened;
    return CORTEN_OK;
}

void ct_cli_npz_close(struct ct_cli_npz *npz)
{
    if (!npz)
        return;
    for (size_t i = 0; i < npz->count; i++)
        free(npz->names[i]);
    free(npz->names);
    if (npz->archive)
        zip_discard(npz->archive);
    free(npz);
}

size_t ct_cli_npz_count(const struct ct_cli_npz *npz)
{
    return npz->count;
}

const char *ct_cli_npz_name(const struct ct_cli_npz *npz, size_t index)
{
    return npz->names[index];
}

size_t ct_cli_npz_find(const struct ct_cli_npz *npz, const char *name)
{
    for (size_t i = 0; i < npz->count; i++)
        if (npz->names[i] && strcmp(npz->names[i], name) == 0)
            return i;
    return SIZE_MAX;
}

static corten_status read_entry(void *source, void *buffer, size_t size_bytes, size_t *got_bytes,
                                corten_error *error)
{
    zip_file_t *entry = source;
    *got_bytes = 0;
    while (*got_bytes < size_bytes) {
        size_t left = size_bytes - *got_bytes;
        zip_int64_t got = zip_fread(entry, (char *)buffer + *got_bytes, left);
        if (got < 0)
            return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot read: %s", zip_file_strerror(entry));
        if (got == 0)
            break;
        *got_bytes += (size_t)got;
    }
    return CORTEN_OK;
}

/* The size that a directory entry claims, if the bytes of the file can hold so much: Deflate packs
 * at most 1032 to 1. */
static corten_status claimed_size(const struct ct_cli_npz *npz, size_t index, uint64_t *size_bytes,
                                  corten_error *error)
{
    enum { DEFLATE_RATIO = 1032, SLACK = 1024 };
    zip_stat_t status;
    if (zip_stat_index(npz->archive, index, 0, &status) != 0)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "%s", zip_strerror(npz->archive));
    zip_uint64_t known = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((status.valid & known) != known)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "the archive does not tell its size");
    if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE)
        return ct_cli_fail(error, CORTEN_UNSUPPORTED,
                           "compression method %d, expected stored or deflated",
                           (int)status.comp_method);
    uint64_t ratio = status.comp_method == ZIP_CM_STORE ? 1 : DEFLATE_RATIO;
    if (status.comp_size > npz->file_size_bytes || status.size / ratio > status.comp_size + SLACK)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "the archive claims %llu bytes, more than it can hold",
                           (unsigned long long)status.size);
    *size_bytes = status.size;
    return CORTEN_OK;
}

corten_status ct_cli_npz_read(struct ct_cli_npz *npz, size_t index, corten_dtype declared,
                              corten_value **tensor, corten_error *error)
{
    struct ct_cli_reader reader = {.read = read_entry};
    corten_status status = claimed_size(npz, index, &reader.size_bytes, error);
    zip_file_t *entry = NULL;
    if (status == CORTEN_OK) {
        entry = zip_fopen_index(npz->archive, index, 0);
        if (!entry)
            status = ct_cli_fail(error, CORTEN_IO_ERROR, "%s", zip_strerror(npz->archive));
    }
    if (status == CORTEN_OK) {
        reader.source = entry;
        status = ct_cli_npy_read(&reader, declared, tensor, error);
    }
    if (entry)
        zip_fclose(entry);
    if (status != CORTEN_OK)
        return ct_cli_prefix(error, status, "array '%s'", npz->names[index]);
    return CORTEN_OK;
}

corten_status ct_cli_npz_create(const char *path, bool deflate, struct ct_cli_npz_writer **writer,
                                corten_error *error)
{
    struct ct_cli_npz_writer *created = calloc(1, sizeof *created);
    if (!created)
        return ct_cli_no_memory(error, "an archive");
    created->deflate = deflate;
    corten_status status = open_archive(path, ZIP_CREATE | ZIP_TRUNCATE, &created->archive, error);
    if (status != CORTEN_OK) {
        free(created);
        return status;
    }
    *writer = created;
    return CORTEN_OK;
}

static corten_status add_entry(struct ct_cli_npz_writer *writer, const char *name,
                               const struct ct_cli_npy_bytes *bytes, corten_error *error)
{
    /* The second piece may be empty; libzip wants no NULL there. */
    zip_buffer_fragment_t pieces[2] = {
        {(zip_uint8_t *)bytes->head, bytes->head_bytes},
        {(zip_uint8_t *)(uintptr_t)bytes->body, bytes->body_bytes},
    };
    size_t count = bytes->body_bytes > 0 ? 2 : 1;
    char *entry = NULL;
    if (asprintf(&entry, "%s.npy", name) < 0)
        return ct_cli_no_memory(error, "a name");
    zip_source_t *source = zip_source_buffer_fragment(writer->archive, pieces, count, 0);
    zip_int64_t index = -1;
    if (source)
        index = zip_file_add(writer->archive, entry, source, ZIP_FL_OVERWRITE | ZIP_FL_ENC_UTF_8);
    free(entry);
    if (index < 0) {
        zip_source_free(source);
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot add '%s': %s", name,
                           zip_strerror(writer->archive));
    }
    zip_int32_t method = writer->deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
    if (zip_set_file_compression(writer->archive, (zip_uint64_t)index, method, 0) != 0)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot add '%s': %s", name,
                           zip_strerror(writer->archive));
    return CORTEN_OK;
}

corten_status ct_cli_npz_add(struct ct_cli_npz_writer *writer, const char *name,
                             const corten_value *tensor, corten_error *error)
{
    struct ct_cli_npy_bytes *arrays = realloc(writer->arrays, (writer->count + 1) * sizeof *arrays);
    if (!arrays)
        return ct_cli_no_memory(error, "an archive");
    writer->arrays = arrays;
    CT_CLI_TRY(ct_cli_npy_write(tensor, &arrays[writer->count], error));
    return add_entry(writer, name, &arrays[writer->count++], error);
}

static void free_writer(struct ct_cli_npz_writer *writer)
{
    for (size_t i = 0; i < writer->count; i++)
        ct_cli_npy_bytes_deinit(&writer->arrays[i]);
    free(writer->arrays);
    free(writer);
}

corten_status ct_cli_npz_commit(struct ct_cli_npz_writer *writer, corten_error *error)
{
    corten_status status = CORTEN_OK;
    if (zip_close(writer->archive) != 0) {
        status = ct_cli_fail(error, CORTEN_IO_ERROR, "cannot write the archive: %s",
                             zip_strerror(writer->archive));
        zip_discard(writer->archive);
    }
    free_writer(writer);
    return status;
}

void ct_cli_npz_discard(struct ct_cli_npz_writer *writer)
{
    if (!writer)
        return;
    zip_discard(writer->archive);
    free_writer(writer);
}
