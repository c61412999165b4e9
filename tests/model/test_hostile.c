/* Models cut off anywhere, with flipped bytes, and read without memory: an error or a model that
 * holds together, never a crash. Worth most under the address sanitizer. */
#include "model/reader.h"
#include "model/writer.h"
#include "os/os.h"

#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CUTS = 500, FLIPS = 5000, FLIPS_OF_LARGE = 300, LARGE_BYTES = 20000 };

static const char *const seeds[] = {"tests/fuzz/corpus/fuzz_model/simple.onnx",
                                    "tests/fuzz/corpus/fuzz_model/control.onnx",
                                    "tests/fuzz/corpus/fuzz_model/function.onnx",
                                    "tests/fuzz/corpus/fuzz_model/storages.onnx",
                                    "tests/fuzz/corpus/fuzz_model/types.onnx",
                                    "tests/models/mobilenet-v2-classic.onnx",
                                    "tests/models/gpt2-dynamo.onnx"};
enum { SEED_COUNT = sizeof seeds / sizeof seeds[0] };

/* A copy of just its size, so that the sanitizer sees a read past its end. */
static void try_bytes(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *copy = malloc(size_bytes ? size_bytes : 1);
    struct ct_model *model = NULL;
    corten_error error = {0};
    assert_non_null(copy);
    if (size_bytes)
        memcpy(copy, bytes, size_bytes);
    ct_status status =
        ct_model_read_memory(copy, size_bytes, NULL, NULL, "m", NULL, &model, &error);
    if (status == CORTEN_OK) {
        void *written;
        size_t written_bytes;
        if (ct_graph_verify(model->graph, &error) != CORTEN_OK)
            fail_msg("%s", error.text);
        assert_int_equal(ct_model_write_memory(model, NULL, &written, &written_bytes, &error),
                         CORTEN_OK);
        ct_release(ct_default_allocator(), written, written_bytes);
        ct_model_destroy(model);
    } else {
        assert_null(model);
        assert_true(error.text[0] != '\0');
        assert_int_equal(error.status, status);
    }
    free(copy);
}

static bool open_seed(const char *path, struct ct_os_map *map)
{
    return ct_os_map_file(path, map, NULL) == CORTEN_OK;
}

static void a_model_that_is_cut_off_is_an_error(void **state)
{
    (void)state;
    for (int s = 0; s < SEED_COUNT; s++) {
        struct ct_os_map map;
        if (!open_seed(seeds[s], &map))
            continue;
        for (size_t i = 0; i < CUTS; i++)
            try_bytes(map.data, map.size_bytes * i / CUTS);
        ct_os_unmap(&map);
    }
}

static void flipped_bytes_do_no_harm(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int s = 0; s < SEED_COUNT; s++) {
        struct ct_os_map map;
        if (!open_seed(seeds[s], &map))
            continue;
        uint8_t *bytes = malloc(map.size_bytes);
        assert_non_null(bytes);
        memcpy(bytes, map.data, map.size_bytes);
        int flips = map.size_bytes > LARGE_BYTES ? FLIPS_OF_LARGE : FLIPS;
        for (int i = 0; i < flips; i++) {
            random = random * 1664525 + 1013904223;
            size_t at = (random >> 8) % map.size_bytes;
            uint8_t old = bytes[at];
            bytes[at] = (uint8_t)(old ^ (1u << (random >> 29)) ^ (i & 1 ? random >> 16 : 0));
            try_bytes(bytes, map.size_bytes);
            bytes[at] = old;
        }
        free(bytes);
        ct_os_unmap(&map);
    }
}

static ct_status read_and_write(const corten_allocator *allocator, void *arg, corten_error *error)
{
    const struct ct_os_map *map = arg;
    struct ct_model *model;
    void *bytes;
    size_t size_bytes;
    CT_TRY(ct_model_read_memory(map->data, map->size_bytes, NULL, NULL, "m", allocator, &model,
                                error));
    ct_status status = ct_model_write_memory(model, allocator, &bytes, &size_bytes, error);
    if (status == CORTEN_OK)
        ct_release(allocator, bytes, size_bytes);
    if (status == CORTEN_OK)
        status = ct_model_inline_functions(model, error);
    if (status == CORTEN_OK)
        status = ct_graph_find_captures(model->graph, error);
    ct_model_destroy(model);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int failures = 0;
    for (int s = 0; s < SEED_COUNT; s++) {
        struct ct_os_map map;
        if (!open_seed(seeds[s], &map))
            continue;
        failures += test_each_allocation_failure(read_and_write, &map);
        ct_os_unmap(&map);
    }
    assert_true(failures > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_that_is_cut_off_is_an_error),
        cmocka_unit_test(flipped_bytes_do_no_harm),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
