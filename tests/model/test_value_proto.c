/* Values of every kind go to protobuf and back unchanged. */
#include "model/value_proto.h"

#include "model/proto.h"
#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ct_tensor again(const struct ct_tensor *value, const char *name)
{
    void *bytes;
    size_t size_bytes;
    corten_string found;
    corten_error error = {0};
    struct ct_tensor copy = {0};
    assert_int_equal(ct_value_proto_serialize(value, name, NULL, &bytes, &size_bytes, &error),
                     CORTEN_OK);
    if (ct_value_proto_parse((corten_kind)value->kind, bytes, size_bytes, NULL, &found, &copy,
                             &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    if (value->kind != CORTEN_SPARSE || name) {
        assert_int_equal(found.size_bytes, strlen(name));
        assert_memory_equal(found.data, name, found.size_bytes);
    }
    ct_release(ct_default_allocator(), bytes, size_bytes);
    return copy; /* what it holds is its own: the bytes are gone */
}

static struct ct_tensor vector(ct_dtype dtype, int64_t n, const void *data)
{
    struct ct_tensor t = {0};
    assert_int_equal(ct_tensor_alloc(&t, ct_default_allocator(), dtype, 1, &n, NULL), CORTEN_OK);
    memcpy(t.data, data, ct_tensor_bytes(&t));
    return t;
}

static void tensors_come_back(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3};
    struct ct_tensor t = vector(CORTEN_F32, 3, x), copy = again(&t, "x");
    assert_true(ct_same_shape(&t, &copy));
    assert_memory_equal(copy.data, x, sizeof x);
    ct_tensor_clear(&copy);
    ct_tensor_clear(&t);

    const corten_string strings[] = {{"one", 3}, {"", 0}};
    struct ct_tensor s = {.dtype = CORTEN_STRING, .rank = 1, .dims = {2}};
    s.data = (void *)(uintptr_t)strings;
    copy = again(&s, "s");
    assert_memory_equal(CT_DATA(corten_string, &copy)[0].data, "one", 3);
    assert_int_equal(CT_DATA(corten_string, &copy)[1].size_bytes, 0);
    ct_tensor_clear(&copy);
}

static void sequences_and_optionals_come_back(void **state)
{
    (void)state;
    const int64_t a[] = {1, 2}, b[] = {3};
    struct ct_tensor items[2] = {vector(CORTEN_I64, 2, a), vector(CORTEN_I64, 1, b)};
    struct ct_tensor sequence = {0}, optional = {0}, empty = {0};
    const corten_allocator *allocator = ct_default_allocator();
    assert_int_equal(ct_sequence_init(&sequence, allocator, CORTEN_I64, items, 2, NULL), CORTEN_OK);
    assert_int_equal(ct_optional_init(&optional, allocator, CORTEN_I64, &sequence, NULL),
                     CORTEN_OK);
    assert_int_equal(ct_optional_init(&empty, allocator, CORTEN_I64, NULL, NULL), CORTEN_OK);
    struct ct_tensor copy = again(&optional, "o");
    assert_true(ct_optional_of(&copy)->present);
    const struct ct_tensor *inner = &ct_optional_of(&copy)->item;
    assert_int_equal(inner->kind, CORTEN_SEQUENCE);
    assert_int_equal(ct_sequence_of(inner)->count, 2);
    assert_int_equal(CT_DATA(int64_t, &ct_sequence_of(inner)->items[0])[1], 2);
    assert_int_equal(CT_DATA(int64_t, &ct_sequence_of(inner)->items[1])[0], 3);
    ct_tensor_clear(&copy);
    copy = again(&empty, "e");
    assert_false(ct_optional_of(&copy)->present);
    ct_tensor_clear(&copy);
    ct_tensor_clear(&empty);
    ct_tensor_clear(&optional);
    ct_tensor_clear(&sequence);
    ct_tensor_clear(&items[0]);
    ct_tensor_clear(&items[1]);
}

static void maps_and_sparse_tensors_come_back(void **state)
{
    (void)state;
    const int64_t keys[] = {-7, 9}, at[] = {0, 5}, dims[] = {2, 3};
    const float x[] = {0.5f, 2};
    struct ct_tensor k = vector(CORTEN_I64, 2, keys), v = vector(CORTEN_F32, 2, x);
    struct ct_tensor i = vector(CORTEN_I64, 2, at), map = {0}, sparse = {0};
    const corten_allocator *allocator = ct_default_allocator();
    assert_int_equal(ct_mapping_init(&map, allocator, &k, &v, NULL), CORTEN_OK);
    assert_int_equal(ct_sparse_init(&sparse, allocator, 2, dims, &v, &i, NULL), CORTEN_OK);
    struct ct_tensor copy = again(&map, "m");
    assert_memory_equal(ct_mapping_of(&copy)->keys.data, keys, sizeof keys);
    assert_memory_equal(ct_mapping_of(&copy)->values.data, x, sizeof x);
    ct_tensor_clear(&copy);
    copy = again(&sparse, "s");
    assert_int_equal(copy.dims[1], 3);
    assert_memory_equal(ct_sparse_of(&copy)->values.data, x, sizeof x);
    assert_memory_equal(ct_sparse_of(&copy)->indices.data, at, sizeof at);
    ct_tensor_clear(&copy);
    ct_tensor_clear(&sparse);
    ct_tensor_clear(&map);
    ct_tensor_clear(&i);
    ct_tensor_clear(&v);
    ct_tensor_clear(&k);
}

static void values_that_are_wrong_are_refused(void **state)
{
    (void)state;
    corten_error error = {0};
    struct ct_tensor value = {0};
    struct proto p = {.size_bytes = 0}, nested = p, tensor = proto_tensor("t", CORTEN_F32, 0, NULL);
    assert_int_equal(ct_value_proto_parse(CORTEN_TENSOR, "\x08", 1, NULL, NULL, &value, &error),
                     CORTEN_INVALID_MODEL);
    proto_varint(&tensor, 14, 1);
    struct proto entry = {.size_bytes = 0};
    proto_text(&entry, 1, "location");
    proto_text(&entry, 2, "w.bin");
    proto_message(&tensor, 13, &entry);
    assert_int_equal(ct_value_proto_parse(CORTEN_TENSOR, tensor.bytes, tensor.size_bytes, NULL,
                                          NULL, &value, &error),
                     CORTEN_INVALID_MODEL);
    assert_string_equal(error.text,
                        "<value>: a tensor lies in an external file, which a value cannot");
    for (int i = 0; i < 70; i++) {
        struct proto outer = {.size_bytes = 0};
        proto_message(&outer, 5, &nested);
        nested = outer;
    }
    assert_int_equal(ct_value_proto_parse(CORTEN_SEQUENCE, nested.bytes, nested.size_bytes, NULL,
                                          NULL, &value, &error),
                     CORTEN_LIMIT_EXCEEDED);
    assert_null(value.data);
}

struct parse_arg {
    corten_kind kind;
    const void *bytes;
    size_t size_bytes;
};

static ct_status parse_and_clear(const corten_allocator *allocator, void *arg, corten_error *error)
{
    const struct parse_arg *parse = arg;
    struct ct_tensor value = {0};
    CT_TRY(ct_value_proto_parse(parse->kind, parse->bytes, parse->size_bytes, allocator, NULL,
                                &value, error));
    ct_tensor_clear(&value);
    return CORTEN_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const corten_string strings[] = {{"one", 3}, {"two", 3}};
    struct ct_tensor s = {.dtype = CORTEN_STRING, .rank = 1, .dims = {2}};
    s.data = (void *)(uintptr_t)strings;
    struct ct_tensor map = {0}, sequence = {0};
    assert_int_equal(ct_mapping_init(&map, ct_default_allocator(), &s, &s, NULL), CORTEN_OK);
    assert_int_equal(
        ct_sequence_init(&sequence, ct_default_allocator(), CORTEN_STRING, &map, 1, NULL),
        CORTEN_OK);
    struct parse_arg arg = {CORTEN_SEQUENCE, NULL, 0};
    void *bytes;
    assert_int_equal(ct_value_proto_serialize(&sequence, "s", NULL, &bytes, &arg.size_bytes, NULL),
                     CORTEN_OK);
    arg.bytes = bytes;
    assert_true(test_each_allocation_failure(parse_and_clear, &arg) > 3);
    ct_release(ct_default_allocator(), bytes, arg.size_bytes);
    ct_tensor_clear(&sequence);
    ct_tensor_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_back),
        cmocka_unit_test(sequences_and_optionals_come_back),
        cmocka_unit_test(maps_and_sparse_tensors_come_back),
        cmocka_unit_test(values_that_are_wrong_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
