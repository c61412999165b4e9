/* Each storage of a tensor's elements, and each way in which one can be wrong. */
#include "model/tensor_proto.h"

#include "model/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static ct_status parse(const struct proto *p, struct ct_tensor_proto *tensor, corten_error *error)
{
    corten_string message = {(const char *)p->bytes, p->size_bytes};
    return ct_tensor_proto_parse(message, "m.onnx", p->bytes, tensor, error);
}

static void expect(const struct proto *p, const void *elements, size_t size_bytes)
{
    struct ct_tensor_proto tensor;
    corten_error error = {0};
    uint8_t memory[256];
    if (parse(p, &tensor, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    assert_int_equal(tensor.size_bytes, size_bytes);
    ct_tensor_proto_decode(&tensor, memory);
    assert_memory_equal(memory, elements, size_bytes);
}

static void expect_error(const struct proto *p, ct_status status, const char *text)
{
    struct ct_tensor_proto tensor;
    corten_error error = {0};
    assert_int_equal(parse(p, &tensor, &error), status);
    assert_string_equal(error.text, text);
}

static struct proto vector(ct_dtype dtype, int64_t n)
{
    return proto_tensor("w", (int)dtype, 1, &n);
}

static struct proto packed(const uint64_t *values, size_t count)
{
    struct proto p = {.size_bytes = 0};
    for (size_t i = 0; i < count; i++)
        proto_number(&p, values[i]);
    return p;
}

static void raw_data_is_taken_as_it_is(void **state)
{
    (void)state;
    const float elements[] = {1, -2, 0.5f};
    struct proto p = vector(CORTEN_F32, 3);
    proto_bytes(&p, 9, elements, sizeof elements);
    expect(&p, elements, sizeof elements);
    struct ct_tensor_proto tensor;
    assert_int_equal(parse(&p, &tensor, NULL), CORTEN_OK);
    assert_memory_equal(tensor.whole, elements, sizeof elements);
    assert_memory_equal(tensor.name.data, "w", 1);
}

static void float_data_is_packed_or_not(void **state)
{
    (void)state;
    const float elements[] = {1, -2, 0.5f};
    struct proto p = vector(CORTEN_F32, 3);
    proto_bytes(&p, 4, elements, sizeof elements);
    expect(&p, elements, sizeof elements);
    p = vector(CORTEN_F32, 3);
    for (int i = 0; i < 3; i++)
        proto_float(&p, 4, elements[i]);
    expect(&p, elements, sizeof elements);
    p = vector(CORTEN_F32, 3); /* in parts, with an empty one in the end */
    proto_bytes(&p, 4, elements, 8);
    proto_float(&p, 4, elements[2]);
    proto_bytes(&p, 4, NULL, 0);
    expect(&p, elements, sizeof elements);
    p = vector(CORTEN_F32, 3); /* one part, and an empty one behind it */
    proto_bytes(&p, 4, elements, sizeof elements);
    proto_bytes(&p, 4, NULL, 0);
    expect(&p, elements, sizeof elements);
}

static void complex_numbers_are_pairs(void **state)
{
    (void)state;
    const float c64[] = {1, 2, 3, 4};
    const double c128[] = {1, 2};
    struct proto p = vector(CORTEN_C64, 2);
    proto_bytes(&p, 4, c64, sizeof c64);
    expect(&p, c64, sizeof c64);
    p = vector(CORTEN_C128, 1);
    proto_bytes(&p, 10, c128, sizeof c128);
    expect(&p, c128, sizeof c128);
}

static void integers_of_all_widths_come_from_numbers(void **state)
{
    (void)state;
    const uint64_t values[] = {1, (uint64_t)-2, 3};
    struct proto ints = packed(values, 3);
    struct proto p = vector(CORTEN_I32, 3);
    proto_message(&p, 5, &ints);
    expect(&p, (int32_t[]){1, -2, 3}, 12);
    p = vector(CORTEN_I8, 3);
    proto_message(&p, 5, &ints);
    expect(&p, (int8_t[]){1, -2, 3}, 3);
    p = vector(CORTEN_U16, 3);
    proto_message(&p, 5, &ints);
    expect(&p, (uint16_t[]){1, 0xfffe, 3}, 6);
    p = vector(CORTEN_I64, 3);
    proto_message(&p, 7, &ints);
    expect(&p, (int64_t[]){1, -2, 3}, 24);
    p = vector(CORTEN_U64, 3);
    proto_message(&p, 11, &ints);
    expect(&p, values, 24);
    p = vector(CORTEN_U32, 3);
    proto_varint(&p, 11, 1);
    proto_varint(&p, 11, 2);
    proto_varint(&p, 11, 3);
    expect(&p, (uint32_t[]){1, 2, 3}, 12);
}

static void narrow_types_come_from_int32_data(void **state)
{
    (void)state;
    const uint64_t halves[] = {0x3c00, 0xc000}, bytes[] = {0x21, 0x03}, flags[] = {0, 256};
    struct proto p = vector(CORTEN_F16, 2), part = packed(halves, 2);
    proto_message(&p, 5, &part);
    expect(&p, (uint16_t[]){0x3c00, 0xc000}, 4);
    part = packed(bytes, 2);
    p = vector(CORTEN_I4, 3); /* an entry is a byte of two */
    proto_message(&p, 5, &part);
    expect(&p, "\x21\x03", 2);
    p = vector(CORTEN_U2, 8); /* or of four */
    proto_message(&p, 5, &part);
    expect(&p, "\x21\x03", 2);
    p = vector(CORTEN_F8E4M3FN, 2);
    proto_message(&p, 5, &part);
    expect(&p, "\x21\x03", 2);
    const uint64_t sixes[] = {1, 2, 0x3f, 0x20, 0x15}; /* an entry is an element */
    part = packed(sixes, 5);
    p = vector(CORTEN_F6E2M3, 5);
    proto_message(&p, 5, &part);
    expect(&p, "\x81\xf0\x83\x15", 4);
    p = vector(CORTEN_BOOL, 2); /* anything but 0 is true */
    part = packed(flags, 2);
    proto_message(&p, 5, &part);
    expect(&p, "\x00\x01", 2);
}

static void strings_point_into_the_message(void **state)
{
    (void)state;
    struct proto p = vector(CORTEN_STRING, 2);
    proto_text(&p, 6, "ab");
    proto_text(&p, 6, "");
    struct ct_tensor_proto tensor;
    corten_string strings[2];
    assert_int_equal(parse(&p, &tensor, NULL), CORTEN_OK);
    ct_tensor_proto_decode(&tensor, strings);
    assert_int_equal(strings[0].size_bytes, 2);
    assert_true(strings[0].data > (char *)p.bytes &&
                strings[0].data < (char *)p.bytes + p.size_bytes);
    assert_memory_equal(strings[0].data, "ab", 2);
    assert_int_equal(strings[1].size_bytes, 0);
}

static void a_scalar_and_an_empty_tensor_are_fine(void **state)
{
    (void)state;
    struct proto p = proto_tensor("s", CORTEN_F64, 0, NULL);
    const double one = 1;
    proto_bytes(&p, 10, &one, 8);
    expect(&p, &one, 8);
    p = vector(CORTEN_F32, 0);
    expect(&p, "", 0);
    proto_bytes(&p, 9, NULL, 0);
    expect(&p, "", 0);
}

static void dims_may_be_packed(void **state)
{
    (void)state;
    struct proto p = {.size_bytes = 0};
    proto_bytes(&p, 1, "\x02\x03", 2);
    proto_varint(&p, 2, CORTEN_U8);
    proto_bytes(&p, 9, "abcdef", 6);
    struct ct_tensor_proto tensor;
    assert_int_equal(parse(&p, &tensor, NULL), CORTEN_OK);
    assert_int_equal(tensor.rank, 2);
    assert_int_equal(tensor.dims[0], 2);
    assert_int_equal(tensor.dims[1], 3);
}

static void the_number_of_elements_is_checked(void **state)
{
    (void)state;
    const float elements[] = {1, 2};
    struct proto p = vector(CORTEN_F32, 3);
    proto_bytes(&p, 9, elements, 8);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': raw_data has 8 bytes, but type and shape need 12");
    p = vector(CORTEN_F32, 3);
    proto_bytes(&p, 4, elements, 8);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': float_data has 2 entries, but type and shape need 3");
    p = vector(CORTEN_I64, INT64_C(1) << 40);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': int64_data has 0 entries, but type and shape need "
                 "1099511627776");
}

static void shapes_and_types_are_checked(void **state)
{
    (void)state;
    int64_t many[17] = {0}, huge[2] = {INT64_MAX, 8};
    struct proto p = proto_tensor("w", CORTEN_F32, 17, many);
    expect_error(&p, CORTEN_LIMIT_EXCEEDED, "m.onnx: tensor 'w': rank 17, the highest is 16");
    p = vector(CORTEN_F32, -1);
    expect_error(&p, CORTEN_INVALID_MODEL, "m.onnx: tensor 'w': dimension 0 is -1");
    p = proto_tensor("w", CORTEN_F32, 2, huge);
    expect_error(&p, CORTEN_INVALID_MODEL, "m.onnx: tensor 'w': its shape has too many elements");
    p = proto_tensor("w", 99, 0, NULL);
    expect_error(&p, CORTEN_INVALID_MODEL, "m.onnx: tensor 'w': element type 99 is unknown");
    p = vector(CORTEN_F32, 1);
    proto_bytes(&p, 3, "", 0);
    expect_error(&p, CORTEN_UNSUPPORTED, "m.onnx: tensor 'w': it is stored in segments");
}

static void elements_are_in_one_place_and_the_right_one(void **state)
{
    (void)state;
    const float one = 1;
    struct proto p = vector(CORTEN_F32, 1);
    proto_bytes(&p, 9, &one, 4);
    proto_bytes(&p, 4, &one, 4);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': its elements are stored twice, in raw_data and in "
                 "float_data");
    p = vector(CORTEN_I32, 1);
    proto_bytes(&p, 4, &one, 4);
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': its elements are stored in float_data; int32 elements belong "
                 "in int32_data or raw_data");
    p = vector(CORTEN_STRING, 1);
    proto_text(&p, 9, "a");
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': strings cannot be stored in raw_data");
}

