#include "base/dtype.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

static const ct_dtype numbers[] = {
    CORTEN_F32,  CORTEN_U8,       CORTEN_I8,         CORTEN_U16,    CORTEN_I16,        CORTEN_I32,
    CORTEN_I64,  CORTEN_BOOL,     CORTEN_F16,        CORTEN_F64,    CORTEN_U32,        CORTEN_U64,
    CORTEN_BF16, CORTEN_F8E4M3FN, CORTEN_F8E4M3FNUZ, CORTEN_F8E5M2, CORTEN_F8E5M2FNUZ, CORTEN_U4,
    CORTEN_I4,   CORTEN_F4E2M1,   CORTEN_F8E8M0,     CORTEN_U2,     CORTEN_I2,         CORTEN_C64,
    CORTEN_C128, CORTEN_F6E2M3,   CORTEN_F6E3M2,
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0], MOST = 1600 };

/* 1 and 2 exist in almost every type; bool and i2 see 1 only. */
static double sample(ct_dtype dtype, size_t i)
{
    return dtype == CORTEN_BOOL || dtype == CORTEN_I2 ? 1 : 1 + (double)(i * 7 % 3 == 0);
}

/* Of all types, over lengths that end inside a byte and a block, from memory of any alignment. */
static void every_pair_keeps_what_both_have(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 5, 511, 512, 513, 1595};
    static _Alignas(64) char from[MOST * 16 + 64], to[MOST * 16 + 1];
    static double values[MOST], back[MOST];
    for (int a = 0; a < NUMBERS; a++) {
        for (int b = 0; b < NUMBERS; b++) {
            for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
                size_t n = lengths[k], size_bytes;
                for (size_t i = 0; i < n; i++)
                    values[i] = fmin(sample(numbers[a], i), sample(numbers[b], i));
                ct_convert(numbers[a], from, CORTEN_F64, values, n, true);
                size_t shift = 1 + k % 7;
                memmove(from + shift, from, sizeof from - 64);
                memset(to, 0x5a, sizeof to);
                ct_convert(numbers[b], to, numbers[a], from + shift, n, k & 1);
                ct_convert(CORTEN_F64, back, numbers[b], to, n, true);
                for (size_t i = 0; i < n; i++)
                    assert_true(back[i] == values[i]);
                assert_true(ct_dtype_bytes(numbers[b], n, &size_bytes));
                assert_int_equal(to[size_bytes], 0x5a);
            }
        }
    }
}

static void integers_wrap(void **state)
{
    (void)state;
    const int64_t from[] = {200, -1, 65536 + 5, INT64_MIN, -129};
    int8_t i8[5];
    uint16_t u16[5];
    uint64_t u64[5];
    uint8_t packed[3];
    ct_convert(CORTEN_I8, i8, CORTEN_I64, from, 5, true);
    assert_memory_equal(i8, ((int8_t[]){-56, -1, 5, 0, 127}), 5);
    ct_convert(CORTEN_U16, u16, CORTEN_I64, from, 5, true);
    assert_memory_equal(u16, ((uint16_t[]){200, 65535, 5, 0, 65407}), 10);
    ct_convert(CORTEN_U64, u64, CORTEN_I64, from, 5, true);
    assert_memory_equal(u64, from, 40);
    ct_convert(CORTEN_I4, packed, CORTEN_I64, from, 5, true);
    assert_memory_equal(packed, ((uint8_t[]){0xf8, 0x05, 0x0f}), 3);
}

static void floats_are_cut_toward_zero(void **state)
{
    (void)state;
    const float from[] = {2.9F, -2.9F, 300.0F, -1.0F, 1e10F, NAN};
    int32_t i32[6];
    uint8_t u8[6];
    uint32_t u32[6];
    uint64_t u64[6];
    ct_convert(CORTEN_I32, i32, CORTEN_F32, from, 6, true);
    assert_memory_equal(i32, ((int32_t[]){2, -2, 300, -1, INT32_MIN, INT32_MIN}), 24);
    ct_convert(CORTEN_U8, u8, CORTEN_F32, from, 6, true);
    assert_memory_equal(u8, ((uint8_t[]){2, 254, 44, 255, 0, 0}), 6);
    ct_convert(CORTEN_U32, u32, CORTEN_F32, from, 6, true);
    assert_memory_equal(u32, ((uint32_t[]){2, 4294967294, 300, 4294967295, 1410065408, 0}), 24);
    ct_convert(CORTEN_U64, u64, CORTEN_F32, from, 6, true);
    assert_true(u64[1] == UINT64_MAX - 1 && u64[4] == 10000000000 && u64[5] == UINT64_C(1) << 63);
}

