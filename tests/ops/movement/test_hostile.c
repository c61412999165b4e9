/* Shape inference of the movement family refuses what cannot be, and never reads past an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/infer.h"
#include "ops/registry.h"
#include "support/builder.h"

/* One node over constants and inputs of a shape; the status of its inference. */
struct bench {
    struct ct_model *model;
    struct ct_node *node;
};

static struct bench make(const char *op_type, int64_t opset, int n_in, int n_out)
{
    struct bench b;
    corten_error error = {0};
    assert_int_equal(ct_model_create(ct_default_allocator(), "test", &b.model, &error), CORTEN_OK);
    assert_int_equal(ct_model_import(b.model, "", opset, &error), CORTEN_OK);
    b.node = ct_graph_add_node(b.model->graph, NULL, "", op_type, n_in, n_out);
    assert_non_null(b.node);
    for (int i = 0; i < n_out; i++)
        ct_node_set_output(b.node, i, ct_graph_add_value(b.model->graph, NULL));
    return b;
}

static void data(struct bench *b, int index, ct_dtype dtype, int rank, const ct_dim *dims)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    ct_node_set_input(b->node, index, test_input(b->model->graph, names[index], dtype, rank, dims));
}

static void ints(struct bench *b, int index, int count, const int64_t *values)
{
    ct_node_set_input(b->node, index, test_ints(b->model->graph, count, values));
}

static ct_status infer(struct bench *b)
{
    corten_error error = {0};
    assert_int_equal(ct_ops_resolve(b->model, &error), CORTEN_OK);
    ct_status status = ct_graph_infer(b->model->graph, &error);
    ct_model_destroy(b->model);
    return status;
}

static const ct_dim dims234[] = {2, 3, 4};

