/* Tensors from and to NumPy's .npy arrays.
 *
 * NumPy has no name for bfloat16, the 8-bit floats and the types below 8 bits: they are written as
 * raw elements ("|V2", "|V1", one byte per element also below 8 bits), as ml_dtypes does, and read
 * as what the model declares. String arrays (kinds U and S) are string tensors. */
#ifndef CT_CLI_NPY_H
#define CT_CLI_NPY_H

#include <corten/corten.h>

#include "file.h"

/** Reads one array up to the end of `reader`. `declared` is the dtype that the model expects
 *  (NONE if that is not known); it decides what raw elements mean, nothing else. */
corten_status ct_cli_npy_read(const struct ct_cli_reader *reader, corten_dtype declared,
                              corten_value **tensor, corten_error *error);

/** An array as bytes: a head, and a body that may be the tensor's own memory. */
struct ct_cli_npy_bytes {
    char *head;
    size_t head_bytes;
    const void *body; /* borrowed from the tensor, or `owned` */
    size_t body_bytes;
    void *owned;
};

/** `bytes` borrows `tensor`. */
corten_status ct_cli_npy_write(const corten_value *tensor, struct ct_cli_npy_bytes *bytes,
                               corten_error *error);
void ct_cli_npy_bytes_deinit(struct ct_cli_npy_bytes *bytes);

#endif
