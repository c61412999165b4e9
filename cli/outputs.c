#include "outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare.h"
#include "element.h"
#include "file.h"
#include "npy.h"
#include "npz.h"
#include "table.h"
#include "text.h"

corten_status ct_cli_outputs_init(struct ct_cli_outputs *outputs, const corten_session *session,
                                  corten_error *error)
{
    size_t count = corten_session_output_count(session);
    struct ct_cli_outputs made = {.names = calloc(count + 1, sizeof *made.names),
                                  .values = calloc(count + 1, sizeof *made.values),
                                  .count = count};
    corten_status status = CORTEN_OK;
    if (!made.names || !made.values)
        status = ct_cli_no_memory(error, "the outputs");
    for (size_t i = 0; i < count && status == CORTEN_OK; i++) {
        corten_value_info info;
        status = corten_session_output_info(session, i, &info, error);
        if (status == CORTEN_OK)
            made.names[i] = info.name;
    }
    if (status != CORTEN_OK) {
        free(made.names);
        free(made.values);
        return status;
    }
    *outputs = made;
    return CORTEN_OK;
}

void ct_cli_outputs_deinit(struct ct_cli_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        corten_value_destroy(outputs->values[i]);
    free(outputs->names);
    free(outputs->values);
    *outputs = (struct ct_cli_outputs){.names = NULL};
}

corten_status ct_cli_outputs_run(struct ct_cli_outputs *outputs, corten_session *session,
                                 const struct ct_cli_inputs *inputs, corten_error *error)
{
    for (size_t i = 0; i < outputs->count; i++) {
        corten_value *value = outputs->values[i];
        /* Only plain tensors can be written into. */
        if (value && (corten_value_kind(value) != CORTEN_TENSOR ||
                      corten_value_dtype(value) == CORTEN_STRING)) {
            corten_value_destroy(value);
            outputs->values[i] = NULL;
        }
    }
    return corten_session_run(session, inputs->names, (const corten_value *const *)inputs->values,
                              inputs->count, outputs->names, outputs->values, outputs->count,
                              error);
}

static corten_status add_to_archive(struct ct_cli_npz_writer *writer, const char *name,
                                    const corten_value *value, corten_error *error)
{
    corten_kind kind = corten_value_kind(value);
    if (kind == CORTEN_TENSOR)
        return ct_cli_npz_add(writer, name, value, error);
    if (kind == CORTEN_SPARSE)
        return ct_cli_fail(error, CORTEN_UNSUPPORTED,
                           "output '%s' is a sparse tensor, which an archive of arrays cannot hold",
                           name);
    corten_status status = CORTEN_OK;
    for (size_t i = 0; i < corten_value_item_count(value) && status == CORTEN_OK; i++) {
        char *item = NULL;
        if (asprintf(&item, "%s.%zu", name, i) < 0)
            return ct_cli_no_memory(error, "a name");
        status = add_to_archive(writer, item, corten_value_item(value, i), error);
        free(item);
    }
    return status;
}

static corten_status save_archive(const struct ct_cli_outputs *outputs, const char *path,
                                  bool deflate, corten_error *error)
{
    struct ct_cli_npz_writer *writer = NULL;
    CT_CLI_TRY(ct_cli_npz_create(path, deflate, &writer, error));
    for (size_t i = 0; i < outputs->count; i++) {
        corten_status status = add_to_archive(writer, outputs->names[i], outputs->values[i], error);
        if (status != CORTEN_OK) {
            ct_cli_npz_discard(writer);
            return status;
        }
    }
    return ct_cli_npz_commit(writer, error);
}

