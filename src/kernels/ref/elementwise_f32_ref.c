#include "kernels/elementwise.h"

#include <math.h>

#define T float
#define M(name) name##f
#define FN(name) f32_##name
#define UNARY ct_unary_f32_ref
#define BINARY ct_binary_f32_ref
#include "kernels/tmpl/elementwise_float.h"
