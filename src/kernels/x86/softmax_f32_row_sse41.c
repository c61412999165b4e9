#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_softmax_f32_row_sse41
#include "kernels/tmpl/softmax_f32.h"
