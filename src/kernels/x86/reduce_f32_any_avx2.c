#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_reduce_f32_any_avx2
#include "kernels/tmpl/reduce_f32.h"
