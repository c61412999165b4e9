/* GEMM kernels: C[m,n] = A[m,k] B[k,n] and what follows it, one register tile at a time.
 *
 * A kernel computes one tile; the driver (ops/gemm_driver.h) cuts a problem into tiles, packs the
 * operands and spreads the tiles over threads. Rows of gemm.def, best first, list the kernels.
 *
 * Every tile function adds the products of one element in order of k, one after the other, and
 * goes on from what C holds when `accumulate` is set. How a problem is cut into tiles and blocks
 * therefore does not change a single bit of the result.
 *
 * Packed A: panels of at most mr rows; a panel of h rows is k columns of h elements each, and is
 * h * k elements long (nothing is padded). Packed B: panels of nr columns; a panel is k rows of nr
 * elements, the last one padded with zeros. So column p of k lies p * h (p * nr) elements into
 * its panel, and a block of k is read from the middle of a panel.
 *
 * A bf16 kernel rounds A to bfloat16 and sums products of pairs in float32. It works on packed
 * operands only: element p of k and element p + 1 share a 32-bit unit, which has the place that a
 * float has above; so a panel has (k + 1) / 2 rows or columns of units. Blocks of k start at an
 * even p.
 * Its activations need be exact to 2^-13 of their argument (of 1 for the sigmoid) only.
 * Kernels on tiles of AMX want whole tiles: `m_step` and `k_step` say to what the rows of a panel of A,
 * and both operands along k, are padded with zeros; blocks of k start at a multiple of k_step.
 *
 * Method: K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008. */
#ifndef CT_KERNELS_GEMM_H
#define CT_KERNELS_GEMM_H

#include "base/dtype.h"
#include "cpu/cpu.h"

/** Activations that can follow a GEMM, a convolution or a chain of elementwise operators.
 *  p0 and p1 are act_params. X(NAME, formula) */
#define CT_ACT_MAP(X)                                                                              \
    X(NONE, "x")                                                                                   \
    X(RELU, "max(x, 0)")                                                                           \
    X(CLIP, "min(max(x, p0), p1)")                                                                 \
    X(LEAKY_RELU, "x < 0 ? p0 * x : x")                                                            \
    X(SIGMOID, "1 / (1 + exp(-x))")                                                                \
    X(SILU, "x * sigmoid(x)")                                                                      \
    X(TANH, "tanh(x)")                                                                             \
    X(GELU_ERF, "x / 2 * (1 + erf(x / sqrt(2)))")                                                  \
    X(GELU_TANH, "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))")                          \
    X(HARD_SIGMOID, "min(max(p0 * x + p1, 0), 1)")                                                 \
    X(HARD_SWISH, "x * min(max(x / 6 + 1 / 2, 0), 1)")

enum ct_act {
#define CT_X(name, formula) CT_ACT_##name,
    CT_ACT_MAP(CT_X)
#undef CT_X
        CT_ACT_COUNT
};

/** A matrix that is broadcast: element (row, column) is at p[row * row_stride + column *
 *  col_stride]; col_stride is 0 or 1. Per column: (0, 1); per row: (1, 0); one number: (0, 0). */
struct ct_gemm_term {
    const float *p; /* NULL: no such term */
    int64_t row_stride, col_stride;
};

/** What is done to the product: c = act(alpha * ab + bias + beta * residual). All zero but
 *  alpha = 1 does nothing. `residual` may be C itself. */
struct ct_gemm_post {
    float alpha, beta;
    struct ct_gemm_term bias, residual;
    enum ct_act act;
    float act_params[2];
};

/** One tile. Nothing outside its m x n, m x k and k x n elements is read or written, but packed
 *  panels of B are read to their full width. */
