/* Elementwise kernels over float in the vector vocabulary; include a simd/ header first.
 *
 * Parameters: UNARY, BINARY, names of the two kernels that the inclusion defines.
 * Formulas and their order are those of tmpl/elementwise_float.h; what is missing here goes there. */
#include "kernels/elementwise.h"
#include "kernels/tmpl/vmath_f32.h"

typedef v_f32 (*map_fn)(v_f32 x, const v_f32 *p);
typedef v_f32 (*zip_fn)(v_f32 a, v_f32 b, v_f32 p);

V_INLINE void map(float *to, const float *from, size_t n, const float *params, map_fn of)
{
    v_f32 p[2] = {v_zero(), v_zero()};
    if (params) {
        p[0] = v_set1(params[0]);
        p[1] = v_set1(params[1]);
    }
    size_t i = 0;
    for (; i + 2 * V_WIDTH <= n; i += 2 * V_WIDTH) {
        v_f32 x = of(v_load(from + i), p), y = of(v_load(from + i + V_WIDTH), p);
        v_store(to + i, x);
        v_store(to + i + V_WIDTH, y);
    }
    for (; i < n; i += V_WIDTH) {
        v_tail tail = v_tail_make(n - i);
        v_store_tail(to + i, of(v_load_tail(from + i, tail), p), tail);
    }
}

V_INLINE void zip(float *to, const float *a, size_t a_step, const float *b, size_t b_step, size_t n,
                  v_f32 p, zip_fn of)
{
    v_f32 x = v_zero(), y = v_zero();
    if (n && !a_step)
        x = v_set1(*a);
    if (n && !b_step)
        y = v_set1(*b);
    size_t i = 0;
    if (a_step && b_step) {
        for (; i + V_WIDTH <= n; i += V_WIDTH)
            v_store(to + i, of(v_load(a + i), v_load(b + i), p));
    } else if (a_step) {
        for (; i + V_WIDTH <= n; i += V_WIDTH)
            v_store(to + i, of(v_load(a + i), y, p));
    } else if (b_step) {
        for (; i + V_WIDTH <= n; i += V_WIDTH)
            v_store(to + i, of(x, v_load(b + i), p));
    }
    for (; i < n; i += V_WIDTH) {
        v_tail tail = v_tail_make(n - i);
        v_f32 u = a_step ? v_load_tail(a + i, tail) : x;
        v_f32 v = b_step ? v_load_tail(b + i, tail) : y;
        v_store_tail(to + i, of(u, v, p), tail);
    }
}

/* ------------------------------------------------------------------ one value */

