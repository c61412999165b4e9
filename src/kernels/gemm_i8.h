/* 8-bit GEMM kernels: sums of products of bytes, exact in int32, and what follows them.
 *
 * The product is that of values less their zero points,
 *     c[i,j] = sum over p of (a[i,p] - a_zero[i]) (b[p,j] - b_zero[j]).
 * Inside, A is unsigned and B signed: signed A has 128 added when it is packed and unsigned B 128
 * taken off, as have their zero points. Then
 *     c[i,j] = sum of a b  -  a_zero[i] b_sum[j]  -  b_zero[j] a_sum[i],
 * with a_sum[i] = sum of a[i,p] and b_sum[j] = sum of b[p,j], less k b_zero[j]. All in int32, which
 * wraps; sums of up to 2^16 products do not.
 *
 * Packed A: panels of at most mr rows, packed_a_bytes long, in an order that belongs to the kernel.
 * Packed B: panels of nr columns, packed_b_bytes long. Both are padded with zeros along k to a
 * multiple of 4. Rows of gemm.def, best first, list the kernels. */
#ifndef CT_KERNELS_GEMM_I8_H
#define CT_KERNELS_GEMM_I8_H

#include "kernels/gemm.h"

enum ct_gemm_i8_output {
    CT_GEMM_I8_TO_I32,  /* sum */
    CT_GEMM_I8_TO_F32,  /* act((sum + bias) * scale + bias_f32) */
    CT_GEMM_I8_TO_BYTE, /* round((sum + bias) * scale) + zero, between low and high */
};

struct ct_gemm_i8_post {
    enum ct_gemm_i8_output output;
    const int32_t *bias; /* one for each column, or NULL; not for TO_I32 */
    const float *scale;  /* of each column (stride 1), or of all (stride 0) */
    int scale_stride;
    const float *row_scale; /* of each row, a factor more, or NULL */
    const float *bias_f32;  /* one for each column, or NULL */
    enum ct_act act;        /* TO_F32 */
    float act_params[2];
    int32_t zero, low, high; /* TO_BYTE: 0 and 255, or -128 and 127, or closer for a clip */
};

struct ct_gemm_i8_tile {
    size_t m, n, k;                /* 1 to mr, 1 to nr, any */
    const void *a;                 /* a packed panel of m rows */
    const void *b;                 /* a packed panel */
    const int32_t *a_zero, *a_sum; /* m each; a_zero NULL: all 0 */
    const int32_t *b_zero, *b_sum; /* nr each; b_zero NULL: all 0, a_sum is not read then */
    void *c;                       /* int32, float or bytes: element (i, j) at i * ldc + j */
    size_t ldc;
    const struct ct_gemm_i8_post *post;
    size_t row, col; /* of the tile in the arrays of `post` */
};

struct ct_gemm_i8_functions {
    void (*tile)(const struct ct_gemm_i8_tile *tile);
    /** Packs m <= mr rows of k bytes, element (i, p) at a[i * row_stride + p * k_stride], each with
     *  its bits XORed with `flip` (0x80 for signed bytes); sums[i] receives the sum of row i. */
    void (*pack_a)(size_t m, size_t k, const uint8_t *a, size_t row_stride, size_t k_stride,
                   uint8_t flip, void *panel, int32_t *sums);
    /** Packs n <= nr columns of k bytes, element (p, j) at b[p * k_stride + j * col_stride], XORed
     *  with `flip` (0x80 for unsigned bytes); sums[0..nr) receive the sums of the columns. */
    void (*pack_b)(size_t k, size_t n, const uint8_t *b, size_t k_stride, size_t col_stride,
                   uint8_t flip, void *panel, int32_t *sums);
};

struct ct_gemm_i8_kernel {
    const char *name;
    enum ct_isa isa;
    size_t mr, nr;
    size_t a_bytes; /* that one byte of A becomes when packed: 1 or 2 */
    const struct ct_gemm_i8_functions *fn;
};

#define CT_GEMM_I8(name, isa, mr, nr, a_bytes) extern const struct ct_gemm_i8_functions name;
#include "kernels/gemm.def"

/** Every row, best first; `count` receives how many. */
const struct ct_gemm_i8_kernel *ct_gemm_i8_kernels(size_t *count);
/** The first row that `cpu_features` (ct_cpu_features) allows; never NULL. */
const struct ct_gemm_i8_kernel *ct_gemm_i8_select(unsigned cpu_features);

/** Bytes of a packed panel of m rows, or of nr columns. */
static inline size_t ct_gemm_i8_panel_a_bytes(const struct ct_gemm_i8_kernel *kernel, size_t m,
                                              size_t k)
{
    return m * ((k + 3) & ~(size_t)3) * kernel->a_bytes;
}
static inline size_t ct_gemm_i8_panel_b_bytes(const struct ct_gemm_i8_kernel *kernel, size_t k)
{
    return kernel->nr * ((k + 3) & ~(size_t)3);
}

#endif