static corten_status save_npy(const corten_value *value, const char *path, corten_error *error)
{
    struct ct_cli_npy_bytes bytes;
    if (corten_value_kind(value) != CORTEN_TENSOR)
        return ct_cli_fail(error, CORTEN_UNSUPPORTED,
                           "the output is not a tensor, which is all that '%s' can hold", path);
    CT_CLI_TRY(ct_cli_npy_write(value, &bytes, error));
    corten_status status =
        ct_cli_file_save(path, bytes.head, bytes.head_bytes, bytes.body, bytes.body_bytes, error);
    ct_cli_npy_bytes_deinit(&bytes);
    return status;
}

static corten_status save_proto(const corten_value *value, const char *name, const char *path,
                                corten_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    CT_CLI_TRY(corten_value_serialize(value, name, &bytes, &size, error));
    corten_status status = ct_cli_file_save(path, bytes, size, NULL, 0, error);
    corten_free(bytes);
    return status;
}

static corten_status save_folder(const struct ct_cli_outputs *outputs, const char *folder,
                                 corten_error *error)
{
    corten_status status = CORTEN_OK;
    for (size_t i = 0; i < outputs->count && status == CORTEN_OK; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/output_%zu.pb", folder, i) < 0)
            return ct_cli_no_memory(error, "a path");
        status = save_proto(outputs->values[i], outputs->names[i], path, error);
        free(path);
    }
    return status;
}

corten_status ct_cli_outputs_save(const struct ct_cli_outputs *outputs, const char *path,
                                  bool deflate, corten_error *error)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return save_folder(outputs, path, error);
    if (ct_cli_ends_with(path, ".npz"))
        return save_archive(outputs, path, deflate, error);
    bool npy = ct_cli_ends_with(path, ".npy");
    if (!npy && !ct_cli_ends_with(path, ".pb"))
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "'%s' is no folder and ends in none of .npz, .npy and .pb", path);
    if (outputs->count != 1)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "'%s' holds one value, the model has %zu outputs; use .npz or a folder",
                           path, outputs->count);
    return npy ? save_npy(outputs->values[0], path, error)
               : save_proto(outputs->values[0], outputs->names[0], path, error);
}

/* Index in the archive of what an output is compared with, SIZE_MAX if there is nothing. */
static corten_status find_expected(const struct ct_cli_npz *npz, const char *name, size_t *index,
                                   corten_error *error)
{
    char *prefixed = NULL;
    if (asprintf(&prefixed, "out:%s", name) < 0)
        return ct_cli_no_memory(error, "a name");
    *index = ct_cli_npz_find(npz, prefixed);
    free(prefixed);
    if (*index == SIZE_MAX)
        *index = ct_cli_npz_find(npz, name);
    return CORTEN_OK;
}

/* What the check of one output found, for the table or the JSON array. */
struct verdict {
    bool compared, good;
    char text[sizeof((corten_error *)0)->text];
    struct ct_cli_difference difference;
};

static void judge(const corten_value *expected, const corten_value *found, double rtol,
                  struct verdict *verdict)
{
    corten_error reason = {.status = CORTEN_OK};
    char place[CT_CLI_SHAPE_TEXT_SIZE];
    char texts[2][CT_CLI_ELEMENT_TEXT_SIZE];
    verdict->compared = true;
    if (ct_cli_difference(expected, found, &verdict->difference, &reason) != CORTEN_OK) {
        snprintf(verdict->text, sizeof verdict->text, "%s", reason.text);
        return;
    }
    const struct ct_cli_difference *d = &verdict->difference;
    double relative = ct_cli_relative_error(d);
    if (d->n_mismatches > 0) {
        size_t first = d->first_mismatch;
        corten_dtype dtype = corten_value_dtype(expected);
        snprintf(verdict->text, sizeof verdict->text,
                 "%zu elements differ, first at %s: found %s, expected %s", d->n_mismatches,
                 ct_cli_index_text(expected, first, place),
                 ct_cli_element_text(dtype, corten_tensor_const_data(found), first, texts[0]),
                 ct_cli_element_text(dtype, corten_tensor_const_data(expected), first, texts[1]));
    } else if (d->exact) {
        snprintf(verdict->text, sizeof verdict->text, "equal");
        verdict->good = true;
    } else {
        snprintf(verdict->text, sizeof verdict->text,
                 "relative error %.3g (largest error %.3g, largest magnitude %.6g)", relative,
                 d->largest_error, d->largest_magnitude);
        verdict->good = relative <= rtol;
    }
}

