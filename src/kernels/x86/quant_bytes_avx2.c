#define FUNCTIONS ct_quant_bytes_avx2
#include "kernels/tmpl/quant_bytes.h"
