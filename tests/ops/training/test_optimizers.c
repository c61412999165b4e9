/* Optimizers: groups of inputs that do not add up, and several tensors at once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

static void incomplete_groups_are_refused(void **state)
{
    (void)state;
    static const char *const ops[] = {"Adagrad", "Adam", "Momentum"};
    for (int op = 0; op < 3; op++) {
        struct one_node one;
        struct ct_fact out;
        one_node_init(&one, "ai.onnx.preview.training", ops[op], 1, 7, 1);
        one_node_input(&one, 0, CORTEN_F32, 0, NULL, NULL);
        one_node_input(&one, 1, CORTEN_I64, 0, NULL, NULL);
        for (int i = 2; i < 7; i++)
            one_node_input(&one, i, CORTEN_F32, 1, (int64_t[]){3}, NULL);
        assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
}

static void gradients_of_another_shape_are_refused(void **state)
{
    (void)state;
    struct one_node one;
    struct ct_fact out;
    one_node_init(&one, "ai.onnx.preview.training", "Momentum", 1, 5, 1);
    one_node_input(&one, 0, CORTEN_F32, 0, NULL, NULL);
    one_node_input(&one, 1, CORTEN_I64, 0, NULL, NULL);
    one_node_input(&one, 2, CORTEN_F32, 1, (int64_t[]){3}, NULL);
    one_node_input(&one, 3, CORTEN_F32, 1, (int64_t[]){4}, NULL);
    one_node_input(&one, 4, CORTEN_F32, 1, (int64_t[]){3}, NULL);
    assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
    one_node_deinit(&one);
}

static void momentum_moves_each_tensor_by_its_own_gradient(void **state)
{
    (void)state;
    struct one_node one;
    static const float rate = 0.5f, x0 = 1, x1 = 2, g0 = 4, g1 = -2, v = 0;
    static const int64_t count = 0;
    static const float *const inputs[] = {&x0, &x1, &g0, &g1, &v, &v};
    one_node_init(&one, "ai.onnx.preview.training", "Momentum", 1, 8, 4);
    one_node_float(&one, "alpha", 0.9f);
    one_node_float(&one, "beta", 0.1f);
    one_node_text(&one, "mode", "standard");
    one_node_input(&one, 0, CORTEN_F32, 0, NULL, &rate);
    one_node_input(&one, 1, CORTEN_I64, 0, NULL, &count);
    for (int i = 0; i < 6; i++)
        one_node_input(&one, 2 + i, CORTEN_F32, 1, (int64_t[]){1}, inputs[i]);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    static const float want[4] = {-1, 3, 4, -2};
    for (int i = 0; i < 4; i++)
        assert_true(CT_DATA(float, &one.out[i])[0] == want[i]);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(incomplete_groups_are_refused),
        cmocka_unit_test(gradients_of_another_shape_are_refused),
        cmocka_unit_test(momentum_moves_each_tensor_by_its_own_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
