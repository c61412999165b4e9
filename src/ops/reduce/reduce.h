/* The work of the Reduce operators: a plan made from a shape and a set of axes, and its run. */
#ifndef CT_OPS_REDUCE_REDUCE_H
#define CT_OPS_REDUCE_REDUCE_H

#include "graph/op.h"
#include "kernels/reduce.h"

/** What follows the reduction. */
enum ct_reduce_finish {
    CT_FINISH_NONE,
    CT_FINISH_MEAN, /* divide by the number of elements */
    CT_FINISH_SQRT,
    CT_FINISH_LOG,
    CT_FINISH_LOG_SUM_EXP /* the reduction is a maximum; exponentials are added after it */
};

/** What elements become when they are loaded. */
enum ct_reduce_wide { CT_WIDE_F32, CT_WIDE_F64, CT_WIDE_I64 };

struct ct_reduce_plan {
    enum ct_reduce what;
    enum ct_reduce_finish finish;
    enum ct_reduce_wide wide;
    ct_dtype dtype;
    bool direct; /* elements need no conversion */
    bool flip;   /* u64 compared as i64: the top bit is turned over */
    bool rows;   /* the innermost dimension is reduced; else it is kept */
    int n_kept, n_reduced;
    size_t kept[CT_MAX_RANK], kept_stride[CT_MAX_RANK]; /* outermost first, in elements */
    size_t reduced[CT_MAX_RANK], reduced_stride[CT_MAX_RANK];
    size_t n_out, n_each; /* results, elements of each */
    size_t split;         /* rows: pieces of a result that are computed apart; 1: none */
    size_t piece;         /* their length along the innermost dimension */
    const struct ct_reduce_f32_kernel *kernel;
};

/** Fills the plan but for `what` and `finish`, which are given. Bit d of `axes`: reduced. */
void ct_reduce_plan_init(struct ct_reduce_plan *plan, const struct ct_tensor *x, unsigned axes);
/** Bytes of scratch memory that the run needs. */
size_t ct_reduce_scratch(const struct ct_reduce_plan *plan);
void ct_reduce_run(const struct ct_reduce_plan *plan, const struct ct_run *run,
                   const struct ct_tensor *x, struct ct_tensor *y);

#endif
