/* float32 GEMM in tiles of 4x8. */
#include "kernels/simd/sse41.h"

#define GEMM_FN ct_gemm_f32_4x8_sse41
#define GEMM_MR 4
#define GEMM_NV 2
#include "kernels/tmpl/gemm_f32.h"
