/* The npy reader and writer: what NumPy writes is read back as it was, and no header, however
 * wrong, does more than fail. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"
#include "npy.h"
#include "text.h"

/* A file in memory. */
struct memory_file {
    const unsigned char *bytes;
    size_t size_bytes, at;
};

static corten_status read_memory(void *source, void *buffer, size_t size_bytes, size_t *got_bytes,
                                 corten_error *error)
{
    struct memory_file *file = source;
    size_t left = file->size_bytes - file->at;
    (void)error;
    *got_bytes = size_bytes < left ? size_bytes : left;
    if (*got_bytes > 0)
        memcpy(buffer, file->bytes + file->at, *got_bytes);
    file->at += *got_bytes;
    return CORTEN_OK;
}

static corten_status parse_file(const void *bytes, size_t size_bytes, corten_dtype declared,
                                corten_value **tensor, corten_error *error)
{
    struct memory_file file = {bytes, size_bytes, 0};
    struct ct_cli_reader reader = {read_memory, &file, size_bytes};
    return ct_cli_npy_read(&reader, declared, tensor, error);
}

/* A file of format 1.0 with the given dictionary and data. */
static size_t make_file(unsigned char *out, const char *dictionary, const void *data,
                        size_t data_bytes)
{
    size_t size = strlen(dictionary);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (unsigned char)(size & 0xFF);
    out[9] = (unsigned char)(size >> 8);
    memcpy(out + 10, dictionary, size);
    if (data_bytes > 0)
        memcpy(out + 10 + size, data, data_bytes);
    return 10 + size + data_bytes;
}

static corten_value *read_good(const char *dictionary, corten_dtype declared, const void *data,
                               size_t data_bytes)
{
    unsigned char bytes[1024];
    corten_value *tensor = NULL;
    corten_error error = {.status = CORTEN_OK};
    size_t size = make_file(bytes, dictionary, data, data_bytes);
    if (parse_file(bytes, size, declared, &tensor, &error) != CORTEN_OK)
        fail_msg("%s: %s", dictionary, error.text);
    return tensor;
}

static void assert_refused(const char *dictionary, corten_dtype declared, const void *data,
                           size_t data_bytes, const char *reason)
{
    unsigned char bytes[2048];
    corten_value *tensor = NULL;
    corten_error error = {.status = CORTEN_OK};
    size_t size = make_file(bytes, dictionary, data, data_bytes);
    assert_int_not_equal(parse_file(bytes, size, declared, &tensor, &error), CORTEN_OK);
    assert_null(tensor);
    if (!strstr(error.text, reason))
        fail_msg("%s: '%s' does not say '%s'", dictionary, error.text, reason);
}

static void reads_a_plain_array(void **state)
{
    (void)state;
    const float data[6] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
    corten_value *tensor =
        read_good("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n",
                  CORTEN_DTYPE_NONE, data, sizeof data);
    assert_int_equal(corten_value_dtype(tensor), CORTEN_F32);
    assert_int_equal(corten_tensor_rank(tensor), 2);
    assert_int_equal(corten_tensor_dims(tensor)[0], 2);
    assert_int_equal(corten_tensor_dims(tensor)[1], 3);
    assert_memory_equal(corten_tensor_const_data(tensor), data, sizeof data);
    corten_value_destroy(tensor);
}

static void reads_scalars_and_empty_arrays(void **state)
{
    (void)state;
    const int64_t data = 42;
    corten_value *tensor = read_good("{'shape': (), 'descr': '<i8', 'fortran_order': False}",
                                     CORTEN_DTYPE_NONE, &data, sizeof data);
    assert_int_equal(corten_tensor_rank(tensor), 0);
    assert_int_equal(*(const int64_t *)corten_tensor_const_data(tensor), 42);
    corten_value_destroy(tensor);
    tensor = read_good("{\"descr\": \"|u1\", 'fortran_order': False, 'shape': (0, 7)}",
                       CORTEN_DTYPE_NONE, NULL, 0);
    assert_int_equal(corten_tensor_element_count(tensor), 0);
    corten_value_destroy(tensor);
}

