/* Plain C elementwise kernels over integers. Sums, differences and products wrap; division by zero
 * gives 0, as in NumPy.
 *
 * Parameters
 *   T          the type; U the unsigned type that its arithmetic wraps in, of at least 32 bits (a
 *              narrower one would be promoted to int, which overflows)
 *   T_SIGNED   1 or 0; T_BITS its width
 *   FN(name)   makes names of this inclusion
 *   UNARY, BINARY   names of the two kernels that the inclusion defines */
#include "kernels/tmpl/elementwise_map.h"

static inline T FN(abs)(T x, const T *p)
{
    (void)p;
#if T_SIGNED
    return x < 0 ? (T)(0 - (U)x) : x;
#else
    return x;
#endif
}
static inline T FN(bitwise_not)(T x, const T *p)
{
    (void)p;
    return (T) ~(U)x;
}
static inline T FN(clip)(T x, const T *p)
{
    x = x < p[0] ? p[0] : x;
    return x > p[1] ? p[1] : x;
}
static inline T FN(neg)(T x, const T *p)
{
    (void)p;
    return (T)(0 - (U)x);
}
static inline T FN(not)(T x, const T *p)
{
    (void)p;
    return !x;
}
static inline T FN(relu)(T x, const T *p)
{
    (void)p;
#if T_SIGNED
    return x < 0 ? 0 : x;
#else
    return x;
#endif
}
static inline T FN(sign)(T x, const T *p)
{
    (void)p;
#if T_SIGNED
    return (T)((x > 0) - (x < 0));
#else
    return x > 0;
#endif
}
static inline T FN(same)(T x, const T *p)
{
    (void)p;
    return x;
}

void UNARY(enum ct_unary op, void *to_memory, const void *from_memory, size_t n,
           const void *params)
{
    T *to = to_memory;
    const T *from = from_memory, *p = params;
    switch (op) {
    case CT_UNARY_ABS:
        FN(map)(to, from, n, p, FN(abs));
        break;
    case CT_UNARY_BITWISE_NOT:
        FN(map)(to, from, n, p, FN(bitwise_not));
        break;
    case CT_UNARY_CLIP:
        FN(map)(to, from, n, p, FN(clip));
        break;
    case CT_UNARY_NEG:
        FN(map)(to, from, n, p, FN(neg));
        break;
    case CT_UNARY_NOT:
        FN(map)(to, from, n, p, FN(not));
        break;
    case CT_UNARY_RELU:
        FN(map)(to, from, n, p, FN(relu));
        break;
    case CT_UNARY_SIGN:
        FN(map)(to, from, n, p, FN(sign));
        break;
    default:
        FN(map)(to, from, n, p, FN(same));
        break;
    }
}

static inline T FN(add)(T a, T b)
{
    return (T)((U)a + (U)b);
}
static inline T FN(sub)(T a, T b)
{
    return (T)((U)a - (U)b);
}
static inline T FN(mul)(T a, T b)
{
    return (T)((U)a * (U)b);
}
/* The one quotient that does not fit wraps. */
static inline T FN(div)(T a, T b)
{
    if (b == 0)
        return 0;
#if T_SIGNED
    if (b == -1)
        return (T)(0 - (U)a);
#endif
    return (T)(a / b);
}
static inline T FN(fmod)(T a, T b)
{
    if (b == 0)
        return 0;
#if T_SIGNED
    if (b == -1)
        return 0;
#endif
    return (T)(a % b);
}
static inline T FN(mod)(T a, T b)
{
    T r = FN(fmod)(a, b);
#if T_SIGNED
    if (r != 0 && (r < 0) != (b < 0))
        r = (T)(r + b);
#endif
    return r;
}
/* By squaring. A negative exponent truncates the reciprocal power. */
static inline T FN(pow)(T a, T b)
{
#if T_SIGNED
    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
#endif
    U result = 1, base = (U)a, exponent = (U)b;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            result *= base;
        base *= base;
    }
    return (T)result;
}
static inline T FN(min)(T a, T b)
{
    return a < b ? a : b;
}
static inline T FN(max)(T a, T b)
{
    return a > b ? a : b;
}
static inline T FN(prelu)(T a, T b)
{
#if T_SIGNED
    return a < 0 ? FN(mul)(a, b) : a;
#else
    (void)b;
    return a;
#endif
}
static inline T FN(and)(T a, T b)
{
    return (T)(a & b);
}
static inline T FN(or)(T a, T b)
{
    return (T)(a | b);
}
static inline T FN(xor)(T a, T b)
{
    return (T)(a ^ b);
}
/* Amounts outside of the width shift everything out. */
static inline bool FN(shifts_out)(T amount)
{
#if T_SIGNED
    return amount < 0 || amount >= T_BITS;
#else
    return amount >= T_BITS;
#endif
}
static inline T FN(shift_left)(T a, T b)
{
    return FN(shifts_out)(b) ? 0 : (T)((U)a << b);
}
static inline T FN(shift_right)(T a, T b)
{
#if T_SIGNED
    return FN(shifts_out)(b) ? (a < 0 ? -1 : 0) : (T)(a >> b);
#else
    return FN(shifts_out)(b) ? 0 : (T)(a >> b);
#endif
}

void BINARY(enum ct_binary op, void *to_memory, const void *a_memory, size_t a_step,
            const void *b_memory, size_t b_step, size_t n, const void *params)
{
    T *to = to_memory;
    const T *a = a_memory, *b = b_memory;
    (void)params;
    switch (op) {
    case CT_BINARY_ADD:
        FN(zip)(to, a, a_step, b, b_step, n, FN(add));
        break;
    case CT_BINARY_SUB:
        FN(zip)(to, a, a_step, b, b_step, n, FN(sub));
        break;
    case CT_BINARY_MUL:
        FN(zip)(to, a, a_step, b, b_step, n, FN(mul));
        break;
    case CT_BINARY_DIV:
        FN(zip)(to, a, a_step, b, b_step, n, FN(div));
        break;
    case CT_BINARY_POW:
        FN(zip)(to, a, a_step, b, b_step, n, FN(pow));
        break;
    case CT_BINARY_MOD:
        FN(zip)(to, a, a_step, b, b_step, n, FN(mod));
        break;
    case CT_BINARY_FMOD:
        FN(zip)(to, a, a_step, b, b_step, n, FN(fmod));
        break;
    case CT_BINARY_MIN:
        FN(zip)(to, a, a_step, b, b_step, n, FN(min));
        break;
    case CT_BINARY_MAX:
        FN(zip)(to, a, a_step, b, b_step, n, FN(max));
        break;
    case CT_BINARY_PRELU:
        FN(zip)(to, a, a_step, b, b_step, n, FN(prelu));
        break;
    case CT_BINARY_AND:
        FN(zip)(to, a, a_step, b, b_step, n, FN(and));
        break;
    case CT_BINARY_OR:
        FN(zip)(to, a, a_step, b, b_step, n, FN(or));
        break;
    case CT_BINARY_XOR:
        FN(zip)(to, a, a_step, b, b_step, n, FN(xor));
        break;
    case CT_BINARY_SHIFT_LEFT:
        FN(zip)(to, a, a_step, b, b_step, n, FN(shift_left));
        break;
    case CT_BINARY_SHIFT_RIGHT:
        FN(zip)(to, a, a_step, b, b_step, n, FN(shift_right));
        break;
    default:
        FN(compare)(op, to_memory, a, a_step, b, b_step, n);
        break;
    }
}
