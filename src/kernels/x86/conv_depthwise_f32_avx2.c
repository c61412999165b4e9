#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_conv_depthwise_f32_avx2
#include "kernels/tmpl/conv_depthwise_f32.h"
