#include "inputs.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"
#include "file.h"
#include "npy.h"
#include "npz.h"
#include "random.h"
#include "text.h"

struct range {
    int64_t least, most;
};

static corten_status parse_shape(const char *argument, size_t *name_size, int *rank, int64_t *dims,
                                 corten_error *error)
{
    const char *at = ct_cli_split(argument, '=', name_size);
    int count = 0;
    bool good = at != NULL;
    /* "NAME=" is a scalar. */
    while (good && *at) {
        char *end = NULL;
        long long dim = *at >= '0' && *at <= '9' ? strtoll(at, &end, 10) : -1;
        good = dim >= 0 && dim < INT64_MAX && count < CORTEN_MAX_RANK;
        good = good && (*end == '\0' || (*end == 'x' && end[1] != '\0'));
        if (!good)
            break;
        dims[count++] = dim;
        at = *end == 'x' ? end + 1 : end;
    }
    if (!good)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "'%s' is not NAME=D0xD1x... with at most %d dimensions", argument,
                           CORTEN_MAX_RANK);
    *rank = count;
    return CORTEN_OK;
}

static corten_status check_shape(const char *argument, corten_error *error)
{
    size_t size = 0;
    int rank = 0;
    int64_t dims[CORTEN_MAX_RANK];
    return parse_shape(argument, &size, &rank, dims, error);
}

/* `*name_size` is 0 for a range of all inputs. */
static corten_status parse_range(const char *argument, size_t *name_size, struct range *range,
                                 corten_error *error)
{
    const char *numbers = ct_cli_split(argument, '=', name_size);
    if (!numbers) {
        numbers = argument;
        *name_size = 0;
    }
    size_t size = 0;
    const char *most = ct_cli_split(numbers, ':', &size);
    char least[32];
    if (most && size < sizeof least) {
        memcpy(least, numbers, size);
        least[size] = '\0';
        if (ct_cli_parse_int(least, &range->least) && ct_cli_parse_int(most, &range->most) &&
            range->least <= range->most)
            return CORTEN_OK;
    }
    return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                       "'%s' is not LOW:HIGH or NAME=LOW:HIGH, whole numbers in order", argument);
}

static corten_status check_range(const char *argument, corten_error *error)
{
    size_t size = 0;
    struct range range;
    return parse_range(argument, &size, &range, error);
}

static corten_status check_file(const char *argument, corten_error *error)
{
    size_t size = 0;
    const char *path = ct_cli_split(argument, '=', &size);
    if (!path || path[0] == '\0')
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "'%s' is not NAME=FILE", argument);
    return CORTEN_OK;
}

#define FIELD(name) offsetof(struct ct_cli_input_args, name)

const struct ct_cli_option ct_cli_input_options[] = {
    {.name = "input",
     .letter = 'i',
     .type = CT_CLI_LIST,
     .offset = FIELD(files),
     .argument = "NAME=FILE",
     .check = check_file,
     .help = "an input from a .npy, .npz, .pb (serialized TensorProto, SequenceProto or "
             "OptionalProto) or picture file; may be repeated"},
    {.name = "inputs",
     .type = CT_CLI_TEXT,
     .offset = FIELD(archive),
     .argument = "FILE.npz",
     .help = "inputs from an archive, arrays named NAME or in:NAME; out:NAME is passed over"},
    {.name = "random",
     .type = CT_CLI_FLAG,
     .offset = FIELD(random),
     .help = "make up the inputs that no file gives: floats normal, integers even"},
    {.name = "seed",
     .type = CT_CLI_INT,
     .offset = FIELD(seed),
     .argument = "N",
     .fallback = "0",
     .least = -0x1p62,
     .most = 0x1p62,
     .help = "seed of --random"},
    {.name = "int-range",
     .type = CT_CLI_LIST,
     .offset = FIELD(int_ranges),
     .argument = "[NAME=]LOW:HIGH",
     .check = check_range,
     .help = "range of random integers, of all inputs or of one; 0:9 without it"},
    {.name = "shape",
     .type = CT_CLI_LIST,
     .offset = FIELD(shapes),
     .argument = "NAME=2x3",
     .check = check_shape,
     .help = "shape of a random input; without it the declared one, with 1 for what is open"},
    {.name = NULL},
};

static corten_status load_npy(const char *path, corten_dtype declared, corten_value **value,
                              corten_error *error)
{
    struct ct_cli_reader reader;
    CT_CLI_TRY(ct_cli_file_open(path, &reader, error));
    corten_status status = ct_cli_npy_read(&reader, declared, value, error);
    ct_cli_file_close(&reader);
    return status == CORTEN_OK ? status : ct_cli_prefix(error, status, "'%s'", path);
}

