#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_softmax_f32_row_avx2
#include "kernels/tmpl/softmax_f32.h"
