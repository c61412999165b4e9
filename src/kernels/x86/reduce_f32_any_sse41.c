#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_reduce_f32_any_sse41
#include "kernels/tmpl/reduce_f32.h"
