/* Reductions over the vector vocabulary. Include a simd/ header first.
 *   FUNCTIONS  name of the struct ct_reduce_f32_functions to define */
#include "kernels/reduce.h"

/* Elements that are added up in float before they go into a double: few enough that the error
 * stays near that of pairwise addition. */
enum { BLOCK = 4096 };

V_INLINE v_f32 step(enum ct_reduce what, v_f32 a, v_f32 x)
{
    switch (what) {
    case CT_REDUCE_SUM: return v_add(a, x);
    case CT_REDUCE_SUM_ABS: return v_add(a, v_abs(x));
    case CT_REDUCE_SUM_SQUARE: return v_fma(x, x, a);
    case CT_REDUCE_PROD: return v_mul(a, x);
    case CT_REDUCE_MAX: /* v_max keeps a NaN in x; one in a is kept here */
        return v_select(v_isnan(a), a, v_max(a, x));
    case CT_REDUCE_MIN: return v_select(v_isnan(a), a, v_min(a, x));
    case CT_REDUCE_COUNT: break;
    }
    return a;
}

V_INLINE double combine(enum ct_reduce what, double a, double x)
{
    if (what == CT_REDUCE_PROD)
        return a * x;
    if (what == CT_REDUCE_MAX)
        return a > x || a != a ? a : x;
    if (what == CT_REDUCE_MIN)
        return a < x || a != a ? a : x;
    return a + x;
}

V_INLINE double start_of(enum ct_reduce what)
{
    if (what == CT_REDUCE_PROD)
        return 1;
    if (what == CT_REDUCE_MAX)
        return -__builtin_inf();
    return what == CT_REDUCE_MIN ? __builtin_inf() : 0;
}

V_INLINE double element(enum ct_reduce what, double x)
{
    if (what == CT_REDUCE_SUM_ABS)
        return x < 0 ? -x : x;
    return what == CT_REDUCE_SUM_SQUARE ? x * x : x;
}

V_INLINE double row_block(enum ct_reduce what, const float *x, size_t n)
{
    double total = start_of(what);
    v_f32 start = v_set1((float)total);
    v_f32 a[4] = {start, start, start, start};
    float lanes[V_WIDTH];
    size_t i = 0;
    for (; i + 4 * V_WIDTH <= n; i += 4 * V_WIDTH)
        for (size_t j = 0; j < 4; j++)
            a[j] = step(what, a[j], v_load(x + i + j * V_WIDTH));
    for (; i + V_WIDTH <= n; i += V_WIDTH)
        a[0] = step(what, a[0], v_load(x + i));
    for (size_t j = 0; j < 4; j++) {
        v_store(lanes, a[j]);
        for (size_t l = 0; l < V_WIDTH; l++)
            total = combine(what, total, (double)lanes[l]);
    }
    for (; i < n; i++)
        total = combine(what, total, element(what, (double)x[i]));
    return total;
}

V_INLINE double row_of(enum ct_reduce what, const float *x, size_t n)
{
    double total = start_of(what);
    for (size_t i = 0; i < n; i += BLOCK)
        total = combine(what, total, row_block(what, x + i, n - i < BLOCK ? n - i : BLOCK));
    return total;
}

V_INLINE void columns_of(enum ct_reduce what, const float *x, size_t stride, size_t rows, size_t n,
                         float *acc)
{
    size_t j = 0;
    for (; j + 4 * V_WIDTH <= n; j += 4 * V_WIDTH) {
        v_f32 a[4];
        for (size_t c = 0; c < 4; c++)
            a[c] = v_load(acc + j + c * V_WIDTH);
        for (size_t i = 0; i < rows; i++)
            for (size_t c = 0; c < 4; c++)
                a[c] = step(what, a[c], v_load(x + i * stride + j + c * V_WIDTH));
        for (size_t c = 0; c < 4; c++)
            v_store(acc + j + c * V_WIDTH, a[c]);
    }
    for (; j < n; j += V_WIDTH) {
        v_tail t = v_tail_make(n - j);
        v_f32 a = v_load_tail(acc + j, t);
        for (size_t i = 0; i < rows; i++)
            a = step(what, a, v_load_tail(x + i * stride + j, t));
        v_store_tail(acc + j, a, t);
    }
}

/* One compiled loop for each reduction. */
static double row(enum ct_reduce what, const float *x, size_t n)
{
    switch (what) {
    case CT_REDUCE_SUM: return row_of(CT_REDUCE_SUM, x, n);
    case CT_REDUCE_SUM_ABS: return row_of(CT_REDUCE_SUM_ABS, x, n);
    case CT_REDUCE_SUM_SQUARE: return row_of(CT_REDUCE_SUM_SQUARE, x, n);
    case CT_REDUCE_PROD: return row_of(CT_REDUCE_PROD, x, n);
    case CT_REDUCE_MAX: return row_of(CT_REDUCE_MAX, x, n);
    case CT_REDUCE_MIN:
    case CT_REDUCE_COUNT: break;
    }
    return row_of(CT_REDUCE_MIN, x, n);
}

static void columns(enum ct_reduce what, const float *x, size_t stride, size_t rows, size_t n,
                    float *acc)
{
    switch (what) {
    case CT_REDUCE_SUM: columns_of(CT_REDUCE_SUM, x, stride, rows, n, acc); return;
    case CT_REDUCE_SUM_ABS: columns_of(CT_REDUCE_SUM_ABS, x, stride, rows, n, acc); return;
    case CT_REDUCE_SUM_SQUARE: columns_of(CT_REDUCE_SUM_SQUARE, x, stride, rows, n, acc); return;
    case CT_REDUCE_PROD: columns_of(CT_REDUCE_PROD, x, stride, rows, n, acc); return;
    case CT_REDUCE_MAX: columns_of(CT_REDUCE_MAX, x, stride, rows, n, acc); return;
    case CT_REDUCE_MIN:
    case CT_REDUCE_COUNT: break;
    }
    columns_of(CT_REDUCE_MIN, x, stride, rows, n, acc);
}

const struct ct_reduce_f32_functions FUNCTIONS = {row, columns};
