/* Matrix products of tensors for any number dtype: what MatMul, Gemm and their fused forms share.
 *
 *   y = act(alpha * op(a) op(b) + bias + beta * residual)
 *
 * f32 runs on the GEMM driver, f16 and bf16 by way of f32, f64 and integers on plain loops. A
 * constant b is packed once: as bfloat16 when it is, or when the precision asked for is that. */
#ifndef CT_OPS_LINEAR_MATMUL_H
#define CT_OPS_LINEAR_MATMUL_H

#include "graph/op.h"
#include "ops/gemm_driver.h"
#include "ops/widen.h"

/** What the product is made of; inputs by index of the node. */
struct ct_matmul_spec {
    int a, b;
    bool a_transposed, b_transposed; /* the last two dimensions are swapped; rank >= 2 then */
    float alpha, beta;
    int bias, residual; /* -1: none. Broadcast to the output; f32 and f16 types only but for Gemm's
                           own, which is the residual */
    enum ct_act act;    /* f32, f16 and bf16 only */
    float act_params[2];
};

/** MatMul's own: a is input 0, b input 1, and nothing follows. */
struct ct_matmul_spec ct_matmul_spec_default(void);

struct ct_matmul {
    struct ct_matmul_spec spec;
    struct ct_gemm_problem problem; /* b_strides for dense b */
    ct_dtype dtype;
    struct ct_widen widen;
    const void *packed; /* NULL: b is read */
    size_t gemm_at;     /* scratch of the driver */
    int64_t batch;
};

/** Shape of the product of two shapes (1-D operands as NumPy has them); dims that are not known
 *  are passed on. */
ct_status ct_matmul_shape(const struct ct_infer *infer, const struct ct_matmul_spec *spec,
                          int *rank, ct_dim *dims);
/** Infers output 0: dtype of a, shape as above; checks bias and residual. */
ct_status ct_matmul_infer(struct ct_infer *infer, const struct ct_matmul_spec *spec);
/** Output 0 of the node is the product. Adds to prepare->scratch_bytes, and takes it from there. */
ct_status ct_matmul_prepare(struct ct_prepare *prepare, const struct ct_matmul_spec *spec,
                            struct ct_matmul *matmul);
ct_status ct_matmul_run(const struct ct_matmul *matmul, const struct ct_run *run);
/** FLOPs of the node. */
void ct_matmul_cost(const struct ct_infer *infer, const struct ct_matmul_spec *spec,
                    struct ct_cost *cost);

#endif
