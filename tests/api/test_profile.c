/* Figures of a session: memory before and after runs, times, the profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <corten/corten.h>

#include "support/folder.h"

#define MODEL "models/digits/digits.onnx"

static corten_session *open_digits(const char *profile)
{
    corten_options *options = NULL;
    corten_session *session = NULL;
    corten_error error = {0};
    assert_int_equal(corten_options_create(&options, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_threads(options, 1, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_profile(options, profile, &error), CORTEN_OK);
    if (corten_session_open(MODEL, options, &session, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    corten_options_destroy(options);
    return session;
}

static void run(corten_session *session, int64_t batch)
{
    corten_value_info in, out;
    corten_error error = {0};
    corten_value *x = NULL, *y = NULL;
    int64_t dims[] = {batch, 1, 8, 8};
    assert_int_equal(corten_session_input_info(session, 0, &in, &error), CORTEN_OK);
    assert_int_equal(corten_session_output_info(session, 0, &out, &error), CORTEN_OK);
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 4, dims, &x, &error), CORTEN_OK);
    if (corten_session_run(session, &in.name, (const corten_value *const *)&x, 1, &out.name, &y, 1,
                           &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    corten_value_destroy(x);
    corten_value_destroy(y);
}

static void a_plan_tells_the_peak_before_running(void **state)
{
    (void)state;
    corten_session *session = open_digits(NULL);
    corten_error error = {0};
    corten_plan_info small, large;
    corten_memory_info memory;
    const char *name = "image";
    const int rank = 4;
    const int64_t one[] = {1, 1, 8, 8}, many[] = {64, 1, 8, 8};
    assert_int_equal(corten_session_plan(session, NULL, NULL, NULL, 0, &small, &error),
                     CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "'image' has no fixed shape"));
    assert_int_equal(
        corten_session_plan(session, &name, &rank, (const int64_t *[]){one}, 1, &small, &error),
        CORTEN_OK);
    assert_int_equal(
        corten_session_plan(session, &name, &rank, (const int64_t *[]){many}, 1, &large, &error),
        CORTEN_OK);
    assert_true(small.step_count > 0);
    assert_int_equal(small.dynamic_step_count, 0);
    assert_int_equal(small.input_bytes, 256);
    assert_int_equal(large.input_bytes, 64 * 256);
    assert_true(large.arena_bytes > small.arena_bytes);
    assert_int_equal(corten_session_memory(session, &memory, &error), CORTEN_OK);
    assert_int_equal(memory.arena_bytes, 0);
    assert_int_equal(memory.plan_count, 2);
    run(session, 64);
    assert_int_equal(corten_session_memory(session, &memory, &error), CORTEN_OK);
    assert_int_equal(memory.plan_count, 2); /* the plan was used */
    assert_int_equal(memory.arena_bytes, large.arena_bytes);
    /* The figures agree but for the run's own lists. */
    assert_in_range(memory.peak_bytes, large.peak_bytes - large.output_bytes,
                    large.peak_bytes + (64 << 10));
    corten_session_close(session);
}

static void trimming_gives_arenas_and_plans_back(void **state)
{
    (void)state;
    corten_session *session = open_digits(NULL);
    corten_error error = {0};
    corten_memory_info before, after;
    corten_times times;
    run(session, 1);
    run(session, 32);
    assert_int_equal(corten_session_memory(session, &before, &error), CORTEN_OK);
    assert_int_equal(before.plan_count, 2);
    assert_int_equal(before.frame_count, 2);
    size_t given_back = corten_session_trim(session);
    assert_int_equal(corten_session_memory(session, &after, &error), CORTEN_OK);
    assert_int_equal(after.plan_count, 0);
    assert_int_equal(after.arena_bytes, 0);
    assert_int_equal(before.live_bytes - after.live_bytes, given_back);
    assert_true(given_back >= before.arena_bytes);
    assert_true(after.weight_bytes > 0);
    run(session, 1);
    assert_int_equal(corten_session_times(session, &times, &error), CORTEN_OK);
    assert_true(times.load_ns > 0 && times.optimize_ns > 0 && times.plan_ns >= times.pack_ns);
    corten_session_close(session);
}

static void a_profile_is_written_and_ends(void **state)
{
    char prefix[TEST_PATH_BYTES], path[TEST_PATH_BYTES], *json = NULL;
    test_folder_path(*state, "prefix", prefix);
    corten_session *session = open_digits(prefix);
    corten_error error = {0};
    assert_true(corten_session_profile_start_ns(session) > 0);
    run(session, 2);
    assert_int_equal(corten_session_profile(session, &json, &error), CORTEN_OK);
    for (const char *const *want =
             (const char *const[]){"\"model_loading_uri\"", "\"session_initialization\"",
                                   "\"model_run\"", "_kernel_time\"", "\"op_name\" : \"",
                                   "\"input_type_shape\" : [{\"float\":[2,1,8,8]}", NULL};
         *want; want++)
        if (!strstr(json, *want))
            fail_msg("no %s in %s", *want, json);
    corten_free(json);
    assert_int_equal(corten_session_end_profile(session, path, sizeof path, &error), CORTEN_OK);
    assert_memory_equal(path, prefix, strlen(prefix));
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    assert_int_equal(fgetc(stream), '[');
    fclose(stream);
    assert_int_equal(corten_session_profile(session, &json, &error), CORTEN_INVALID_ARGUMENT);
    assert_int_equal(corten_session_profile_start_ns(session), 0);
    run(session, 2);
    corten_session_close(session);
}

static void without_the_option_there_is_no_profile(void **state)
{
    (void)state;
    corten_session *session = open_digits(NULL);
    corten_error error = {0};
    char *json = NULL;
    assert_int_equal(corten_session_profile(session, &json, &error), CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "corten_options_set_profile"));
    corten_session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_tells_the_peak_before_running),
        cmocka_unit_test(trimming_gives_arenas_and_plans_back),
        cmocka_unit_test_setup_teardown(a_profile_is_written_and_ends, test_folder_setup,
                                        test_folder_teardown),
        cmocka_unit_test(without_the_option_there_is_no_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
