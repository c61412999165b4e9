#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_gemm_nbits_4x32_avx2
#include "kernels/tmpl/gemm_nbits.h"
