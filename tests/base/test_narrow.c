#include "base/narrow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>

#include <cmocka.h>

/* A format as its paper writes it, apart from the code under test: values from ldexp, rounding by
 * searching all codes. */
struct format {
    ct_dtype dtype;
    int exp_bits, man_bits, bias;
    bool has_inf, has_nan_code, is_fnuz; /* has_nan_code: all bits set */
};

static const struct format formats[] = {
    {CORTEN_F16, 5, 10, 15, true, false, false},
    {CORTEN_BF16, 8, 7, 127, true, false, false},
    {CORTEN_F8E4M3FN, 4, 3, 7, false, true, false},
    {CORTEN_F8E4M3FNUZ, 4, 3, 8, false, false, true},
    {CORTEN_F8E5M2, 5, 2, 15, true, false, false},
    {CORTEN_F8E5M2FNUZ, 5, 2, 16, false, false, true},
    {CORTEN_F4E2M1, 2, 1, 1, false, false, false},
    {CORTEN_F6E2M3, 2, 3, 1, false, false, false},
    {CORTEN_F6E3M2, 3, 2, 3, false, false, false},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static int magnitudes(const struct format *f)
{
    return 1 << (f->exp_bits + f->man_bits);
}

/* The magnitude with that code; NAN for NaN. */
static double value_of(const struct format *f, int code)
{
    int exponent = code >> f->man_bits, mantissa = code & ((1 << f->man_bits) - 1);
    int top = (1 << f->exp_bits) - 1;
    if (f->has_inf && exponent == top)
        return mantissa ? NAN : INFINITY;
    if (f->has_nan_code && code == magnitudes(f) - 1)
        return NAN;
    if (exponent == 0)
        return ldexp(mantissa, 1 - f->bias - f->man_bits);
    return ldexp(mantissa + (1 << f->man_bits), exponent - f->bias - f->man_bits);
}

static int largest_finite(const struct format *f)
{
    int code = magnitudes(f) - 1;
    while (!isfinite(value_of(f, code)))
        code--;
    return code;
}

static float decode(ct_dtype dtype, int code)
{
    if (dtype == CORTEN_F16)
        return ct_f16_to_f32((uint16_t)code);
    if (dtype == CORTEN_BF16)
        return ct_bf16_to_f32((uint16_t)code);
    return ct_narrow_to_f32(dtype, (uint8_t)code);
}

static int encode(ct_dtype dtype, float x, bool saturate)
{
    if (dtype == CORTEN_F16)
        return ct_f32_to_f16(x);
    if (dtype == CORTEN_BF16)
        return ct_f32_to_bf16(x);
    return ct_f32_to_narrow(dtype, x, saturate);
}

static void every_code_has_its_value(void **state)
{
    (void)state;
    for (int i = 0; i < FORMATS; i++) {
        const struct format *f = &formats[i];
        for (int code = 0; code < 2 * magnitudes(f); code++) {
            double want = value_of(f, code & (magnitudes(f) - 1));
            bool is_negative = code & magnitudes(f);
            if (f->is_fnuz && code == magnitudes(f))
                want = NAN;
            float got = decode(f->dtype, code);
            if (isnan(want)) {
                assert_true(isnan(got));
            } else {
                assert_true(got == (float)(is_negative ? -want : want));
                assert_int_equal(signbit(got) != 0, is_negative);
            }
        }
    }
}

static void every_code_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < FORMATS; i++) {
        const struct format *f = &formats[i];
        for (int code = 0; code < 2 * magnitudes(f); code++) {
            float x = decode(f->dtype, code);
            if (!isnan(x)) {
                assert_int_equal(encode(f->dtype, x, false), code);
            } else if (ct_dtype_elem_bytes(f->dtype)) { /* below 8 bits there is no NaN */
                assert_true(isnan(decode(f->dtype, encode(f->dtype, x, true))));
                assert_true(isnan(decode(f->dtype, encode(f->dtype, x, false))));
            }
        }
    }
}

/* Between each two neighbours: the middle goes to the even code, the next floats to the nearer. */
static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (int i = 0; i < FORMATS; i++) {
        const struct format *f = &formats[i];
        int sign = magnitudes(f);
        for (int code = 0; code < largest_finite(f); code++) {
            float middle = (float)((value_of(f, code) + value_of(f, code + 1)) / 2);
            int even = code + (code & 1);
            int below_sign = f->is_fnuz && code == 0 ? 0 : sign;
            int even_sign = f->is_fnuz && even == 0 ? 0 : sign;
            assert_int_equal(encode(f->dtype, middle, true), even);
            assert_int_equal(encode(f->dtype, -middle, true), even | even_sign);
            assert_int_equal(encode(f->dtype, nextafterf(middle, 0), true), code);
            assert_int_equal(encode(f->dtype, -nextafterf(middle, 0), true), code | below_sign);
            assert_int_equal(encode(f->dtype, nextafterf(middle, INFINITY), true), code + 1);
            assert_int_equal(encode(f->dtype, -nextafterf(middle, INFINITY), true),
                             (code + 1) | sign);
        }
    }
}

