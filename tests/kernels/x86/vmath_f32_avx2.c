#include "kernels/simd/avx2.h"

#define VMATH vmath_avx2
#include "kernels/vmath_f32_body.h"