static void test_reshape(void **state)
{
    (void)state;
    static const int64_t bad[][2] = {{-1, -1}, {-2, 12}, {5, 5}, {INT64_MAX, INT64_MAX}, {7, -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench b = make("Reshape", 21, 2, 1);
        data(&b, 0, CORTEN_F32, 3, dims234);
        ints(&b, 1, 2, bad[i]);
        assert_int_not_equal(infer(&b), CORTEN_OK);
    }
    static const int64_t many[40] = {0};
    struct bench b = make("Reshape", 21, 2, 1);
    data(&b, 0, CORTEN_F32, 3, dims234);
    ints(&b, 1, 40, many);
    assert_int_not_equal(infer(&b), CORTEN_OK);
}

static void test_transpose(void **state)
{
    (void)state;
    static const int64_t bad[][3] = {{0, 0, 1}, {0, 1, 3}, {-9, 0, 1}, {INT64_MIN, 1, 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench b = make("Transpose", 21, 1, 1);
        data(&b, 0, CORTEN_F32, 3, dims234);
        assert_true(ct_node_set_ints(b.node, "perm", bad[i], 3));
        assert_int_not_equal(infer(&b), CORTEN_OK);
    }
}

static void test_axes(void **state)
{
    (void)state;
    static const char *const ops[] = {"Concat", "Split", "Gather", "GatherElements"};
    static const int64_t axes[] = {3, -4, INT64_MAX, INT64_MIN};
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
        for (size_t i = 0; i < sizeof axes / sizeof *axes; i++) {
            struct bench b = make(ops[o], 18, o >= 2 ? 2 : 1, 1);
            data(&b, 0, CORTEN_F32, 3, dims234);
            if (o >= 2)
                data(&b, 1, CORTEN_I64, 3, dims234);
            assert_true(ct_node_set_int(b.node, "axis", axes[i]));
            assert_int_not_equal(infer(&b), CORTEN_OK);
        }
}

static void test_unsqueeze(void **state)
{
    (void)state;
    static const int64_t bad[][2] = {{0, 0}, {0, -5}, {5, 0}, {INT64_MIN, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench b = make("Unsqueeze", 13, 2, 1);
        data(&b, 0, CORTEN_F32, 3, dims234);
        ints(&b, 1, 2, bad[i]);
        assert_int_not_equal(infer(&b), CORTEN_OK);
    }
}

static void test_slice_extremes(void **state)
{
    (void)state;
    static const int64_t zero[] = {0}, most[] = {INT64_MAX}, least[] = {INT64_MIN};
    struct bench b = make("Slice", 13, 5, 1);
    data(&b, 0, CORTEN_F32, 3, dims234);
    ints(&b, 1, 1, zero);
    ints(&b, 2, 1, most);
    ints(&b, 3, 1, zero);
    ints(&b, 4, 1, zero); /* a step of 0 */
    assert_int_not_equal(infer(&b), CORTEN_OK);
    b = make("Slice", 13, 5, 1);
    data(&b, 0, CORTEN_F32, 3, dims234);
    ints(&b, 1, 1, most);
    ints(&b, 2, 1, least);
    ints(&b, 3, 1, zero);
    ints(&b, 4, 1, least); /* the largest step backwards takes one element */
    assert_int_equal(infer(&b), CORTEN_OK);
}

static void test_pad(void **state)
{
    (void)state;
    static const int64_t bad[][6] = {{INT64_MAX, 0, 0, INT64_MAX, 0, 0},
                                     {INT64_MAX, 0, 0, -INT64_MAX, 0, 0},
                                     {-3, 0, 0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench b = make("Pad", 21, 2, 1);
        data(&b, 0, CORTEN_F32, 3, dims234);
        ints(&b, 1, 6, bad[i]);
        assert_int_not_equal(infer(&b), CORTEN_OK);
    }
}

static void test_sizes_overflow(void **state)
{
    (void)state;
    static const int64_t huge[] = {INT64_MAX, INT64_MAX, INT64_MAX}, below[] = {-1, 1, 1};
    static const char *const ops[] = {"Tile", "Expand"};
    for (int o = 0; o < 2; o++) {
        struct bench b = make(ops[o], 13, 2, 1);
        data(&b, 0, CORTEN_F32, 3, dims234);
        ints(&b, 1, 3, o ? below : huge);
        assert_int_not_equal(infer(&b), CORTEN_OK);
    }
    struct bench b = make("ConstantOfShape", 20, 1, 1);
    ints(&b, 0, 3, below);
    assert_int_not_equal(infer(&b), CORTEN_OK);
    b = make("DepthToSpace", 13, 1, 1);
    static const ct_dim dims[] = {1, 4, INT64_MAX / 2, 4};
    data(&b, 0, CORTEN_F32, 4, dims);
    assert_true(ct_node_set_int(b.node, "blocksize", 0));
    assert_int_not_equal(infer(&b), CORTEN_OK);
}

static void test_scatter_and_gather_nd(void **state)
{
    (void)state;
    static const ct_dim deep[] = {2, 9}, shallow[] = {2, 2};
    struct bench b = make("GatherND", 13, 2, 1);
    data(&b, 0, CORTEN_F32, 3, dims234);
    data(&b, 1, CORTEN_I64, 2, deep);
    assert_int_not_equal(infer(&b), CORTEN_OK);
    b = make("ScatterND", 18, 3, 1);
    data(&b, 0, CORTEN_F32, 3, dims234);
    data(&b, 1, CORTEN_I64, 2, shallow);
    data(&b, 2, CORTEN_F32, 3, dims234);
    assert_int_not_equal(infer(&b), CORTEN_OK);
    b = make("GatherND", 13, 2, 1);
    data(&b, 0, CORTEN_F32, 3, dims234);
    data(&b, 1, CORTEN_I64, 2, shallow);
    assert_true(ct_node_set_int(b.node, "batch_dims", -1));
    assert_int_not_equal(infer(&b), CORTEN_OK);
}

/* Shapes that depend on symbols come out as symbols where they can. */
static void test_symbolic_reshape(void **state)
{
    (void)state;
    static const int64_t shape[] = {0, -1, 2};
    struct bench b = make("Reshape", 21, 2, 1);
    ct_dim dims[] = {ct_symbol(&b.model->symbols, "batch"), 3, 4};
    data(&b, 0, CORTEN_F32, 3, dims);
    ints(&b, 1, 3, shape);
    corten_error error = {0};
    assert_int_equal(ct_ops_resolve(b.model, &error), CORTEN_OK);
    assert_int_equal(ct_graph_infer(b.model->graph, &error), CORTEN_OK);
    const struct ct_fact *out = &b.node->out[0]->fact;
    assert_int_equal(out->rank, 3);
    assert_true(out->dims[0] == dims[0]);
    assert_int_equal(out->dims[1], 6);
    assert_int_equal(out->dims[2], 2);
    ct_model_destroy(b.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_unsqueeze),
        cmocka_unit_test(test_slice_extremes),
        cmocka_unit_test(test_pad),
        cmocka_unit_test(test_sizes_overflow),
        cmocka_unit_test(test_scatter_and_gather_nd),
        cmocka_unit_test(test_symbolic_reshape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
