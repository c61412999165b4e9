#include "kernels/simd/avx512.h"

#define UNARY ct_unary_f32_avx512
#define BINARY ct_binary_f32_avx512
#include "kernels/tmpl/elementwise_f32.h"
