/* Reads models or values and writes them again, for roundtrip.py to compare.
 *   corten-roundtrip model IN OUT            one file
 *   corten-roundtrip external IN OUT         weights to OUT.data
 *   corten-roundtrip KIND IN OUT             a value: tensor, sequence, optional, map or sparse
 * With --list, each line of standard input is such a set of three arguments. */
#include "model/reader.h"
#include "model/value_proto.h"
#include "model/writer.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>

static ct_status copy_model(const char *in, const char *out, bool external, corten_error *error)
{
    struct ct_model *model;
    CT_TRY(ct_model_read_file(in, NULL, NULL, &model, error));
    ct_status status = ct_graph_verify(model->graph, error);
    if (status == CORTEN_OK)
        status = ct_model_write_file(model, out, external, error);
    ct_model_destroy(model);
    return status;
}

static ct_status write_value(const struct ct_tensor *value, const char *name, const char *out,
                             corten_error *error)
{
    void *bytes;
    size_t size_bytes;
    CT_TRY(ct_value_proto_serialize(value, name, NULL, &bytes, &size_bytes, error));
    struct ct_os_piece piece = {bytes, size_bytes};
    ct_status status = ct_os_write_file(out, &piece, 1, error);
    ct_release(ct_default_allocator(), bytes, size_bytes);
    return status;
}

static ct_status copy_value(corten_kind kind, const char *in, const char *out, corten_error *error)
{
    struct ct_os_map map;
    struct ct_tensor value = {0};
    corten_string name;
    char text[256];
    CT_TRY(ct_os_map_file(in, &map, error));
    ct_status status =
        ct_value_proto_parse(kind, map.data, map.size_bytes, NULL, &name, &value, error);
    if (status == CORTEN_OK) {
        snprintf(text, sizeof text, "%.*s", (int)name.size_bytes, name.data);
        status = write_value(&value, text, out, error);
        ct_tensor_clear(&value);
    }
    ct_os_unmap(&map);
    return status;
}

static int copy(const char *what, const char *in, const char *out)
{
    static const char *const kinds[] = {"tensor", "sequence", "optional", "map", "sparse"};
    corten_error error = {0};
    ct_status status = CORTEN_INVALID_ARGUMENT;
    snprintf(error.text, sizeof error.text, "'%s' is not known", what);
    if (strcmp(what, "model") == 0 || strcmp(what, "external") == 0)
        status = copy_model(in, out, what[0] == 'e', &error);
    for (int kind = 0; kind < 5; kind++) {
        if (strcmp(what, kinds[kind]) == 0)
            status = copy_value((corten_kind)kind, in, out, &error);
    }
    if (status != CORTEN_OK)
        printf("%s: %s\n", in, error.text);
    return status != CORTEN_OK;
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return copy(argv[1], argv[2], argv[3]);
    if (argc != 2 || strcmp(argv[1], "--list") != 0)
        return 2;
    char what[32], in[1024], out[1024];
    int failed = 0;
    while (scanf("%31s %1023s %1023s", what, in, out) == 3)
        failed |= copy(what, in, out);
    return failed;
}
