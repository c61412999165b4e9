/* The activations of CT_ACT_MAP (kernels/gemm.h) over the vector vocabulary. `act` should be a
 * constant where v_act is inlined, or the switch be hoisted by the compiler.
 * NaN stays NaN in all of them. Include a simd/ header and tmpl/vmath_f32.h first. */
#ifndef CT_KERNELS_TMPL_ACT_F32_H
#define CT_KERNELS_TMPL_ACT_F32_H

#include "kernels/gemm.h"

V_INLINE v_f32 v_act(enum ct_act act, v_f32 p0, v_f32 p1, v_f32 x)
{
    v_f32 zero = v_zero(), one = v_set1(1.0f);

    switch (act) {
    case CT_ACT_RELU: return v_max(zero, x);
    case CT_ACT_CLIP: return v_min(p1, v_max(p0, x));
    case CT_ACT_LEAKY_RELU: return v_select(v_lt(x, zero), v_mul(x, p0), x);
    case CT_ACT_SIGMOID: return v_sigmoid(x);
    case CT_ACT_SILU: return v_silu(x);
    case CT_ACT_TANH: return v_tanh(x);
    case CT_ACT_GELU_ERF: return v_gelu_erf(x);
    case CT_ACT_GELU_TANH: return v_gelu_tanh(x);
    case CT_ACT_HARD_SIGMOID: return v_min(one, v_max(zero, v_fma(p0, x, p1)));
    case CT_ACT_HARD_SWISH:
        return v_mul(x, v_min(one, v_max(zero, v_fma(v_set1(1.0f / 6), x, v_set1(0.5f)))));
    case CT_ACT_NONE:
    case CT_ACT_COUNT: break;
    }
    return x;
}

#endif
