#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_attention_f32_row_avx2
#include "kernels/tmpl/attention_f32.h"
