#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_conv_f32_any_avx2
#include "kernels/tmpl/conv_f32.h"
