#include "kernels/ref/act_ref.h"

#include <math.h>

/* In double, and rounded once: an activation in float is compared with this. */
static double apply(enum ct_act act, double p0, double p1, double x)
{
    switch (act) {
    case CT_ACT_RELU: return x < 0 ? 0 : x;
    case CT_ACT_CLIP: x = x < p0 ? p0 : x; return x > p1 ? p1 : x;
    case CT_ACT_LEAKY_RELU: return x < 0 ? p0 * x : x;
    case CT_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case CT_ACT_SILU: return x < -800 ? -0.0 : x / (1 + exp(-x));
    case CT_ACT_TANH: return tanh(x);
    case CT_ACT_GELU_ERF: return x * 0.5 * erfc(-x * 0.70710678118654752440);
    case CT_ACT_GELU_TANH:
        /* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)), which keeps its digits for negative u */
        return x < -30 ? -0.0
                       : x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case CT_ACT_HARD_SIGMOID:
        x = p0 * x + p1;
        x = x < 0 ? 0 : x;
        return x > 1 ? 1 : x;
    case CT_ACT_HARD_SWISH: {
        double gate = x / 6 + 0.5;
        gate = gate < 0 ? 0 : gate;
        return x * (gate > 1 ? 1 : gate);
    }
    case CT_ACT_NONE:
    case CT_ACT_COUNT: break;
    }
    return x;
}

float ct_act_f32_ref(enum ct_act act, const float params[2], float x)
{
    return (float)apply(act, (double)params[0], (double)params[1], (double)x);
}
