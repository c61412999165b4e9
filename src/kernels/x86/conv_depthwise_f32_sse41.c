#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_conv_depthwise_f32_sse41
#include "kernels/tmpl/conv_depthwise_f32.h"
