/* Einsum: equations, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

static ct_status infer(const char *equation, int rank, struct ct_fact *out)
{
    struct one_node one;
    one_node_init(&one, "", "Einsum", 12, 1, 1);
    one_node_text(&one, "equation", equation);
    one_node_input(&one, 0, CORTEN_F32, rank, (int64_t[]){2, 3, 3, 5, 6, 7, 8, 9}, NULL);
    ct_status status = one_node_infer(&one, out);
    one_node_deinit(&one);
    return status;
}

static void bad_equations_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "->",      "i",        "ijk",       "ij,jk",
                                      "i.j",    "i..j",    "i...j...", "ij->k",     "ij->ii",
                                      "ij-",    "ij->i,j", "i1",       "ij->ji ->", "\xff\xff",
                                      "....ij", "ij->i-",  ",",        "ij,"};
    struct ct_fact out;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(infer(bad[i], 2, &out), CORTEN_INVALID_MODEL);
    char longest[400];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(infer(longest, 2, &out), CORTEN_INVALID_MODEL);
}

static void an_implicit_result_is_in_order_of_the_letters(void **state)
{
    (void)state;
    struct ct_fact out;
    assert_int_equal(infer("b...a", 4, &out), CORTEN_OK);
    assert_int_equal(out.rank, 4);
    assert_int_equal(out.dims[0], 3);
    assert_int_equal(out.dims[1], 3);
    assert_int_equal(out.dims[2], 5);
    assert_int_equal(out.dims[3], 2);
}

static void sizes_of_a_label_must_agree(void **state)
{
    (void)state;
    struct ct_fact out;
    assert_int_equal(infer("ii", 2, &out), CORTEN_INVALID_MODEL);
    assert_int_equal(infer("...ijj", 3, &out), CORTEN_OK);
}

static void a_sum_over_nothing_is_zero(void **state)
{
    (void)state;
    struct one_node one;
    float nothing;
    one_node_init(&one, "", "Einsum", 12, 2, 1);
    one_node_text(&one, "equation", "ij,jk->ki");
    one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){2, 0}, &nothing);
    one_node_input(&one, 1, CORTEN_F32, 2, (int64_t[]){0, 2}, &nothing);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (int i = 0; i < 4; i++)
        assert_true(CT_DATA(float, &one.out[0])[i] == 0);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_equations_are_refused),
        cmocka_unit_test(an_implicit_result_is_in_order_of_the_letters),
        cmocka_unit_test(sizes_of_a_label_must_agree),
        cmocka_unit_test(a_sum_over_nothing_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