V_INLINE v_f32 of_abs(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_abs(x);
}
V_INLINE v_f32 of_ceil(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_ceil(x);
}
V_INLINE v_f32 of_celu(v_f32 x, const v_f32 *p)
{
    return v_select(v_lt(v_zero(), x), x, v_mul(p[0], v_expm1(v_div(x, p[0]))));
}
V_INLINE v_f32 of_clip(v_f32 x, const v_f32 *p)
{
    return v_min(p[1], v_max(p[0], x));
}
V_INLINE v_f32 of_elu(v_f32 x, const v_f32 *p)
{
    return v_select(v_le(v_zero(), x), x, v_mul(p[0], v_expm1(x)));
}
V_INLINE v_f32 of_erf(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_erf(x);
}
V_INLINE v_f32 of_exp(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_exp(x);
}
V_INLINE v_f32 of_floor(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_floor(x);
}
V_INLINE v_f32 of_gelu(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_gelu_erf(x);
}
V_INLINE v_f32 of_gelu_tanh(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_gelu_tanh(x);
}
V_INLINE v_f32 of_hard_sigmoid(v_f32 x, const v_f32 *p)
{
    v_f32 y = v_add(v_mul(p[0], x), p[1]);
    return v_min(v_set1(1.0f), v_max(v_zero(), y));
}
V_INLINE v_f32 of_hard_swish(v_f32 x, const v_f32 *p)
{
    (void)p;
    v_f32 y = v_add(v_div(x, v_set1(6.0f)), v_set1(0.5f));
    return v_mul(x, v_min(v_set1(1.0f), v_max(v_zero(), y)));
}
V_INLINE v_f32 of_leaky_relu(v_f32 x, const v_f32 *p)
{
    return v_select(v_lt(x, v_zero()), v_mul(p[0], x), x);
}
V_INLINE v_f32 of_log(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_log(x);
}
V_INLINE v_f32 of_softplus(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_add(v_max(v_zero(), x), v_log1p(v_exp(v_neg(v_abs(x)))));
}
V_INLINE v_f32 of_mish(v_f32 x, const v_f32 *p)
{
    return v_mul(x, v_tanh(of_softplus(x, p)));
}
V_INLINE v_f32 of_neg(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_neg(x);
}
V_INLINE v_f32 of_reciprocal(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_div(v_set1(1.0f), x);
}
V_INLINE v_f32 of_relu(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_max(v_zero(), x);
}
V_INLINE v_f32 of_round(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_round(x);
}
V_INLINE v_f32 of_selu(v_f32 x, const v_f32 *p)
{
    return v_mul(p[1], v_select(v_lt(v_zero(), x), x, v_mul(p[0], v_expm1(x))));
}
V_INLINE v_f32 of_sigmoid(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_sigmoid(x);
}
V_INLINE v_f32 of_softsign(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_div(x, v_add(v_set1(1.0f), v_abs(x)));
}
V_INLINE v_f32 of_sqrt(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_sqrt(x);
}
V_INLINE v_f32 of_swish(v_f32 x, const v_f32 *p)
{
    return v_mul(x, v_sigmoid(v_mul(p[0], x)));
}
V_INLINE v_f32 of_tanh(v_f32 x, const v_f32 *p)
{
    (void)p;
    return v_tanh(x);
}
V_INLINE v_f32 of_thresholded_relu(v_f32 x, const v_f32 *p)
{
    return v_select(v_lt(p[0], x), x, v_zero());
}

void UNARY(enum ct_unary op, void *to_memory, const void *from_memory, size_t n, const void *params)
{
    float *to = to_memory;
    const float *from = from_memory, *p = params;
    switch (op) {
    case CT_UNARY_ABS: map(to, from, n, p, of_abs); break;
    case CT_UNARY_CEIL: map(to, from, n, p, of_ceil); break;
    case CT_UNARY_CELU: map(to, from, n, p, of_celu); break;
    case CT_UNARY_CLIP: map(to, from, n, p, of_clip); break;
    case CT_UNARY_ELU: map(to, from, n, p, of_elu); break;
    case CT_UNARY_ERF: map(to, from, n, p, of_erf); break;
    case CT_UNARY_EXP: map(to, from, n, p, of_exp); break;
    case CT_UNARY_FLOOR: map(to, from, n, p, of_floor); break;
    case CT_UNARY_GELU: map(to, from, n, p, of_gelu); break;
    case CT_UNARY_GELU_TANH: map(to, from, n, p, of_gelu_tanh); break;
    case CT_UNARY_HARD_SIGMOID: map(to, from, n, p, of_hard_sigmoid); break;
    case CT_UNARY_HARD_SWISH: map(to, from, n, p, of_hard_swish); break;
    case CT_UNARY_LEAKY_RELU: map(to, from, n, p, of_leaky_relu); break;
    case CT_UNARY_LOG: map(to, from, n, p, of_log); break;
    case CT_UNARY_MISH: map(to, from, n, p, of_mish); break;
    case CT_UNARY_NEG: map(to, from, n, p, of_neg); break;
    case CT_UNARY_RECIPROCAL: map(to, from, n, p, of_reciprocal); break;
    case CT_UNARY_RELU: map(to, from, n, p, of_relu); break;
    case CT_UNARY_ROUND: map(to, from, n, p, of_round); break;
    case CT_UNARY_SELU: map(to, from, n, p, of_selu); break;
    case CT_UNARY_SIGMOID: map(to, from, n, p, of_sigmoid); break;
    case CT_UNARY_SOFTPLUS: map(to, from, n, p, of_softplus); break;
    case CT_UNARY_SOFTSIGN: map(to, from, n, p, of_softsign); break;
    case CT_UNARY_SQRT: map(to, from, n, p, of_sqrt); break;
    case CT_UNARY_SWISH: map(to, from, n, p, of_swish); break;
    case CT_UNARY_TANH: map(to, from, n, p, of_tanh); break;
    case CT_UNARY_THRESHOLDED_RELU: map(to, from, n, p, of_thresholded_relu); break;
    default: ct_unary_f32_ref(op, to, from, n, p); break;
    }
}

