#include "graph/fact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ct_fact tensor(ct_dtype dtype, int rank, const ct_dim *dims)
{
    struct ct_fact fact;
    ct_fact_set(&fact, dtype, rank, dims);
    return fact;
}

static void describes(const struct ct_fact *fact, const struct ct_symbols *symbols,
                      const char *expected)
{
    char text[128];
    assert_string_equal(ct_fact_describe(fact, symbols, text, sizeof text), expected);
}

static void symbols_are_one_number_each(void **state)
{
    (void)state;
    struct ct_arena arena;
    struct ct_symbols symbols;
    ct_arena_init(&arena, ct_default_allocator());
    ct_symbols_init(&symbols, &arena);
    ct_dim batch = ct_symbol(&symbols, "batch"), seq = ct_symbol(&symbols, "seq");
    assert_true(batch != seq);
    assert_true(ct_symbol(&symbols, "batch") == batch);
    assert_false(ct_dim_known(batch));
    assert_string_equal(ct_symbol_name(&symbols, seq), "seq");
    assert_string_equal(ct_symbol_name(&symbols, CT_DIM_UNKNOWN), "");
    assert_null(ct_symbol_name(&symbols, -1));
    assert_true(ct_symbol(&symbols, "") == CT_DIM_UNKNOWN);
    const ct_dim dims[] = {batch, 3, CT_DIM_UNKNOWN};
    struct ct_fact fact = tensor(CORTEN_F32, 3, dims);
    describes(&fact, &symbols, "float32[batch,3,?]");
    ct_arena_deinit(&arena);
}

static void facts_are_described(void **state)
{
    (void)state;
    struct ct_fact fact, elem = tensor(CORTEN_F32, -1, NULL);
    ct_fact_init(&fact);
    describes(&fact, NULL, "?");
    fact = tensor(CORTEN_I64, 0, NULL);
    describes(&fact, NULL, "int64[]");
    ct_fact_init(&fact);
    fact.kind = CORTEN_SEQUENCE;
    fact.elem = &elem;
    describes(&fact, NULL, "sequence(float32)");
    char small[6];
    assert_string_equal(ct_fact_describe(&fact, NULL, small, sizeof small), "seque");
}

static void merging_keeps_what_is_known(void **state)
{
    (void)state;
    const ct_dim symbol = CT_DIM_UNKNOWN + 1;
    const ct_dim a_dims[] = {symbol, CT_DIM_UNKNOWN}, b_dims[] = {4, symbol};
    struct ct_fact a = tensor(CORTEN_DTYPE_NONE, 2, a_dims), b = tensor(CORTEN_F32, 2, b_dims);
    assert_true(ct_fact_merge(&a, &b));
    assert_int_equal(a.dtype, CORTEN_F32);
    assert_int_equal(a.dims[0], 4);
    assert_true(a.dims[1] == symbol);

    struct ct_fact unknown;
    ct_fact_init(&unknown);
    assert_true(ct_fact_merge(&unknown, &a));
    assert_int_equal(unknown.rank, 2);
}

static void contradictions_change_nothing(void **state)
{
    (void)state;
    const ct_dim three[] = {3}, four[] = {4};
    struct ct_fact a = tensor(CORTEN_F32, 1, three), b = tensor(CORTEN_F32, 1, four);
    struct ct_fact c = tensor(CORTEN_I32, 1, three), d = tensor(CORTEN_F32, 2, NULL);
    assert_false(ct_fact_merge(&a, &b));
    assert_false(ct_fact_merge(&a, &c));
    assert_false(ct_fact_merge(&a, &d));
    d.kind = CORTEN_SEQUENCE;
    assert_false(ct_fact_merge(&a, &d));
    assert_int_equal(a.dims[0], 3);
    assert_int_equal(a.dtype, CORTEN_F32);
}

static void joining_keeps_what_both_say(void **state)
{
    (void)state;
    const ct_dim a_dims[] = {2, 3}, b_dims[] = {2, 4};
    struct ct_fact a = tensor(CORTEN_F32, 2, a_dims), b = tensor(CORTEN_F32, 2, b_dims);
    ct_fact_join(&a, &b);
    assert_int_equal(a.dims[0], 2);
    assert_true(a.dims[1] == CT_DIM_UNKNOWN);
    struct ct_fact c = tensor(CORTEN_I32, 1, NULL);
    ct_fact_join(&a, &c);
    assert_int_equal(a.dtype, CORTEN_DTYPE_NONE);
    assert_int_equal(a.rank, -1);

    struct ct_fact s = {.kind = CORTEN_SEQUENCE, .rank = -1}, t = s;
    struct ct_fact x = tensor(CORTEN_F32, 2, a_dims), y = tensor(CORTEN_F32, 1, NULL);
    s.elem = &x;
    t.elem = &y;
    ct_fact_join(&s, &t);
    assert_int_equal(s.elem->dtype, CORTEN_F32); /* the type of the items stays known */
    assert_int_equal(s.elem->rank, -1);
}

static void small_integers_of_tensors_become_values(void **state)
{
    (void)state;
    struct ct_arena arena;
    ct_arena_init(&arena, ct_default_allocator());
    int32_t shape[] = {2, -1};
    struct ct_tensor t = {.dtype = CORTEN_I32, .rank = 1, .dims = {2}, .data = shape};
    struct ct_fact fact;
    assert_int_equal(ct_fact_of_tensor(&fact, &t, &arena, NULL), CORTEN_OK);
    assert_ptr_equal(fact.constant, &t);
    assert_int_equal(fact.n_values, 2);
    assert_int_equal(fact.values[1], -1);
    assert_true(ct_fact_is_concrete(&fact));

    /* What would read as a symbol is not taken for a number. */
    int64_t lowest = INT64_MIN;
    struct ct_tensor end = {.dtype = CORTEN_I64, .rank = 1, .dims = {1}, .data = &lowest};
    assert_int_equal(ct_fact_of_tensor(&fact, &end, &arena, NULL), CORTEN_OK);
    assert_null(fact.values);
    assert_ptr_equal(fact.constant, &end);

    float x[] = {1};
    struct ct_tensor f = {.dtype = CORTEN_F32, .rank = 1, .dims = {1}, .data = x};
    assert_int_equal(ct_fact_of_tensor(&fact, &f, &arena, NULL), CORTEN_OK);
    assert_null(fact.values);
    ct_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_are_one_number_each),
        cmocka_unit_test(facts_are_described),
        cmocka_unit_test(merging_keeps_what_is_known),
        cmocka_unit_test(contradictions_change_nothing),
        cmocka_unit_test(joining_keeps_what_both_say),
        cmocka_unit_test(small_integers_of_tensors_become_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
