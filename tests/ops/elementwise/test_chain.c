/* ai.corten.Elementwise: results with every kind of broadcasting, and attributes that do not describe
 * a chain. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ops/elementwise/chain.h"
#include "support/one_node.h"

enum { ROWS = 3, COLS = 700 }; /* more than one chunk of results */

static struct ct_chain_step binary(enum ct_binary op, int a, int b)
{
    return (struct ct_chain_step){.binary = true, .op = (int)op, .operand = {a, b}};
}

static struct ct_chain_step unary(enum ct_unary op, int a)
{
    return (struct ct_chain_step){.op = (int)op, .operand = {a, -1}};
}

/* y = |x * row + column| - number */
static void a_chain_broadcasts(void **state)
{
    (void)state;
    static float x[ROWS][COLS], row[COLS];
    float column[ROWS] = {1, -2, 3}, number = 0.5f;
    struct one_node one;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLS; j++)
            x[i][j] = (float)(i * COLS + j) * 0.01f;
    for (int j = 0; j < COLS; j++)
        row[j] = (float)(j % 7) - 3;
    struct ct_chain chain = {.n_in = 4,
                             .n_steps = 4,
                             .steps = {binary(CT_BINARY_MUL, 0, 1), binary(CT_BINARY_ADD, 4, 2),
                                       unary(CT_UNARY_ABS, 5), binary(CT_BINARY_SUB, 6, 3)}};
    for (int threads = 1; threads <= 2; threads++) {
        one_node_init(&one, "ai.corten", "Elementwise", 1, 4, 1);
        one_node_threads(&one, threads);
        assert_true(ct_chain_write(one.node, &chain));
        one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){ROWS, COLS}, x);
        one_node_input(&one, 1, CORTEN_F32, 1, (int64_t[]){COLS}, row);
        one_node_input(&one, 2, CORTEN_F32, 2, (int64_t[]){ROWS, 1}, column);
        one_node_input(&one, 3, CORTEN_F32, 0, NULL, &number);
        if (one_node_run(&one) != CORTEN_OK)
            fail_msg("%s", one.error.text);
        const float *y = one.out[0].data;
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLS; j++)
                assert_true(y[i * COLS + j] == fabsf(x[i][j] * row[j] + column[i]) - number);
        one_node_deinit(&one);
    }
}

static void check_refused(const struct ct_chain *chain)
{
    struct one_node one;
    struct ct_fact out;
    float x = 1;
    one_node_init(&one, "ai.corten", "Elementwise", 1, 1, 1);
    assert_true(ct_chain_write(one.node, chain));
    one_node_input(&one, 0, CORTEN_F32, 0, NULL, &x);
    assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
    assert_non_null(strstr(one.error.text, "do not describe a chain"));
    one_node_deinit(&one);
}

static void operands_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    check_refused(&(struct ct_chain){.n_steps = 1, .steps = {unary(CT_UNARY_EXP, 1)}});
    check_refused(&(struct ct_chain){.n_steps = 1, .steps = {unary(CT_UNARY_EXP, -1)}});
    check_refused(&(struct ct_chain){.n_steps = 1, .steps = {unary(CT_UNARY_EXP, -7)}});
    check_refused(&(struct ct_chain){.n_steps = 1, .steps = {binary(CT_BINARY_ADD, 0, -1)}});
    check_refused(&(struct ct_chain){.n_steps = 1, .steps = {binary(CT_BINARY_ADD, 0, 99)}});
    check_refused(&(struct ct_chain){.n_steps = 2,
                                     .steps = {unary(CT_UNARY_EXP, 2), unary(CT_UNARY_EXP, 0)}});
    check_refused(&(struct ct_chain){.n_steps = 1, .steps = {{.op = CT_UNARY_EXP}}});
}

static void attributes_of_other_lengths_are_refused(void **state)
{
    (void)state;
    struct one_node one;
    struct ct_fact out;
    float x = 1;
    struct ct_chain chain = {.n_steps = 2,
                             .steps = {unary(CT_UNARY_EXP, 0), unary(CT_UNARY_ABS, 1)}};
    one_node_init(&one, "ai.corten", "Elementwise", 1, 1, 1);
    one_node_input(&one, 0, CORTEN_F32, 0, NULL, &x);
    assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL); /* none at all */
    assert_true(ct_chain_write(one.node, &chain));
    assert_int_equal(one_node_infer(&one, &out), CORTEN_OK);
    one_node_ints(&one, "operands", 3, (int64_t[]){0, -1, 1});
    assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_broadcasts),
        cmocka_unit_test(operands_that_do_not_exist_are_refused),
        cmocka_unit_test(attributes_of_other_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
