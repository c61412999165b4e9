#include "base/tensor.h"
#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct test_alloc counter;
static corten_allocator allocator;

static int start(void **state)
{
    (void)state;
    counter = (struct test_alloc){0};
    allocator = test_allocator(&counter);
    return 0;
}

/* Every test must free all it made. */
static int finish(void **state)
{
    (void)state;
    return counter.live != 0 || counter.errors != 0;
}

static struct ct_tensor make(ct_dtype dtype, int64_t n)
{
    struct ct_tensor t = {0};
    assert_int_equal(ct_tensor_alloc(&t, &allocator, dtype, 1, &n, NULL), CORTEN_OK);
    if (dtype == CORTEN_F32)
        for (int64_t i = 0; i < n; i++)
            CT_DATA(float, &t)[i] = (float)i;
    return t;
}

static void buffers_live_until_their_last_user(void **state)
{
    (void)state;
    struct ct_buffer *buffer = ct_buffer_create(&allocator, 100);
    assert_int_equal((uintptr_t)ct_buffer_data(buffer) % CT_ALIGN, 0);
    memset(ct_buffer_data(buffer), 1, 100);
    assert_ptr_equal(ct_buffer_ref(buffer), buffer);
    ct_buffer_unref(buffer);
    assert_int_equal(counter.live, 1);
    ct_buffer_unref(buffer);
    assert_int_equal(counter.live, 0);
    ct_buffer_unref(NULL);
    assert_null(ct_buffer_create(&allocator, SIZE_MAX));
}

static void shapes_are_counted_with_checks(void **state)
{
    (void)state;
    size_t n = 9;
    assert_true(ct_shape_count(0, NULL, &n));
    assert_int_equal(n, 1);
    assert_true(ct_shape_count(3, (int64_t[]){2, 3, 4}, &n));
    assert_int_equal(n, 24);
    assert_true(ct_shape_count(3, (int64_t[]){2, 0, 4}, &n));
    assert_int_equal(n, 0);
    assert_false(ct_shape_count(2, (int64_t[]){2, -1}, &n));
    assert_false(ct_shape_count(3, (int64_t[]){INT64_MAX, INT64_MAX, 2}, &n));
    assert_int_equal(n, 0);
    assert_int_equal(ct_dims_product((int64_t[]){2, 3, 4}, 1, 3), 12);
}

static void sizes_follow_dtype_and_layout(void **state)
{
    (void)state;
    struct ct_tensor t = {.dtype = CORTEN_F32, .rank = 4, .dims = {1, 3, 5, 5}};
    assert_int_equal(ct_tensor_bytes(&t), 300);
    t.layout = CT_LAYOUT_NXC;
    assert_int_equal(ct_tensor_bytes(&t), 300);
    t.layout = CT_LAYOUT_NCXc16;
    assert_int_equal(ct_tensor_bytes(&t), 16 * 25 * 4);
    t.dims[1] = 0;
    assert_int_equal(ct_tensor_bytes(&t), 0);
    t = (struct ct_tensor){.dtype = CORTEN_I4, .rank = 1, .dims = {3}};
    assert_int_equal(ct_tensor_bytes(&t), 2);
}

static void descriptions_name_type_and_shape(void **state)
{
    (void)state;
    char text[64], small[8];
    struct ct_tensor t = {.dtype = CORTEN_F32, .rank = 2, .dims = {2, 3}};
    assert_string_equal(ct_tensor_describe(&t, text, sizeof text), "float32[2,3]");
    assert_string_equal(ct_tensor_describe(&t, small, sizeof small), "float32");
    t.rank = 0;
    assert_string_equal(ct_tensor_describe(&t, text, sizeof text), "float32[]");
    t.kind = CORTEN_SEQUENCE;
    assert_string_equal(ct_tensor_describe(&t, text, sizeof text), "sequence of float32");
    t = (struct ct_tensor){.dtype = CORTEN_I64, .rank = CT_MAX_RANK};
    for (int i = 0; i < CT_MAX_RANK; i++)
        t.dims[i] = INT64_MAX;
    assert_int_equal(strlen(ct_tensor_describe(&t, text, sizeof text)), sizeof text - 1);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    struct ct_tensor t = {0};
    corten_error error;
    int64_t dims[CT_MAX_RANK + 1] = {INT64_MAX / 2, 8};
    assert_int_equal(ct_tensor_alloc(&t, &allocator, CORTEN_F32, 2, dims, &error),
                     CORTEN_LIMIT_EXCEEDED);
    assert_non_null(strstr(error.text, "float32[4611686018427387903,8]"));
    dims[0] = -2;
    assert_int_equal(ct_tensor_alloc(&t, &allocator, CORTEN_F32, 1, dims, &error),
                     CORTEN_LIMIT_EXCEEDED);
    assert_int_equal(ct_tensor_alloc(&t, &allocator, CORTEN_F32, CT_MAX_RANK + 1, dims, &error),
                     CORTEN_LIMIT_EXCEEDED);
    assert_int_equal(ct_tensor_alloc(&t, &allocator, CORTEN_DTYPE_NONE, 0, dims, &error),
                     CORTEN_INVALID_ARGUMENT);
    assert_null(t.data);
    counter.fail_at = 1;
    dims[0] = 4;
    assert_int_equal(ct_tensor_alloc(&t, &allocator, CORTEN_F32, 1, dims, &error),
                     CORTEN_OUT_OF_MEMORY);
}

