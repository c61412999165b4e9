#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_pool_f32_sse41
#include "kernels/tmpl/pool_f32.h"
