/* Sequence operators: positions, types of items, and that items outlive what they came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ops/eval.h"
#include "ops/registry.h"
#include "support/builder.h"

/* Runs one node on its own. attrs: name, value, …, NULL. */
static ct_status eval(const char *op_type, int n_in, const struct ct_tensor *const *in,
                      struct ct_tensor *out, corten_error *error, const char *attr, int64_t value)
{
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_node *node = ct_graph_add_node(model->graph, NULL, "", op_type, n_in, 1);
    struct ct_exec exec = {.allocator = ct_default_allocator(), .error = error};
    assert_non_null(node);
    for (int i = 0; i < n_in; i++)
        ct_node_set_input(node, i, ct_graph_add_value(model->graph, NULL));
    ct_node_set_output(node, 0, ct_graph_add_value(model->graph, NULL));
    if (attr)
        assert_true(ct_node_set_int(node, attr, value));
    ct_status status = ct_op_resolve(node, error);
    if (status == CORTEN_OK)
        status = ct_eval_node(node, in, out, &exec);
    ct_model_destroy(model);
    return status;
}

static struct ct_tensor ints(int64_t n, int64_t *values)
{
    return test_tensor(CORTEN_I64, 1, &n, values);
}

/* A sequence of [1], [2, 3] and [], made of memory that is then overwritten. */
static struct ct_tensor sequence_of_three(void)
{
    int64_t values[] = {1, 2, 3};
    struct ct_tensor a = ints(1, values), b = ints(2, values + 1), c = ints(0, values), out = {0};
    corten_error error = {0};
    const struct ct_tensor *in[] = {&a, &b, &c};
    assert_int_equal(eval("SequenceConstruct", 3, in, &out, &error, NULL, 0), CORTEN_OK);
    memset(values, 0xee, sizeof values);
    assert_int_equal(ct_sequence_of(&out)->count, 3);
    return out;
}

static void positions_count_from_both_ends(void **state)
{
    (void)state;
    struct ct_tensor sequence = sequence_of_three();
    for (int64_t at = -5; at < 5; at++) {
        struct ct_tensor position = test_tensor(CORTEN_I64, 0, (int64_t[]){0}, &at), out = {0};
        const struct ct_tensor *in[] = {&sequence, &position};
        corten_error error = {0};
        ct_status status = eval("SequenceAt", 2, in, &out, &error, NULL, 0);
        assert_int_equal(status, at >= -3 && at < 3 ? CORTEN_OK : CORTEN_RUN_FAILED);
        if (at == 1 || at == -2)
            assert_memory_equal(out.data, ((int64_t[]){2, 3}), 16);
        ct_tensor_clear(&out);
        status = eval("SequenceErase", 2, in, &out, &error, NULL, 0);
        assert_int_equal(status, at >= -3 && at < 3 ? CORTEN_OK : CORTEN_RUN_FAILED);
        if (status == CORTEN_OK)
            assert_int_equal(ct_sequence_of(&out)->count, 2);
        ct_tensor_clear(&out);
    }
    ct_tensor_clear(&sequence);
}

static void insertion_may_be_at_the_end_and_keeps_the_type(void **state)
{
    (void)state;
    struct ct_tensor sequence = sequence_of_three();
    int64_t nine = 9, end = 3, beyond = 4;
    struct ct_tensor item = ints(1, &nine), at = ints(1, &end), out = {0};
    const struct ct_tensor *in[] = {&sequence, &item, &at};
    corten_error error = {0};
    assert_int_equal(eval("SequenceInsert", 3, in, &out, &error, NULL, 0), CORTEN_OK);
    assert_int_equal(ct_sequence_of(&out)->count, 4);
    assert_int_equal(*CT_DATA(int64_t, &ct_sequence_of(&out)->items[3]), 9);
    ct_tensor_clear(&out);
    at.data = &beyond;
    assert_int_equal(eval("SequenceInsert", 3, in, &out, &error, NULL, 0), CORTEN_RUN_FAILED);
    float x = 1;
    struct ct_tensor wrong = test_tensor(CORTEN_F32, 1, (int64_t[]){1}, &x);
    in[1] = &wrong;
    assert_int_equal(eval("SequenceInsert", 2, in, &out, &error, NULL, 0), CORTEN_INVALID_MODEL);
    assert_non_null(strstr(error.text, "does not go into a sequence of int64"));
    ct_tensor_clear(&sequence);
}

