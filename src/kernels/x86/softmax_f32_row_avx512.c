#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_softmax_f32_row_avx512
#include "kernels/tmpl/softmax_f32.h"
