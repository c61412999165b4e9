#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_norm_f32_row_sse41
#include "kernels/tmpl/norm_f32.h"
