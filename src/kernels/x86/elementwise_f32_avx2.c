#include "kernels/simd/avx2.h"

#define UNARY ct_unary_f32_avx2
#define BINARY ct_binary_f32_avx2
#include "kernels/tmpl/elementwise_f32.h"
