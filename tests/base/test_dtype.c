#include "base/dtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const ct_dtype all[] = {
#define CT_X(name, number, bits, text) CORTEN_##name,
    CORTEN_DTYPE_MAP(CT_X)
#undef CT_X
};
enum { COUNT = sizeof all / sizeof all[0] };

static void names_and_bits_come_from_the_list(void **state)
{
    (void)state;
    assert_string_equal(corten_dtype_name(CORTEN_F32), "float32");
    assert_string_equal(corten_dtype_name(CORTEN_F8E4M3FNUZ), "float8e4m3fnuz");
    assert_string_equal(corten_dtype_name(CORTEN_DTYPE_NONE), "none");
    assert_string_equal(corten_dtype_name((corten_dtype)1000), "none");
    assert_string_equal(corten_dtype_name((corten_dtype)-1), "none");
    assert_int_equal(corten_dtype_bits(CORTEN_C128), 128);
    assert_int_equal(corten_dtype_bits(CORTEN_I2), 2);
    assert_int_equal(corten_dtype_bits((corten_dtype)1000), 0);
}

static void valid_numbers_are_those_of_the_list(void **state)
{
    (void)state;
    int valid = 0;
    for (int64_t number = -5; number < 100; number++)
        valid += ct_dtype_valid(number);
    assert_int_equal(valid, COUNT);
    assert_false(ct_dtype_valid(0));
    assert_false(ct_dtype_valid(INT64_MAX));
    assert_false(ct_dtype_valid(INT64_MIN));
    assert_false(ct_dtype_valid((INT64_C(1) << 32) + 1));
}

static void sets_cover_every_type(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++)
        assert_true(ct_dtype_in(all[i], CT_ALL_DTYPES));
    assert_false(ct_dtype_in(CORTEN_DTYPE_NONE, CT_ALL_DTYPES));
    assert_false(ct_dtype_in((ct_dtype)64, ~UINT64_C(0)));
}

static void kinds_of_types(void **state)
{
    (void)state;
    int floats = 0, ints = 0, signed_ints = 0;
    for (int i = 0; i < COUNT; i++) {
        floats += ct_dtype_is_float(all[i]);
        ints += ct_dtype_is_int(all[i]);
        signed_ints += ct_dtype_is_signed(all[i]);
        assert_false(ct_dtype_is_float(all[i]) && ct_dtype_is_int(all[i]));
        assert_true(ct_dtype_is_int(all[i]) || !ct_dtype_is_signed(all[i]));
    }
    assert_int_equal(floats, 12);
    assert_int_equal(ints, 12);
    assert_int_equal(signed_ints, 6);
    assert_false(ct_dtype_is_int(CORTEN_BOOL));
}

static void sizes_are_packed_and_rounded_up(void **state)
{
    (void)state;
    size_t size_bytes = 1;
    assert_true(ct_dtype_bytes(CORTEN_I4, 0, &size_bytes));
    assert_int_equal(size_bytes, 0);
    assert_true(ct_dtype_bytes(CORTEN_I4, 3, &size_bytes));
    assert_int_equal(size_bytes, 2);
    assert_true(ct_dtype_bytes(CORTEN_U2, 5, &size_bytes));
    assert_int_equal(size_bytes, 2);
    for (size_t n = 0; n < 9; n++) {
        assert_true(ct_dtype_bytes(CORTEN_F6E2M3, n, &size_bytes));
        assert_int_equal(size_bytes, (6 * n + 7) / 8);
    }
    assert_true(ct_dtype_bytes(CORTEN_F6E3M2, SIZE_MAX, &size_bytes));
    assert_int_equal(size_bytes, SIZE_MAX / 8 * 6 + 6);
    assert_true(ct_dtype_bytes(CORTEN_F4E2M1, SIZE_MAX, &size_bytes));
    assert_int_equal(size_bytes, SIZE_MAX / 2 + 1);
    assert_true(ct_dtype_bytes(CORTEN_STRING, 2, &size_bytes));
    assert_int_equal(size_bytes, 2 * sizeof(corten_string));
    assert_false(ct_dtype_bytes(CORTEN_F32, SIZE_MAX / 4 + 1, &size_bytes));
    assert_int_equal(ct_dtype_elem_bytes(CORTEN_F64), 8);
    assert_int_equal(ct_dtype_elem_bytes(CORTEN_U4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_bits_come_from_the_list),
        cmocka_unit_test(valid_numbers_are_those_of_the_list),
        cmocka_unit_test(sets_cover_every_type),
        cmocka_unit_test(kinds_of_types),
        cmocka_unit_test(sizes_are_packed_and_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
