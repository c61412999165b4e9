#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_attention_f32_row_avx512
#include "kernels/tmpl/attention_f32.h"
