/* The activations of CT_ACT_MAP in plain C. */
#ifndef CT_KERNELS_REF_ACT_REF_H
#define CT_KERNELS_REF_ACT_REF_H

#include "kernels/gemm.h"

float ct_act_f32_ref(enum ct_act act, const float params[2], float x);

#endif
