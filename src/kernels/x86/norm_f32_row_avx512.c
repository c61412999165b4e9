#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_norm_f32_row_avx512
#include "kernels/tmpl/norm_f32.h"
