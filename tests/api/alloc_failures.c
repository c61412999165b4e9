/* Opens and runs models while their allocations fail, one after the other:
 *
 *   corten-alloc-failures [--most N] CASE...
 *
 * A CASE is a folder as in the ONNX suite: model.onnx, test_data_set_0/input_0.pb and so on. For the
 * first allocation, the second, … (with --most, N of them evenly spread) it opens and runs once with
 * that one and all later ones failing, and once with that one alone. Each must end in OUT_OF_MEMORY
 * with a text, or well, and leave nothing allocated. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corten/corten.h"
#include "support/alloc.h"

enum { MAX_INPUTS = 64, PATH_BYTES = 1024 };

struct case_files {
    char model[PATH_BYTES];
    void *bytes[MAX_INPUTS];
    size_t size_bytes[MAX_INPUTS];
    int n_inputs;
};

/* The file's bytes, or NULL. */
static void *read_file(const char *path, size_t *size_bytes)
{
    FILE *file = fopen(path, "rb");
    void *bytes = NULL;
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        bytes = size >= 0 ? malloc((size_t)size + 1) : NULL;
        *size_bytes = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
    }
    fclose(file);
    return bytes;
}

static void read_case(const char *folder, struct case_files *files)
{
    snprintf(files->model, sizeof files->model, "%s/model.onnx", folder);
    for (files->n_inputs = 0; files->n_inputs < MAX_INPUTS; files->n_inputs++) {
        char path[PATH_BYTES];
        int i = files->n_inputs;
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%d.pb", folder, i);
        files->bytes[i] = read_file(path, &files->size_bytes[i]);
        if (!files->bytes[i])
            break;
    }
}

static corten_status run(corten_session *session, const struct case_files *files,
                         corten_error *error)
{
    corten_value *inputs[MAX_INPUTS] = {NULL}, *outputs[MAX_INPUTS] = {NULL};
    const char *names[MAX_INPUTS], *output_names[MAX_INPUTS];
    size_t n_in = corten_session_input_count(session), n_out = corten_session_output_count(session);
    corten_status status = CORTEN_OK;
    if (n_in > (size_t)files->n_inputs)
        n_in = (size_t)files->n_inputs;
    if (n_out > MAX_INPUTS)
        n_out = MAX_INPUTS;
    for (size_t i = 0; i < n_in && status == CORTEN_OK; i++) {
        corten_value_info info;
        corten_session_input_info(session, i, &info, NULL);
        names[i] = info.name;
        status = corten_value_parse(info.kind, files->bytes[i], files->size_bytes[i], NULL, 0,
                                    &inputs[i], error);
    }
    for (size_t i = 0; i < n_out; i++) {
        corten_value_info info;
        corten_session_output_info(session, i, &info, NULL);
        output_names[i] = info.name;
    }
    if (status == CORTEN_OK)
        status = corten_session_run(session, names, (const corten_value *const *)inputs, n_in,
                                    output_names, outputs, n_out, error);
    for (size_t i = 0; i < MAX_INPUTS; i++) {
        corten_value_destroy(outputs[i]);
        corten_value_destroy(inputs[i]);
    }
    return status;
}

static corten_status open_and_run(const struct case_files *files, struct test_alloc *state,
                                  corten_error *error)
{
    corten_allocator allocator = test_allocator(state);
    corten_options *options;
    corten_session *session = NULL;
    if (corten_options_create(&options, error) != CORTEN_OK)
        return error->status;
    corten_options_set_allocator(options, &allocator, NULL);
    corten_options_set_threads(options, 1, NULL);
    corten_options_set_log(options, NULL, NULL, CORTEN_LOG_ERROR, NULL);
    corten_status status = corten_session_open(files->model, options, &session, error);
    if (status == CORTEN_OK)
        status = run(session, files, error);
    corten_session_close(session);
    corten_options_destroy(options);
    return status;
}

static bool check(const char *name, const struct case_files *files, struct test_alloc state)
{
    int fail_at = state.fail_at;
    const char *how = state.fail_once ? "alone" : "and later ones";
    corten_error error = {CORTEN_OK, ""};
    corten_status status = open_and_run(files, &state, &error);
    bool ended_well = status == CORTEN_OK || (status == CORTEN_OUT_OF_MEMORY && error.text[0]);
    if (ended_well && !state.live && !state.live_bytes && !state.errors)
        return true;
    printf("%s: allocation %d %s: status %d '%s', %d left, %d released wrongly\n", name, fail_at,
           how, (int)status, error.text, state.live, state.errors);
    return false;
}

/* False when something is wrong; *n_failures counts what was made to fail. */
static bool run_case(const char *folder, int most, int64_t *n_failures)
{
    struct case_files files;
    struct test_alloc counting = {0};
    corten_error error = {CORTEN_OK, ""};
    read_case(folder, &files);
    bool good = open_and_run(&files, &counting, &error) == CORTEN_OK;
    if (!good)
        printf("%s: does not run: %s\n", folder, error.text);
    int step = most > 0 && counting.calls > most ? counting.calls / most : 1;
    for (int i = 0; good && i * step < counting.calls; i++) {
        int at = 1 + i * step + i % step; /* no two at the same distance */
        good = check(folder, &files, (struct test_alloc){.fail_at = at}) &&
               check(folder, &files, (struct test_alloc){.fail_at = at, .fail_once = true});
        *n_failures += 2;
    }
    for (int i = 0; i < files.n_inputs; i++)
        free(files.bytes[i]);
    return good;
}

int main(int argc, char **argv)
{
    int first = 1, most = 0, n_bad = 0;
    int64_t n_failures = 0;
    if (argc > 2 && !strcmp(argv[1], "--most")) {
        most = atoi(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        fprintf(stderr, "%s\n", argv[i]); /* a crash is that one's */
        n_bad += !run_case(argv[i], most, &n_failures);
    }
    printf("%d cases, %" PRId64 " failed allocations, %d cases wrong\n", argc - first, n_failures,
           n_bad);
    return n_bad != 0;
}
