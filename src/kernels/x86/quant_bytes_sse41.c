#define FUNCTIONS ct_quant_bytes_sse41
#include "kernels/tmpl/quant_bytes.h"
