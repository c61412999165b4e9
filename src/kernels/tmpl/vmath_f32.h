/* Elementary functions over the vector vocabulary; include a simd/ header first.
 *
 * Largest errors, in units in the last place of the result (checked by corten-kernels, family
 * vmath_f32, for every ISA; tests/kernels/vmath_f32.h has the bounds):
 *
 *   v_exp 1.5   v_exp_nonpos 1.5   v_expm1 2.5   v_log 1.5   v_log1p 2.5
 *   v_tanh 3    v_sigmoid 3        v_silu 3.5    v_erf 8     v_gelu_tanh 4, or 1.2e-7 |x|
 *   v_gelu_erf 4, or 3e-7 |x|: half of x times 1 + erf cancels for negative x
 *
 * Denormal results of v_exp and v_sigmoid count too. NaN gives NaN, v_log of a negative number NaN.
 * Infinities give limits, but v_silu and v_gelu_... of minus infinity, like their formulas, NaN.
 *
 * Polynomials and the rational function are minimax fits (Lawson's algorithm) of our own; the
 * reductions are those of W. J. Cody, W. Waite, "Software Manual for the Elementary Functions". */
#ifndef CT_KERNELS_TMPL_VMATH_F32_H
#define CT_KERNELS_TMPL_VMATH_F32_H

/* ln 2 in two parts; the first has few enough bits that n * hi is exact for |n| < 2^10. */
#define VM_LN2_HI 0.693145751953125f
#define VM_LN2_LO 1.42860682030941723212e-6f
#define VM_LOG2_E 1.44269504088896341f

/* x = n ln 2 + r, |r| <= ln 2 / 2; returns (exp(r) - 1 - r) / r^2. */
V_INLINE v_f32 vm_exp_reduce(v_f32 x, v_f32 *n, v_f32 *r)
{
    *n = v_round(v_mul(x, v_set1(VM_LOG2_E)));
    *r = v_fnma(*n, v_set1(VM_LN2_HI), x);
    *r = v_fnma(*n, v_set1(VM_LN2_LO), *r);
    v_f32 q = v_set1(0.001395170748f);
    q = v_fma(q, *r, v_set1(0.008369599365f));
    q = v_fma(q, *r, v_set1(0.04166618742f));
    q = v_fma(q, *r, v_set1(0.1666651288f));
    return v_fma(q, *r, v_set1(0.5000000101f));
}

V_INLINE v_f32 v_exp(v_f32 x)
{
    v_f32 n, r;
    /* Past these bounds the result is inf or 0; x comes second, so that NaN stays. */
    x = v_max(v_set1(-104.0f), v_min(v_set1(89.0f), x));
    v_f32 q = vm_exp_reduce(x, &n, &r);
    v_f32 y = v_fma(v_mul(r, r), q, r);
    return v_scale2(v_add(y, v_set1(1.0f)), n);
}

/* exp for x <= 0 or NaN; results below 1e-37 may be 0. What is masked out of a softmax must not end
 * as a denormal number on its way to 0: those take Intel's processors a hundred cycles. */
V_INLINE v_f32 v_exp_nonpos(v_f32 x)
{
    v_f32 n, r;
    v_f32 low = v_set1(-87.0f);
    v_mask tiny = v_lt(x, low);
    x = v_max(low, x);
    v_f32 q = vm_exp_reduce(x, &n, &r);
    v_f32 y = v_add(v_fma(v_mul(r, r), q, r), v_set1(1.0f));
    if (V_WIDTH == 16) {
        y = v_scale2(y, n);
    } else { /* scaling takes two steps there */
        v_i32 bits = v_i32_add(v_i32_of_bits(y), v_i32_shl(v_to_i32(n), 23));
        y = v_select(v_isnan(x), x, v_bits_of_i32(bits));
    }
    return v_select(tiny, v_zero(), y);
}

V_INLINE v_f32 v_expm1(v_f32 x)
{
    v_f32 n, r;
    x = v_max(v_set1(-18.0f), v_min(v_set1(89.0f), x));
    v_f32 q = vm_exp_reduce(x, &n, &r);
    v_f32 t = v_fma(v_mul(r, r), q, r);
    /* With half of 2^n, which is in range up to n = 128. */
    v_f32 half = v_set1(0.5f);
    v_f32 s = v_scale2(half, n);
    v_f32 y = v_fma(s, t, v_sub(s, half));
    return v_add(y, y);
}

