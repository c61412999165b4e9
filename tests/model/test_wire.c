#include "model/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void init(struct ct_wire *wire, const void *data, size_t size_bytes)
{
    ct_wire_init(wire, data, size_bytes, "NodeProto", NULL);
}

static void every_wire_type_is_read(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x08, 0x96, 0x01,                           /* 1: 150 */
                             0x12, 0x03, 'a',  'b', 'c',                 /* 2: "abc" */
                             0x1d, 1,    2,    3,   4,                   /* 3: fixed32 */
                             0x21, 1,    0,    0,   0,   0, 0, 0, 0x80}; /* 4: fixed64 */
    struct ct_wire wire;
    struct ct_field field;
    init(&wire, bytes, sizeof bytes);
    assert_true(ct_wire_next(&wire, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, 150);
    assert_int_equal(field.whole.size_bytes, 3);
    assert_true(ct_wire_next(&wire, &field));
    assert_int_equal(field.type, CT_WIRE_BYTES);
    assert_int_equal(field.size_bytes, 3);
    assert_memory_equal(field.data, "abc", 3);
    assert_true(field.whole.data == (const char *)bytes + 3);
    assert_true(ct_wire_next(&wire, &field));
    assert_int_equal(field.value, 0x04030201);
    assert_true(ct_wire_next(&wire, &field));
    assert_true(field.value == UINT64_C(0x8000000000000001));
    assert_false(ct_wire_next(&wire, &field));
    assert_null(wire.problem);
}

static void the_largest_number_has_ten_bytes(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct ct_wire wire;
    uint64_t value = 0;
    init(&wire, bytes, sizeof bytes);
    assert_true(ct_wire_varint(&wire, &value));
    assert_true(value == UINT64_MAX);
}

static void stops(const void *data, size_t size_bytes, size_t fields, const char *text)
{
    struct ct_wire wire;
    struct ct_field field;
    corten_error error;
    init(&wire, data, size_bytes);
    while (ct_wire_next(&wire, &field))
        assert_true(fields-- > 0);
    assert_int_equal(fields, 0);
    assert_int_equal(ct_wire_status(&wire, "m.onnx", &error), CORTEN_INVALID_MODEL);
    assert_string_equal(error.text, text);
    assert_false(ct_wire_next(&wire, &field));
}

static void what_is_malformed_stops_with_position_and_reason(void **state)
{
    (void)state;
    stops("\x08\x80", 2, 0,
          "m.onnx: not a valid ONNX model: at byte 1, in NodeProto: a number is cut off");
    stops("\x08\x01\x12\x05"
          "ab",
          6, 1,
          "m.onnx: not a valid ONNX model: at byte 2, in NodeProto: a field is longer than what is "
          "left of its message");
    stops("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 0,
          "m.onnx: not a valid ONNX model: at byte 0, in NodeProto: a field is longer than what is "
          "left of its message");
    stops("\x1d\x01\x02", 3, 0,
          "m.onnx: not a valid ONNX model: at byte 0, in NodeProto: a field is cut off");
    stops("\x00\x01", 2, 0,
          "m.onnx: not a valid ONNX model: at byte 0, in NodeProto: a field has an impossible "
          "number");
    stops("\x0b", 1, 0,
          "m.onnx: not a valid ONNX model: at byte 0, in NodeProto: unknown wire type");
    stops("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 0,
          "m.onnx: not a valid ONNX model: at byte 0, in NodeProto: a number is longer than ten "
          "bytes");
}

static void an_empty_message_has_no_fields(void **state)
{
    (void)state;
    struct ct_wire wire;
    struct ct_field field;
    init(&wire, NULL, 0);
    assert_false(ct_wire_next(&wire, &field));
    assert_int_equal(ct_wire_status(&wire, "m", NULL), CORTEN_OK);
}

static void packed_numbers_are_counted(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 0x80, 1, 5, 0xff};
    size_t count = 99;
    assert_true(ct_wire_count_varints(bytes, 4, &count));
    assert_int_equal(count, 3);
    assert_false(ct_wire_count_varints(bytes, 5, &count));
    assert_true(ct_wire_count_varints(bytes, 0, &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wire_type_is_read),
        cmocka_unit_test(the_largest_number_has_ten_bytes),
        cmocka_unit_test(what_is_malformed_stops_with_position_and_reason),
        cmocka_unit_test(an_empty_message_has_no_fields),
        cmocka_unit_test(packed_numbers_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
