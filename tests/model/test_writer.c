/* What the IR does not interpret comes through reading and writing. */
#include "model/reader.h"
#include "model/writer.h"

#include "model/proto.h"
#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static bool contains(const void *bytes, size_t size_bytes, const struct proto *part)
{
    return memmem(bytes, size_bytes, part->bytes, part->size_bytes) != NULL;
}

/* Reads, writes, and looks for a part of the message in what was written. */
static void expect_part(const struct proto *model_proto, const struct proto *part)
{
    struct ct_model *model;
    void *bytes;
    size_t size_bytes;
    corten_error error = {0};
    if (ct_model_read_memory(model_proto->bytes, model_proto->size_bytes, NULL, NULL, "m", NULL,
                             &model, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    assert_int_equal(ct_model_write_memory(model, NULL, &bytes, &size_bytes, &error), CORTEN_OK);
    assert_true(contains(bytes, size_bytes, part));
    ct_release(ct_default_allocator(), bytes, size_bytes);
    ct_model_destroy(model);
}

static void unknown_fields_are_kept(void **state)
{
    (void)state;
    struct proto unknown = {.size_bytes = 0};
    proto_text(&unknown, 1000, "from the future");
    for (int place = 0; place < 4; place++) {
        const int64_t one = 1;
        struct proto graph = {.size_bytes = 0}, info = graph;
        struct proto tensor = proto_tensor("w", CORTEN_U8, 1, &one);
        struct proto node = proto_node("Identity", "n", "w", NULL, "y");
        proto_bytes(&tensor, 9, "x", 1);
        proto_text(&info, 1, "y");
        if (place == 0)
            proto_raw(&tensor, unknown.bytes, unknown.size_bytes);
        if (place == 1)
            proto_raw(&node, unknown.bytes, unknown.size_bytes);
        if (place == 2)
            proto_raw(&info, unknown.bytes, unknown.size_bytes);
        proto_message(&graph, 1, &node);
        proto_message(&graph, 5, &tensor);
        proto_message(&graph, 12, &info);
        struct proto p = proto_model(&graph);
        if (place == 3)
            proto_raw(&p, unknown.bytes, unknown.size_bytes);
        expect_part(&p, &unknown);
    }
}

static void a_type_that_is_not_understood_is_kept(void **state)
{
    (void)state;
    struct proto opaque = {.size_bytes = 0}, type = opaque, info = opaque, graph = opaque;
    proto_text(&opaque, 1, "domain");
    proto_text(&opaque, 2, "thing");
    proto_message(&type, 7, &opaque);
    proto_text(&info, 1, "x");
    proto_message(&info, 2, &type);
    proto_message(&graph, 11, &info);
    struct proto p = proto_model(&graph);
    expect_part(&p, &info);
}

static void training_information_and_annotations_are_kept(void **state)
{
    (void)state;
    struct proto graph = {.size_bytes = 0}, annotation = graph, training = graph;
    struct proto kept_annotation = graph, kept_training = graph;
    proto_text(&annotation, 1, "x");
    proto_message(&graph, 14, &annotation);
    proto_message(&kept_annotation, 14, &annotation);
    struct proto p = proto_model(&graph);
    proto_text(&training, 3, "binding");
    proto_message(&p, 20, &training);
    proto_message(&kept_training, 20, &training);
    expect_part(&p, &kept_annotation);
    expect_part(&p, &kept_training);
}

static void an_input_hidden_by_an_old_version_stays_in_its_place(void **state)
{
    (void)state;
    const int64_t one = 1;
    struct proto graph = {.size_bytes = 0}, inputs = graph;
    struct proto tensor = proto_tensor("w", CORTEN_U8, 1, &one);
    proto_bytes(&tensor, 9, "x", 1);
    static const char *const names[] = {"a", "w", "b"};
    for (int i = 0; i < 3; i++) {
        struct proto info = proto_info(names[i], CORTEN_U8, 1, &one);
        proto_message(&graph, 11, &info);
        proto_message(&inputs, 11, &info);
    }
    proto_message(&graph, 5, &tensor);
    struct proto p = proto_model(&graph);
    proto_varint(&p, 1, 3);
    expect_part(&p, &inputs);
}

static void constants_that_became_unused_are_not_written(void **state)
{
    (void)state;
    const int64_t one = 1;
    struct proto tensor = proto_tensor("weight", CORTEN_U8, 1, &one), name = {.size_bytes = 0};
    proto_bytes(&tensor, 9, "x", 1);
    proto_text(&name, 8, "weight");
    struct proto p = proto_model_of_tensor(&tensor, "weight");
    expect_part(&p, &name);

    struct ct_model *model;
    void *bytes;
    size_t size_bytes;
    assert_int_equal(
        ct_model_read_memory(p.bytes, p.size_bytes, NULL, NULL, "m", NULL, &model, NULL),
        CORTEN_OK);
    ct_node_set_input(model->graph->first, 0, NULL);
    assert_int_equal(ct_model_write_memory(model, NULL, &bytes, &size_bytes, NULL), CORTEN_OK);
    assert_false(contains(bytes, size_bytes, &name));
    ct_release(ct_default_allocator(), bytes, size_bytes);
    ct_model_destroy(model);
}

static void two_gigabytes_do_not_fit_into_memory_form(void **state)
{
    (void)state;
    /* Address space only: the weights are counted, not read. */
    size_t size_bytes = (size_t)3 << 30;
    void *space =
        mmap(NULL, size_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(space != MAP_FAILED);
    struct ct_model *model;
    void *bytes = NULL;
    corten_error error = {0};
    struct ct_tensor tensor = {.dtype = CORTEN_U8, .rank = 1, .dims = {(int64_t)size_bytes}};
    tensor.data = space;
    assert_int_equal(ct_model_create(NULL, "m", &model, NULL), CORTEN_OK);
    struct ct_value *w = ct_graph_add_constant(model->graph, "w", &tensor);
    assert_true(w && ct_graph_add_output(model->graph, w));
    assert_int_equal(ct_model_write_memory(model, NULL, &bytes, &size_bytes, &error),
                     CORTEN_LIMIT_EXCEEDED);
    assert_null(bytes);
    ct_model_destroy(model);
    munmap(space, (size_t)3 << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_fields_are_kept),
        cmocka_unit_test(a_type_that_is_not_understood_is_kept),
        cmocka_unit_test(training_information_and_annotations_are_kept),
        cmocka_unit_test(an_input_hidden_by_an_old_version_stays_in_its_place),
        cmocka_unit_test(constants_that_became_unused_are_not_written),
        cmocka_unit_test(two_gigabytes_do_not_fit_into_memory_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
