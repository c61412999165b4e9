/* Kernels of the blocked layout, tiles of 6 pixels x 1 of 16 channels. */
#include "kernels/simd/avx2.h"

#define FUNCTIONS ct_conv_blocked_f32_6x1_avx2
#define CB_PIXELS 6
#define CB_BLOCKS 1
#include "kernels/tmpl/conv_blocked_f32.h"