struct overflow {
    ct_dtype dtype;
    int most, beyond; /* codes of +inf when saturating and when not */
};

/* The two tables of ONNX's Cast. */
static void saturation_follows_cast(void **state)
{
    (void)state;
    static const struct overflow rows[] = {
        {CORTEN_F8E4M3FN, 0x7e, 0x7f}, {CORTEN_F8E4M3FNUZ, 0x7f, 0x80},
        {CORTEN_F8E5M2, 0x7b, 0x7c},   {CORTEN_F8E5M2FNUZ, 0x7f, 0x80},
        {CORTEN_F4E2M1, 0x7, 0x7},     {CORTEN_F6E2M3, 0x1f, 0x1f},
        {CORTEN_F6E3M2, 0x1f, 0x1f},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct overflow *row = &rows[i];
        int sign = 1 << (corten_dtype_bits(row->dtype) - 1);
        float most = decode(row->dtype, row->most);
        float next = most * 1.5F;
        assert_int_equal(encode(row->dtype, INFINITY, true), row->most);
        assert_int_equal(encode(row->dtype, -INFINITY, true), row->most | sign);
        assert_int_equal(encode(row->dtype, next, true), row->most);
        assert_int_equal(encode(row->dtype, -next, true), row->most | sign);
        assert_int_equal(encode(row->dtype, INFINITY, false), row->beyond);
        assert_int_equal(encode(row->dtype, -INFINITY, false), row->beyond | sign);
        assert_int_equal(encode(row->dtype, next, false), row->beyond);
        assert_int_equal(encode(row->dtype, -next, false), row->beyond | sign);
        assert_int_equal(encode(row->dtype, nextafterf(most, INFINITY), false), row->most);
    }
}

static void negative_zero_is_kept_where_it_exists(void **state)
{
    (void)state;
    assert_int_equal(ct_f32_to_f16(-0.0F), 0x8000);
    assert_int_equal(ct_f32_to_bf16(-0.0F), 0x8000);
    assert_int_equal(ct_f32_to_narrow(CORTEN_F8E4M3FN, -0.0F, true), 0x80);
    assert_int_equal(ct_f32_to_narrow(CORTEN_F8E4M3FNUZ, -0.0F, true), 0);
    assert_int_equal(ct_f32_to_narrow(CORTEN_F8E5M2, -0.0F, true), 0x80);
    assert_int_equal(ct_f32_to_narrow(CORTEN_F8E5M2FNUZ, -0.0F, true), 0);
}

static void half_overflow_is_infinity(void **state)
{
    (void)state;
    assert_int_equal(ct_f32_to_f16(65519.996F), 0x7bff);
    assert_int_equal(ct_f32_to_f16(65520.0F), 0x7c00);
    assert_int_equal(ct_f32_to_f16(-1e30F), 0xfc00);
    assert_int_equal(ct_f32_to_bf16(3.4e38F), 0x7f80);
    assert_int_equal(ct_f64_to_f16(1e300), 0x7c00);
    assert_int_equal(ct_f64_to_bf16(-1e300), 0xff80);
}

static void nan_stays_nan_and_becomes_quiet(void **state)
{
    (void)state;
    assert_int_equal(ct_f32_to_f16(ct_f32_of_bits(0x7f800001)), 0x7e00);
    assert_int_equal(ct_f32_to_f16(ct_f32_of_bits(0xff802000)), 0xfe01);
    assert_int_equal(ct_f32_to_bf16(ct_f32_of_bits(0x7f800001)), 0x7fc0);
    assert_int_equal(ct_f32_to_bf16(ct_f32_of_bits(0x7fffffff)), 0x7fff);
    assert_int_equal(ct_bits_of_f32(ct_f16_to_f32(0x7c01)), 0x7fc02000);
}

