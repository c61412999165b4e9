#include "kernels/simd/scalar.h"

#define VMATH vmath_scalar
#include "kernels/vmath_f32_body.h"
