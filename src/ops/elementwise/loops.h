/* Rows of elementwise work on any element type: the type's class (kernels/elementwise.h) computes,
 * types that are no class of their own are converted in chunks that stay in the first-level
 * cache. */
#ifndef CT_OPS_ELEMENTWISE_LOOPS_H
#define CT_OPS_ELEMENTWISE_LOOPS_H

#include "graph/op.h"
#include "kernels/elementwise.h"

/** One value of a class, or the parameters of an operation. */
union ct_params {
    float f32[2];
    double f64[2];
    int32_t i32[2];
    int64_t i64[2];
    uint8_t u8[2];
    uint64_t u64[2];
};

/** The class that computes a number type or bool. */
enum ct_class ct_class_of(ct_dtype dtype);
/** The dtype whose elements are those of the class. */
ct_dtype ct_class_dtype(enum ct_class class_);
/** Sets parameter `index` of a float class from a number. */
void ct_params_set(union ct_params *params, enum ct_class class_, int index, double value);
/** Sets it from element 0 of a tensor that is not of the class perhaps. */
void ct_params_load(union ct_params *params, enum ct_class class_, int index,
                    const struct ct_tensor *tensor);

/** Converts n elements from `first` on to the class's type. */
void ct_class_load(enum ct_class class_, ct_dtype dtype, const void *base, size_t first, size_t n,
                   void *to);
void ct_class_store(enum ct_class class_, ct_dtype dtype, void *base, size_t first, size_t n,
                    const void *from);

/** What a step does; the same for all of its rows. */
struct ct_unary_loop {
    const struct ct_elementwise_kernel *kernel;
    enum ct_unary op;
    union ct_params params;
    double elem_ns; /* estimated cost of an element */
};
void ct_unary_loop_init(struct ct_unary_loop *loop, enum ct_unary op, enum ct_class class_);
/** n elements from `first` on, in both; the tensors have one dtype. */
void ct_unary_row(const struct ct_unary_loop *loop, ct_dtype dtype, void *to, const void *from,
                  size_t first, size_t n);
/** The whole tensor, in parallel. */
void ct_unary_run(const struct ct_unary_loop *loop, struct ct_pool *pool, struct ct_tensor *to,
                  const struct ct_tensor *from);

struct ct_binary_loop {
    const struct ct_elementwise_kernel *kernel;
    enum ct_binary op;
    union ct_params params;
    double elem_ns;
};
void ct_binary_loop_init(struct ct_binary_loop *loop, enum ct_binary op, enum ct_class class_);
/** Sources: n elements (step 1) or one (step 0) from `first` on, of types that may differ. With a
 *  period (of at most CT_BROADCAST_MAX_PERIOD) just so many elements, again and again. */
struct ct_source {
    ct_dtype dtype;
    const void *base;
    size_t first, step, period;
};
void ct_binary_row(const struct ct_binary_loop *loop, ct_dtype dtype, void *to, size_t first,
                   const struct ct_source *a, const struct ct_source *b, size_t n);

#endif
