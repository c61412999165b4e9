#include "kernels/simd/sse41.h"

#define VMATH vmath_sse41
#include "kernels/vmath_f32_body.h"
