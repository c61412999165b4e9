/* Matrix products of bytes, over the 8-bit GEMM driver: what MatMulInteger, QLinearMatMul and the
 * products that quantised graphs are fused to share.
 *
 *   y[i,j] = sum over p of (a[i,p] - a_zero) (b[p,j] - b_zero)                         int32
 *   y[i,j] = act(that * a_scale b_scale + bias[j])                                    float32
 *   y[i,j] = round(that * a_scale b_scale / y_scale) + y_zero, kept in the type's range  bytes
 *
 * A constant b with constant zero points is packed once. */
#ifndef CT_OPS_QUANT_BYTE_PRODUCT_H
#define CT_OPS_QUANT_BYTE_PRODUCT_H

#include "graph/op.h"
#include "ops/gemm_i8_driver.h"

/** What takes part in a product. Zero points and scales: one, one for each row of a (column of b),
 *  or as many for each matrix. Scales are f32, f16 or bf16. */
enum ct_byte_role {
    CT_BYTE_A,
    CT_BYTE_A_ZERO,
    CT_BYTE_B,
    CT_BYTE_B_ZERO,
    CT_BYTE_A_SCALE,
    CT_BYTE_B_SCALE,
    CT_BYTE_Y_SCALE,
    CT_BYTE_Y_ZERO,
    CT_BYTE_BIAS, /* f32, one for each column; float results only */
    CT_BYTE_ROLES
};

struct ct_byte_product {
    struct ct_gemm_i8_problem problem; /* of one matrix */
    const void *packed;                /* NULL: b is read */
    size_t packed_bytes;               /* of one matrix */
    int rank;                          /* of the batch */
    int64_t batch, dims[CT_MAX_RANK];
    int64_t a_strides[CT_MAX_RANK], b_strides[CT_MAX_RANK]; /* in matrices */
    size_t scale_at, row_scale_at, gemm_at;                 /* in scratch */
};

/** tensors: by role, NULL where absent; data where constant. b_in, b_zero_in: indices of those
 *  inputs of the node, -1: none. `output` says what is made; `act` is of float results. Adds to
 *  prepare->scratch_bytes, and takes it from there. */
ct_status ct_byte_product_prepare(struct ct_prepare *prepare, struct ct_byte_product *product,
                                  const struct ct_tensor *const tensors[CT_BYTE_ROLES], int b_in,
                                  int b_zero_in, enum ct_gemm_i8_output output);
/** `y` has the shape of the product. */
void ct_byte_product_run(const struct ct_byte_product *product, const struct ct_run *run,
                         const struct ct_tensor *const tensors[CT_BYTE_ROLES],
                         const struct ct_tensor *y);

/** Scales of all of n lines: a b / y for one of each or n of b; y may be NULL. */
void ct_byte_scales(const struct ct_tensor *a, const struct ct_tensor *b, const struct ct_tensor *y,
                    int64_t n, int64_t first, float *scales);
/** A key for ct_prepare_pack of a weight with these zero points (NULL: none). */
void ct_byte_key(const char *what, const struct ct_tensor *zero, char *key, size_t size_bytes);
/** Raises prepare->scratch_bytes by size_bytes, aligned; *at receives where they lie. */
ct_status ct_byte_scratch(struct ct_prepare *prepare, size_t size_bytes, size_t *at);

#endif
