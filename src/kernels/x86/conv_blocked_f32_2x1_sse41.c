/* Kernels of the blocked layout, tiles of 2 pixels x 1 of 16 channels. */
#include "kernels/simd/sse41.h"

#define FUNCTIONS ct_conv_blocked_f32_2x1_sse41
#define CB_PIXELS 2
#define CB_BLOCKS 1
#include "kernels/tmpl/conv_blocked_f32.h"
