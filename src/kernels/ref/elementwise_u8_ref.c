#include "kernels/elementwise.h"

#define T uint8_t
#define U uint32_t
#define T_SIGNED 0
#define T_BITS 8
#define FN(name) u8_##name
#define UNARY ct_unary_u8_ref
#define BINARY ct_binary_u8_ref
#include "kernels/tmpl/elementwise_int.h"
