/* Kernels of the blocked layout, tiles of 14 pixels x 2 of 16 channels. */
#include "kernels/simd/avx512.h"

#define FUNCTIONS ct_conv_blocked_f32_14x2_avx512
#define CB_PIXELS 14
#define CB_BLOCKS 2
#include "kernels/tmpl/conv_blocked_f32.h"