static void new_string_tensors_hold_empty_strings(void **state)
{
    (void)state;
    struct ct_tensor t = make(CORTEN_STRING, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(CT_DATA(corten_string, &t)[i].size_bytes, 0);
    ct_tensor_clear(&t);
    assert_null(t.data);
}

static void shared_tensors_have_one_memory(void **state)
{
    (void)state;
    struct ct_tensor a = make(CORTEN_F32, 8), b;
    ct_tensor_share(&b, &a);
    assert_ptr_equal(a.data, b.data);
    assert_true(ct_same_shape(&a, &b));
    ct_tensor_clear(&a);
    assert_true(CT_DATA(float, &b)[7] == 7);
    ct_tensor_clear(&b);
    ct_tensor_clear(&b);
}

static void borrowed_memory_is_not_freed(void **state)
{
    (void)state;
    float data[3] = {1, 2, 3};
    struct ct_tensor a = {.dtype = CORTEN_F32, .rank = 1, .dims = {3}, .data = data}, b, c;
    ct_tensor_share(&b, &a);
    assert_ptr_equal(b.data, data);
    assert_int_equal(ct_tensor_clone(&c, &a, &allocator, NULL), CORTEN_OK);
    data[0] = 9;
    assert_true(CT_DATA(float, &c)[0] == 1);
    ct_tensor_clear(&a);
    ct_tensor_clear(&b);
    ct_tensor_clear(&c);
}

static void clones_of_shapes_stay_shapes(void **state)
{
    (void)state;
    struct ct_tensor a = {.dtype = CORTEN_F32, .rank = 1, .dims = {3}}, b;
    assert_int_equal(ct_tensor_clone(&b, &a, &allocator, NULL), CORTEN_OK);
    assert_null(b.data);
    assert_int_equal(b.dims[0], 3);
}

static void strings_move_into_one_buffer(void **state)
{
    (void)state;
    char bytes[] = "abcde";
    corten_string strings[] = {{bytes, 2}, {NULL, 0}, {bytes + 2, 3}};
    struct ct_tensor t = {.dtype = CORTEN_STRING, .rank = 1, .dims = {3}, .data = strings};
    assert_int_equal(ct_tensor_own_strings(&t, &allocator, NULL), CORTEN_OK);
    memset(bytes, 'x', 5);
    const corten_string *copies = t.data;
    assert_int_equal(copies[0].size_bytes, 2);
    assert_memory_equal(copies[0].data, "ab", 2);
    assert_int_equal(copies[1].size_bytes, 0);
    assert_memory_equal(copies[2].data, "cde", 3);
    assert_int_equal(counter.live, 1);

    struct ct_tensor clone;
    assert_int_equal(ct_tensor_clone(&clone, &t, &allocator, NULL), CORTEN_OK);
    ct_tensor_clear(&t);
    assert_memory_equal(CT_DATA(corten_string, &clone)[2].data, "cde", 3);
    ct_tensor_clear(&clone);
}

static void items_live_as_long_as_any_sequence_that_holds_them(void **state)
{
    (void)state;
    struct ct_tensor items[2] = {make(CORTEN_F32, 2), make(CORTEN_F32, 3)}, a, b, clone;
    assert_int_equal(ct_sequence_init(&a, &allocator, CORTEN_F32, items, 2, NULL), CORTEN_OK);
    ct_tensor_clear(&items[0]);
    ct_tensor_clear(&items[1]);
    ct_tensor_share(&b, &a);
    ct_tensor_clear(&a);
    assert_int_equal(ct_sequence_of(&b)->count, 2);
    assert_true(CT_DATA(float, &ct_sequence_of(&b)->items[1])[2] == 2);
    assert_int_equal(ct_tensor_clone(&clone, &b, &allocator, NULL), CORTEN_OK);
    assert_ptr_not_equal(ct_sequence_of(&clone)->items[1].data, ct_sequence_of(&b)->items[1].data);
    ct_tensor_clear(&b);
    assert_true(CT_DATA(float, &ct_sequence_of(&clone)->items[1])[2] == 2);
    ct_tensor_clear(&clone);
}

static void optionals_hold_one_or_none(void **state)
{
    (void)state;
    struct ct_tensor item = make(CORTEN_F32, 2), some, none, clone;
    assert_int_equal(ct_optional_init(&some, &allocator, CORTEN_F32, &item, NULL), CORTEN_OK);
    assert_int_equal(ct_optional_init(&none, &allocator, CORTEN_F32, NULL, NULL), CORTEN_OK);
    ct_tensor_clear(&item);
    assert_true(ct_optional_of(&some)->present);
    assert_false(ct_optional_of(&none)->present);
    assert_int_equal(ct_tensor_clone(&clone, &some, &allocator, NULL), CORTEN_OK);
    ct_tensor_clear(&some);
    assert_true(CT_DATA(float, &ct_optional_of(&clone)->item)[1] == 1);
    ct_tensor_clear(&clone);
    ct_tensor_clear(&none);
}

static void maps_need_as_many_keys_as_values(void **state)
{
    (void)state;
    struct ct_tensor keys = make(CORTEN_I64, 2), values = make(CORTEN_F32, 2), map;
    struct ct_tensor more = make(CORTEN_F32, 3);
    corten_error error;
    assert_int_equal(ct_mapping_init(&map, &allocator, &keys, &more, &error),
                     CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "int64[2]"));
    assert_int_equal(ct_mapping_init(&map, &allocator, &keys, &values, &error), CORTEN_OK);
    assert_int_equal(map.dtype, CORTEN_F32);
    ct_tensor_clear(&keys);
    ct_tensor_clear(&values);
    ct_tensor_clear(&more);
    assert_true(CT_DATA(float, &ct_mapping_of(&map)->values)[1] == 1);
    ct_tensor_clear(&map);
}

