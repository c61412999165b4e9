#include "kernels/elementwise.h"

#define T uint64_t
#define U uint64_t
#define T_SIGNED 0
#define T_BITS 64
#define FN(name) u64_##name
#define UNARY ct_unary_u64_ref
#define BINARY ct_binary_u64_ref
#include "kernels/tmpl/elementwise_int.h"
