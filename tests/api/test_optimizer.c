/* What the API says and does about the optimiser: the report, writing the optimised model, values
 * in between as outputs, and what the caller puts in place of the model's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "corten/corten.h"
#include "support/folder.h"

static const char model_path[] = "tests/models/bert-base-classic.onnx";

static corten_options *new_options(void)
{
    corten_options *options;
    assert_int_equal(corten_options_create(&options, NULL), CORTEN_OK);
    return options;
}

static void the_report_tells_of_each_pass(void **state)
{
    (void)state;
    corten_model *model;
    corten_pass_info pass;
    size_t changes = 0;
    assert_int_equal(corten_model_open(model_path, NULL, &model, NULL), CORTEN_OK);
    assert_int_equal(corten_model_pass(model, 0, &pass, NULL), CORTEN_OK);
    assert_int_equal(pass.changes, 0);
    assert_int_equal(corten_model_optimize(model, NULL), CORTEN_OK);
    for (size_t i = 0; i < corten_model_pass_count(model); i++) {
        assert_int_equal(corten_model_pass(model, i, &pass, NULL), CORTEN_OK);
        assert_true(pass.name[0] && pass.summary[0] && pass.time_s >= 0);
        if (!strcmp(pass.name, "fuse-attention"))
            assert_int_equal(pass.changes, 2);
        changes += pass.changes;
    }
    assert_true(changes > 50);
    assert_int_equal(corten_model_pass(model, corten_model_pass_count(model), &pass, NULL),
                     CORTEN_INVALID_ARGUMENT);
    corten_pass_note note;
    assert_int_equal(corten_model_note(model, corten_model_note_count(model), &note, NULL),
                     CORTEN_INVALID_ARGUMENT);
    corten_model_close(model);
}

static void a_session_writes_its_optimised_model(void **state)
{
    char path[TEST_PATH_BYTES];
    corten_options *options = new_options();
    corten_session *session;
    corten_model *model;
    corten_model_info info;
    corten_error error = {0};
    test_folder_path(*state, "optimized.onnx", path);
    assert_int_equal(corten_options_set_level(options, CORTEN_LEVEL_EXTENDED, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_optimized_path(options, path, false, NULL), CORTEN_OK);
    if (corten_session_open(model_path, options, &session, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    corten_session_close(session);
    assert_int_equal(corten_model_open(path, NULL, &model, NULL), CORTEN_OK);
    corten_model_get_info(model, &info);
    assert_in_range(info.node_count, 10, 80);
    corten_model_close(model);
    corten_options_destroy(options);
}

static void values_in_between_become_outputs(void **state)
{
    (void)state;
    corten_options *options = new_options();
    corten_session *plain, *more;
    assert_int_equal(corten_session_open(model_path, NULL, &plain, NULL), CORTEN_OK);
    assert_int_equal(corten_options_add_output(
                         options, "/inner/embeddings/LayerNorm/LayerNormalization_output_0", NULL),
                     CORTEN_OK);
    assert_int_equal(corten_options_add_output(options, "no such value", NULL), CORTEN_OK);
    assert_int_equal(corten_session_open(model_path, options, &more, NULL), CORTEN_OK);
    assert_int_equal(corten_session_output_count(more), corten_session_output_count(plain) + 1);
    corten_session_close(plain);
    corten_session_close(more);
    corten_options_destroy(options);
}

static void expect_refusal(const corten_options *options, const char *text)
{
    corten_session *session;
    corten_error error = {0};
    assert_int_equal(corten_session_open(model_path, options, &session, &error),
                     CORTEN_INVALID_ARGUMENT);
    if (!strstr(error.text, text))
        fail_msg("'%s' does not say '%s'", error.text, text);
}

static void what_is_not_there_cannot_be_replaced(void **state)
{
    (void)state;
    float numbers[3] = {0};
    corten_value *value;
    int64_t dims[] = {3};
    assert_int_equal(corten_tensor_wrap(CORTEN_F32, 1, dims, numbers, sizeof numbers, &value, NULL),
                     CORTEN_OK);
    corten_options *options = new_options();
    assert_int_equal(corten_options_set_initializer(options, "nothing", value, NULL), CORTEN_OK);
    expect_refusal(options, "no initializer or input named 'nothing'");
    corten_options_destroy(options);
    options = new_options();
    assert_int_equal(
        corten_options_set_initializer(options, "inner.embeddings.LayerNorm.weight", value, NULL),
        CORTEN_OK);
    expect_refusal(options, "float32[3]");
    corten_options_destroy(options);
    options = new_options();
    assert_int_equal(corten_options_set_denotation(options, "DATA_BATCH", 4, NULL), CORTEN_OK);
    expect_refusal(options, "denotation 'DATA_BATCH'");
    corten_options_destroy(options);
    corten_value_destroy(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_tells_of_each_pass),
        cmocka_unit_test_setup_teardown(a_session_writes_its_optimised_model, test_folder_setup,
                                        test_folder_teardown),
        cmocka_unit_test(values_in_between_become_outputs),
        cmocka_unit_test(what_is_not_there_cannot_be_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
