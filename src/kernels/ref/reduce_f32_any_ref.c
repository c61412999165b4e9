#include "kernels/reduce.h"

#include <math.h>

static double step(enum ct_reduce what, double a, double x)
{
    switch (what) {
    case CT_REDUCE_SUM: return a + x;
    case CT_REDUCE_SUM_ABS: return a + fabs(x);
    case CT_REDUCE_SUM_SQUARE: return a + x * x;
    case CT_REDUCE_PROD: return a * x;
    case CT_REDUCE_MAX: return isnan(a) || a > x ? a : x;
    case CT_REDUCE_MIN: return isnan(a) || a < x ? a : x;
    case CT_REDUCE_COUNT: break;
    }
    return a;
}

static double row(enum ct_reduce what, const float *x, size_t n)
{
    static const double starts[CT_REDUCE_COUNT] = {0, 0, 0, 1, -HUGE_VAL, HUGE_VAL};
    double a = starts[what];
    for (size_t i = 0; i < n; i++)
        a = step(what, a, (double)x[i]);
    return a;
}

static void columns(enum ct_reduce what, const float *x, size_t stride, size_t rows, size_t n,
                    float *acc)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            acc[j] = (float)step(what, (double)acc[j], (double)x[i * stride + j]);
}

const struct ct_reduce_f32_functions ct_reduce_f32_any_ref = {row, columns};
