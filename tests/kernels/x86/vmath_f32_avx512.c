#include "kernels/simd/avx512.h"

#define VMATH vmath_avx512
#include "kernels/vmath_f32_body.h"
