#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_pool_f32_avx512
#include "kernels/tmpl/pool_f32.h"
