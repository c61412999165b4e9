#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

static corten_status read_stream(void *source, void *buffer, size_t size_bytes, size_t *got_bytes,
                                 corten_error *error)
{
    FILE *stream = source;
    *got_bytes = fread(buffer, 1, size_bytes, stream);
    if (*got_bytes < size_bytes && ferror(stream))
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot read: %s", strerror(errno));
    return CORTEN_OK;
}

corten_status ct_cli_file_open(const char *path, struct ct_cli_reader *reader, corten_error *error)
{
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return ct_cli_fail(error, errno == ENOENT ? CORTEN_NO_SUCH_FILE : CORTEN_IO_ERROR,
                           "cannot open '%s': %s", path, strerror(errno));
    struct stat status;
    if (fstat(fileno(stream), &status) != 0 || !S_ISREG(status.st_mode)) {
        fclose(stream);
        return ct_cli_fail(error, CORTEN_IO_ERROR, "'%s' is not a regular file", path);
    }
    *reader = (struct ct_cli_reader){read_stream, stream, (uint64_t)status.st_size};
    return CORTEN_OK;
}

void ct_cli_file_close(struct ct_cli_reader *reader)
{
    if (reader->source)
        fclose(reader->source);
    reader->source = NULL;
}

corten_status ct_cli_read_all(const struct ct_cli_reader *reader, void *buffer, size_t size_bytes,
                              const char *what, corten_error *error)
{
    size_t got = 0;
    CT_CLI_TRY(reader->read(reader->source, buffer, size_bytes, &got, error));
    if (got < size_bytes)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "%s ends after %zu bytes, expected %zu", what,
                           got, size_bytes);
    return CORTEN_OK;
}

corten_status ct_cli_file_load(const char *path, void **bytes, size_t *size_bytes,
                               corten_error *error)
{
    struct ct_cli_reader reader;
    CT_CLI_TRY(ct_cli_file_open(path, &reader, error));
    size_t size = (size_t)reader.size_bytes;
    char *buffer = malloc(size + 1);
    corten_status status = buffer ? ct_cli_read_all(&reader, buffer, size, "the file", error)
                                  : ct_cli_no_memory(error, "a file");
    ct_cli_file_close(&reader);
    if (status != CORTEN_OK) {
        free(buffer);
        return ct_cli_prefix(error, status, "'%s'", path);
    }
    buffer[size] = '\0';
    *bytes = buffer;
    *size_bytes = size;
    return CORTEN_OK;
}

corten_status ct_cli_file_save(const char *path, const void *head, size_t head_bytes,
                               const void *body, size_t body_bytes, corten_error *error)
{
    FILE *stream = fopen(path, "wb");
    if (!stream)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot create '%s': %s", path, strerror(errno));
    bool written = fwrite(head, 1, head_bytes, stream) == head_bytes;
    if (written && body_bytes > 0)
        written = fwrite(body, 1, body_bytes, stream) == body_bytes;
    int number = errno;
    if (fclose(stream) != 0 && written) {
        number = errno;
        written = false;
    }
    if (!written)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot write '%s': %s", path, strerror(number));
    return CORTEN_OK;
}
