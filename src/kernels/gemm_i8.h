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
 * A: rows, some bytes apart. Where a_bytes is 1 a row is the bytes themselves, so that a matrix of
 * unsigned bytes needs no packing when k is a multiple of k_step; else pack_a writes such rows, padded
 * with zeros. Packed B: panels of nr columns, padded with zeros along k to a multiple of k_step.
 * Rows of gemm.def, best first, list the kernels. */
#ifndef CT_KERNELS_GEMM_I8_H
#define CT_KERNELS_GEMM_I8_H

#include "kernels/gemm.h"

enum ct_gemm_i8_output {
    CT_GEMM_I8_TO_I32,  /* sum */
    CT_GEMM_I8_TO_F32,  /* act((sum + bias) * scale + bias_f32) */
    CT_GEMM_I8_TO_BYTE, /* round((sum + bias) * scale) + zero, between low and high */
};

/** TO_BYTE: what is added to a byte y, which has been rounded and bounded, and rounded again:
 *      round(ratio (y - zero) + other_ratio (other - other_zero)) + sum_zero, in [sum_low, sum_high] */
struct ct_gemm_i8_residual {
    const uint8_t *other; /* element (row, col) at row * ld + col */
    size_t ld;
    uint8_t flip; /* XORed to it: 0x80 when it is signed, and other_zero is 128 more then */
    int32_t other_zero, sum_zero, sum_low, sum_high;
    float ratio, other_ratio;
};

struct ct_gemm_i8_post {
    enum ct_gemm_i8_output output;
    const float *scale; /* of each column (stride 1), or of all (stride 0) */
    int scale_stride;
    const float *row_scale; /* of each row, a factor more, or NULL */
    const float *bias_f32;  /* one for each column, or NULL */
    enum ct_act act;        /* TO_F32 */
    float act_params[2];
    int32_t zero, low, high; /* TO_BYTE: 0 and 255, or -128 and 127, or closer for a clip */
    const struct ct_gemm_i8_residual *residual; /* TO_BYTE; or NULL */
};

struct ct_gemm_i8_tile {
    size_t m, n;                   /* 1 to mr, 1 to nr */
    size_t k;                      /* a multiple of k_step */
    const void *a;                 /* rows; up to the next multiple of m_step they are read */
    size_t lda;                    /* bytes from row to row */
    const void *b;                 /* a packed panel */
    const int32_t *add;            /* to the sums of the columns, nr of them; or NULL */
    const int32_t *a_zero, *a_sum; /* m each; a_zero NULL: all 0, b_sum is not read then */
    const int32_t *b_zero, *b_sum; /* nr each; b_zero NULL: all 0, a_sum is not read then */
    void *c;                       /* int32, float or bytes: element (i, j) at i * ldc + j */
    size_t ldc;
    const struct ct_gemm_i8_post *post;
    size_t row, col;  /* of the tile in the arrays of `post` */
    const void *next; /* a panel of B that is soon needed, for the cache; or NULL */
};

struct ct_gemm_i8_functions {
    /** Called on a thread before and after its calls of `tile`; or NULL. */
    void (*enter)(void);
    void (*leave)(void);
    void (*tile)(const struct ct_gemm_i8_tile *tile);
    /** Writes m rows of k bytes, element (i, p) at a[i * row_stride + p * k_stride], each with its
     *  bits XORed with `flip` (0x80 for signed bytes), as rows that lie lda bytes apart and are
     *  padded to k_step; sums[i] receives the sum of row i, unless it is NULL. */
    void (*pack_a)(size_t m, size_t k, const uint8_t *a, size_t row_stride, size_t k_stride,
                   uint8_t flip, void *rows, size_t lda, int32_t *sums);
    /** Packs n <= nr columns of k bytes, element (p, j) at b[p * k_stride + j * col_stride], XORed
     *  with `flip` (0x80 for unsigned bytes); sums[0..nr) receive the sums of the columns. */
    void (*pack_b)(size_t k, size_t n, const uint8_t *b, size_t k_stride, size_t col_stride,
                   uint8_t flip, void *panel, int32_t *sums);
};

struct ct_gemm_i8_kernel {
    const char *name;
    enum ct_isa isa;
    size_t mr, nr;
    size_t m_step, k_step; /* mr is a multiple of m_step */
    size_t a_bytes;        /* of an element of A's rows: 1 or 2 */
    const struct ct_gemm_i8_functions *fn;
};

#define CT_GEMM_I8(name, isa, mr, nr, m_step, k_step, a_bytes)                                     \
    extern const struct ct_gemm_i8_functions name;
#include "kernels/gemm.def"

/** Every row, best first; `count` receives how many. */
const struct ct_gemm_i8_kernel *ct_gemm_i8_kernels(size_t *count);
/** The first row that `cpu_features` (ct_cpu_features) allows; never NULL. */
const struct ct_gemm_i8_kernel *ct_gemm_i8_select(unsigned cpu_features);

/** k as kernels count it, and rows. */
static inline size_t ct_gemm_i8_k(const struct ct_gemm_i8_kernel *kernel, size_t k)
{
    return (k + kernel->k_step - 1) / kernel->k_step * kernel->k_step;
}
static inline size_t ct_gemm_i8_m(const struct ct_gemm_i8_kernel *kernel, size_t m)
{
    return (m + kernel->m_step - 1) / kernel->m_step * kernel->m_step;
}
/** Bytes of a packed row of A, and of a packed panel of nr columns. */
static inline size_t ct_gemm_i8_row_bytes(const struct ct_gemm_i8_kernel *kernel, size_t k)
{
    return ct_gemm_i8_k(kernel, k) * kernel->a_bytes;
}
static inline size_t ct_gemm_i8_panel_b_bytes(const struct ct_gemm_i8_kernel *kernel, size_t k)
{
    return kernel->nr * ct_gemm_i8_k(kernel, k);
}

#endif
