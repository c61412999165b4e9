/* GEMM over a thread pool: C = act(alpha * op(A) op(B) + bias + beta * residual), one matrix or a
 * batch of them.
 *
 *     struct ct_gemm_problem problem;
 *     ct_gemm_problem_init(&problem, m, n, k);          // dense, row-major, no post
 *     problem.post.bias = (struct ct_gemm_term){bias, 0, 1};
 *     problem.post.act = CT_ACT_GELU_ERF;
 *     problem.b_packed = true;                          // in prepare, once for a weight:
 *     packed = memory of ct_gemm_f32_packed_b_bytes(&problem);
 *     ct_gemm_f32_pack_b(pool, &problem, weight, packed);
 *     scratch = memory of ct_gemm_f32_scratch_bytes(&problem, ct_pool_threads(pool));
 *     ct_gemm_f32_run(pool, &problem, a, packed, c, scratch);   // in run
 *
 * Nothing here allocates or fails. The problem and all pointers are borrowed for the call. The
 * result has the same bits for any number of threads, and whether B is packed or not: each
 * element is summed in order of k (a few shapes, see gemm_driver.c, in an order of their own,
 * chosen by shape only). */
#ifndef CT_OPS_GEMM_DRIVER_H
#define CT_OPS_GEMM_DRIVER_H

#include "base/tensor.h"
#include "kernels/gemm.h"
#include "os/pool.h"

/** Strides, in elements, from one matrix of a batch to the next, along each batch dimension;
 *  0 broadcasts. */
typedef int64_t ct_gemm_strides[CT_MAX_RANK];

struct ct_gemm_problem {
    int64_t m, n, k;                 /* any may be 0: k = 0 sums to 0 */
    bool a_transposed, b_transposed; /* A lies as [k,m], B as [n,k] */
    int64_t lda, ldb, ldc;           /* elements from row to row, as the matrix lies */
    bool b_packed;                   /* b of _run is what _pack_b wrote */
    ct_dtype b_dtype; /* F32 (also 0), or BF16: A may then be rounded to bfloat16; sums are f32 */
    struct ct_gemm_post post; /* its matrices are those of the first of the batch */

    /* A batch: the product of batch_dims matrices, rank 0 for one. For a packed B the strides
     * count floats of packed memory: ct_gemm_f32_packed_b_bytes() / 4 to the next. */
    int batch_rank;
    int64_t batch_dims[CT_MAX_RANK];
    ct_gemm_strides a_strides, b_strides, c_strides, bias_strides, residual_strides;

    const struct ct_gemm_f32_kernel *kernel; /* NULL: the machine's best; for tests */
};

/** A dense row-major problem of one matrix without anything after the product. */
void ct_gemm_problem_init(struct ct_gemm_problem *problem, int64_t m, int64_t n, int64_t k);

/** False for shapes that gain nothing from a packed B (n of 1 or 2, ...). */
bool ct_gemm_f32_wants_packed_b(const struct ct_gemm_problem *problem);
/** Bytes of one packed matrix B, a multiple of 64; the memory must be aligned to CT_ALIGN. */
size_t ct_gemm_f32_packed_b_bytes(const struct ct_gemm_problem *problem);
/** Packs one matrix B of b_dtype, that lies as ldb and b_transposed say. `pool` may be NULL. */
void ct_gemm_f32_pack_b(struct ct_pool *pool, const struct ct_gemm_problem *problem, const void *b,
                        void *packed);

/** Bytes of scratch memory that _run needs with a pool of so many threads; may be 0. */
size_t ct_gemm_f32_scratch_bytes(const struct ct_gemm_problem *problem, int threads);
/** `scratch` is aligned to CT_ALIGN; NULL when 0 bytes are needed. `pool` may be NULL: one thread.
 *  C must not overlap A, B or bias; it may be the residual. */
void ct_gemm_f32_run(struct ct_pool *pool, const struct ct_gemm_problem *problem, const float *a,
                     const void *b, float *c, void *scratch);

#endif
