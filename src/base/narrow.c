#include "base/narrow.h"

float ct_f16_to_f32(uint16_t bits)
{
    return ct_f16_decode(bits);
}

uint16_t ct_f32_to_f16(float x)
{
    return ct_f16_encode(x);
}

uint16_t ct_f32_to_bf16(float x)
{
    return ct_bf16_encode(x);
}

uint16_t ct_f64_to_f16(double x)
{
    return ct_f16_encode(ct_f64_to_f32_odd(x));
}

uint16_t ct_f64_to_bf16(double x)
{
    return ct_bf16_encode(ct_f64_to_f32_odd(x));
}

uint8_t ct_f32_to_e8m0(float x, bool saturate, enum ct_e8m0_round round)
{
    return ct_e8m0_encode(x, saturate, round);
}

float ct_narrow_to_f32(ct_dtype dtype, uint8_t bits)
{
    switch (dtype) {
    case CORTEN_F8E4M3FN: return ct_minifloat_decode(ct_format_e4m3fn, bits);
    case CORTEN_F8E4M3FNUZ: return ct_minifloat_decode(ct_format_e4m3fnuz, bits);
    case CORTEN_F8E5M2: return ct_minifloat_decode(ct_format_e5m2, bits);
    case CORTEN_F8E5M2FNUZ: return ct_minifloat_decode(ct_format_e5m2fnuz, bits);
    case CORTEN_F8E8M0: return ct_e8m0_decode(bits);
    case CORTEN_F6E2M3: return ct_minifloat_decode(ct_format_e2m3, bits & 0x3f);
    case CORTEN_F6E3M2: return ct_minifloat_decode(ct_format_e3m2, bits & 0x3f);
    default: /* F4E2M1 */ return ct_minifloat_decode(ct_format_e2m1, bits & 0xf);
    }
}

uint8_t ct_f32_to_narrow(ct_dtype dtype, float x, bool saturate)
{
    switch (dtype) {
    case CORTEN_F8E4M3FN: return (uint8_t)ct_minifloat_encode(ct_format_e4m3fn, x, saturate);
    case CORTEN_F8E4M3FNUZ: return (uint8_t)ct_minifloat_encode(ct_format_e4m3fnuz, x, saturate);
    case CORTEN_F8E5M2: return (uint8_t)ct_minifloat_encode(ct_format_e5m2, x, saturate);
    case CORTEN_F8E5M2FNUZ: return (uint8_t)ct_minifloat_encode(ct_format_e5m2fnuz, x, saturate);
    case CORTEN_F8E8M0: return ct_e8m0_encode(x, saturate, CT_E8M0_UP);
    case CORTEN_F6E2M3: return (uint8_t)ct_minifloat_encode(ct_format_e2m3, x, true);
    case CORTEN_F6E3M2: return (uint8_t)ct_minifloat_encode(ct_format_e3m2, x, true);
    default: /* F4E2M1 */ return (uint8_t)ct_minifloat_encode(ct_format_e2m1, x, true);
    }
}
