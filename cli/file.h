/* Bytes in and out of files, and readers that npy arrays come from. */
#ifndef CT_CLI_FILE_H
#define CT_CLI_FILE_H

#include <corten/corten.h>

/** Where bytes come from, in order. `read` delivers up to size_bytes; fewer only at the end. */
struct ct_cli_reader {
    corten_status (*read)(void *source, void *buffer, size_t size_bytes, size_t *got_bytes,
                          corten_error *error);
    void *source;
    uint64_t size_bytes; /* bytes in all: nothing larger than this is believed */
};

/** Whole file; `*bytes` is owned by the caller: free. */
corten_status ct_cli_file_load(const char *path, void **bytes, size_t *size_bytes,
                               corten_error *error);
/** Replaces the file by two pieces, one after the other (`body` may be NULL). */
corten_status ct_cli_file_save(const char *path, const void *head, size_t head_bytes,
                               const void *body, size_t body_bytes, corten_error *error);

/** Opens a regular file as a reader; close with ct_cli_file_close. */
corten_status ct_cli_file_open(const char *path, struct ct_cli_reader *reader, corten_error *error);
void ct_cli_file_close(struct ct_cli_reader *reader);

/** Reads exactly size_bytes, or fails naming what was missing. */
corten_status ct_cli_read_all(const struct ct_cli_reader *reader, void *buffer, size_t size_bytes,
                              const char *what, corten_error *error);

#endif
