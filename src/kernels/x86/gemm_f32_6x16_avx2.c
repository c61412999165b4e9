/* float32 GEMM in tiles of 6x16. */
#include "kernels/simd/avx2.h"

#define GEMM_FN ct_gemm_f32_6x16_avx2
#define GEMM_MR 6
#define GEMM_NV 2
#include "kernels/tmpl/gemm_f32.h"
