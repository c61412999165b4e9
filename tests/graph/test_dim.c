/* Arithmetic of symbolic dimensions: equal expressions become equal symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "graph/op.h"

struct fixture {
    struct ct_arena arena;
    struct ct_symbols symbols;
    struct ct_infer infer;
    ct_dim batch, past, seq;
};

static int setup(void **state)
{
    static struct fixture f;
    ct_arena_init(&f.arena, ct_default_allocator());
    ct_symbols_init(&f.symbols, &f.arena);
    f.infer = (struct ct_infer){.symbols = &f.symbols, .arena = &f.arena};
    f.batch = ct_symbol(&f.symbols, "batch");
    f.past = ct_symbol(&f.symbols, "past");
    f.seq = ct_symbol(&f.symbols, "seq");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    ct_arena_deinit(&((struct fixture *)*state)->arena);
    return 0;
}

#define ASSERT_NAME(dim, text) assert_string_equal(ct_symbol_name(&f->symbols, dim), text)

static void products_divide(void **state)
{
    struct fixture *f = *state;
    ct_dim rows = ct_dim_mul(&f->infer, f->seq, f->batch);
    ASSERT_NAME(rows, "batch * seq");
    ct_dim elems = ct_dim_mul(&f->infer, 768, rows);
    ASSERT_NAME(elems, "768 * batch * seq");
    assert_int_equal(ct_dim_div(&f->infer, elems, 768), rows);
    assert_int_equal(ct_dim_div(&f->infer, elems, f->batch), ct_dim_mul(&f->infer, f->seq, 768));
    assert_int_equal(ct_dim_div(&f->infer, rows, rows), 1);
    ASSERT_NAME(ct_dim_div(&f->infer, elems, 5), "(768 * batch * seq) / 5");
}

static void sums_have_one_form(void **state)
{
    struct fixture *f = *state;
    ct_dim a = ct_dim_add(&f->infer, ct_dim_add(&f->infer, 1, f->seq), f->past);
    ct_dim b = ct_dim_add(&f->infer, f->past, ct_dim_add(&f->infer, f->seq, 1));
    assert_int_equal(a, b);
    ASSERT_NAME(a, "past + seq + 1");
    assert_int_equal(ct_dim_sub(&f->infer, a, f->past), ct_dim_add(&f->infer, f->seq, 1));
    assert_int_equal(ct_dim_sub(&f->infer, a, ct_dim_add(&f->infer, f->seq, f->past)), 1);
    ASSERT_NAME(ct_dim_add(&f->infer, f->seq, f->seq), "2 * seq");
    ASSERT_NAME(ct_dim_add(&f->infer, f->seq, -1), "seq - 1");
    assert_int_equal(ct_dim_add(&f->infer, ct_dim_add(&f->infer, f->seq, -1), 1), f->seq);
}

static void sums_multiply_by_numbers_only(void **state)
{
    struct fixture *f = *state;
    ct_dim total = ct_dim_add(&f->infer, f->past, f->seq);
    ASSERT_NAME(ct_dim_mul(&f->infer, total, 2), "2 * past + 2 * seq");
    ASSERT_NAME(ct_dim_mul(&f->infer, total, f->batch), "batch * (past + seq)");
    ct_dim product = ct_dim_mul(&f->infer, f->batch, total);
    assert_int_equal(ct_dim_div(&f->infer, ct_dim_mul(&f->infer, product, 64), 64), product);
    assert_int_equal(ct_dim_div(&f->infer, product, f->batch), total);
}

static void unknown_stays_unknown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ct_dim_add(&f->infer, f->seq, CT_DIM_UNKNOWN), CT_DIM_UNKNOWN);
    assert_int_equal(ct_dim_sub(&f->infer, CT_DIM_UNKNOWN, CT_DIM_UNKNOWN), CT_DIM_UNKNOWN);
    assert_int_equal(ct_dim_mul(&f->infer, CT_DIM_UNKNOWN, 0), 0);
    assert_int_equal(ct_dim_mul(&f->infer, INT64_MAX, 2), CT_DIM_UNKNOWN);
    ct_dim large = ct_dim_mul(&f->infer, f->seq, INT64_C(900000000000000000));
    assert_int_equal(ct_dim_mul(&f->infer, large, 30), CT_DIM_UNKNOWN);
    f->infer.symbols = NULL;
    assert_int_equal(ct_dim_add(&f->infer, f->seq, 1), CT_DIM_UNKNOWN);
}

/* Names of the model's own may look like anything. */
static void strange_names_are_atoms(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"(",    ")",   "a b",  "((a)", "- 1",
                                        "a + ", " * ", "s//2", "0x1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ct_dim d = ct_symbol(&f->symbols, names[i]);
        ct_dim twice = ct_dim_add(&f->infer, d, d);
        assert_true(twice == CT_DIM_UNKNOWN || !ct_dim_known(twice));
        assert_int_equal(ct_dim_sub(&f->infer, d, d), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(products_divide, setup, teardown),
        cmocka_unit_test_setup_teardown(sums_have_one_form, setup, teardown),
        cmocka_unit_test_setup_teardown(sums_multiply_by_numbers_only, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_stays_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(strange_names_are_atoms, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
