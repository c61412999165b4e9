/* Plain C elementwise kernels over float or double: the specification that the others are checked
 * against. Formulas: ONNX operator specification.
 *
 * Parameters
 *   T          float or double
 *   M(name)    the function of math.h for T: name or namef
 *   FN(name)   makes names of this inclusion
 *   UNARY, BINARY   names of the two kernels that the inclusion defines */
#include "kernels/tmpl/elementwise_map.h"

#define SQRT_HALF ((T)0.70710678118654752440)
#define SQRT_2_OVER_PI ((T)0.79788456080286535588)

/* ------------------------------------------------------------------ one value */

static inline T FN(abs)(T x, const T *p)
{
    (void)p;
    return M(fabs)(x);
}
static inline T FN(acos)(T x, const T *p)
{
    (void)p;
    return M(acos)(x);
}
static inline T FN(acosh)(T x, const T *p)
{
    (void)p;
    return M(acosh)(x);
}
static inline T FN(asin)(T x, const T *p)
{
    (void)p;
    return M(asin)(x);
}
static inline T FN(asinh)(T x, const T *p)
{
    (void)p;
    return M(asinh)(x);
}
static inline T FN(atan)(T x, const T *p)
{
    (void)p;
    return M(atan)(x);
}
static inline T FN(atanh)(T x, const T *p)
{
    (void)p;
    return M(atanh)(x);
}
static inline T FN(ceil)(T x, const T *p)
{
    (void)p;
    return M(ceil)(x);
}
static inline T FN(celu)(T x, const T *p)
{
    return x > 0 ? x : p[0] * M(expm1)(x / p[0]);
}
/* NaN stays; a minimum above the maximum gives the maximum. */
static inline T FN(clip)(T x, const T *p)
{
    x = x < p[0] ? p[0] : x;
    return x > p[1] ? p[1] : x;
}
static inline T FN(cos)(T x, const T *p)
{
    (void)p;
    return M(cos)(x);
}
static inline T FN(cosh)(T x, const T *p)
{
    (void)p;
    return M(cosh)(x);
}
static inline T FN(elu)(T x, const T *p)
{
    return x >= 0 ? x : p[0] * M(expm1)(x);
}
static inline T FN(erf)(T x, const T *p)
{
    (void)p;
    return M(erf)(x);
}
static inline T FN(exp)(T x, const T *p)
{
    (void)p;
    return M(exp)(x);
}
static inline T FN(floor)(T x, const T *p)
{
    (void)p;
    return M(floor)(x);
}
static inline T FN(gelu)(T x, const T *p)
{
    (void)p;
    return (T)0.5 * x * (1 + M(erf)(x * SQRT_HALF));
}
static inline T FN(gelu_tanh)(T x, const T *p)
{
    (void)p;
    return (T)0.5 * x * (1 + M(tanh)(SQRT_2_OVER_PI * (x + (T)0.044715 * x * x * x)));
}
static inline T FN(hard_sigmoid)(T x, const T *p)
{
    T y = p[0] * x + p[1];
    y = y < 0 ? 0 : y;
    return y > 1 ? 1 : y;
}
static inline T FN(hard_swish)(T x, const T *p)
{
    (void)p;
    T y = x / 6 + (T)0.5;
    y = y < 0 ? 0 : y;
    return x * (y > 1 ? 1 : y);
}
static inline T FN(leaky_relu)(T x, const T *p)
{
    return x < 0 ? p[0] * x : x;
}
static inline T FN(log)(T x, const T *p)
{
    (void)p;
    return M(log)(x);
}
/* log(1 + e^x) without overflow. */
static inline T FN(softplus)(T x, const T *p)
{
    (void)p;
    return (x > 0 ? x : 0) + M(log1p)(M(exp)(-M(fabs)(x))) + (x != x ? x : 0);
}
static inline T FN(mish)(T x, const T *p)
{
    return x * M(tanh)(FN(softplus)(x, p));
}
static inline T FN(neg)(T x, const T *p)
{
    (void)p;
    return -x;
}
static inline T FN(reciprocal)(T x, const T *p)
{
    (void)p;
    return 1 / x;
}
static inline T FN(relu)(T x, const T *p)
{
    (void)p;
    return x < 0 ? 0 : x;
}
static inline T FN(round)(T x, const T *p)
{
    (void)p;
    return M(nearbyint)(x);
}
static inline T FN(selu)(T x, const T *p)
{
    return p[1] * (x > 0 ? x : p[0] * M(expm1)(x));
}
static inline T FN(shrink)(T x, const T *p)
{
    return x < -p[0] ? x + p[1] : x > p[0] ? x - p[1] : 0;
}
/* Through e^-|x|, so that neither end overflows. */
static inline T FN(sigmoid)(T x, const T *p)
{
    (void)p;
    T e = M(exp)(-M(fabs)(x));
    return (x < 0 ? e : 1) / (1 + e);
}
static inline T FN(sign)(T x, const T *p)
{
    (void)p;
    return x > 0 ? 1 : x < 0 ? -1 : x != x ? x : 0;
}
static inline T FN(sin)(T x, const T *p)
{
    (void)p;
    return M(sin)(x);
}
static inline T FN(sinh)(T x, const T *p)
{
    (void)p;
    return M(sinh)(x);
}
static inline T FN(softsign)(T x, const T *p)
{
    (void)p;
    return x / (1 + M(fabs)(x));
}
static inline T FN(sqrt)(T x, const T *p)
{
    (void)p;
    return M(sqrt)(x);
}
static inline T FN(swish)(T x, const T *p)
{
    return x * FN(sigmoid)(p[0] * x, p);
}
static inline T FN(tan)(T x, const T *p)
{
    (void)p;
    return M(tan)(x);
}
static inline T FN(tanh)(T x, const T *p)
{
    (void)p;
    return M(tanh)(x);
}
static inline T FN(thresholded_relu)(T x, const T *p)
{
    return x > p[0] ? x : 0;
}
static inline T FN(same)(T x, const T *p)
{
    (void)p;
    return x;
}

