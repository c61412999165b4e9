#include "case.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "file.h"
#include "text.h"

enum { PATH_SIZE = 4096 };

/* The inputs and outputs that a model declares, and the values of one data set. */
struct fixture {
    corten_session *session;
    size_t input_count, output_count;
    corten_value_info *inputs, *outputs;
    const char **input_names, **output_names;
    corten_value **input_values, **output_values;
    struct ct_cli_tolerance tolerance;
};

static corten_status join(char *path, const char *folder, const char *name, corten_error *error)
{
    if (snprintf(path, PATH_SIZE, "%s/%s", folder, name) >= PATH_SIZE)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "the path of '%s' is too long", name);
    return CORTEN_OK;
}

corten_status ct_cli_case_file(const char *folder, const char *file, void **bytes,
                               size_t *size_bytes, corten_error *error)
{
    char path[PATH_SIZE];
    CT_CLI_TRY(join(path, folder, file, error));
    return ct_cli_file_load(path, bytes, size_bytes, error);
}

static corten_status parse_file(const char *folder, const char *file, corten_kind kind,
                                corten_value **value, corten_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    CT_CLI_TRY(ct_cli_case_file(folder, file, &bytes, &size, error));
    corten_status status = corten_value_parse(kind, bytes, size, NULL, 0, value, error);
    free(bytes);
    return status == CORTEN_OK ? status : ct_cli_prefix(error, status, "%s", file);
}

corten_status ct_cli_case_value(const char *folder, const char *file, corten_value **value,
                                corten_error *error)
{
    return parse_file(folder, file, CORTEN_TENSOR, value, error);
}

static corten_status read_tolerance(const char *folder, struct ct_cli_tolerance *tolerance,
                                    corten_error *error)
{
    char path[PATH_SIZE];
    void *bytes = NULL;
    size_t size = 0;
    *tolerance = (struct ct_cli_tolerance){1e-3, 1e-7};
    CT_CLI_TRY(join(path, folder, "tolerance.txt", error));
    if (access(path, F_OK) != 0)
        return CORTEN_OK;
    CT_CLI_TRY(ct_cli_file_load(path, &bytes, &size, error));
    int fields = sscanf(bytes, "%lf %lf", &tolerance->rtol, &tolerance->atol);
    free(bytes);
    if (fields != 2)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "tolerance.txt is not two numbers");
    return CORTEN_OK;
}

static corten_status read_infos(struct fixture *fixture, corten_error *error)
{
    for (size_t i = 0; i < fixture->input_count; i++)
        CT_CLI_TRY(corten_session_input_info(fixture->session, i, &fixture->inputs[i], error));
    for (size_t i = 0; i < fixture->output_count; i++) {
        CT_CLI_TRY(corten_session_output_info(fixture->session, i, &fixture->outputs[i], error));
        fixture->output_names[i] = fixture->outputs[i].name;
    }
    return CORTEN_OK;
}

static corten_status fixture_init(struct fixture *fixture, corten_error *error)
{
    size_t n_in = corten_session_input_count(fixture->session);
    size_t n_out = corten_session_output_count(fixture->session);
    fixture->input_count = n_in;
    fixture->output_count = n_out;
    fixture->inputs = calloc(n_in + 1, sizeof *fixture->inputs);
    fixture->outputs = calloc(n_out + 1, sizeof *fixture->outputs);
    fixture->input_names = calloc(n_in + 1, sizeof *fixture->input_names);
    fixture->output_names = calloc(n_out + 1, sizeof *fixture->output_names);
    fixture->input_values = calloc(n_in + 1, sizeof *fixture->input_values);
    fixture->output_values = calloc(n_out + 1, sizeof *fixture->output_values);
    if (!fixture->inputs || !fixture->outputs || !fixture->input_names || !fixture->output_names ||
        !fixture->input_values || !fixture->output_values)
        return ct_cli_no_memory(error, "a case");
    return read_infos(fixture, error);
}

static void clear_values(struct fixture *fixture)
{
    for (size_t i = 0; fixture->input_values && i < fixture->input_count; i++) {
        corten_value_destroy(fixture->input_values[i]);
        fixture->input_values[i] = NULL;
    }
    for (size_t i = 0; fixture->output_values && i < fixture->output_count; i++) {
        corten_value_destroy(fixture->output_values[i]);
        fixture->output_values[i] = NULL;
    }
}

static void fixture_deinit(struct fixture *fixture)
{
    clear_values(fixture);
    free(fixture->inputs);
    free(fixture->outputs);
    free(fixture->input_names);
    free(fixture->output_names);
    free(fixture->input_values);
    free(fixture->output_values);
}

