#include "base/loops.h"

#include "base/narrow.h"

#include <string.h>

/* The low bits of a truncation to 32 bits are right for all narrower types, and the 32-bit form is
 * the one with SIMD instructions. u32 has numbers that only 64 bits reach. */

#define CT_T int8_t
#define CT_T_NAME i8
#define CT_T_CUT_F32 ct_i32_of_f32
#define CT_T_CUT_F64 ct_i32_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T uint8_t
#define CT_T_NAME u8
#define CT_T_CUT_F32 ct_i32_of_f32
#define CT_T_CUT_F64 ct_i32_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T int16_t
#define CT_T_NAME i16
#define CT_T_CUT_F32 ct_i32_of_f32
#define CT_T_CUT_F64 ct_i32_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T uint16_t
#define CT_T_NAME u16
#define CT_T_CUT_F32 ct_i32_of_f32
#define CT_T_CUT_F64 ct_i32_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T int32_t
#define CT_T_NAME i32
#define CT_T_CUT_F32 ct_i32_of_f32
#define CT_T_CUT_F64 ct_i32_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T uint32_t
#define CT_T_NAME u32
#define CT_T_CUT_F32 ct_i64_of_f32
#define CT_T_CUT_F64 ct_i64_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T int64_t
#define CT_T_NAME i64
#define CT_T_CUT_F32 ct_i64_of_f32
#define CT_T_CUT_F64 ct_i64_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T uint64_t
#define CT_T_NAME u64
#define CT_T_CUT_F32 ct_u64_of_f32
#define CT_T_CUT_F64 ct_u64_of_f64
#include "base/tmpl/int_loops.h"

#define CT_T uint8_t
#define CT_T_NAME truth
#define CT_T_TO_F32(x) ((x) ? 1.0F : 0.0F)
#define CT_T_FROM_F32(x) ((x) != 0)
#define CT_T_TO_F64(x) ((x) ? 1.0 : 0.0)
#define CT_T_FROM_F64(x) ((x) != 0)
#define CT_T_TO_I64(x) ((x) != 0)
#define CT_T_FROM_I64(x) ((x) != 0)
#include "base/tmpl/elem_loops.h"

#define CT_T float
#define CT_T_NAME f32
#define CT_T_TO_F32(x) (x)
#define CT_T_FROM_F32(x) (x)
#define CT_T_TO_F64(x) ((double)(x))
#define CT_T_FROM_F64(x) ((float)(x))
#define CT_T_TO_I64(x) ct_i64_of_f32(x)
#define CT_T_FROM_I64(x) ((float)(x))
#include "base/tmpl/elem_loops.h"

#define CT_T double
#define CT_T_NAME f64
#define CT_T_TO_F32(x) ((float)(x))
#define CT_T_FROM_F32(x) ((double)(x))
#define CT_T_TO_F64(x) (x)
#define CT_T_FROM_F64(x) (x)
#define CT_T_TO_I64(x) ct_i64_of_f64(x)
#define CT_T_FROM_I64(x) ((double)(x))
#include "base/tmpl/elem_loops.h"

