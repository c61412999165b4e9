#define FUNCTIONS ct_depthwise_i8_avx512
#include "kernels/tmpl/depthwise_i8.h"