/* ------------------------------------------------------------------ two values */

V_INLINE v_f32 of_add(v_f32 a, v_f32 b, v_f32 p)
{
    (void)p;
    return v_add(a, b);
}
V_INLINE v_f32 of_sub(v_f32 a, v_f32 b, v_f32 p)
{
    (void)p;
    return v_sub(a, b);
}
V_INLINE v_f32 of_mul(v_f32 a, v_f32 b, v_f32 p)
{
    (void)p;
    return v_mul(a, b);
}
V_INLINE v_f32 of_div(v_f32 a, v_f32 b, v_f32 p)
{
    (void)p;
    return v_div(a, b);
}
V_INLINE v_f32 of_min(v_f32 a, v_f32 b, v_f32 p)
{
    (void)p;
    return v_select(v_isnan(a), a, v_min(a, b));
}
V_INLINE v_f32 of_max(v_f32 a, v_f32 b, v_f32 p)
{
    (void)p;
    return v_select(v_isnan(a), a, v_max(a, b));
}
V_INLINE v_f32 of_prelu(v_f32 a, v_f32 b, v_f32 p)
{
    (void)p;
    return v_select(v_lt(a, v_zero()), v_mul(a, b), a);
}
V_INLINE v_f32 of_swiglu(v_f32 a, v_f32 b, v_f32 p)
{
    return v_mul(v_mul(a, v_sigmoid(v_mul(p, a))), b);
}
V_INLINE v_f32 of_cube(v_f32 a, v_f32 b, v_f32 p)
{
    (void)b;
    (void)p;
    return v_mul(v_mul(a, a), a);
}

void BINARY(enum ct_binary op, void *to_memory, const void *a_memory, size_t a_step,
            const void *b_memory, size_t b_step, size_t n, const void *params)
{
    float *to = to_memory;
    const float *a = a_memory, *b = b_memory, *p = params;
    switch (op) {
    case CT_BINARY_ADD: zip(to, a, a_step, b, b_step, n, v_zero(), of_add); break;
    case CT_BINARY_SUB: zip(to, a, a_step, b, b_step, n, v_zero(), of_sub); break;
    case CT_BINARY_MUL: zip(to, a, a_step, b, b_step, n, v_zero(), of_mul); break;
    case CT_BINARY_DIV: zip(to, a, a_step, b, b_step, n, v_zero(), of_div); break;
    case CT_BINARY_MIN: zip(to, a, a_step, b, b_step, n, v_zero(), of_min); break;
    case CT_BINARY_MAX: zip(to, a, a_step, b, b_step, n, v_zero(), of_max); break;
    case CT_BINARY_PRELU: zip(to, a, a_step, b, b_step, n, v_zero(), of_prelu); break;
    case CT_BINARY_SWIGLU: zip(to, a, a_step, b, b_step, n, v_set1(*p), of_swiglu); break;
    case CT_BINARY_POW:
        if (n && !b_step && a_step && *b == 2)
            zip(to, a, 1, a, 1, n, v_zero(), of_mul);
        else if (n && !b_step && a_step && *b == 3)
            zip(to, a, 1, b, 0, n, v_zero(), of_cube);
        else
            ct_binary_f32_ref(op, to, a, a_step, b, b_step, n, p);
        break;
    default: ct_binary_f32_ref(op, to_memory, a, a_step, b, b_step, n, p); break;
    }
}
