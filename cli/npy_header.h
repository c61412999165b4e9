/* The header of a .npy file (NumPy Enhancement Proposal 1, format versions 1.0 to 3.0): a magic
 * string, a length, and a Python dictionary of three entries. Nothing in it is believed before it
 * is checked. */
#ifndef CT_CLI_NPY_HEADER_H
#define CT_CLI_NPY_HEADER_H

#include <corten/corten.h>

enum {
    CT_CLI_NPY_PREFIX_SIZE = 12, /* bytes that tell the length of the header */
    CT_CLI_NPY_HEADER_SIZE_MAX = 65536
};

struct ct_cli_npy_header {
    char kind;              /* NumPy's: b i u f c S U V */
    bool big_endian;        /* elements of several bytes are to be swapped */
    bool fortran;           /* first dimension varies fastest */
    size_t item_size_bytes; /* of an element */
    int rank;
    int64_t dims[CORTEN_MAX_RANK];
    size_t n_elems;
    size_t data_size_bytes; /* n_elems * item_size_bytes */
};

/** Bytes from the start of the file to the data, told by its first CT_CLI_NPY_PREFIX_SIZE bytes. */
corten_status ct_cli_npy_header_size(const unsigned char *prefix, size_t *size_bytes,
                                     corten_error *error);
/** Parses a whole header of `size_bytes`, as ct_cli_npy_header_size gave. */
corten_status ct_cli_npy_header_parse(const unsigned char *bytes, size_t size_bytes,
                                      struct ct_cli_npy_header *header, corten_error *error);
/** Writes the header for `descr` (such as "<f4"); `*bytes` is owned by the caller: free. */
corten_status ct_cli_npy_header_make(const char *descr, int rank, const int64_t *dims, char **bytes,
                                     size_t *size_bytes, corten_error *error);

#endif
