#include "kernels/elementwise.h"

#define T int64_t
#define U uint64_t
#define T_SIGNED 1
#define T_BITS 64
#define FN(name) i64_##name
#define UNARY ct_unary_i64_ref
#define BINARY ct_binary_i64_ref
#include "kernels/tmpl/elementwise_int.h"