struct ct_gemm_f32_tile {
    size_t m, n, k;      /* 1 to mr, 1 to nr, any */
    const float *a;      /* element (i, p): a[i * lda + p], or a[i + p * lda] for tile_kmajor */
    size_t lda;          /* packed A: the height of the panel, with tile_kmajor */
    const float *b;      /* element (p, j): b[p * ldb + j] */
    size_t ldb;          /* packed B: nr */
    size_t panel_stride; /* of `wide`: elements from a panel of nr columns of B to the next */
    float *c;            /* element (i, j): c[i * ldc + j] */
    size_t ldc;
    const float *c_next; /* the next tile's C, to fetch into the cache meanwhile; or NULL */
    /* Memory to bring into the second cache meanwhile, fetch_stride bytes of it for each of k (a
     * unit of packed memory); or NULL. Only full tiles of packed operands do it. */
    const char *fetch;
    size_t fetch_stride;
    bool accumulate;                 /* start from C, not from zero */
    const struct ct_gemm_post *post; /* NULL: store the sums */
    size_t row, col;                 /* of the tile in the matrices of `post` */
};

struct ct_gemm_f32_functions {
    /** Called on a thread before and after its calls of the tile functions; or NULL. */
    void (*enter)(void);
    void (*leave)(void);
    void (*tile_rowmajor)(const struct ct_gemm_f32_tile *tile);
    void (*tile_kmajor)(const struct ct_gemm_f32_tile *tile);
    /** tile_rowmajor for few rows and any n, without `accumulate`: panels of B are read side by
     *  side, as memory likes it. Column j of B is column j % nr of its panel j / nr. */
    void (*wide)(const struct ct_gemm_f32_tile *tile);
    /** c[i * ldc + j] = sum over p of a[i * lda + p] * b[j * ldb + p] for any m and n, and then
     *  `post`: for matrices too thin for tiles. The order of the sum depends on k alone. Uses
     *  all of the tile but `accumulate`. */
    void (*dot)(const struct ct_gemm_f32_tile *tile);
    /** Packs m <= mr rows and k columns of A into one panel. Element (i, p) of A is
     *  a[i * row_stride + p * k_stride]; one of the strides is 1. */
    void (*pack_a)(size_t m, size_t k, const float *a, size_t row_stride, size_t k_stride,
                   float *panel);
    /** Packs k rows and n <= nr columns of B into one panel, the columns from n on zero.
     *  Element (p, j) of B is b[p * k_stride + j * col_stride]; one of the strides is 1. */
    void (*pack_b)(size_t k, size_t n, const void *b, size_t k_stride, size_t col_stride,
                   float *panel);
    /** The same from bfloat16. */
    void (*pack_b_bf16)(size_t k, size_t n, const void *b, size_t k_stride, size_t col_stride,
                        float *panel);
};

struct ct_gemm_f32_kernel {
    const char *name;
    enum ct_isa isa;
    size_t mr, nr;
    size_t m_step, k_step;
    size_t k_unit; /* elements of k in a 32-bit unit of packed memory: 1, or 2 of bf16 kernels */
    const struct ct_gemm_f32_functions *fn; /* bf16 kernels: tile_kmajor, packing */
};

/** Floats of packed memory that k elements take, for each row of A or column of B. */
static inline int64_t ct_gemm_f32_depth(const struct ct_gemm_f32_kernel *kernel, int64_t k)
{
    int64_t step = (int64_t)kernel->k_step;
    return step == 1 ? k : (k + step - 1) / step * (step / (int64_t)kernel->k_unit);
}

/* Declares the functions of each row. */
#define CT_GEMM_F32(name, isa, mr, nr) extern const struct ct_gemm_f32_functions name;
#define CT_GEMM_BF16(name, isa, mr, nr, m_step, k_step)                                            \
    extern const struct ct_gemm_f32_functions name;
#include "kernels/gemm.def"

/** Every row, best first; `count` receives how many. */
const struct ct_gemm_f32_kernel *ct_gemm_f32_kernels(size_t *count);
/** The first row that `cpu_features` (ct_cpu_features) allows; never NULL. */
const struct ct_gemm_f32_kernel *ct_gemm_f32_select(unsigned cpu_features);
/** Rows of bf16 kernels, and the best for a bfloat16 B: one of those, or a float32 kernel. */
const struct ct_gemm_f32_kernel *ct_gemm_bf16_kernels(size_t *count);
const struct ct_gemm_f32_kernel *ct_gemm_bf16_select(unsigned cpu_features);

#endif