static struct proto external(const char *location, const char *offset, const char *length)
{
    const char *const pairs[][2] = {{"location", location}, {"offset", offset}, {"length", length}};
    struct proto p = vector(CORTEN_F32, 2);
    for (int i = 0; i < 3; i++) {
        struct proto entry = {.size_bytes = 0};
        if (!pairs[i][1])
            continue;
        proto_text(&entry, 1, pairs[i][0]);
        proto_text(&entry, 2, pairs[i][1]);
        proto_message(&p, 13, &entry);
    }
    proto_varint(&p, 14, 1);
    return p;
}

static void external_data_is_described(void **state)
{
    (void)state;
    struct proto p = external("a.bin", "4096", "8");
    struct ct_tensor_proto tensor;
    assert_int_equal(parse(&p, &tensor, NULL), CORTEN_OK);
    assert_true(tensor.external);
    assert_int_equal(tensor.offset_bytes, 4096);
    assert_memory_equal(tensor.location.data, "a.bin", 5);
    p = external("a.bin", NULL, NULL);
    assert_int_equal(parse(&p, &tensor, NULL), CORTEN_OK);
    assert_int_equal(tensor.offset_bytes, 0);
}

static void external_data_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct proto p = external("a.bin", "-4", "8");
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': the offset of its external data is '-4', not a number of "
                 "bytes");
    p = external("a.bin", "99999999999999999999", "8");
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': the offset of its external data is "
                 "'99999999999999999999', not a number of bytes");
    p = external("a.bin", "0", "8 ");
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': the length of its external data is '8 ', not a number of "
                 "bytes");
    p = external("a.bin", "0", "9");
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': its external data has 9 bytes, but type and shape need 8");
    p = external(NULL, "0", "8");
    expect_error(&p, CORTEN_INVALID_MODEL,
                 "m.onnx: tensor 'w': its external data has no usable location");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_data_is_taken_as_it_is),
        cmocka_unit_test(float_data_is_packed_or_not),
        cmocka_unit_test(complex_numbers_are_pairs),
        cmocka_unit_test(integers_of_all_widths_come_from_numbers),
        cmocka_unit_test(narrow_types_come_from_int32_data),
        cmocka_unit_test(strings_point_into_the_message),
        cmocka_unit_test(a_scalar_and_an_empty_tensor_are_fine),
        cmocka_unit_test(dims_may_be_packed),
        cmocka_unit_test(the_number_of_elements_is_checked),
        cmocka_unit_test(shapes_and_types_are_checked),
        cmocka_unit_test(elements_are_in_one_place_and_the_right_one),
        cmocka_unit_test(external_data_is_described),
        cmocka_unit_test(external_data_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