static void parts_must_cover_the_axis(void **state)
{
    (void)state;
    int64_t values[] = {1, 2, 3, 4, 5}, good[] = {0, 3, 2}, bad[] = {3, 3}, negative[] = {6, -1};
    int64_t none = 0;
    struct ct_tensor x = ints(5, values), split = ints(3, good), out = {0};
    const struct ct_tensor *in[] = {&x, &split};
    corten_error error = {0};
    assert_int_equal(eval("SplitToSequence", 2, in, &out, &error, "axis", -1), CORTEN_OK);
    assert_int_equal(ct_sequence_of(&out)->items[0].dims[0], 0);
    assert_memory_equal(ct_sequence_of(&out)->items[2].data, values + 3, 16);
    ct_tensor_clear(&out);
    split = ints(2, bad);
    assert_int_equal(eval("SplitToSequence", 2, in, &out, &error, NULL, 0), CORTEN_RUN_FAILED);
    split = ints(2, negative);
    assert_int_equal(eval("SplitToSequence", 2, in, &out, &error, NULL, 0), CORTEN_RUN_FAILED);
    split = test_tensor(CORTEN_I64, 0, (int64_t[]){0}, &none);
    assert_int_equal(eval("SplitToSequence", 2, in, &out, &error, NULL, 0), CORTEN_RUN_FAILED);
    assert_int_equal(eval("SplitToSequence", 1, in, &out, &error, "axis", 1), CORTEN_INVALID_MODEL);
    assert_int_equal(eval("SplitToSequence", 1, in, &out, &error, "keepdims", 0), CORTEN_OK);
    assert_int_equal(ct_sequence_of(&out)->count, 5);
    assert_int_equal(ct_sequence_of(&out)->items[4].rank, 0);
    ct_tensor_clear(&out);
}

static void items_that_do_not_fit_are_not_joined(void **state)
{
    (void)state;
    struct ct_tensor sequence = sequence_of_three(), out = {0};
    const struct ct_tensor *in[] = {&sequence};
    corten_error error = {0};
    assert_int_equal(eval("ConcatFromSequence", 1, in, &out, &error, "axis", 0), CORTEN_OK);
    assert_int_equal(out.dims[0], 3);
    assert_memory_equal(out.data, ((int64_t[]){1, 2, 3}), 24);
    ct_tensor_clear(&out);
    assert_int_not_equal(eval("ConcatFromSequence", 1, in, &out, &error, "axis", 1), CORTEN_OK);
    ct_tensor_clear(&sequence);
    assert_int_equal(eval("SequenceEmpty", 0, NULL, &out, &error, "dtype", CORTEN_F32), CORTEN_OK);
    sequence = out;
    out = (struct ct_tensor){0};
    assert_int_not_equal(eval("ConcatFromSequence", 1, in, &out, &error, "axis", 0), CORTEN_OK);
    ct_tensor_clear(&sequence);
}

static void sequences_are_no_operands_of_other_operators(void **state)
{
    (void)state;
    struct ct_tensor sequence = sequence_of_three(), out = {0};
    const struct ct_tensor *in[] = {&sequence};
    corten_error error = {0};
    assert_int_equal(eval("NonZero", 1, in, &out, &error, NULL, 0), CORTEN_INVALID_MODEL);
    assert_non_null(strstr(error.text, "must be a tensor"));
    ct_tensor_clear(&sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_count_from_both_ends),
        cmocka_unit_test(insertion_may_be_at_the_end_and_keeps_the_type),
        cmocka_unit_test(parts_must_cover_the_axis),
        cmocka_unit_test(items_that_do_not_fit_are_not_joined),
        cmocka_unit_test(sequences_are_no_operands_of_other_operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
