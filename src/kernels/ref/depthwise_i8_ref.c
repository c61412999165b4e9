#define FUNCTIONS ct_depthwise_i8_ref
#include "kernels/tmpl/depthwise_i8.h"