void UNARY(enum ct_unary op, void *to_memory, const void *from_memory, size_t n, const void *params)
{
    T *to = to_memory;
    const T *from = from_memory, *p = params;
    switch (op) {
    case CT_UNARY_ABS: FN(map)(to, from, n, p, FN(abs)); break;
    case CT_UNARY_ACOS: FN(map)(to, from, n, p, FN(acos)); break;
    case CT_UNARY_ACOSH: FN(map)(to, from, n, p, FN(acosh)); break;
    case CT_UNARY_ASIN: FN(map)(to, from, n, p, FN(asin)); break;
    case CT_UNARY_ASINH: FN(map)(to, from, n, p, FN(asinh)); break;
    case CT_UNARY_ATAN: FN(map)(to, from, n, p, FN(atan)); break;
    case CT_UNARY_ATANH: FN(map)(to, from, n, p, FN(atanh)); break;
    case CT_UNARY_CEIL: FN(map)(to, from, n, p, FN(ceil)); break;
    case CT_UNARY_CELU: FN(map)(to, from, n, p, FN(celu)); break;
    case CT_UNARY_CLIP: FN(map)(to, from, n, p, FN(clip)); break;
    case CT_UNARY_COS: FN(map)(to, from, n, p, FN(cos)); break;
    case CT_UNARY_COSH: FN(map)(to, from, n, p, FN(cosh)); break;
    case CT_UNARY_ELU: FN(map)(to, from, n, p, FN(elu)); break;
    case CT_UNARY_ERF: FN(map)(to, from, n, p, FN(erf)); break;
    case CT_UNARY_EXP: FN(map)(to, from, n, p, FN(exp)); break;
    case CT_UNARY_FLOOR: FN(map)(to, from, n, p, FN(floor)); break;
    case CT_UNARY_GELU: FN(map)(to, from, n, p, FN(gelu)); break;
    case CT_UNARY_GELU_TANH: FN(map)(to, from, n, p, FN(gelu_tanh)); break;
    case CT_UNARY_HARD_SIGMOID: FN(map)(to, from, n, p, FN(hard_sigmoid)); break;
    case CT_UNARY_HARD_SWISH: FN(map)(to, from, n, p, FN(hard_swish)); break;
    case CT_UNARY_LEAKY_RELU: FN(map)(to, from, n, p, FN(leaky_relu)); break;
    case CT_UNARY_LOG: FN(map)(to, from, n, p, FN(log)); break;
    case CT_UNARY_MISH: FN(map)(to, from, n, p, FN(mish)); break;
    case CT_UNARY_NEG: FN(map)(to, from, n, p, FN(neg)); break;
    case CT_UNARY_RECIPROCAL: FN(map)(to, from, n, p, FN(reciprocal)); break;
    case CT_UNARY_RELU: FN(map)(to, from, n, p, FN(relu)); break;
    case CT_UNARY_ROUND: FN(map)(to, from, n, p, FN(round)); break;
    case CT_UNARY_SELU: FN(map)(to, from, n, p, FN(selu)); break;
    case CT_UNARY_SHRINK: FN(map)(to, from, n, p, FN(shrink)); break;
    case CT_UNARY_SIGMOID: FN(map)(to, from, n, p, FN(sigmoid)); break;
    case CT_UNARY_SIGN: FN(map)(to, from, n, p, FN(sign)); break;
    case CT_UNARY_SIN: FN(map)(to, from, n, p, FN(sin)); break;
    case CT_UNARY_SINH: FN(map)(to, from, n, p, FN(sinh)); break;
    case CT_UNARY_SOFTPLUS: FN(map)(to, from, n, p, FN(softplus)); break;
    case CT_UNARY_SOFTSIGN: FN(map)(to, from, n, p, FN(softsign)); break;
    case CT_UNARY_SQRT: FN(map)(to, from, n, p, FN(sqrt)); break;
    case CT_UNARY_SWISH: FN(map)(to, from, n, p, FN(swish)); break;
    case CT_UNARY_TAN: FN(map)(to, from, n, p, FN(tan)); break;
    case CT_UNARY_TANH: FN(map)(to, from, n, p, FN(tanh)); break;
    case CT_UNARY_THRESHOLDED_RELU: FN(map)(to, from, n, p, FN(thresholded_relu)); break;
    case CT_UNARY_BITWISE_NOT:
    case CT_UNARY_NOT:
    case CT_UNARY_COUNT: FN(map)(to, from, n, p, FN(same)); break;
    }
}

