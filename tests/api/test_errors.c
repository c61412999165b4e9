/* What goes wrong is said in words: what, where, what was found and what was expected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/writer.h"
#include "support/builder.h"
#include "support/folder.h"

/* y = relu(x), x: float32[batch,3] */
static struct ct_model *small_model(void)
{
    struct ct_model *model = test_model(ct_default_allocator());
    ct_dim dims[] = {ct_symbol(&model->symbols, "batch"), 3};
    struct ct_value *x = test_input(model->graph, "x", CORTEN_F32, 2, dims);
    struct ct_value *y = test_node(model->graph, "Relu", "y", x, NULL);
    ct_fact_set(&y->fact, CORTEN_F32, 2, dims);
    assert_true(ct_graph_add_output(model->graph, y));
    model->ir_version = 9;
    return model;
}

static corten_status open_model(struct ct_model *model, const corten_options *options,
                                corten_session **session, corten_error *error)
{
    void *bytes;
    size_t size_bytes;
    corten_error write_error = {0};
    if (ct_model_write_memory(model, ct_default_allocator(), &bytes, &size_bytes, &write_error) !=
        CORTEN_OK)
        fail_msg("%s", write_error.text);
    /* The bytes outlive the session: tests are short, and the arena of the model holds a copy. */
    char *kept = ct_arena_strndup(&model->arena, bytes, size_bytes);
    assert_non_null(kept);
    ct_release(ct_default_allocator(), bytes, size_bytes);
    return corten_session_open_memory(kept, size_bytes, NULL, options, session, error);
}

static void assert_open_fails(struct ct_model *model, corten_status expected, const char *text)
{
    corten_session *session = NULL;
    corten_error error = {0};
    assert_int_equal(open_model(model, NULL, &session, &error), expected);
    assert_null(session);
    assert_int_equal(error.status, expected);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, error.text);
    ct_model_destroy(model);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    corten_session *session = NULL;
    corten_error error = {0};
    assert_int_equal(corten_session_open("no/such/model.onnx", NULL, &session, &error),
                     CORTEN_NO_SUCH_FILE);
    assert_non_null(strstr(error.text, "no/such/model.onnx"));
    assert_non_null(strstr(error.text, "No such file"));
}

static void a_file_that_is_no_model_is_told(void **state)
{
    char path[TEST_PATH_BYTES];
    test_folder_write(*state, "text.onnx", "This is not a model, but a line of text.\n");
    test_folder_path(*state, "text.onnx", path);
    corten_session *session = NULL;
    corten_error error = {0};
    assert_int_equal(corten_session_open(path, NULL, &session, &error), CORTEN_INVALID_MODEL);
    assert_non_null(strstr(error.text, "text.onnx"));
    assert_non_null(strstr(error.text, "not a valid ONNX model"));
}

static void a_newer_ir_version_is_told(void **state)
{
    (void)state;
    struct ct_model *model = small_model();
    model->ir_version = 99;
    assert_open_fails(model, CORTEN_UNSUPPORTED,
                      "IR version 99 is newer than the newest known, 14");
}

static void a_newer_opset_is_told(void **state)
{
    (void)state;
    struct ct_model *model = small_model();
    model->opsets[0].version = 1000;
    assert_open_fails(model, CORTEN_UNSUPPORTED,
                      "version 1000 of operator set 'ai.onnx' is newer than the newest known, 28");
}

static void an_unknown_operator_is_named(void **state)
{
    (void)state;
    struct ct_model *model = small_model();
    model->graph->first->op_type = "Rleu";
    model->graph->first->name = "layer/act";
    assert_open_fails(model, CORTEN_UNSUPPORTED,
                      "node 'layer/act' (Rleu): unknown operator 'Rleu' of domain 'ai.onnx'");
}

static void an_operator_of_a_later_version_is_told(void **state)
{
    (void)state;
    struct ct_model *model = small_model();
    model->graph->first->op_type = "Swish"; /* since 24 */
    assert_open_fails(model, CORTEN_UNSUPPORTED,
                      "operator 'Swish' is not in version 20 of domain 'ai.onnx'");
}

static void a_dtype_that_the_operator_does_not_take_is_told(void **state)
{
    (void)state;
    struct ct_model *model = small_model();
    ct_dim dims[] = {2};
    ct_fact_set(&model->graph->inputs[0]->fact, CORTEN_STRING, 1, dims);
    ct_fact_set(&model->graph->outputs[0]->fact, CORTEN_STRING, 1, dims);
    assert_open_fails(model, CORTEN_UNSUPPORTED,
                      "input 0 is string; the operator at opset 20 takes");
}

/* ------------------------------------------------------------------ inputs */

static void assert_run_fails(const char *name, corten_dtype dtype, int rank, const int64_t *dims,
                             corten_status expected, const char *text)
{
    struct ct_model *model = small_model();
    corten_session *session = NULL;
    corten_value *x = NULL, *y = NULL;
    corten_error error = {0};
    assert_int_equal(open_model(model, NULL, &session, &error), CORTEN_OK);
    assert_int_equal(corten_tensor_create(NULL, dtype, rank, dims, &x, &error), CORTEN_OK);
    assert_int_equal(corten_session_run(session, &name, (const corten_value *const *)&x, 1,
                                        (const char *[]){"y"}, &y, 1, &error),
                     expected);
    assert_null(y);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, error.text);
    corten_value_destroy(x);
    corten_session_close(session);
    ct_model_destroy(model);
}

