/* External data: found beneath the model's folder, and nothing else is. */
#include "model/reader.h"
#include "model/writer.h"

#include "model/proto.h"
#include "support/folder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void add_entry(struct proto *tensor, const char *key, const char *value)
{
    struct proto entry = {.size_bytes = 0};
    proto_text(&entry, 1, key);
    proto_text(&entry, 2, value);
    proto_message(tensor, 13, &entry);
}

static ct_status read_with(const struct test_folder *folder, const char *location,
                           const char *offset, const char *length, struct ct_model **model,
                           corten_error *error)
{
    const int64_t four = 4;
    struct proto tensor = proto_tensor("w", CORTEN_U8, 1, &four);
    add_entry(&tensor, "location", location);
    if (offset)
        add_entry(&tensor, "offset", offset);
    if (length)
        add_entry(&tensor, "length", length);
    proto_varint(&tensor, 14, 1);
    struct proto p = proto_model_of_tensor(&tensor, "w");
    return ct_model_read_memory(p.bytes, p.size_bytes, folder ? folder->path : NULL, NULL, "m.onnx",
                                NULL, model, error);
}

static void expect_refused(const struct test_folder *folder, const char *location, const char *why)
{
    struct ct_model *model = NULL;
    corten_error error = {0};
    ct_status status = read_with(folder, location, NULL, NULL, &model, &error);
    assert_int_equal(status, CORTEN_INVALID_MODEL);
    assert_null(model);
    assert_non_null(strstr(error.text, "m.onnx: external data of tensor 'w'"));
    if (!strstr(error.text, why))
        fail_msg("'%s' does not say '%s'", error.text, why);
}

static void data_is_found_at_its_offset(void **state)
{
    const struct test_folder *folder = *state;
    struct ct_model *model;
    corten_error error = {0};
    test_folder_write(folder, "sub/w.bin", "0123456789");
    assert_int_equal(read_with(folder, "sub/w.bin", "3", "4", &model, &error), CORTEN_OK);
    assert_memory_equal(model->graph->first->in[0].value->constant->data, "3456", 4);
    ct_model_destroy(model);
}

static void data_that_does_not_reach_far_enough_is_refused(void **state)
{
    const struct test_folder *folder = *state;
    struct ct_model *model = NULL;
    corten_error error = {0};
    test_folder_write(folder, "w.bin", "0123456789");
    assert_int_equal(read_with(folder, "w.bin", "7", "4", &model, &error), CORTEN_INVALID_MODEL);
    assert_string_equal(error.text, "m.onnx: tensor 'w' needs 4 bytes at offset 7 of the external "
                                    "file 'w.bin', which has 10 bytes");
    assert_int_equal(read_with(folder, "w.bin", "18446744073709551615", "4", &model, &error),
                     CORTEN_INVALID_MODEL);
    assert_non_null(strstr(error.text, "at offset 18446744073709551615"));
}

static void a_missing_file_is_named_with_its_tensor(void **state)
{
    struct ct_model *model = NULL;
    corten_error error = {0};
    assert_int_equal(read_with(*state, "gone.bin", NULL, NULL, &model, &error),
                     CORTEN_NO_SUCH_FILE);
    assert_non_null(strstr(error.text, "tensor 'w'"));
    assert_non_null(strstr(error.text, "gone.bin"));
}

static void without_a_folder_there_is_no_external_data(void **state)
{
    (void)state;
    struct ct_model *model = NULL;
    corten_error error = {0};
    assert_int_equal(read_with(NULL, "w.bin", NULL, NULL, &model, &error), CORTEN_INVALID_MODEL);
    assert_string_equal(error.text, "m.onnx: tensor 'w' lies in the external file 'w.bin', but the "
                                    "model has no folder to look in");
}

static void nothing_outside_of_the_folder_is_opened(void **state)
{
    const struct test_folder *folder = *state;
    char path[TEST_PATH_BYTES], link[TEST_PATH_BYTES];
    test_folder_write(folder, "in/w.bin", "0123456789");
    test_folder_write(folder, "secret.bin", "0123456789");
    struct test_folder inner;
    snprintf(inner.path, sizeof inner.path, "%.200s/in", folder->path);
    test_folder_path(folder, "secret.bin", path);
    expect_refused(&inner, "../secret.bin", "..");
    expect_refused(&inner, path, "absolute");

    test_folder_path(folder, "in/soft.bin", link);
    assert_int_equal(symlink(path, link), 0);
    expect_refused(&inner, "soft.bin", "link");
    test_folder_path(folder, "in/hard.bin", link);
    assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, link, 0), 0);
    expect_refused(&inner, "hard.bin", "hard links");
    test_folder_path(folder, "in/fifo", link);
    assert_int_equal(mkfifo(link, 0600), 0);
    expect_refused(&inner, "fifo", "not a regular file");
    test_folder_path(folder, "in/folder", link);
    assert_int_equal(symlink(folder->path, link), 0);
    expect_refused(&inner, "folder/secret.bin", "link");
}

static void a_model_is_written_with_external_data_and_read_again(void **state)
{
    const struct test_folder *folder = *state;
    const int64_t dim = 4000;
    struct proto tensor = proto_tensor("w", CORTEN_U8, 1, &dim);
    uint8_t elements[4000];
    for (size_t i = 0; i < sizeof elements; i++)
        elements[i] = (uint8_t)(i * 7);
    proto_bytes(&tensor, 9, elements, sizeof elements);
    struct proto p = proto_model_of_tensor(&tensor, "w");
    struct ct_model *model;
    char path[TEST_PATH_BYTES], data_path[TEST_PATH_BYTES];
    corten_error error = {0};
    assert_int_equal(
        ct_model_read_memory(p.bytes, p.size_bytes, NULL, NULL, "m", NULL, &model, &error),
        CORTEN_OK);
    test_folder_path(folder, "out.onnx", path);
    test_folder_path(folder, "out.onnx.data", data_path);
    assert_int_equal(ct_model_write_file(model, path, true, &error), CORTEN_OK);
    ct_model_destroy(model);
    struct stat info;
    assert_int_equal(stat(data_path, &info), 0);
    assert_int_equal(info.st_size, 4000);
    if (ct_model_read_file(path, NULL, NULL, &model, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    assert_memory_equal(model->graph->first->in[0].value->constant->data, elements,
                        sizeof elements);
    ct_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_is_found_at_its_offset, test_folder_setup,
                                        test_folder_teardown),
        cmocka_unit_test_setup_teardown(data_that_does_not_reach_far_enough_is_refused,
                                        test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_named_with_its_tensor, test_folder_setup,
                                        test_folder_teardown),
        cmocka_unit_test(without_a_folder_there_is_no_external_data),
        cmocka_unit_test_setup_teardown(nothing_outside_of_the_folder_is_opened, test_folder_setup,
                                        test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_model_is_written_with_external_data_and_read_again,
                                        test_folder_setup, test_folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