static void report(const char *name, const struct verdict *verdict, struct ct_cli_table *table,
                   struct ct_cli_json *json, cJSON *array)
{
    const char *result = !verdict->compared ? "not checked" : verdict->good ? "ok" : "FAILED";
    if (!json) {
        ct_cli_table_add(table, "%s", name);
        ct_cli_table_add(table, "%s", result);
        ct_cli_table_add(table, "%s", verdict->text);
        return;
    }
    cJSON *object = ct_cli_json_object(json, array, NULL);
    ct_cli_json_text(json, object, "name", name);
    ct_cli_json_text(json, object, "result", result);
    ct_cli_json_text(json, object, "text", verdict->text);
    if (verdict->compared) {
        ct_cli_json_number(json, object, "relative_error",
                           ct_cli_relative_error(&verdict->difference));
        ct_cli_json_number(json, object, "mismatches", (double)verdict->difference.n_mismatches);
    }
}

static corten_status check_one(struct ct_cli_npz *npz, const char *name, const corten_value *found,
                               double rtol, struct verdict *verdict, corten_error *error)
{
    size_t index = 0;
    corten_value *expected = NULL;
    *verdict = (struct verdict){.compared = false};
    CT_CLI_TRY(find_expected(npz, name, &index, error));
    if (index == SIZE_MAX) {
        snprintf(verdict->text, sizeof verdict->text, "the archive has no such array");
        return CORTEN_OK;
    }
    CT_CLI_TRY(ct_cli_npz_read(npz, index, corten_value_dtype(found), &expected, error));
    judge(expected, found, rtol, verdict);
    corten_value_destroy(expected);
    return CORTEN_OK;
}

static corten_status check_all(const struct ct_cli_outputs *outputs, struct ct_cli_npz *npz,
                               double rtol, struct ct_cli_table *table, struct ct_cli_json *json,
                               corten_error *error)
{
    cJSON *array = json ? ct_cli_json_array(json, json->root, "check") : NULL;
    size_t n_compared = 0;
    size_t n_bad = 0;
    for (size_t i = 0; i < outputs->count; i++) {
        struct verdict verdict;
        CT_CLI_TRY(check_one(npz, outputs->names[i], outputs->values[i], rtol, &verdict, error));
        n_compared += verdict.compared;
        n_bad += verdict.compared && !verdict.good;
        report(outputs->names[i], &verdict, table, json, array);
    }
    if (!json)
        CT_CLI_TRY(ct_cli_table_print(table, 0, stdout, error));
    if (n_compared == 0)
        return ct_cli_fail(error, CORTEN_RUN_FAILED,
                           "the archive has no array of the name of an output");
    if (n_bad > 0)
        return ct_cli_fail(error, CORTEN_RUN_FAILED, "%zu of %zu outputs differ by more than %g",
                           n_bad, n_compared, rtol);
    return CORTEN_OK;
}

corten_status ct_cli_outputs_check(const struct ct_cli_outputs *outputs, const char *path,
                                   double rtol, struct ct_cli_json *json, corten_error *error)
{
    struct ct_cli_npz *npz = NULL;
    struct ct_cli_table table;
    CT_CLI_TRY(ct_cli_npz_open(path, &npz, error));
    ct_cli_table_init(&table, "lll");
    corten_status status = check_all(outputs, npz, rtol, &table, json, error);
    ct_cli_table_deinit(&table);
    ct_cli_npz_close(npz);
    return status == CORTEN_OK ? status : ct_cli_prefix(error, status, "'%s'", path);
}
