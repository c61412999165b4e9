/* float32 GEMM in tiles of 14x32. */
#include "kernels/simd/avx512.h"

#define GEMM_FN ct_gemm_f32_14x32_avx512
#define GEMM_MR 14
#define GEMM_NV 2
#include "kernels/tmpl/gemm_f32.h"