static void fortran_order_is_transposed(void **state)
{
    (void)state;
    /* Element (i, j, k) of shape (2, 3, 2) is 100 i + 10 j + k. */
    int16_t data[12];
    for (int k = 0, n = 0; k < 2; k++)
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < 2; i++)
                data[n++] = (int16_t)(100 * i + 10 * j + k);
    corten_value *tensor = read_good("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 2)}",
                                     CORTEN_DTYPE_NONE, data, sizeof data);
    const int16_t *found = corten_tensor_const_data(tensor);
    for (int i = 0, n = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 2; k++)
                assert_int_equal(found[n++], 100 * i + 10 * j + k);
    corten_value_destroy(tensor);
}

static void big_endian_is_swapped(void **state)
{
    (void)state;
    const unsigned char data[] = {0x01, 0x02, 0x03, 0x04, 0xFF, 0xFF, 0xFF, 0xFE};
    corten_value *tensor = read_good("{'descr': '>i4', 'fortran_order': False, 'shape': (2,)}",
                                     CORTEN_DTYPE_NONE, data, sizeof data);
    const int32_t *found = corten_tensor_const_data(tensor);
    assert_int_equal(found[0], 0x01020304);
    assert_int_equal(found[1], -2);
    corten_value_destroy(tensor);

    /* Both parts of a complex number are swapped on their own. */
    const unsigned char pair[] = {0x3F, 0x80, 0, 0, 0x40, 0, 0, 0};
    tensor = read_good("{'descr': '>c8', 'fortran_order': False, 'shape': ()}", CORTEN_DTYPE_NONE,
                       pair, sizeof pair);
    const float *parts = corten_tensor_const_data(tensor);
    assert_true(parts[0] == 1.0f && parts[1] == 2.0f);
    corten_value_destroy(tensor);
}

static void strings_are_utf8(void **state)
{
    (void)state;
    const uint32_t data[] = {'a', 'b', 0, 0xFC, 0x20AC, 0x1F600};
    corten_value *tensor = read_good("{'descr': '<U3', 'fortran_order': False, 'shape': (2,)}",
                                     CORTEN_STRING, data, sizeof data);
    const corten_string *strings = corten_tensor_const_data(tensor);
    assert_int_equal(strings[0].size_bytes, 2);
    assert_memory_equal(strings[0].data, "ab", 2);
    assert_int_equal(strings[1].size_bytes, 9);
    assert_memory_equal(strings[1].data, "\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80", 9);
    corten_value_destroy(tensor);

    tensor = read_good("{'descr': '|S3', 'fortran_order': False, 'shape': (2,)}", CORTEN_STRING,
                       "abcd\0\0", 6);
    strings = corten_tensor_const_data(tensor);
    assert_int_equal(strings[0].size_bytes, 3);
    assert_int_equal(strings[1].size_bytes, 1);
    corten_value_destroy(tensor);

    const uint32_t surrogate = 0xD800;
    assert_refused("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", CORTEN_STRING,
                   &surrogate, sizeof surrogate, "no code point");
}

static void raw_elements_are_what_the_model_declares(void **state)
{
    (void)state;
    const uint16_t data[] = {0x3F80, 0xC000};
    corten_value *tensor = read_good("{'descr': '<V2', 'fortran_order': False, 'shape': (2,)}",
                                     CORTEN_BF16, data, sizeof data);
    assert_int_equal(corten_value_dtype(tensor), CORTEN_BF16);
    assert_true(ct_cli_element_real(CORTEN_BF16, corten_tensor_const_data(tensor), 1) == -2.0);
    corten_value_destroy(tensor);

    const signed char nibbles[] = {-8, 7, -1};
    tensor = read_good("{'descr': '|V1', 'fortran_order': False, 'shape': (3,)}", CORTEN_I4,
                       nibbles, sizeof nibbles);
    const unsigned char *packed = corten_tensor_const_data(tensor);
    assert_int_equal(corten_tensor_size_bytes(tensor), 2);
    assert_int_equal(packed[0], 0x78);
    assert_int_equal(packed[1] & 0x0F, 0x0F);
    corten_value_destroy(tensor);

    assert_refused("{'descr': '|V1', 'fortran_order': False, 'shape': (3,)}", CORTEN_F32, nibbles,
                   3, "does not say what they mean");
    const signed char large = 8;
    assert_refused("{'descr': '|i1', 'fortran_order': False, 'shape': (1,)}", CORTEN_I4, &large, 1,
                   "expected -8 to 7");
}

