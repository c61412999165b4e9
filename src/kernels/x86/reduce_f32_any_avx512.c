#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_reduce_f32_any_avx512
#include "kernels/tmpl/reduce_f32.h"
