#include "kernels/simd/sse41.h"

#define UNARY ct_unary_f32_sse41
#define BINARY ct_binary_f32_sse41
#include "kernels/tmpl/elementwise_f32.h"
