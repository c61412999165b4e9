/* Random operators: seeds, ranges, moments. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

enum { COUNT = 100000 };
static const int64_t shape[1] = {COUNT};

static void draw(struct one_node *one, const char *op, bool seeded, int threads)
{
    one_node_init(one, "", op, 22, 0, 1);
    one_node_ints(one, "shape", 1, shape);
    if (seeded)
        one_node_float(one, "seed", 7);
    if (threads > 1)
        one_node_threads(one, threads);
    assert_int_equal(one_node_run(one), CORTEN_OK);
}

static void a_seed_fixes_the_numbers_on_any_threads(void **state)
{
    (void)state;
    struct one_node a, b;
    draw(&a, "RandomNormal", true, 1);
    draw(&b, "RandomNormal", true, 4);
    assert_memory_equal(a.out[0].data, b.out[0].data, COUNT * sizeof(float));
    one_node_deinit(&a);
    one_node_deinit(&b);
}

static void without_a_seed_every_run_differs(void **state)
{
    (void)state;
    struct one_node a, b;
    draw(&a, "RandomUniform", false, 1);
    draw(&b, "RandomUniform", false, 1);
    assert_memory_not_equal(a.out[0].data, b.out[0].data, COUNT * sizeof(float));
    one_node_deinit(&a);
    one_node_deinit(&b);
}

static void moments(const char *op, double mean, double variance)
{
    struct one_node one;
    double sum = 0, squares = 0;
    draw(&one, op, true, 1);
    for (int i = 0; i < COUNT; i++) {
        double x = (double)CT_DATA(float, &one.out[0])[i];
        sum += x;
        squares += x * x;
        assert_true(strcmp(op, "RandomUniform") || (x >= 0 && x <= 1));
    }
    sum /= COUNT;
    assert_true(fabs(sum - mean) < 0.01);
    assert_true(fabs(squares / COUNT - sum * sum - variance) < 0.02);
    one_node_deinit(&one);
}

static void distributions_have_their_moments(void **state)
{
    (void)state;
    moments("RandomUniform", 0.5, 1.0 / 12);
    moments("RandomNormal", 0, 1);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    static const int64_t bad[2][2] = {{-1, 2}, {INT64_MAX, INT64_MAX}};
    for (int i = 0; i < 2; i++) {
        struct one_node one;
        struct ct_fact out;
        one_node_init(&one, "", "RandomUniform", 1, 0, 1);
        one_node_ints(&one, "shape", 2, bad[i]);
        assert_int_equal(one_node_infer(&one, &out), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
}

static void a_class_without_weight_is_not_drawn(void **state)
{
    (void)state;
    struct one_node one;
    static const float logits[3] = {0, -HUGE_VALF, 0};
    one_node_init(&one, "", "Multinomial", 7, 1, 1);
    one_node_int(&one, "sample_size", 1000);
    one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){1, 3}, logits);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    int counts[3] = {0};
    for (int i = 0; i < 1000; i++)
        counts[CT_DATA(int32_t, &one.out[0])[i]]++;
    assert_int_equal(counts[1], 0);
    assert_true(counts[0] > 400 && counts[2] > 400);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_fixes_the_numbers_on_any_threads),
        cmocka_unit_test(without_a_seed_every_run_differs),
        cmocka_unit_test(distributions_have_their_moments),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(a_class_without_weight_is_not_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
