/* Elementwise kernels: one value in, or two, one out.
 *
 * A kernel is one function for all operations over one compute type (a "class"). It takes the
 * operation as an argument: the choice costs a jump for each row, not for each element. What an
 * ISA has nothing better for, it hands on to ref/.
 *
 * Other element types are converted at the edge by whoever calls (ops/elementwise/loops.h). */
#ifndef CT_KERNELS_ELEMENTWISE_H
#define CT_KERNELS_ELEMENTWISE_H

#include "base/dtype.h"
#include "cpu/cpu.h"

/* X(NAME, text). The formulas are those of ONNX; p is `params`, an array of the class's type. Where
 * ONNX does not define an operation for a class, a kernel copies.
 *   CELU p0=alpha   CLIP p0=min p1=max   ELU p0=alpha   HARD_SIGMOID p0=alpha p1=beta
 *   LEAKY_RELU p0=alpha   SELU p0=alpha p1=gamma   SHRINK p0=lambd p1=bias   SWISH p0=alpha
 *   THRESHOLDED_RELU p0=alpha */
#define CT_UNARY_MAP(X)                                                                            \
    X(ABS, "abs")                                                                                  \
    X(ACOS, "acos")                                                                                \
    X(ACOSH, "acosh")                                                                              \
    X(ASIN, "asin")                                                                                \
    X(ASINH, "asinh")                                                                              \
    X(ATAN, "atan")                                                                                \
    X(ATANH, "atanh")                                                                              \
    X(BITWISE_NOT, "bitwise_not")                                                                  \
    X(CEIL, "ceil")                                                                                \
    X(CELU, "celu")                                                                                \
    X(CLIP, "clip")                                                                                \
    X(COS, "cos")                                                                                  \
    X(COSH, "cosh")                                                                                \
    X(ELU, "elu")                                                                                  \
    X(ERF, "erf")                                                                                  \
    X(EXP, "exp")                                                                                  \
    X(FLOOR, "floor")                                                                              \
    X(GELU, "gelu")                                                                                \
    X(GELU_TANH, "gelu_tanh")                                                                      \
    X(HARD_SIGMOID, "hard_sigmoid")                                                                \
    X(HARD_SWISH, "hard_swish")                                                                    \
    X(LEAKY_RELU, "leaky_relu")                                                                    \
    X(LOG, "log")                                                                                  \
    X(MISH, "mish")                                                                                \
    X(NEG, "neg")                                                                                  \
    X(NOT, "not")                                                                                  \
    X(RECIPROCAL, "reciprocal")                                                                    \
    X(RELU, "relu")                                                                                \
    X(ROUND, "round")                                                                              \
    X(SELU, "selu")                                                                                \
    X(SHRINK, "shrink")                                                                            \
    X(SIGMOID, "sigmoid")                                                                          \
    X(SIGN, "sign")                                                                                \
    X(SIN, "sin")                                                                                  \
    X(SINH, "sinh")                                                                                \
    X(SOFTPLUS, "softplus")                                                                        \
    X(SOFTSIGN, "softsign")                                                                        \
    X(SQRT, "sqrt")                                                                                \
    X(SWISH, "swish")                                                                              \
    X(TAN, "tan")                                                                                  \
    X(TANH, "tanh")                                                                                \
    X(THRESHOLDED_RELU, "thresholded_relu")

enum ct_unary {
#define CT_X(name, text) CT_UNARY_##name,
    CT_UNARY_MAP(CT_X)
#undef CT_X
        CT_UNARY_COUNT
};

/* X(NAME, text). From EQUAL on the result is a bool.
 *   FMOD the remainder with the sign of a   MOD with the sign of b   PRELU b is the slope
 *   SWIGLU p0=alpha: a * sigmoid(alpha * a) * b */
#define CT_BINARY_MAP(X)                                                                           \
    X(ADD, "add")                                                                                  \
    X(SUB, "sub")                                                                                  \
    X(MUL, "mul")                                                                                  \
    X(DIV, "div")                                                                                  \
    X(POW, "pow")                                                                                  \
    X(MOD, "mod")                                                                                  \
    X(FMOD, "fmod")                                                                                \
    X(MIN, "min")                                                                                  \
    X(MAX, "max")                                                                                  \
    X(PRELU, "prelu")                                                                              \
    X(SWIGLU, "swiglu")                                                                            \
    X(AND, "and")                                                                                  \
    X(OR, "or")                                                                                    \
    X(XOR, "xor")                                                                                  \
    X(SHIFT_LEFT, "shift_left")                                                                    \
    X(SHIFT_RIGHT, "shift_right")                                                                  \
    X(EQUAL, "equal")                                                                              \
    X(GREATER, "greater")                                                                          \
    X(GREATER_OR_EQUAL, "greater_or_equal")                                                        \
    X(LESS, "less")                                                                                \
    X(LESS_OR_EQUAL, "less_or_equal")

enum ct_binary {
#define CT_X(name, text) CT_BINARY_##name,
    CT_BINARY_MAP(CT_X)
#undef CT_X
        CT_BINARY_COUNT
};
static inline bool ct_binary_gives_bool(enum ct_binary op)
{
    return op >= CT_BINARY_EQUAL;
}

/** to[i] = op(from[i]); `to` may be `from`. */
typedef void (*ct_unary_fn)(enum ct_unary op, void *to, const void *from, size_t n,
                            const void *params);
/** to[i] = op(a[i * a_step], b[i * b_step]), steps 0 or 1; `to` may be `a` or `b`. Comparisons
 *  write bytes, and then `to` is neither. */
typedef void (*ct_binary_fn)(enum ct_binary op, void *to, const void *a, size_t a_step,
                             const void *b, size_t b_step, size_t n, const void *params);

/* Compute types. X(NAME, C type) */
#define CT_CLASS_MAP(X)                                                                            \
    X(F32, float)                                                                                  \
    X(F64, double)                                                                                 \
    X(I32, int32_t)                                                                                \
    X(I64, int64_t)                                                                                \
    X(U8, uint8_t)                                                                                 \
    X(U64, uint64_t)

enum ct_class {
#define CT_X(name, type) CT_CLASS_##name,
    CT_CLASS_MAP(CT_X)
#undef CT_X
        CT_CLASS_COUNT
};

struct ct_elementwise_kernel {
    const char *name;
    enum ct_class class_;
    enum ct_isa isa;
    ct_unary_fn unary;
    ct_binary_fn binary;
};

/** The best kernel of the class for this machine (under the mask). Never NULL. */
const struct ct_elementwise_kernel *ct_elementwise_select(enum ct_class class_);
/** All rows, best first within a class; for the checker. */
const struct ct_elementwise_kernel *ct_elementwise_kernels(size_t *count);
const char *ct_unary_text(enum ct_unary op);
const char *ct_binary_text(enum ct_binary op);

#define CT_ELEMENTWISE(class_, isa, suffix)                                                        \
    void ct_unary_##suffix(enum ct_unary op, void *to, const void *from, size_t n,                 \
                           const void *params);                                                    \
    void ct_binary_##suffix(enum ct_binary op, void *to, const void *a, size_t a_step,             \
                            const void *b, size_t b_step, size_t n, const void *params);
#include "kernels/elementwise.def"
#undef CT_ELEMENTWISE

#endif
