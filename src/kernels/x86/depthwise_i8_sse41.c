#define FUNCTIONS ct_depthwise_i8_sse41
#include "kernels/tmpl/depthwise_i8.h"
