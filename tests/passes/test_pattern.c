/* Patterns: what parses, what matches in which order of operands, captures, shared nodes, and the
 * reason of a near miss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pattern.h"
#include "support/builder.h"

static struct ct_pattern parsed(const char *text)
{
    struct ct_pattern pattern;
    if (!ct_pattern_parse(text, &pattern))
        fail_msg("does not parse: %s", text);
    return pattern;
}

static void parses_what_the_grammar_has(void **state)
{
    (void)state;
    struct ct_pattern p = parsed("n:Mul(0.5, x, Add&(1, ms.Gelu?(c:k)))");
    assert_int_equal(p.nodes[0].kind, CT_PATTERN_CALL);
    assert_int_equal(p.nodes[0].n_args, 3);
    assert_true(p.nodes[0].commutative);
    assert_true(p.nodes[p.nodes[0].args[2]].shared);
    p = parsed("Softmax[axis=-1](x, _, ...)");
    assert_int_equal(p.nodes[0].attr_value, -1);
    assert_true(p.nodes[0].open);
    assert_int_equal(p.nodes[p.nodes[0].args[1]].kind, CT_PATTERN_ANY);
}

static void refuses_what_it_has_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           "x",       "Mul(x",        "Mul(x,)",
                                        "Mul(x) y",   "xx.A(x)", "Mul[axis](x)", "n:x(y)",
                                        "Add(c:, x)", "Add(1 2)"};
    struct ct_pattern pattern;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(ct_pattern_parse(wrong[i], &pattern));
}

/* y = relu(x) * (x + 1), z = y + y. */
struct fixture {
    struct ct_model *model;
    struct ct_value *x, *one, *relu, *sum, *y, *z;
};

static struct fixture make(void)
{
    struct fixture f = {.model = test_model(ct_default_allocator())};
    struct ct_graph *g = f.model->graph;
    f.x = test_input(g, "x", CORTEN_F32, 1, (ct_dim[]){4});
    f.one = test_floats(g, 1, (float[]){1});
    f.relu = test_node(g, "Relu", "relu", f.x, NULL);
    f.sum = test_node(g, "Add", "sum", f.x, f.one);
    f.y = test_node(g, "Mul", "y", f.relu, f.sum);
    f.z = test_node(g, "Add", "z", f.y, f.x);
    assert_true(ct_graph_add_output(g, f.z));
    test_finish(f.model);
    return f;
}

static bool matches(const char *text, const struct ct_value *root, struct ct_match *match)
{
    struct ct_pattern pattern = parsed(text);
    return ct_pattern_match(&pattern, root->producer, match);
}

static void operands_match_in_either_order(void **state)
{
    (void)state;
    struct fixture f = make();
    struct ct_match match;
    assert_true(matches("Mul(Add(1, v), r:Relu(v))", f.y, &match));
    assert_ptr_equal(ct_match_value(&match, "v"), f.x);
    assert_ptr_equal(ct_match_node(&match, "r"), f.relu->producer);
    assert_int_equal(match.n_nodes, 3);
    assert_ptr_equal(match.nodes[2], f.y->producer);
    ct_model_destroy(f.model);
}

static void one_name_is_one_value(void **state)
{
    (void)state;
    struct fixture f = make();
    struct ct_match match;
    assert_true(matches("Add(Mul(r:Relu(v), _), v)", f.z, &match));
    assert_false(matches("Mul(Relu(v), v)", f.y, &match));
    assert_non_null(strstr(match.reason, "not the value seen before"));
    /* A captured node's name stands for its output. */
    assert_true(matches("Mul(r:Relu(v), Add(v, 1))", f.y, &match));
    ct_model_destroy(f.model);
}

static void numbers_are_constants(void **state)
{
    (void)state;
    struct fixture f = make();
    struct ct_match match;
    assert_true(matches("Add(v, 1.0005)", f.sum, &match));
    assert_false(matches("Add(v, 1.01)", f.sum, &match));
    assert_true(matches("Add(v, c:k)", f.sum, &match));
    assert_ptr_equal(ct_match_value(&match, "k"), f.one);
    assert_false(matches("Relu(c:k)", f.relu, &match));
    ct_model_destroy(f.model);
}

static void sums_match_however_bracketed(void **state)
{
    (void)state;
    struct ct_model *model = test_model(ct_default_allocator());
    struct ct_graph *g = model->graph;
    struct ct_value *x = test_input(g, "x", CORTEN_F32, 1, (ct_dim[]){4});
    struct ct_value *two = test_floats(g, 1, (float[]){2});
    struct ct_value *e = test_node(g, "Exp", "e", x, NULL);
    struct ct_value *left = test_node(g, "Add", "left", x, two);
    struct ct_value *l = test_node(g, "Add", "l", left, e);
    struct ct_value *right = test_node(g, "Add", "right", two, test_node(g, "Abs", "a", x, NULL));
    struct ct_value *r = test_node(g, "Add", "r", x, right);
    assert_true(ct_graph_add_output(g, l));
    assert_true(ct_graph_add_output(g, r));
    test_finish(model);
    struct ct_match match;
    assert_true(matches("Add(v, 2, Exp(v))", l, &match));
    assert_true(matches("Add(Abs(v), v, 2)", r, &match));
    assert_false(matches("Add(Abs(v), v, 3)", r, &match));
    ct_model_destroy(model);
}

static void inner_values_have_one_reader(void **state)
{
    (void)state;
    struct fixture f = make();
    struct ct_match match;
    assert_true(ct_graph_add_output(f.model->graph, f.relu));
    assert_false(matches("Mul(Relu(v), _)", f.y, &match));
    assert_string_equal(match.reason, "'relu' has other readers");
    assert_true(matches("Mul(Relu&(v), _)", f.y, &match));
    ct_model_destroy(f.model);
}

static void optional_nodes_may_be_missing(void **state)
{
    (void)state;
    struct fixture f = make();
    struct ct_match match;
    assert_true(matches("Mul(Cast?(Relu(v)), Add(v, 1))", f.y, &match));
    assert_true(matches("Mul(Relu?(v), _)", f.y, &match));
    assert_ptr_equal(ct_match_value(&match, "v"), f.x);
    ct_model_destroy(f.model);
}

static void the_deepest_failure_is_told(void **state)
{
    (void)state;
    struct fixture f = make();
    struct ct_match match;
    assert_false(matches("Add(Mul(Relu(v), Sub(v, 1)), v)", f.z, &match));
    assert_string_equal(match.reason, "'sum' is made by Add, expected Sub");
    assert_true(match.best_nodes >= 2);
    ct_model_destroy(f.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_the_grammar_has),
        cmocka_unit_test(refuses_what_it_has_not),
        cmocka_unit_test(operands_match_in_either_order),
        cmocka_unit_test(one_name_is_one_value),
        cmocka_unit_test(numbers_are_constants),
        cmocka_unit_test(sums_match_however_bracketed),
        cmocka_unit_test(inner_values_have_one_reader),
        cmocka_unit_test(optional_nodes_may_be_missing),
        cmocka_unit_test(the_deepest_failure_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
