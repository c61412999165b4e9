/* Sessions over the C API: shapes that change, caller memory, many threads, what outlives what. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <corten/corten.h>

#include "support/alloc.h"

#define MODEL "models/digits/digits.onnx"

static corten_session *open_digits(int threads, const corten_allocator *allocator)
{
    corten_options *options = NULL;
    corten_session *session = NULL;
    corten_error error = {0};
    assert_int_equal(corten_options_create(&options, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_threads(options, threads, &error), CORTEN_OK);
    if (allocator)
        assert_int_equal(corten_options_set_allocator(options, allocator, &error), CORTEN_OK);
    if (corten_session_open(MODEL, options, &session, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    corten_options_destroy(options);
    return session;
}

static corten_value *image(int64_t batch)
{
    corten_value *x = NULL;
    corten_error error = {0};
    int64_t dims[] = {batch, 1, 8, 8};
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 4, dims, &x, &error), CORTEN_OK);
    float *data = corten_tensor_data(x);
    for (int64_t i = 0; i < batch * 64; i++)
        data[i] = (float)(i % 17) / 17;
    return x;
}

static void run(corten_session *session, const corten_value *x, corten_value **y)
{
    corten_value_info in, out;
    corten_error error = {0};
    assert_int_equal(corten_session_input_info(session, 0, &in, &error), CORTEN_OK);
    assert_int_equal(corten_session_output_info(session, 0, &out, &error), CORTEN_OK);
    if (corten_session_run(session, &in.name, &x, 1, &out.name, y, 1, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
}

static void inputs_and_outputs_are_described(void **state)
{
    (void)state;
    corten_session *session = open_digits(1, NULL);
    corten_value_info info;
    corten_error error = {0};
    assert_int_equal(corten_session_input_count(session), 1);
    assert_int_equal(corten_session_input_info(session, 0, &info, &error), CORTEN_OK);
    assert_string_equal(info.name, "image");
    assert_string_equal(info.type_text, "tensor(float)");
    assert_int_equal(info.rank, 4);
    assert_int_equal(info.dims[0], -1);
    assert_string_equal(info.dim_names[0], "batch");
    assert_int_equal(info.dims[3], 8);
    assert_int_equal(corten_session_input_info(session, 1, &info, &error), CORTEN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "input 1 does not exist; there are 1");
    corten_session_close(session);
}

static void outputs_outlive_their_session(void **state)
{
    (void)state;
    corten_session *session = open_digits(1, NULL);
    corten_value *x = image(2), *y = NULL;
    run(session, x, &y);
    corten_session_close(session);
    assert_int_equal(corten_tensor_rank(y), 2);
    assert_int_equal(corten_tensor_dims(y)[0], 2);
    float sum = 0;
    for (size_t i = 0; i < corten_tensor_element_count(y); i++)
        sum += ((const float *)corten_tensor_const_data(y))[i];
    assert_true(sum == sum);
    corten_value_destroy(y);
    corten_value_destroy(x);
}

static void memory_of_the_callers_gets_the_same_result(void **state)
{
    (void)state;
    corten_session *session = open_digits(2, NULL);
    corten_value *x = image(3), *y = NULL, *own = NULL;
    corten_error error = {0};
    float memory[30];
    run(session, x, &y);
    assert_int_equal(
        corten_tensor_wrap(CORTEN_F32, 2, (int64_t[]){3, 10}, memory, sizeof memory, &own, &error),
        CORTEN_OK);
    run(session, x, &own);
    assert_memory_equal(memory, corten_tensor_const_data(y), sizeof memory);
    corten_value_destroy(own);
    corten_value_destroy(y);
    corten_value_destroy(x);
    corten_session_close(session);
}

static void a_warm_run_into_caller_memory_allocates_nothing(void **state)
{
    (void)state;
    struct test_alloc counting = {0};
    corten_allocator allocator = test_allocator(&counting);
    corten_session *session = open_digits(2, &allocator);
    corten_value *x = image(1), *y = NULL;
    run(session, x, &y);
    run(session, x, &y);
    int before = counting.calls;
    for (int i = 0; i < 10; i++)
        run(session, x, &y);
    assert_int_equal(counting.calls, before);
    corten_value_destroy(y);
    corten_value_destroy(x);
    corten_session_close(session);
    assert_int_equal(counting.live, 0);
    assert_int_equal(counting.errors, 0);
}

/* ------------------------------------------------------------------ many threads */

struct caller {
    corten_session *session;
    const corten_value *expected[3]; /* for batches of 1, 2, 3 */
    int failures;
};

static void *call_often(void *arg)
{
    struct caller *caller = arg;
    for (int i = 0; i < 200; i++) {
        int64_t batch = 1 + i % 3;
        corten_value *x = image(batch), *y = NULL;
        run(caller->session, x, &y);
        const corten_value *expected = caller->expected[batch - 1];
        if (memcmp(corten_tensor_const_data(y), corten_tensor_const_data(expected),
                   corten_tensor_size_bytes(expected)) != 0)
            caller->failures++;
        corten_value_destroy(x);
        corten_value_destroy(y);
    }
    return NULL;
}

static void many_threads_run_one_session(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    corten_session *session = open_digits(2, NULL);
    struct caller callers[THREADS] = {0};
    corten_value *expected[3] = {0};
    for (int b = 0; b < 3; b++) {
        corten_value *x = image(b + 1);
        run(session, x, &expected[b]);
        corten_value_destroy(x);
    }
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        callers[i].session = session;
        memcpy(callers[i].expected, expected, sizeof expected);
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].failures, 0);
    }
    for (int b = 0; b < 3; b++)
        corten_value_destroy(expected[b]);
    corten_session_close(session);
}

/* ------------------------------------------------------------------ allocation failure */

static ct_status open_and_run(const corten_allocator *allocator, void *arg, corten_error *error)
{
    (void)arg;
    corten_options *options = NULL;
    corten_session *session = NULL;
    corten_value *x = image(1), *y = NULL;
    corten_options_create(&options, NULL);
    corten_options_set_allocator(options, allocator, NULL);
    corten_options_set_threads(options, 1, NULL);
    corten_status status = corten_session_open(MODEL, options, &session, error);
    if (status == CORTEN_OK) {
        corten_value_info in, out;
        corten_session_input_info(session, 0, &in, NULL);
        corten_session_output_info(session, 0, &out, NULL);
        const corten_value *input = x;
        status = corten_session_run(session, &in.name, &input, 1, &out.name, &y, 1, error);
    }
    corten_value_destroy(y);
    corten_value_destroy(x);
    corten_session_close(session);
    corten_options_destroy(options);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(test_each_allocation_failure(open_and_run, NULL) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_and_outputs_are_described),
        cmocka_unit_test(outputs_outlive_their_session),
        cmocka_unit_test(memory_of_the_callers_gets_the_same_result),
        cmocka_unit_test(a_warm_run_into_caller_memory_allocates_nothing),
        cmocka_unit_test(many_threads_run_one_session),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
