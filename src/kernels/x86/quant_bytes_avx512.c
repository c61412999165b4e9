#define FUNCTIONS ct_quant_bytes_avx512
#include "kernels/tmpl/quant_bytes.h"
