/* Transposing matrices of bytes. */
#ifndef CT_OPS_QUANT_TRANSPOSE_H
#define CT_OPS_QUANT_TRANSPOSE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Sixteen bytes, as the compilers have them: every machine can interleave two of these. */
typedef uint8_t ct_bytes16 __attribute__((vector_size(16)));

static inline void ct_interleave_rows(const ct_bytes16 *a, ct_bytes16 *b)
{
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        b[2 * i] = __builtin_shufflevector(a[i], a[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                           6, 22, 7, 23);
        b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                               13, 29, 14, 30, 15, 31);
    }
}

/** A 16 x 16 block: interleaving rows i and i + 8, four times over. */
static inline void ct_transpose_block(const uint8_t *x, size_t x_stride, uint8_t *y,
                                      size_t y_stride)
{
    ct_bytes16 a[16], b[16];
    for (size_t i = 0; i < 16; i++)
        memcpy(&a[i], x + i * x_stride, 16);
    ct_interleave_rows(a, b);
    ct_interleave_rows(b, a);
    ct_interleave_rows(a, b);
    ct_interleave_rows(b, a);
    for (size_t i = 0; i < 16; i++)
        memcpy(y + i * y_stride, &a[i], 16);
}

/** Three or four rows: colours to pixels. */
static inline void ct_transpose_few(const uint8_t *x, size_t x_stride, const size_t rows,
                                    size_t cols, uint8_t *y, size_t y_stride)
{
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            y[j * y_stride + i] = x[i * x_stride + j];
}

/** y[j * y_stride + i] = x[i * x_stride + j] for rows i and columns j. */
static inline void ct_transpose_bytes(const uint8_t *x, size_t x_stride, size_t rows, size_t cols,
                                      uint8_t *y, size_t y_stride)
{
    size_t whole_rows = rows & ~(size_t)15, whole_cols = cols & ~(size_t)15;
    if (rows == 3) {
        ct_transpose_few(x, x_stride, 3, cols, y, y_stride);
        return;
    }
    for (size_t i = 0; i < whole_rows; i += 16)
        for (size_t j = 0; j < whole_cols; j += 16)
            ct_transpose_block(x + i * x_stride + j, x_stride, y + j * y_stride + i, y_stride);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < whole_rows ? whole_cols : 0; j < cols; j++)
            y[j * y_stride + i] = x[i * x_stride + j];
}

#endif