/* Through float these would be rounded twice, to the wrong side. */
static void doubles_are_rounded_once(void **state)
{
    (void)state;
    double above_half = 1 + 0x1p-11 + 0x1p-40, below_half = 1 + 0x1p-10 + 0x1p-11 - 0x1p-40;
    assert_int_equal(ct_f64_to_f16(above_half), 0x3c01);
    assert_int_equal(ct_f64_to_f16(below_half), 0x3c01);
    assert_int_equal(ct_f64_to_f16(-above_half), 0xbc01);
    assert_int_equal(ct_f64_to_bf16(1 + 0x1p-8 + 0x1p-40), 0x3f81);
    assert_int_equal(ct_f64_to_f16(0x1p-25), 0);
    assert_int_equal(ct_f64_to_f16(0x1p-25 + 0x1p-70), 1);
    assert_int_equal(ct_f64_to_f16(1e-320), 0);
    assert_true(isnan(ct_f16_to_f32(ct_f64_to_f16(NAN))));
}

static void e8m0_codes_are_powers_of_two(void **state)
{
    (void)state;
    for (int code = 0; code < 255; code++) {
        float x = ct_narrow_to_f32(CORTEN_F8E8M0, (uint8_t)code);
        assert_true(x == (float)ldexp(1, code - 127));
        for (int round = 0; round < 3; round++)
            assert_int_equal(ct_f32_to_e8m0(x, false, (enum ct_e8m0_round)round), code);
    }
    assert_true(isnan(ct_narrow_to_f32(CORTEN_F8E8M0, 255)));
}

static void e8m0_rounds_as_asked(void **state)
{
    (void)state;
    for (int code = 0; code < 254; code++) {
        float low = (float)ldexp(1, code - 127), middle = 1.5F * low;
        float below = nextafterf(middle, 0), above = nextafterf(low, INFINITY);
        assert_int_equal(ct_f32_to_e8m0(above, true, CT_E8M0_UP), code + 1);
        assert_int_equal(ct_f32_to_e8m0(middle, true, CT_E8M0_DOWN), code);
        assert_int_equal(ct_f32_to_e8m0(below, true, CT_E8M0_NEAREST), code);
        assert_int_equal(ct_f32_to_e8m0(middle, true, CT_E8M0_NEAREST), code + 1);
    }
}

/* Cast's table of special values. */
static void e8m0_special_values_follow_cast(void **state)
{
    (void)state;
    assert_int_equal(ct_f32_to_e8m0(0, true, CT_E8M0_UP), 0);
    assert_int_equal(ct_f32_to_e8m0(0, false, CT_E8M0_NEAREST), 255);
    assert_int_equal(ct_f32_to_e8m0(NAN, true, CT_E8M0_UP), 255);
    assert_int_equal(ct_f32_to_e8m0(INFINITY, true, CT_E8M0_UP), 254);
    assert_int_equal(ct_f32_to_e8m0(INFINITY, false, CT_E8M0_NEAREST), 255);
    assert_int_equal(ct_f32_to_e8m0(3e38F, true, CT_E8M0_UP), 254);
    assert_int_equal(ct_f32_to_e8m0(3e38F, false, CT_E8M0_NEAREST), 255);
    assert_int_equal(ct_f32_to_e8m0(1e-42F, true, CT_E8M0_UP), 0);
    assert_int_equal(ct_f32_to_e8m0(1e-42F, false, CT_E8M0_NEAREST), 255);
}

static void truncation_is_defined_everywhere(void **state)
{
    (void)state;
    assert_int_equal(ct_i32_of_f32(-2.9F), -2);
    assert_int_equal(ct_i32_of_f32(0x1p31F), INT32_MIN);
    assert_int_equal(ct_i32_of_f32(NAN), INT32_MIN);
    assert_int_equal(ct_i32_of_f64(2147483647.9), INT32_MAX);
    assert_int_equal(ct_i32_of_f64(-2147483648.9), INT32_MIN);
    assert_int_equal(ct_i32_of_f64(-INFINITY), INT32_MIN);
    assert_true(ct_i64_of_f64(0x1p63) == INT64_MIN);
    assert_true(ct_i64_of_f32(-0x1p63F) == INT64_MIN);
    assert_true(ct_u64_of_f64(0x1.8p63) == UINT64_C(0xc000000000000000));
    assert_true(ct_u64_of_f32(-1) == UINT64_MAX);
    assert_true(ct_u64_of_f32(NAN) == UINT64_C(1) << 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_value),
        cmocka_unit_test(every_code_comes_back),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(saturation_follows_cast),
        cmocka_unit_test(negative_zero_is_kept_where_it_exists),
        cmocka_unit_test(half_overflow_is_infinity),
        cmocka_unit_test(nan_stays_nan_and_becomes_quiet),
        cmocka_unit_test(doubles_are_rounded_once),
        cmocka_unit_test(e8m0_codes_are_powers_of_two),
        cmocka_unit_test(e8m0_rounds_as_asked),
        cmocka_unit_test(e8m0_special_values_follow_cast),
        cmocka_unit_test(truncation_is_defined_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
