/* What the API says and does about the optimiser: the report, writing the optimised model, values
 * in between as outputs, and what the caller puts in place of the model's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

static const corten_level levels[] = {CORTEN_LEVEL_DISABLE, CORTEN_LEVEL_BASIC,
                                      CORTEN_LEVEL_EXTENDED, CORTEN_LEVEL_LAYOUT, CORTEN_LEVEL_ALL};

/* How often the pass `name` changed the model. Passes above `highest` must not. */
static size_t changes_of(const corten_options *options, const char *name, corten_level highest)
{
    corten_model *model;
    corten_pass_info pass;
    size_t changes = SIZE_MAX;
    assert_int_equal(corten_model_open(model_path, options, &model, NULL), CORTEN_OK);
    assert_int_equal(corten_model_optimize(model, NULL), CORTEN_OK);
    for (size_t i = 0; i < corten_model_pass_count(model); i++) {
        assert_int_equal(corten_model_pass(model, i, &pass, NULL), CORTEN_OK);
        if (pass.level > highest)
            assert_int_equal(pass.changes, 0);
        if (!strcmp(pass.name, name))
            changes = pass.changes;
    }
    corten_model_close(model);
    return changes;
}

static void levels_and_switches_keep_passes_from_running(void **state)
{
    (void)state;
    corten_options *options = new_options();
    for (size_t k = 0; k < sizeof levels / sizeof *levels; k++) {
        assert_int_equal(corten_options_set_level(options, levels[k], NULL), CORTEN_OK);
        assert_int_equal(changes_of(options, "fuse-attention", levels[k]),
                         levels[k] >= CORTEN_LEVEL_EXTENDED ? 2 : 0);
    }
    assert_int_equal(corten_options_disable_pass(options, "fuse-attention", NULL), CORTEN_OK);
    assert_int_equal(changes_of(options, "fuse-attention", CORTEN_LEVEL_ALL), 0);
    assert_true(changes_of(options, "fuse-gelu", CORTEN_LEVEL_ALL) > 0);
    assert_int_equal(corten_options_disable_pass(options, "fuse-nothing", NULL),
                     CORTEN_INVALID_ARGUMENT);
    corten_options_destroy(options);
}

/* The ten numbers for a picture of twos. */
static void classify(const corten_options *options, float logits[10])
{
    static const char *const image_name[] = {"image"}, *const logits_name[] = {"logits"};
    float pixels[64];
    int64_t dims[] = {1, 1, 8, 8};
    corten_value *image, *out = NULL;
    corten_session *session;
    corten_error error = {0};
    for (size_t i = 0; i < 64; i++)
        pixels[i] = 2;
    if (corten_session_open("models/digits/digits.onnx", options, &session, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    assert_int_equal(corten_tensor_wrap(CORTEN_F32, 4, dims, pixels, sizeof pixels, &image, NULL),
                     CORTEN_OK);
    const corten_value *in[] = {image};
    if (corten_session_run(session, image_name, in, 1, logits_name, &out, 1, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    memcpy(logits, corten_tensor_const_data(out), 10 * sizeof *logits);
    corten_value_destroy(out);
    corten_value_destroy(image);
    corten_session_close(session);
}

static void initializers_of_the_caller_are_computed_with(void **state)
{
    (void)state;
    float bias[10], first[10], second[10];
    int64_t dims[] = {10};
    corten_value *value;
    assert_int_equal(corten_tensor_wrap(CORTEN_F32, 1, dims, bias, sizeof bias, &value, NULL),
                     CORTEN_OK);
    for (size_t k = 0; k < sizeof levels / sizeof *levels; k++) {
        corten_options *options = new_options();
        assert_int_equal(corten_options_set_level(options, levels[k], NULL), CORTEN_OK);
        assert_int_equal(corten_options_set_dim(options, "batch", 1, NULL), CORTEN_OK);
        assert_int_equal(corten_options_set_initializer(options, "classify.bias", value, NULL),
                         CORTEN_OK);
        for (int i = 0; i < 10; i++)
            bias[i] = 0;
        classify(options, first);
        for (int i = 0; i < 10; i++)
            bias[i] = (float)i;
        classify(options, second);
        for (int i = 0; i < 10; i++)
            assert_float_equal(second[i], first[i] + (float)i, 1e-4);
        corten_options_destroy(options);
    }
    corten_value_destroy(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_tells_of_each_pass),
        cmocka_unit_test_setup_teardown(a_session_writes_its_optimised_model, test_folder_setup,
                                        test_folder_teardown),
        cmocka_unit_test(values_in_between_become_outputs),
        cmocka_unit_test(levels_and_switches_keep_passes_from_running),
        cmocka_unit_test(initializers_of_the_caller_are_computed_with),
        cmocka_unit_test(what_is_not_there_cannot_be_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