static corten_status load_single(const char *path, corten_dtype declared, corten_value **value,
                                 corten_error *error)
{
    struct ct_cli_npz *npz = NULL;
    CT_CLI_TRY(ct_cli_npz_open(path, &npz, error));
    corten_status status = CORTEN_OK;
    if (ct_cli_npz_count(npz) != 1 || !ct_cli_npz_name(npz, 0))
        status = ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "%zu entries, expected one array",
                             ct_cli_npz_count(npz));
    else
        status = ct_cli_npz_read(npz, 0, declared, value, error);
    ct_cli_npz_close(npz);
    return status == CORTEN_OK ? status : ct_cli_prefix(error, status, "'%s'", path);
}

static corten_status load_proto(const char *path, corten_kind kind, corten_value **value,
                                corten_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    CT_CLI_TRY(ct_cli_file_load(path, &bytes, &size, error));
    corten_status status = corten_value_parse(kind, bytes, size, NULL, 0, value, error);
    free(bytes);
    return status == CORTEN_OK ? status : ct_cli_prefix(error, status, "'%s'", path);
}

corten_status ct_cli_value_load(const char *path, const corten_value_info *info,
                                corten_value **value, corten_error *error)
{
    if (ct_cli_ends_with(path, ".pb"))
        return load_proto(path, info->kind, value, error);
    if (ct_cli_ends_with(path, ".npy"))
        return load_npy(path, info->dtype, value, error);
    if (ct_cli_ends_with(path, ".npz"))
        return load_single(path, info->dtype, value, error);
    return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                       "'%s' ends in none of .npy, .npz, .pb, or the ending of a picture", path);
}

static bool names_equal(const char *name, const char *text, size_t size)
{
    return strlen(name) == size && memcmp(name, text, size) == 0;
}

/* Index of an input, SIZE_MAX if the model has none of that name. */
static size_t find_input(const corten_value_info *infos, size_t count, const char *name,
                         size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (names_equal(infos[i].name, name, size))
            return i;
    return SIZE_MAX;
}

static corten_status no_input(const corten_value_info *infos, size_t count, const char *what,
                              const char *name, size_t size, corten_error *error)
{
    char known[512] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s'%s'", i > 0 ? ", " : "", infos[i].name);
    }
    return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                       "%s '%.*s': the model has no such input, it has %s", what,
                       (int)(size < 200 ? size : 200), name, known[0] ? known : "none");
}

static corten_status load_files(const struct ct_cli_input_args *args,
                                const struct ct_cli_image_args *image,
                                const corten_value_info *infos, size_t count, corten_value **values,
                                corten_error *error)
{
    for (size_t i = 0; i < args->files.count; i++) {
        const char *item = args->files.items[i];
        size_t size = 0;
        const char *path = ct_cli_split(item, '=', &size);
        size_t index = find_input(infos, count, item, size);
        if (index == SIZE_MAX)
            return no_input(infos, count, "--input", item, size, error);
        if (values[index])
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "--input '%s' is given twice",
                               infos[index].name);
        corten_status status =
            ct_cli_is_image(path)
                ? ct_cli_image_load(path, image, &infos[index], &values[index], error)
                : ct_cli_value_load(path, &infos[index], &values[index], error);
        if (status != CORTEN_OK)
            return ct_cli_prefix(error, status, "input '%s'", infos[index].name);
    }
    return CORTEN_OK;
}

static corten_status load_from_archive(struct ct_cli_npz *npz, const corten_value_info *infos,
                                       size_t count, corten_value **values, corten_error *error)
{
    for (size_t i = 0; i < ct_cli_npz_count(npz); i++) {
        const char *name = ct_cli_npz_name(npz, i);
        if (!name)
            continue;
        size_t index = find_input(infos, count, name, strlen(name));
        if (index == SIZE_MAX && strncmp(name, "out:", 4) == 0)
            continue;
        if (index == SIZE_MAX && strncmp(name, "in:", 3) == 0)
            index = find_input(infos, count, name + 3, strlen(name + 3));
        if (index == SIZE_MAX)
            return no_input(infos, count, "array", name, strlen(name), error);
        if (values[index])
            continue; /* --input of the same name has it */
        CT_CLI_TRY(ct_cli_npz_read(npz, i, infos[index].dtype, &values[index], error));
    }
    return CORTEN_OK;
}

static corten_status load_archive(const struct ct_cli_input_args *args,
                                  const corten_value_info *infos, size_t count,
                                  corten_value **values, corten_error *error)
{
    if (!args->archive)
        return CORTEN_OK;
    struct ct_cli_npz *npz = NULL;
    CT_CLI_TRY(ct_cli_npz_open(args->archive, &npz, error));
    corten_status status = load_from_archive(npz, infos, count, values, error);
    ct_cli_npz_close(npz);
    return status == CORTEN_OK ? status : ct_cli_prefix(error, status, "'%s'", args->archive);
}