/* Parses FOLDER/WHAT_INDEX.pb; `*value` stays NULL if there is no such file. */
static corten_status load(const char *folder, const char *what, size_t index, corten_kind kind,
                          corten_value **value, corten_error *error)
{
    char file[64];
    char path[PATH_SIZE];
    snprintf(file, sizeof file, "%s_%zu.pb", what, index);
    CT_CLI_TRY(join(path, folder, file, error));
    return access(path, F_OK) == 0 ? parse_file(folder, file, kind, value, error) : CORTEN_OK;
}

/* Files hold the values of the declared inputs in order, whatever names they carry. */
static corten_status load_inputs(struct fixture *fixture, const char *folder, size_t *count,
                                 corten_error *error)
{
    size_t used = 0;
    for (size_t i = 0; i < fixture->input_count; i++) {
        corten_value *value = NULL;
        CT_CLI_TRY(load(folder, "input", i, fixture->inputs[i].kind, &value, error));
        if (!value)
            continue;
        fixture->input_values[used] = value;
        fixture->input_names[used++] = fixture->inputs[i].name;
    }
    *count = used;
    return CORTEN_OK;
}

static corten_status compare_outputs(struct fixture *fixture, const char *folder,
                                     corten_error *error)
{
    for (size_t i = 0; i < fixture->output_count; i++) {
        char text[768] = "";
        corten_value *expected = NULL;
        CT_CLI_TRY(load(folder, "output", i, fixture->outputs[i].kind, &expected, error));
        if (!expected)
            return ct_cli_fail(error, CORTEN_NO_SUCH_FILE, "no output_%zu.pb", i);
        bool close = ct_cli_values_close(expected, fixture->output_values[i], fixture->tolerance,
                                         text, sizeof text);
        corten_value_destroy(expected);
        if (!close)
            return ct_cli_fail(error, CORTEN_RUN_FAILED, "output '%s' %s", fixture->outputs[i].name,
                               text);
    }
    return CORTEN_OK;
}

static corten_status run_set(struct fixture *fixture, const char *folder, corten_error *error)
{
    size_t count = 0;
    clear_values(fixture);
    CT_CLI_TRY(load_inputs(fixture, folder, &count, error));
    CT_CLI_TRY(corten_session_run(
        fixture->session, fixture->input_names, (const corten_value *const *)fixture->input_values,
        count, fixture->output_names, fixture->output_values, fixture->output_count, error));
    return compare_outputs(fixture, folder, error);
}

static int is_set(const struct dirent *entry)
{
    static const char prefix[] = "test_data_set_";
    return strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0;
}

static corten_status run_sets(struct fixture *fixture, const char *folder, corten_error *error)
{
    struct dirent **sets = NULL;
    int count = scandir(folder, &sets, is_set, versionsort);
    if (count < 0)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot read the folder: %s", strerror(errno));
    corten_status status = CORTEN_OK;
    if (count == 0)
        status = ct_cli_fail(error, CORTEN_NO_SUCH_FILE, "the case has no test_data_set_0");
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        if (status == CORTEN_OK)
            status = join(path, folder, sets[i]->d_name, error);
        if (status == CORTEN_OK) {
            status = run_set(fixture, path, error);
            /* A case with one set needs no name for it. */
            if (status != CORTEN_OK && count > 1)
                ct_cli_prefix(error, status, "%s", sets[i]->d_name);
        }
        free(sets[i]);
    }
    free(sets);
    return status;
}

/* The reader of a report knows which case it is: the path of its model says it a second time. */
static void drop_path(corten_error *error, const char *path)
{
    size_t size = strlen(path);
    if (error && strncmp(error->text, path, size) == 0 && error->text[size] == ':' &&
        error->text[size + 1] == ' ')
        memmove(error->text, error->text + size + 2, strlen(error->text + size + 2) + 1);
}

static corten_status run_model(const char *path, const char *folder,
                               struct ct_cli_tolerance tolerance, const corten_options *options,
                               corten_error *error)
{
    struct fixture fixture = {.tolerance = tolerance};
    CT_CLI_TRY(corten_session_open(path, options, &fixture.session, error));
    corten_status status = fixture_init(&fixture, error);
    if (status == CORTEN_OK)
        status = run_sets(&fixture, folder, error);
    fixture_deinit(&fixture);
    corten_session_close(fixture.session);
    return status;
}

corten_status ct_cli_case_run(const char *folder, const corten_options *options,
                              corten_error *error)
{
    char path[PATH_SIZE];
    struct ct_cli_tolerance tolerance;
    CT_CLI_TRY(read_tolerance(folder, &tolerance, error));
    CT_CLI_TRY(join(path, folder, "model.onnx", error));
    corten_status status = run_model(path, folder, tolerance, options, error);
    if (status != CORTEN_OK)
        drop_path(error, path);
    return status;
}
