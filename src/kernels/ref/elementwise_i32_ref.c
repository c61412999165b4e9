#include "kernels/elementwise.h"

#define T int32_t
#define U uint32_t
#define T_SIGNED 1
#define T_BITS 32
#define FN(name) i32_##name
#define UNARY ct_unary_i32_ref
#define BINARY ct_binary_i32_ref
#include "kernels/tmpl/elementwise_int.h"
