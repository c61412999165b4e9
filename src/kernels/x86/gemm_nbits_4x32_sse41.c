#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_gemm_nbits_4x32_sse41
#include "kernels/tmpl/gemm_nbits.h"