static void large_integers_round_once_or_not_at_all(void **state)
{
    (void)state;
    const int64_t i64 = (INT64_C(1) << 53) + 1;
    const uint64_t u64[] = {UINT64_MAX, (UINT64_C(1) << 40) + (UINT64_C(1) << 16) + 1};
    uint64_t same;
    double f64[2];
    float f32[2];
    ct_convert(CORTEN_U64, &same, CORTEN_I64, &i64, 1, true);
    assert_true(same == (uint64_t)i64);
    ct_convert(CORTEN_F64, f64, CORTEN_U64, u64, 2, true);
    assert_true(f64[0] == 0x1p64);
    ct_convert(CORTEN_F32, f32, CORTEN_U64, u64, 2, true);
    assert_true(f32[0] == 0x1p64F && f32[1] == 0x1p40F + 0x1p17F);
}

static void bool_is_whatever_is_not_zero(void **state)
{
    (void)state;
    const float floats[] = {0, -0.0F, 1e-45F, NAN, -1};
    const float pairs[] = {0, 0, 0, 2, 3, 0};
    const uint8_t bools[] = {0, 1, 255};
    uint8_t to[5];
    int32_t i32[3];
    ct_convert(CORTEN_BOOL, to, CORTEN_F32, floats, 5, true);
    assert_memory_equal(to, ((uint8_t[]){0, 0, 1, 1, 1}), 5);
    ct_convert(CORTEN_BOOL, to, CORTEN_C64, pairs, 3, true);
    assert_memory_equal(to, ((uint8_t[]){0, 1, 1}), 3);
    ct_convert(CORTEN_I32, i32, CORTEN_BOOL, bools, 3, true);
    assert_memory_equal(i32, ((int32_t[]){0, 1, 1}), 12);
}

static void complex_numbers_keep_their_real_part(void **state)
{
    (void)state;
    const float from[] = {1.5F, 2, -3, 4};
    double wide[4];
    int32_t i32[2];
    float back[4];
    ct_convert(CORTEN_C128, wide, CORTEN_C64, from, 2, true);
    assert_memory_equal(wide, ((double[]){1.5, 2, -3, 4}), 32);
    ct_convert(CORTEN_I32, i32, CORTEN_C128, wide, 2, true);
    assert_memory_equal(i32, ((int32_t[]){1, -3}), 8);
    ct_convert(CORTEN_C64, back, CORTEN_I32, i32, 2, true);
    assert_memory_equal(back, ((float[]){1, 0, -3, 0}), 16);
}

static void saturation_is_a_choice(void **state)
{
    (void)state;
    const double from[] = {1e6, -1e6, 1, INFINITY};
    uint8_t to[4];
    ct_convert(CORTEN_F8E4M3FN, to, CORTEN_F64, from, 4, true);
    assert_memory_equal(to, ((uint8_t[]){0x7e, 0xfe, 0x38, 0x7e}), 4);
    ct_convert(CORTEN_F8E4M3FN, to, CORTEN_F64, from, 4, false);
    assert_memory_equal(to, ((uint8_t[]){0x7f, 0xff, 0x38, 0x7f}), 4);
    ct_convert(CORTEN_F8E5M2, to, CORTEN_F64, from, 4, false);
    assert_memory_equal(to, ((uint8_t[]){0x7c, 0xfc, 0x3c, 0x7c}), 4);
}

static void e8m0_rounds_by_its_mode(void **state)
{
    (void)state;
    const float from[] = {1.25F, 1.5F, 0, 3e38F};
    const double wide[] = {1 + 0x1p-40, 1, 0.75, 2};
    uint8_t to[4];
    ct_convert(CORTEN_F8E8M0, to, CORTEN_F32, from, 4, true);
    assert_memory_equal(to, ((uint8_t[]){128, 128, 0, 254}), 4);
    ct_convert_e8m0(to, CORTEN_F32, from, 4, true, CT_E8M0_DOWN);
    assert_memory_equal(to, ((uint8_t[]){127, 127, 0, 254}), 4);
    ct_convert_e8m0(to, CORTEN_F32, from, 4, false, CT_E8M0_NEAREST);
    assert_memory_equal(to, ((uint8_t[]){127, 128, 255, 255}), 4);
    ct_convert(CORTEN_F8E8M0, to, CORTEN_F64, wide, 4, true);
    assert_memory_equal(to, ((uint8_t[]){128, 127, 127, 128}), 4);
}

