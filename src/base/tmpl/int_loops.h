/* base/tmpl/elem_loops.h for an integer type.
 *
 * Parameters, undefined again at the end:
 *   CT_T, CT_T_NAME          as there
 *   CT_T_CUT_F32, CT_T_CUT_F64   functions that truncate a float or double to an integer, of which
 *                            the low bits are kept */

#define CT_T_TO_F32(x) ((float)(x))
#define CT_T_FROM_F32(x) ((CT_T)CT_T_CUT_F32(x))
#define CT_T_TO_F64(x) ((double)(x))
#define CT_T_FROM_F64(x) ((CT_T)CT_T_CUT_F64(x))
#define CT_T_TO_I64(x) ((int64_t)(x))
#define CT_T_FROM_I64(x) ((CT_T)(x))
#include "base/tmpl/elem_loops.h"

#undef CT_T_CUT_F32
#undef CT_T_CUT_F64
