#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_conv_f32_any_sse41
#include "kernels/tmpl/conv_f32.h"