/* Runs that start and end inside a byte must leave the neighbours alone. */
static void packed_runs_touch_their_elements_only(void **state)
{
    (void)state;
    static const ct_dtype packed[] = {CORTEN_I4,     CORTEN_U4,     CORTEN_I2,    CORTEN_U2,
                                      CORTEN_F4E2M1, CORTEN_F6E2M3, CORTEN_F6E3M2};
    enum { N = 40 };
    for (size_t d = 0; d < sizeof packed / sizeof packed[0]; d++) {
        for (size_t first = 0; first < 9; first++) {
            for (size_t n = 0; first + n <= N; n++) {
                uint8_t bytes[N] = {0}, copy[N] = {0};
                float ones[N], f32[N];
                int64_t i64[N];
                double f64[N];
                for (int i = 0; i < N; i++)
                    ones[i] = 1;
                ct_store_f32(packed[d], bytes, first, n, ones);
                ct_load_f32(packed[d], bytes, 0, N, f32);
                ct_load_f64(packed[d], bytes, 0, N, f64);
                ct_load_i64(packed[d], bytes, 0, N, i64);
                for (size_t i = 0; i < N; i++) {
                    int want = i >= first && i < first + n;
                    assert_true(f32[i] == (float)want && f64[i] == want && i64[i] == want);
                }
                ct_copy_elems(packed[d], copy, 3, bytes, first, n);
                ct_load_i64(packed[d], copy, 0, N, i64);
                for (size_t i = 0; i < N; i++)
                    assert_true(i64[i] == (i >= 3 && i < 3 + n));
                memset(f32, 0, sizeof f32);
                ct_store_i64(packed[d], bytes, first, n, (int64_t[N]){0});
                for (size_t i = 0; i < N; i++)
                    assert_int_equal(bytes[i], 0);
            }
        }
    }
}

static void signed_packed_types_extend_their_sign(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x8f, 0x71};
    int8_t i8[4];
    int64_t i64[8];
    ct_convert(CORTEN_I8, i8, CORTEN_I4, bytes, 4, true);
    assert_memory_equal(i8, ((int8_t[]){-1, -8, 1, 7}), 4);
    ct_convert(CORTEN_I64, i64, CORTEN_I2, bytes, 8, true);
    assert_memory_equal(i64, ((int64_t[]){-1, -1, 0, -2, 1, 0, -1, 1}), 64);
    ct_convert(CORTEN_I8, i8, CORTEN_U4, bytes, 4, true);
    assert_memory_equal(i8, ((int8_t[]){15, 8, 1, 7}), 4);
}

static void unused_bits_are_cleared(void **state)
{
    (void)state;
    const int8_t from[] = {-1, -1, -1};
    uint8_t to[2] = {0xff, 0xff};
    ct_convert(CORTEN_I4, to, CORTEN_I8, from, 3, true);
    assert_memory_equal(to, ((uint8_t[]){0xff, 0x0f}), 2);
    uint8_t same[2] = {0, 0};
    ct_convert(CORTEN_U2, same, CORTEN_U2, ((uint8_t[]){0xff, 0xff}), 5, true);
    assert_memory_equal(same, ((uint8_t[]){0xff, 0x03}), 2);
}

static void runs_start_at_their_first_element(void **state)
{
    (void)state;
    uint16_t halves[] = {0x3c00, 0x4000, 0x4200};
    float f32[2];
    double f64[2];
    int64_t i64[2];
    ct_load_f32(CORTEN_F16, halves, 1, 2, f32);
    ct_load_f64(CORTEN_F16, halves, 1, 2, f64);
    ct_load_i64(CORTEN_F16, halves, 1, 2, i64);
    assert_true(f32[0] == 2 && f32[1] == 3 && f64[1] == 3 && i64[0] == 2);
    ct_store_f64(CORTEN_F16, halves, 2, 1, &f64[0]);
    ct_store_i64(CORTEN_F16, halves, 0, 1, &i64[1]);
    assert_memory_equal(halves, ((uint16_t[]){0x4200, 0x4000, 0x4000}), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_keeps_what_both_have),
        cmocka_unit_test(integers_wrap),
        cmocka_unit_test(floats_are_cut_toward_zero),
        cmocka_unit_test(large_integers_round_once_or_not_at_all),
        cmocka_unit_test(bool_is_whatever_is_not_zero),
        cmocka_unit_test(complex_numbers_keep_their_real_part),
        cmocka_unit_test(saturation_is_a_choice),
        cmocka_unit_test(e8m0_rounds_by_its_mode),
        cmocka_unit_test(packed_runs_touch_their_elements_only),
        cmocka_unit_test(signed_packed_types_extend_their_sign),
        cmocka_unit_test(unused_bits_are_cleared),
        cmocka_unit_test(runs_start_at_their_first_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