V_INLINE v_f32 v_log(v_f32 x)
{
    v_mask denormal = v_lt(x, v_set1(1.17549435e-38f));
    v_f32 scaled = v_select(denormal, v_mul(x, v_set1(8388608.0f)), x);
    v_f32 e = v_select(denormal, v_set1(-23.0f), v_zero());
    /* scaled = m 2^e, m in [sqrt(1/2), sqrt(2)) */
    v_i32 bits = v_i32_of_bits(scaled);
    v_i32 power = v_i32_shr(v_i32_sub(bits, v_i32_set1(0x3F3504F3)), 23);
    v_f32 m = v_bits_of_i32(v_i32_sub(bits, v_i32_shl(power, 23)));
    e = v_add(e, v_from_i32(power));

    v_f32 f = v_sub(m, v_set1(1.0f));
    v_f32 f2 = v_mul(f, f);
    v_f32 g = v_set1(0.06915079041f);
    g = v_fma(g, f, v_set1(-0.1178966105f));
    g = v_fma(g, f, v_set1(0.1187302825f));
    g = v_fma(g, f, v_set1(-0.1238437682f));
    g = v_fma(g, f, v_set1(0.1421865462f));
    g = v_fma(g, f, v_set1(-0.1666924907f));
    g = v_fma(g, f, v_set1(0.2000222673f));
    g = v_fma(g, f, v_set1(-0.2499998663f));
    g = v_fma(g, f, v_set1(0.3333331044f));
    v_f32 y = v_mul(v_mul(g, f), f2);
    y = v_fma(e, v_set1(VM_LN2_LO), y);
    y = v_fnma(v_set1(0.5f), f2, y);
    y = v_fma(e, v_set1(VM_LN2_HI), v_add(f, y));

    v_f32 inf = v_set1(__builtin_inff());
    y = v_select(v_eq(x, inf), inf, y);
    y = v_select(v_eq(x, v_zero()), v_set1(-__builtin_inff()), y);
    y = v_select(v_lt(x, v_zero()), v_set1(__builtin_nanf("")), y);
    return v_select(v_isnan(x), x, y);
}

V_INLINE v_f32 v_log1p(v_f32 x)
{
    v_f32 one = v_set1(1.0f);
    v_f32 u = v_add(x, one);
    /* What was lost by rounding 1 + x, times the derivative of log. */
    v_f32 lost = v_div(v_sub(x, v_sub(u, one)), u);
    v_f32 y = v_add(v_log(u), lost);
    v_f32 big = v_set1(3.0e38f);
    y = v_select(v_lt(big, v_abs(x)), v_log(u), y);
    y = v_select(v_eq(u, v_zero()), v_log(u), y);
    return v_select(v_eq(u, one), x, y);
}

V_INLINE v_f32 v_tanh(v_f32 x)
{
    v_f32 a = v_min(v_set1(10.0f), v_abs(x));
    v_f32 e = v_expm1(v_add(a, a));
    return v_copysign(v_div(e, v_add(e, v_set1(2.0f))), x);
}

/* e / (1 + e) or 1 / (1 + e) with e = exp(-|x|): small results keep their digits. */
V_INLINE v_f32 v_sigmoid(v_f32 x)
{
    v_f32 one = v_set1(1.0f);
    v_f32 e = v_exp(v_neg(v_abs(x)));
    v_f32 top = v_select(v_lt(x, v_zero()), e, one);
    return v_div(top, v_add(one, e));
}

V_INLINE v_f32 v_silu(v_f32 x)
{
    return v_mul(x, v_sigmoid(x));
}

/* x P(x^2) / Q(x^2), for |x| below sqrt(15.5), where erf rounds to 1. */
V_INLINE v_f32 v_erf(v_f32 x)
{
    v_f32 bound = v_set1(3.9370039f);
    v_f32 a = v_min(bound, v_abs(x));
    v_f32 t = v_mul(a, a);
    v_f32 p = v_set1(2.036247453e-6f);
    p = v_fma(p, t, v_set1(0.0002847315757f));
    p = v_fma(p, t, v_set1(0.003788798229f));
    p = v_fma(p, t, v_set1(0.0528175133f));
    p = v_fma(p, t, v_set1(0.1910356075f));
    p = v_fma(p, t, v_set1(1.128379145f));
    v_f32 q = v_set1(3.794093965e-5f);
    q = v_fma(q, t, v_set1(0.001166917261f));
    q = v_fma(q, t, v_set1(0.01501600283f));
    q = v_fma(q, t, v_set1(0.1143560836f));
    q = v_fma(q, t, v_set1(0.5026336075f));
    q = v_fma(q, t, v_set1(1.0f));
    v_f32 y = v_div(v_mul(a, p), q);
    return v_copysign(v_min(v_set1(1.0f), y), x);
}

V_INLINE v_f32 v_gelu_erf(v_f32 x)
{
    v_f32 half = v_mul(x, v_set1(0.5f));
    return v_fma(half, v_erf(v_mul(x, v_set1(0.70710678118654752440f))), half);
}

/* (1 + tanh(u)) / 2 = sigmoid(2u) */
V_INLINE v_f32 v_gelu_tanh(v_f32 x)
{
    v_f32 x2 = v_mul(x, x);
    v_f32 u = v_fma(v_set1(2.0f * 0.79788456080286535588f * 0.044715f), x2,
                    v_set1(2.0f * 0.79788456080286535588f));
    return v_mul(x, v_sigmoid(v_mul(x, u)));
}

#endif
