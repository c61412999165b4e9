/* Bindings: names once, memory once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <corten/corten.h>

#include "support/alloc.h"

#define MODEL "models/digits/digits.onnx"

static corten_value *image(int64_t batch, float shift)
{
    corten_value *x = NULL;
    corten_error error = {0};
    int64_t dims[] = {batch, 1, 8, 8};
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 4, dims, &x, &error), CORTEN_OK);
    float *data = corten_tensor_data(x);
    for (int64_t i = 0; i < batch * 64; i++)
        data[i] = (float)(i % 17) / 17 + shift;
    return x;
}

struct digits {
    struct test_alloc count;
    corten_session *session;
    const char *in, *out;
    corten_binding *binding;
};

static void open_digits(struct digits *d)
{
    memset(d, 0, sizeof *d);
    corten_allocator allocator = test_allocator(&d->count);
    corten_options *options = NULL;
    corten_value_info info;
    corten_error error = {0};
    assert_int_equal(corten_options_create(&options, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_threads(options, 1, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_allocator(options, &allocator, &error), CORTEN_OK);
    if (corten_session_open(MODEL, options, &d->session, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    corten_options_destroy(options);
    assert_int_equal(corten_session_input_info(d->session, 0, &info, &error), CORTEN_OK);
    d->in = info.name;
    assert_int_equal(corten_session_output_info(d->session, 0, &info, &error), CORTEN_OK);
    d->out = info.name;
    assert_int_equal(corten_binding_create(d->session, &d->binding, &error), CORTEN_OK);
}

static void close_digits(struct digits *d)
{
    corten_binding_destroy(d->binding);
    corten_session_close(d->session);
    assert_int_equal(d->count.live, 0);
    assert_int_equal(d->count.errors, 0);
}

static void run_ok(struct digits *d)
{
    corten_error error = {0};
    if (corten_binding_run(d->binding, NULL, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
}

static void bind_in(struct digits *d, const corten_value *x)
{
    corten_error error = {0};
    if (corten_binding_bind_input(d->binding, d->in, x, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
}

static void a_warm_run_allocates_nothing(void **state)
{
    (void)state;
    struct digits d;
    open_digits(&d);
    corten_error error = {0};
    corten_value *x = image(2, 0), *y = NULL, *want = NULL;
    bind_in(&d, x);
    assert_int_equal(corten_binding_bind_output(d.binding, d.out, NULL, &error), CORTEN_OK);
    assert_null(corten_binding_output(d.binding, 0));
    run_ok(&d);
    const void *memory = corten_tensor_const_data(corten_binding_output(d.binding, 0));
    int calls = d.count.calls;
    for (int i = 0; i < 10; i++)
        run_ok(&d);
    assert_int_equal(d.count.calls, calls);
    y = corten_binding_output(d.binding, 0);
    assert_ptr_equal(corten_tensor_const_data(y), memory);
    assert_int_equal(corten_session_run(d.session, &d.in, (const corten_value *const *)&x, 1,
                                        &d.out, &want, 1, &error),
                     CORTEN_OK);
    assert_memory_equal(corten_tensor_const_data(y), corten_tensor_const_data(want),
                        corten_tensor_size_bytes(want));
    corten_value_destroy(want);
    corten_value_destroy(x);
    close_digits(&d);
}

static void what_is_allocated_follows_the_shape(void **state)
{
    (void)state;
    struct digits d;
    open_digits(&d);
    corten_error error = {0};
    corten_value *two = image(2, 0), *three = image(3, 0);
    assert_int_equal(corten_binding_bind_output(d.binding, d.out, NULL, &error), CORTEN_OK);
    for (int round = 0; round < 3; round++) {
        bind_in(&d, round == 1 ? three : two);
        run_ok(&d);
        assert_int_equal(corten_tensor_dims(corten_binding_output(d.binding, 0))[0],
                         round == 1 ? 3 : 2);
    }
    /* What is taken is the caller's, also when the session has gone. */
    corten_value *taken = NULL;
    assert_int_equal(corten_binding_take_output(d.binding, 0, &taken, &error), CORTEN_OK);
    assert_int_equal(corten_binding_take_output(d.binding, 0, &taken, &error),
                     CORTEN_INVALID_ARGUMENT);
    float first = ((const float *)corten_tensor_const_data(taken))[0];
    run_ok(&d);
    assert_ptr_not_equal(corten_tensor_const_data(corten_binding_output(d.binding, 0)),
                         corten_tensor_const_data(taken));
    corten_binding_destroy(d.binding);
    corten_session_close(d.session);
    assert_float_equal(((const float *)corten_tensor_const_data(taken))[0], first, 0);
    corten_value_destroy(taken);
    corten_value_destroy(two);
    corten_value_destroy(three);
    assert_int_equal(d.count.live, 0);
}

static void the_callers_tensor_is_written_into(void **state)
{
    (void)state;
    struct digits d;
    open_digits(&d);
    corten_error error = {0};
    corten_value *x = image(2, 0), *y = NULL;
    int64_t dims[] = {2, 10}, wrong[] = {2, 9};
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 2, dims, &y, &error), CORTEN_OK);
    bind_in(&d, x);
    assert_int_equal(corten_binding_bind_output(d.binding, d.out, y, &error), CORTEN_OK);
    assert_string_equal(corten_binding_output_name(d.binding, 0), d.out);
    const float *data = corten_tensor_const_data(y);
    run_ok(&d);
    float before = data[0];
    float *in = corten_tensor_data(x);
    for (int i = 0; i < 128; i++)
        in[i] = 1 - in[i];
    run_ok(&d); /* sees what the input holds now */
    assert_ptr_equal(corten_tensor_const_data(y), data);
    assert_true(data[0] != before);
    corten_value_destroy(y);
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 2, wrong, &y, &error), CORTEN_OK);
    assert_int_equal(corten_binding_bind_output(d.binding, d.out, y, &error), CORTEN_OK);
    assert_int_equal(corten_binding_run(d.binding, NULL, &error), CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "float32[2,9]"));
    corten_value_destroy(y);
    corten_value_destroy(x);
    close_digits(&d);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    struct digits d;
    open_digits(&d);
    corten_error error = {0};
    corten_value *bad = NULL;
    int64_t dims[] = {2, 1, 8};
    assert_int_equal(corten_binding_run(d.binding, NULL, &error), CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "input 'image' is not bound"));
    assert_int_equal(corten_binding_bind_input(d.binding, "img", NULL, &error),
                     CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "there is 'image'"));
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 3, dims, &bad, &error), CORTEN_OK);
    assert_int_equal(corten_binding_bind_input(d.binding, d.in, bad, &error),
                     CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "rank 3"));
    corten_value_destroy(bad);
    close_digits(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warm_run_allocates_nothing),
        cmocka_unit_test(what_is_allocated_follows_the_shape),
        cmocka_unit_test(the_callers_tensor_is_written_into),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
