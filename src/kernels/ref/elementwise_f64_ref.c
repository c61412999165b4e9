#include "kernels/elementwise.h"

#include <math.h>

#define T double
#define M(name) name
#define FN(name) f64_##name
#define UNARY ct_unary_f64_ref
#define BINARY ct_binary_f64_ref
#include "kernels/tmpl/elementwise_float.h"