static void refuses_what_is_no_array(void **state)
{
    (void)state;
    static const struct {
        const char *dictionary, *reason;
    } bad[] = {
        {"", "npy header of"},
        {"nonsense", "expected '{'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, }", "a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
         "a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 2}", "a tuple"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", "True or False"},
        {"{'descr': '<f4', 'fortran_order': False}", "no 'shape'"},
        {"{'fortran_order': False, 'shape': (2,)}", "no 'descr'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "unknown key"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "the end"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "Python objects"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "records"},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (2,)}", "not known"},
        {"{'descr': '<f3', 'fortran_order': False, 'shape': (2,)}", "not supported"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (0,)}", "not supported"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': "
         "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
         "more than 16 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
         "more elements than memory"},
        {"{'descr': '<U2000000000', 'fortran_order': False, 'shape': (4000000000,)}",
         "larger than memory"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000,)}", "more than the"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(bad[i].dictionary, CORTEN_DTYPE_NONE, "12345678", 8, bad[i].reason);
}

static void refuses_wrong_sizes(void **state)
{
    (void)state;
    static const char dictionary[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
    assert_refused(dictionary, CORTEN_F32, "1234567", 7, "more than the");
    assert_refused(dictionary, CORTEN_F32, "123456789", 9, "followed by more bytes");

    corten_value *tensor = NULL;
    corten_error error = {.status = CORTEN_OK};
    assert_int_not_equal(parse_file("\x93NUM", 4, CORTEN_F32, &tensor, &error), CORTEN_OK);
    assert_int_not_equal(parse_file("PK\x03\x04 some zip file", 18, CORTEN_F32, &tensor, &error),
                         CORTEN_OK);
    assert_non_null(strstr(error.text, "no magic"));
    assert_int_not_equal(
        parse_file("\x93NUMPY\x09\x00\x10\x00\x00\x00", 12, CORTEN_F32, &tensor, &error),
        CORTEN_OK);
    assert_non_null(strstr(error.text, "version 9"));
    assert_int_not_equal(
        parse_file("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12, CORTEN_F32, &tensor, &error),
        CORTEN_OK);
    assert_null(tensor);
}

static void changed_bytes_never_do_more_than_fail(void **state)
{
    (void)state;
    unsigned char good[512];
    unsigned char bad[sizeof good];
    const float data[6] = {0.0f};
    size_t size = make_file(good, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n",
                            data, sizeof data);
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        memcpy(bad, good, size);
        for (int i = 0; i < 3; i++) {
            random = random * 1664525u + 1013904223u;
            bad[(random >> 8) % size] = (unsigned char)(random >> 24);
        }
        corten_value *tensor = NULL;
        if (parse_file(bad, size, CORTEN_F32, &tensor, NULL) == CORTEN_OK)
            assert_true(corten_tensor_size_bytes(tensor) <= size * 16);
        corten_value_destroy(tensor);
    }
}

static void round_trip(corten_value *tensor)
{
    struct ct_cli_npy_bytes bytes;
    corten_value *back = NULL;
    corten_error error = {.status = CORTEN_OK};
    assert_int_equal(ct_cli_npy_write(tensor, &bytes, &error), CORTEN_OK);
    assert_int_equal(bytes.head_bytes % 64, 0);
    unsigned char *whole = malloc(bytes.head_bytes + bytes.body_bytes);
    assert_non_null(whole);
    memcpy(whole, bytes.head, bytes.head_bytes);
    memcpy(whole + bytes.head_bytes, bytes.body, bytes.body_bytes);
    if (parse_file(whole, bytes.head_bytes + bytes.body_bytes, corten_value_dtype(tensor), &back,
                   &error) != CORTEN_OK)
        fail_msg("%s: %s", corten_dtype_name(corten_value_dtype(tensor)), error.text);
    assert_int_equal(corten_value_dtype(back), corten_value_dtype(tensor));
    assert_int_equal(corten_tensor_rank(back), corten_tensor_rank(tensor));
    assert_memory_equal(corten_tensor_const_data(back), corten_tensor_const_data(tensor),
                        corten_tensor_size_bytes(tensor));
    corten_value_destroy(back);
    ct_cli_npy_bytes_deinit(&bytes);
    free(whole);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const corten_dtype dtypes[] = {
#define CORTEN_X(name, number, bits, text) CORTEN_##name,
        CORTEN_DTYPE_MAP(CORTEN_X)
#undef CORTEN_X
    };
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        if (dtypes[d] == CORTEN_STRING)
            continue;
        const int64_t dims[] = {3, 5};
        for (int rank = 0; rank <= 2; rank++) {
            corten_value *tensor = NULL;
            assert_int_equal(corten_tensor_create(NULL, dtypes[d], rank, dims, &tensor, NULL),
                             CORTEN_OK);
            for (size_t i = 0; i < corten_tensor_element_count(tensor); i++)
                ct_cli_element_set_real(dtypes[d], corten_tensor_data(tensor), i, (double)(i % 7));
            round_trip(tensor);
            corten_value_destroy(tensor);
        }
    }
}