#define CT_T uint16_t
#define CT_T_NAME f16
#define CT_T_TO_F32(x) ct_f16_decode(x)
#define CT_T_FROM_F32(x) ct_f16_encode(x)
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint16_t
#define CT_T_NAME bf16
#define CT_T_TO_F32(x) ct_bf16_to_f32(x)
#define CT_T_FROM_F32(x) ct_bf16_encode(x)
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e4m3fn
#define CT_T_TO_F32(x) ct_minifloat_decode(ct_format_e4m3fn, x)
#define CT_T_FROM_F32(x) ((uint8_t)ct_minifloat_encode(ct_format_e4m3fn, x, true))
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e4m3fnuz
#define CT_T_TO_F32(x) ct_minifloat_decode(ct_format_e4m3fnuz, x)
#define CT_T_FROM_F32(x) ((uint8_t)ct_minifloat_encode(ct_format_e4m3fnuz, x, true))
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e5m2
#define CT_T_TO_F32(x) ct_minifloat_decode(ct_format_e5m2, x)
#define CT_T_FROM_F32(x) ((uint8_t)ct_minifloat_encode(ct_format_e5m2, x, true))
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e5m2fnuz
#define CT_T_TO_F32(x) ct_minifloat_decode(ct_format_e5m2fnuz, x)
#define CT_T_FROM_F32(x) ((uint8_t)ct_minifloat_encode(ct_format_e5m2fnuz, x, true))
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e2m3
#define CT_T_TO_F32(x) ct_minifloat_decode(ct_format_e2m3, x)
#define CT_T_FROM_F32(x) ((uint8_t)ct_minifloat_encode(ct_format_e2m3, x, true))
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e3m2
#define CT_T_TO_F32(x) ct_minifloat_decode(ct_format_e3m2, x)
#define CT_T_FROM_F32(x) ((uint8_t)ct_minifloat_encode(ct_format_e3m2, x, true))
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e2m1
#define CT_T_TO_F32(x) ct_minifloat_decode(ct_format_e2m1, x)
#define CT_T_FROM_F32(x) ((uint8_t)ct_minifloat_encode(ct_format_e2m1, x, true))
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define CT_T uint8_t
#define CT_T_NAME e8m0
#define CT_T_TO_F32(x) ct_e8m0_decode(x)
#define CT_T_FROM_F32(x) ct_e8m0_encode(x, true, CT_E8M0_UP)
#define CT_T_FLOAT_ONLY
#include "base/tmpl/elem_loops.h"

#define FULL_ROW(name)                                                                             \
    {                                                                                              \
        load_f32_##name, store_f32_##name, load_f64_##name, store_f64_##name, load_i64_##name,     \
            store_i64_##name                                                                       \
    }
#define FLOAT_ROW(name)                                                                            \
    {                                                                                              \
        .load_f32 = load_f32_##name, .store_f32 = store_f32_##name                                 \
    }

static const struct ct_loops rows[] = {
    [CORTEN_F32] = FULL_ROW(f32),
    [CORTEN_U8] = FULL_ROW(u8),
    [CORTEN_I8] = FULL_ROW(i8),
    [CORTEN_U16] = FULL_ROW(u16),
    [CORTEN_I16] = FULL_ROW(i16),
    [CORTEN_I32] = FULL_ROW(i32),
    [CORTEN_I64] = FULL_ROW(i64),
    [CORTEN_BOOL] = FULL_ROW(truth),
    [CORTEN_F16] = FLOAT_ROW(f16),
    [CORTEN_F64] = FULL_ROW(f64),
    [CORTEN_U32] = FULL_ROW(u32),
    [CORTEN_U64] = FULL_ROW(u64),
    [CORTEN_BF16] = FLOAT_ROW(bf16),
    [CORTEN_F8E4M3FN] = FLOAT_ROW(e4m3fn),
    [CORTEN_F8E4M3FNUZ] = FLOAT_ROW(e4m3fnuz),
    [CORTEN_F8E5M2] = FLOAT_ROW(e5m2),
    [CORTEN_F8E5M2FNUZ] = FLOAT_ROW(e5m2fnuz),
    [CORTEN_F4E2M1] = FLOAT_ROW(e2m1),
    [CORTEN_F8E8M0] = FLOAT_ROW(e8m0),
    [CORTEN_F6E2M3] = FLOAT_ROW(e2m3),
    [CORTEN_F6E3M2] = FLOAT_ROW(e3m2),
};

const struct ct_loops *ct_loops_of(ct_dtype dtype)
{
    static const struct ct_loops none = {0};
    return (unsigned)dtype < sizeof rows / sizeof rows[0] ? &rows[dtype] : &none;
}
