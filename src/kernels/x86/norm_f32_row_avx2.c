#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_norm_f32_row_avx2
#include "kernels/tmpl/norm_f32.h"
