/* Archives of arrays: NumPy's .npz, a zip file (stored or deflated) of .npy entries. */
#ifndef CT_CLI_NPZ_H
#define CT_CLI_NPZ_H

#include <corten/corten.h>

/** An archive open for reading. */
struct ct_cli_npz;

corten_status ct_cli_npz_open(const char *path, struct ct_cli_npz **npz, corten_error *error);
void ct_cli_npz_close(struct ct_cli_npz *npz);

size_t ct_cli_npz_count(const struct ct_cli_npz *npz);
/** Name of an array, without ".npy"; borrowed from the archive. */
const char *ct_cli_npz_name(const struct ct_cli_npz *npz, size_t index);
/** Index of the array of that name, SIZE_MAX if there is none. */
size_t ct_cli_npz_find(const struct ct_cli_npz *npz, const char *name);
/** See ct_cli_npy_read for `declared`. */
corten_status ct_cli_npz_read(struct ct_cli_npz *npz, size_t index, corten_dtype declared,
                              corten_value **tensor, corten_error *error);

/** An archive being written: nothing is on disk before `commit`. */
struct ct_cli_npz_writer;

corten_status ct_cli_npz_create(const char *path, bool deflate, struct ct_cli_npz_writer **writer,
                                corten_error *error);
/** Adds a tensor, which the writer borrows until commit or discard. */
corten_status ct_cli_npz_add(struct ct_cli_npz_writer *writer, const char *name,
                             const corten_value *tensor, corten_error *error);
/** Writes the file and frees the writer, also on failure. */
corten_status ct_cli_npz_commit(struct ct_cli_npz_writer *writer, corten_error *error);
/** Frees the writer without writing. NULL is allowed. */
void ct_cli_npz_discard(struct ct_cli_npz_writer *writer);

#endif