static void a_wrong_input_name_is_told(void **state)
{
    (void)state;
    assert_run_fails("z", CORTEN_F32, 2, (int64_t[]){1, 3}, CORTEN_INVALID_ARGUMENT,
                     "no input is named 'z'; there is 'x'");
}

static void a_wrong_dtype_is_told(void **state)
{
    (void)state;
    assert_run_fails("x", CORTEN_I64, 2, (int64_t[]){1, 3}, CORTEN_INVALID_ARGUMENT,
                     "input 'x' is int64, expected float32");
}

static void a_wrong_rank_is_told(void **state)
{
    (void)state;
    assert_run_fails("x", CORTEN_F32, 1, (int64_t[]){3}, CORTEN_INVALID_ARGUMENT,
                     "input 'x' has rank 1 (float32[3]), expected rank 2 (float32[batch,3])");
}

static void a_wrong_dimension_is_told(void **state)
{
    (void)state;
    assert_run_fails("x", CORTEN_F32, 2, (int64_t[]){1, 4}, CORTEN_INVALID_ARGUMENT,
                     "dimension 1 of input 'x' is 4 (float32[1,4]), expected 3 (float32[batch,3])");
}

static void a_missing_input_is_named(void **state)
{
    (void)state;
    struct ct_model *model = small_model();
    corten_session *session = NULL;
    corten_value *y = NULL;
    corten_error error = {0};
    assert_int_equal(open_model(model, NULL, &session, &error), CORTEN_OK);
    assert_int_equal(
        corten_session_run(session, NULL, NULL, 0, (const char *[]){"y"}, &y, 1, &error),
        CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "input 'x' is missing"));
    corten_session_close(session);
    ct_model_destroy(model);
}

/* ------------------------------------------------------------------ memory */

static void a_limit_on_memory_is_kept(void **state)
{
    (void)state;
    struct ct_model *model = small_model();
    corten_options *options = NULL;
    corten_session *session = NULL;
    corten_value *x = NULL, *y = NULL;
    corten_error error = {0};
    assert_int_equal(corten_options_create(&options, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_memory_limit(options, 4 << 20, &error), CORTEN_OK);
    assert_int_equal(open_model(model, options, &session, &error), CORTEN_OK);
    int64_t dims[] = {1 << 20, 3}; /* 12 MiB */
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 2, dims, &x, &error), CORTEN_OK);
    assert_int_equal(corten_session_run(session, (const char *[]){"x"},
                                        (const corten_value *const *)&x, 1, (const char *[]){"y"},
                                        &y, 1, &error),
                     CORTEN_LIMIT_EXCEEDED);
    assert_null(y);
    assert_non_null(strstr(error.text, "12582912"));
    assert_non_null(strstr(error.text, " bytes more would pass"));
    assert_non_null(strstr(error.text, "limit of 4194304 bytes"));
    corten_value_destroy(x);
    corten_session_close(session);
    corten_options_destroy(options);
    ct_model_destroy(model);
}

static void a_missing_weight_file_is_named(void **state)
{
    char path[TEST_PATH_BYTES], data[TEST_PATH_BYTES + 8];
    test_folder_path(*state, "model.onnx", path);
    struct ct_model *model = small_model();
    static float weights[1024];
    struct ct_tensor tensor = test_tensor(CORTEN_F32, 1, (int64_t[]){1024}, weights);
    struct ct_value *w = ct_graph_add_constant(model->graph, "w", &tensor);
    assert_non_null(w);
    assert_true(ct_graph_add_output(model->graph, test_node(model->graph, "Neg", "n", w, NULL)));
    corten_error error = {0};
    assert_int_equal(ct_model_write_file(model, path, true, &error), CORTEN_OK);
    strcat(strcpy(data, path), ".data");
    assert_int_equal(remove(data), 0);
    corten_session *session = NULL;
    assert_int_not_equal(corten_session_open(path, NULL, &session, &error), CORTEN_OK);
    assert_non_null(strstr(error.text, "'w'"));
    assert_non_null(strstr(error.text, "model.onnx.data"));
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_model_is_told, test_folder_setup,
                                        test_folder_teardown),
        cmocka_unit_test(a_newer_ir_version_is_told),
        cmocka_unit_test(a_newer_opset_is_told),
        cmocka_unit_test(an_unknown_operator_is_named),
        cmocka_unit_test(an_operator_of_a_later_version_is_told),
        cmocka_unit_test(a_dtype_that_the_operator_does_not_take_is_told),
        cmocka_unit_test(a_wrong_input_name_is_told),
        cmocka_unit_test(a_wrong_dtype_is_told),
        cmocka_unit_test(a_wrong_rank_is_told),
        cmocka_unit_test(a_wrong_dimension_is_told),
        cmocka_unit_test(a_missing_input_is_named),
        cmocka_unit_test(a_limit_on_memory_is_kept),
        cmocka_unit_test_setup_teardown(a_missing_weight_file_is_named, test_folder_setup,
                                        test_folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
