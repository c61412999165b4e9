#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_attention_f32_row_sse41
#include "kernels/tmpl/attention_f32.h"
