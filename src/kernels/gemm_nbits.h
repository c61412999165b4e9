/* Products of a few rows of float32 with weights of 2, 4 or 8 bits, quantised in blocks along k:
 *     c[i,j] = bias[j] + sum over blocks b of scales[b,j]
 *                        * sum over p in b of a[i,p] (q[p,j] - 2^(bits - 1) - zeros[b,j])
 *
 * Weights are packed in panels of 32 columns: one 32-bit word a column holds the next 32 / bits
 * elements of k, first in the low bits, as two's complement (q less 2^(bits - 1)); then come those
 * of the next elements. So a load of words fills the lanes of a vector with columns, whatever its
 * width, and a row of A is read once for them all. Rows of gemm_nbits.def, best first, list the
 * kernels. */
#ifndef CT_KERNELS_GEMM_NBITS_H
#define CT_KERNELS_GEMM_NBITS_H

#include <stddef.h>
#include <stdint.h>

#include "cpu/cpu.h"

enum {
    CT_NBITS_COLUMNS = 32, /* of a panel */
    CT_NBITS_ROWS = 4,     /* of a tile, at most */
    CT_NBITS_K = 16        /* k is a multiple of this: elements of 2 bits in a word */
};

struct ct_gemm_nbits_tile {
    size_t m, n;    /* 1 to CT_NBITS_ROWS rows, 1 to CT_NBITS_COLUMNS columns */
    size_t k;       /* a multiple of CT_NBITS_K */
    size_t block;   /* elements of k in a block: a multiple of CT_NBITS_K; the last may be cut */
    int bits;       /* 2, 4 or 8 */
    const float *a; /* element (i, p): a[i * lda + p] */
    size_t lda;
    const uint32_t *b;   /* a packed panel: k * bits / 32 times CT_NBITS_COLUMNS words */
    const float *scales; /* [block][CT_NBITS_COLUMNS] */
    const float *zeros;  /* the same, less 2^(bits - 1); NULL: all 0 */
    const float *a_sums; /* with zeros: the sum of block b of row i at [i * a_sums_stride + b] */
    size_t a_sums_stride;
    const float *bias; /* n, or NULL */
    float *c;          /* element (i, j): c[i * ldc + j] */
    size_t ldc;
};

struct ct_gemm_nbits_functions {
    void (*tile)(const struct ct_gemm_nbits_tile *tile);
    /** The weights themselves: k rows of n floats, row p at c[p * ldc]. Reads nothing of A. */
    void (*unpack)(const struct ct_gemm_nbits_tile *tile);
};

struct ct_gemm_nbits_kernel {
    const char *name;
    enum ct_isa isa;
    const struct ct_gemm_nbits_functions *fn;
};

#define CT_GEMM_NBITS(name, isa) extern const struct ct_gemm_nbits_functions name;
#include "kernels/gemm_nbits.def"

/** Every row, best first. */
const struct ct_gemm_nbits_kernel *ct_gemm_nbits_kernels(size_t *count);
/** The first row that `cpu_features` allows; never NULL. */
const struct ct_gemm_nbits_kernel *ct_gemm_nbits_select(unsigned cpu_features);

#endif
