#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_conv_f32_any_avx512
#include "kernels/tmpl/conv_f32.h"
