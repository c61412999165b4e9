/* Reductions of one type in plain C, for the types that have no kernels of their own.
 *   T         type of elements and result
 *   FN(name)  name of a function
 *   LOWEST, HIGHEST  where MAX and MIN start
 *   ADD(a, b), MULTIPLY(a, b)  without overflow traps
 *   NEGATIVE(x)  -x
 *   IS_NAN(x)
 * Defines FN(start), FN(combine), FN(element), FN(row), FN(columns): see kernels/reduce.h. */

static inline T FN(start)(enum ct_reduce what)
{
    if (what == CT_REDUCE_PROD)
        return 1;
    if (what == CT_REDUCE_MAX)
        return LOWEST;
    return what == CT_REDUCE_MIN ? HIGHEST : 0;
}

/* Two results, or a result and an element that has been through FN(element). */
static inline T FN(combine)(enum ct_reduce what, T a, T x)
{
    if (what == CT_REDUCE_PROD)
        return MULTIPLY(a, x);
    if (what == CT_REDUCE_MAX)
        return a > x || IS_NAN(a) ? a : x;
    if (what == CT_REDUCE_MIN)
        return a < x || IS_NAN(a) ? a : x;
    return ADD(a, x);
}

static inline T FN(element)(enum ct_reduce what, T x)
{
    if (what == CT_REDUCE_SUM_ABS)
        return x < 0 ? NEGATIVE(x) : x;
    return what == CT_REDUCE_SUM_SQUARE ? MULTIPLY(x, x) : x;
}

static T FN(row)(enum ct_reduce what, const T *x, size_t n)
{
    T a[4];
    size_t i = 0;
    for (size_t j = 0; j < 4; j++)
        a[j] = FN(start)(what);
    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            a[j] = FN(combine)(what, a[j], FN(element)(what, x[i + j]));
    for (; i < n; i++)
        a[0] = FN(combine)(what, a[0], FN(element)(what, x[i]));
    return FN(combine)(what, FN(combine)(what, a[0], a[1]), FN(combine)(what, a[2], a[3]));
}

static void FN(columns)(enum ct_reduce what, const T *x, size_t stride, size_t rows, size_t n,
                        T *restrict acc)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            acc[j] = FN(combine)(what, acc[j], FN(element)(what, x[i * stride + j]));
}

#undef T
#undef FN
#undef LOWEST
#undef HIGHEST
#undef ADD
#undef MULTIPLY
#undef NEGATIVE
#undef IS_NAN
