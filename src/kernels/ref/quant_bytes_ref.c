#define FUNCTIONS ct_quant_bytes_ref
#include "kernels/tmpl/quant_bytes.h"