static corten_status random_shape(const struct ct_cli_input_args *args,
                                  const corten_value_info *info, int *rank, int64_t *dims,
                                  corten_error *error)
{
    for (size_t i = 0; i < args->shapes.count; i++) {
        size_t size = 0;
        if (ct_cli_split(args->shapes.items[i], '=', &size) &&
            names_equal(info->name, args->shapes.items[i], size))
            return parse_shape(args->shapes.items[i], &size, rank, dims, error);
    }
    if (info->rank < 0)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "input '%s' has no declared rank; give its shape with --shape",
                           info->name);
    *rank = info->rank;
    for (int i = 0; i < info->rank; i++)
        dims[i] = info->dims[i] >= 0 ? info->dims[i] : 1;
    return CORTEN_OK;
}

static corten_status random_range(const struct ct_cli_input_args *args, const char *name,
                                  struct range *range, corten_error *error)
{
    *range = (struct range){0, 9};
    for (size_t i = 0; i < args->int_ranges.count; i++) {
        struct range parsed;
        size_t size = 0;
        CT_CLI_TRY(parse_range(args->int_ranges.items[i], &size, &parsed, error));
        if (size == 0 || names_equal(name, args->int_ranges.items[i], size))
            *range = parsed;
    }
    return CORTEN_OK;
}

static corten_status make_random(const struct ct_cli_input_args *args,
                                 const corten_value_info *info, size_t index, corten_value **value,
                                 corten_error *error)
{
    int rank = 0;
    int64_t dims[CORTEN_MAX_RANK];
    struct range range;
    struct ct_cli_random random;
    if (info->kind != CORTEN_TENSOR)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "input '%s' is %s, which cannot be made up; give it with --input",
                           info->name, info->type_text);
    CT_CLI_TRY(random_shape(args, info, &rank, dims, error));
    CT_CLI_TRY(random_range(args, info->name, &range, error));
    CT_CLI_TRY(corten_tensor_create(NULL, info->dtype, rank, dims, value, error));
    ct_cli_random_init(&random, (uint64_t)args->seed, index);
    return ct_cli_random_fill(&random, range.least, range.most, *value, error);
}

/* Names in --shape and --int-range that no input has are mistakes. */
static corten_status check_names(const struct ct_cli_list *list, const char *what,
                                 const corten_value_info *infos, size_t count, corten_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t size = 0;
        if (ct_cli_split(list->items[i], '=', &size) &&
            find_input(infos, count, list->items[i], size) == SIZE_MAX)
            return no_input(infos, count, what, list->items[i], size, error);
    }
    return CORTEN_OK;
}

static corten_status load_all(const struct ct_cli_input_args *args,
                              const struct ct_cli_image_args *image, const corten_value_info *infos,
                              size_t count, corten_value **values, corten_error *error)
{
    CT_CLI_TRY(check_names(&args->shapes, "--shape", infos, count, error));
    CT_CLI_TRY(check_names(&args->int_ranges, "--int-range", infos, count, error));
    CT_CLI_TRY(load_files(args, image, infos, count, values, error));
    CT_CLI_TRY(load_archive(args, infos, count, values, error));
    for (size_t i = 0; i < count && args->random; i++)
        if (!values[i])
            CT_CLI_TRY(make_random(args, &infos[i], i, &values[i], error));
    return CORTEN_OK;
}

static corten_status read_infos(const corten_session *session, corten_value_info *infos,
                                size_t count, corten_error *error)
{
    for (size_t i = 0; i < count; i++)
        CT_CLI_TRY(corten_session_input_info(session, i, &infos[i], error));
    return CORTEN_OK;
}

corten_status ct_cli_inputs_load(const struct ct_cli_input_args *args,
                                 const struct ct_cli_image_args *image,
                                 const corten_session *session, struct ct_cli_inputs *inputs,
                                 corten_error *error)
{
    size_t count = corten_session_input_count(session);
    corten_value_info *infos = calloc(count + 1, sizeof *infos);
    struct ct_cli_inputs loaded = {.names = calloc(count + 1, sizeof *loaded.names),
                                   .values = calloc(count + 1, sizeof *loaded.values),
                                   .count = count};
    corten_status status = CORTEN_OK;
    if (!infos || !loaded.names || !loaded.values)
        status = ct_cli_no_memory(error, "the inputs");
    if (status == CORTEN_OK)
        status = read_infos(session, infos, count, error);
    if (status == CORTEN_OK)
        status = load_all(args, image, infos, count, loaded.values, error);
    if (status == CORTEN_OK) {
        size_t used = 0;
        for (size_t i = 0; i < count; i++) {
            if (!loaded.values[i])
                continue;
            loaded.names[used] = infos[i].name;
            loaded.values[used++] = loaded.values[i];
        }
        loaded.count = used;
        *inputs = loaded;
    } else {
        if (!loaded.values)
            loaded.count = 0;
        ct_cli_inputs_deinit(&loaded);
    }
    free(infos);
    return status;
}

void ct_cli_inputs_deinit(struct ct_cli_inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        corten_value_destroy(inputs->values[i]);
    free(inputs->names);
    free(inputs->values);
    *inputs = (struct ct_cli_inputs){.names = NULL};
}
