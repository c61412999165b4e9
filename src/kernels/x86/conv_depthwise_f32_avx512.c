#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_conv_depthwise_f32_avx512
#include "kernels/tmpl/conv_depthwise_f32.h"
