#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_pool_f32_avx2
#include "kernels/tmpl/pool_f32.h"