/* ------------------------------------------------------------------ two values */

static inline T FN(add)(T a, T b)
{
    return a + b;
}
static inline T FN(sub)(T a, T b)
{
    return a - b;
}
static inline T FN(mul)(T a, T b)
{
    return a * b;
}
static inline T FN(div)(T a, T b)
{
    return a / b;
}
static inline T FN(pow)(T a, T b)
{
    return M(pow)(a, b);
}
static inline T FN(fmod)(T a, T b)
{
    return M(fmod)(a, b);
}
/* Zeros take the sign of b; a finite a over an infinite b of the other sign gives b. */
static inline T FN(mod)(T a, T b)
{
    T r = M(fmod)(a, b);
    if (r == 0)
        return M(copysign)(r, b);
    return (r < 0) != (b < 0) ? r + b : r;
}
/* NaN wins, as in NumPy. */
static inline T FN(min)(T a, T b)
{
    return a < b || a != a ? a : b;
}
static inline T FN(max)(T a, T b)
{
    return a > b || a != a ? a : b;
}
static inline T FN(prelu)(T a, T b)
{
    return a < 0 ? a * b : a;
}

/* One exponent for all: the usual ones are cheaper, and exact where pow would be. */
static void FN(pow_by)(T *to, const T *a, size_t n, T b)
{
    if (b == 2)
        FN(zip)(to, a, 1, a, 1, n, FN(mul));
    else if (b == 1)
        FN(map)(to, a, n, NULL, FN(same));
    else if (b == -1)
        FN(map)(to, a, n, NULL, FN(reciprocal));
    else if (b == 3)
        for (size_t i = 0; i < n; i++)
            to[i] = a[i] * a[i] * a[i];
    else
        FN(zip)(to, a, 1, &b, 0, n, FN(pow));
}

void BINARY(enum ct_binary op, void *to_memory, const void *a_memory, size_t a_step,
            const void *b_memory, size_t b_step, size_t n, const void *params)
{
    T *to = to_memory;
    const T *a = a_memory, *b = b_memory, *p = params;
    switch (op) {
    case CT_BINARY_ADD: FN(zip)(to, a, a_step, b, b_step, n, FN(add)); break;
    case CT_BINARY_SUB: FN(zip)(to, a, a_step, b, b_step, n, FN(sub)); break;
    case CT_BINARY_MUL: FN(zip)(to, a, a_step, b, b_step, n, FN(mul)); break;
    case CT_BINARY_DIV: FN(zip)(to, a, a_step, b, b_step, n, FN(div)); break;
    case CT_BINARY_POW:
        if (a_step && !b_step)
            FN(pow_by)(to, a, n, *b);
        else
            FN(zip)(to, a, a_step, b, b_step, n, FN(pow));
        break;
    case CT_BINARY_MOD: FN(zip)(to, a, a_step, b, b_step, n, FN(mod)); break;
    case CT_BINARY_FMOD: FN(zip)(to, a, a_step, b, b_step, n, FN(fmod)); break;
    case CT_BINARY_MIN: FN(zip)(to, a, a_step, b, b_step, n, FN(min)); break;
    case CT_BINARY_MAX: FN(zip)(to, a, a_step, b, b_step, n, FN(max)); break;
    case CT_BINARY_PRELU: FN(zip)(to, a, a_step, b, b_step, n, FN(prelu)); break;
    case CT_BINARY_SWIGLU:
        for (size_t i = 0; i < n; i++)
            to[i] = FN(swish)(a[i * a_step], p) * b[i * b_step];
        break;
    default: FN(compare)(op, to_memory, a, a_step, b, b_step, n); break;
    }
}

#undef SQRT_HALF
#undef SQRT_2_OVER_PI