static void sparse_tensors_check_their_indices(void **state)
{
    (void)state;
    struct ct_tensor values = make(CORTEN_F32, 2), indices = make(CORTEN_I64, 2), sparse, clone;
    const int64_t dims[] = {3, 4};
    assert_int_equal(ct_sparse_init(&sparse, &allocator, 2, dims, &values, &values, NULL),
                     CORTEN_INVALID_ARGUMENT);
    CT_DATA(int64_t, &indices)[0] = 1;
    CT_DATA(int64_t, &indices)[1] = 11;
    assert_int_equal(ct_sparse_init(&sparse, &allocator, 2, dims, &values, &indices, NULL),
                     CORTEN_OK);
    ct_tensor_clear(&values);
    ct_tensor_clear(&indices);
    assert_int_equal(sparse.rank, 2);
    assert_int_equal(sparse.dims[1], 4);
    assert_int_equal(ct_tensor_clone(&clone, &sparse, &allocator, NULL), CORTEN_OK);
    ct_tensor_clear(&sparse);
    assert_int_equal(CT_DATA(int64_t, &ct_sparse_of(&clone)->indices)[1], 11);
    assert_int_equal(clone.dims[0], 3);
    ct_tensor_clear(&clone);
}

/* A sequence of an optional, a map, a sparse tensor and strings, cloned. */
static ct_status build_all(const corten_allocator *a, void *arg, corten_error *error)
{
    (void)arg;
    corten_string strings[2] = {{"a", 1}, {"bc", 2}};
    int64_t numbers[2] = {0, 1};
    struct ct_tensor text = {.dtype = CORTEN_STRING, .rank = 1, .dims = {2}, .data = strings};
    struct ct_tensor keys = {.dtype = CORTEN_I64, .rank = 1, .dims = {2}, .data = numbers};
    struct ct_tensor items[4] = {0}, all = {0}, clone = {0};
    ct_status status = CORTEN_OK;
    CT_TRY_GOTO(status, ct_optional_init(&items[0], a, CORTEN_STRING, &text, error), done);
    CT_TRY_GOTO(status, ct_mapping_init(&items[1], a, &keys, &text, error), done);
    CT_TRY_GOTO(status, ct_sparse_init(&items[2], a, 1, keys.dims, &keys, &keys, error), done);
    CT_TRY_GOTO(status, ct_tensor_clone(&items[3], &text, a, error), done);
    CT_TRY_GOTO(status, ct_tensor_own_strings(&items[3], a, error), done);
    CT_TRY_GOTO(status, ct_sequence_init(&all, a, CORTEN_STRING, items, 4, error), done);
    CT_TRY_GOTO(status, ct_tensor_clone(&clone, &all, a, error), done);
    if (CT_DATA(corten_string, &ct_mapping_of(&ct_sequence_of(&clone)->items[1])->values)[1]
            .data[1] != 'c')
        status = CORTEN_INTERNAL;
done:
    ct_tensor_clear(&clone);
    ct_tensor_clear(&all);
    for (int i = 0; i < 4; i++)
        ct_tensor_clear(&items[i]);
    return status;
}

static void every_failed_allocation_is_undone(void **state)
{
    (void)state;
    assert_int_equal(test_each_allocation_failure(build_all, NULL), 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(buffers_live_until_their_last_user),
        TEST(shapes_are_counted_with_checks),
        TEST(sizes_follow_dtype_and_layout),
        TEST(descriptions_name_type_and_shape),
        TEST(impossible_shapes_are_refused),
        TEST(new_string_tensors_hold_empty_strings),
        TEST(shared_tensors_have_one_memory),
        TEST(borrowed_memory_is_not_freed),
        TEST(clones_of_shapes_stay_shapes),
        TEST(strings_move_into_one_buffer),
        TEST(items_live_as_long_as_any_sequence_that_holds_them),
        TEST(optionals_hold_one_or_none),
        TEST(maps_need_as_many_keys_as_values),
        TEST(sparse_tensors_check_their_indices),
        TEST(every_failed_allocation_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