static void narrow_floats_convert_both_ways(void **state)
{
    (void)state;
    static const corten_dtype dtypes[] = {
        CORTEN_F16,        CORTEN_BF16,   CORTEN_F8E4M3FN, CORTEN_F8E4M3FNUZ, CORTEN_F8E5M2,
        CORTEN_F8E5M2FNUZ, CORTEN_F4E2M1, CORTEN_F6E2M3,   CORTEN_F6E3M2,     CORTEN_F8E8M0};
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        uint64_t count = UINT64_C(1) << corten_dtype_bits(dtypes[d]);
        for (uint64_t bits = 0; bits < count; bits++) {
            unsigned char data[2] = {0};
            ct_cli_element_set_bits(dtypes[d], data, 0, bits);
            double value = ct_cli_element_real(dtypes[d], data, 0);
            if (!isfinite(value))
                continue;
            ct_cli_element_set_real(dtypes[d], data, 0, value);
            assert_int_equal(ct_cli_element_bits(dtypes[d], data, 0), bits);
        }
    }
    /* Largest finite numbers, and halves to even. */
    static const struct {
        corten_dtype dtype;
        double value, expected;
    } cases[] = {
        {CORTEN_F16, 1e9, 65504.0},        {CORTEN_F8E4M3FN, 1e9, 448.0},
        {CORTEN_F8E4M3FNUZ, -1e9, -240.0}, {CORTEN_F8E5M2, 1e9, 57344.0},
        {CORTEN_F8E5M2FNUZ, 1e9, 57344.0}, {CORTEN_F4E2M1, 100.0, 6.0},
        {CORTEN_F4E2M1, 2.5, 2.0},         {CORTEN_F4E2M1, 3.5, 4.0},
        {CORTEN_F4E2M1, 0.25, 0.0},        {CORTEN_F16, 0x1p-24, 0x1p-24},
        {CORTEN_F16, 0x1.8p-24, 0x1p-23},  {CORTEN_F8E8M0, 3.9, 4.0},
        {CORTEN_F6E2M3, -1e9, -7.5},       {CORTEN_F6E3M2, 1e9, 28.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char data[2] = {0};
        ct_cli_element_set_real(cases[i].dtype, data, 0, cases[i].value);
        assert_true(ct_cli_element_real(cases[i].dtype, data, 0) == cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_plain_array),
        cmocka_unit_test(reads_scalars_and_empty_arrays),
        cmocka_unit_test(fortran_order_is_transposed),
        cmocka_unit_test(big_endian_is_swapped),
        cmocka_unit_test(strings_are_utf8),
        cmocka_unit_test(raw_elements_are_what_the_model_declares),
        cmocka_unit_test(refuses_what_is_no_array),
        cmocka_unit_test(refuses_wrong_sizes),
        cmocka_unit_test(changed_bytes_never_do_more_than_fail),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(narrow_floats_convert_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
