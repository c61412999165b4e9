/* Activations after products of bfloat16, over simd/avx512.h and tmpl/act_f32.h: exact to 2^-13 of
 * |x| (of 1 for the sigmoid), a thirtieth of what rounding an operand to bfloat16 costs, in a third of the time. Those that
 * are cheap anyway, and tanh, whose small results would lose digits, are the ones of float32.
 *
 * 2^f is a minimax polynomial of degree 3 (7.5e-5). The GELU's normal distribution is the sigmoid of
 * x P(x^2), with P fitted to the least error of the GELU (2.6e-5). */
#ifndef CT_KERNELS_TMPL_ACT_BF16_H
#define CT_KERNELS_TMPL_ACT_BF16_H

/* 1 / (1 + exp(-x)) */
V_INLINE v_f32 sigmoid_bf16(v_f32 x)
{
    /* x comes second, so that NaN stays; past the bounds the result is 0 or 1. */
    v_f32 t = v_max(v_set1(-130.0f), v_min(v_set1(130.0f), v_mul(x, v_set1(-VM_LOG2_E))));
    v_f32 n = v_round(t), f = v_sub(t, n);
    v_f32 y = v_set1(0.05517161637544632f);
    y = v_fma(y, f, v_set1(0.24261163175106049f));
    y = v_fma(y, f, v_set1(0.6932610273361206f));
    y = v_fma(y, f, v_set1(0.9999280571937561f));
    return _mm512_rcp14_ps(v_add(v_set1(1.0f), _mm512_scalef_ps(y, n)));
}

V_INLINE v_f32 gelu_bf16(v_f32 x)
{
    v_f32 x2 = v_min(v_set1(49.0f), v_mul(x, x));
    v_f32 p = v_fma(v_set1(-0.0007030335837043822f), x2, v_set1(0.07401128858327866f));
    p = v_fma(p, x2, v_set1(1.5950157642364502f));
    return v_mul(x, sigmoid_bf16(v_mul(x, p)));
}

V_INLINE v_f32 gelu_tanh_bf16(v_f32 x)
{
    v_f32 p = v_fma(v_set1(2.0f * 0.79788456080286535588f * 0.044715f), v_mul(x, x),
                    v_set1(2.0f * 0.79788456080286535588f));
    return v_mul(x, sigmoid_bf16(v_mul(x, p)));
}

V_INLINE v_f32 v_act_bf16(enum ct_act act, v_f32 p0, v_f32 p1, v_f32 x)
{
    switch (act) {
    case CT_ACT_SIGMOID: return sigmoid_bf16(x);
    case CT_ACT_SILU: return v_mul(x, sigmoid_bf16(x));
    case CT_ACT_GELU_ERF: return gelu_bf16(x);
    case CT_ACT_GELU_TANH: return gelu_tanh_bf16(x);
    default: return v_act(act, p0, p1, x);
    }
}

#endif
