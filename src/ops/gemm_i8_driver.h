/* 8-bit GEMM over a thread pool: sums of (A - a_zero)(B - b_zero), exact in int32, and what
 * struct ct_gemm_i8_post makes of them. One matrix; a batch is a loop of its caller.
 *
 *     struct ct_gemm_i8_problem problem;
 *     ct_gemm_i8_problem_init(&problem, m, n, k);
 *     problem.b_signed = true;
 *     problem.post = ...;
 *     problem.b_packed = true;                        // in prepare, once for a weight:
 *     packed = memory of ct_gemm_i8_packed_b_bytes(&problem);
 *     ct_gemm_i8_pack_b(pool, &problem, weight, packed);
 *     scratch = memory of ct_gemm_i8_scratch_bytes(&problem);
 *     ct_gemm_i8_run(pool, &problem, a, packed, c, scratch);   // in run
 *
 * Nothing allocates or fails; everything is borrowed for the call. Results do not depend on the
 * number of threads, the ISA (TO_F32 with an activation: by its rounding) or packing. */
#ifndef CT_OPS_GEMM_I8_DRIVER_H
#define CT_OPS_GEMM_I8_DRIVER_H

#include "kernels/gemm_i8.h"
#include "os/pool.h"

struct ct_gemm_i8_problem {
    int64_t m, n, k;
    bool a_transposed, b_transposed; /* A lies as [k,m], B as [n,k] */
    int64_t lda, ldb, ldc;           /* elements from row to row, as the matrix lies */
    bool a_signed, b_signed;         /* int8, else uint8 */
    bool b_packed;                   /* b of _run is what _pack_b wrote */
    /* Zero points, in the type of their matrix. Per row of A or column of B: stride 1, one for
     * all: 0. NULL: zero. Those of B are part of a packed B. */
    const void *a_zero, *b_zero;
    int a_zero_stride, b_zero_stride;
    const int32_t *bias; /* of each column, added to its sums, or NULL */
    struct ct_gemm_i8_post post;

    const struct ct_gemm_i8_kernel *kernel; /* NULL: the machine's best; for tests */
};

/** Dense, row-major, unsigned, without zero points; the sums as they are. */
void ct_gemm_i8_problem_init(struct ct_gemm_i8_problem *problem, int64_t m, int64_t n, int64_t k);

/** Bytes of a packed B; the memory must be aligned to CT_ALIGN. */
size_t ct_gemm_i8_packed_b_bytes(const struct ct_gemm_i8_problem *problem);
/** `pool` may be NULL. */
void ct_gemm_i8_pack_b(struct ct_pool *pool, const struct ct_gemm_i8_problem *problem,
                       const void *b, void *packed);

/** Bytes of scratch memory that _run needs. */
size_t ct_gemm_i8_scratch_bytes(const struct ct_gemm_i8_problem *problem);
/** C is int32, float or bytes, as post.output says; it must not overlap A or B. `scratch` is
 *  aligned to CT_ALIGN. `pool` may be NULL: one thread. */
void ct_gemm_i8_run(struct ct_pool *pool, const struct ct_gemm_i8_problem *problem, const void *a,
                    const void *b, void *c, void *scratch);

#endif
