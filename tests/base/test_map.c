#include "base/map.h"
#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void keys_lead_to_their_values(void **state)
{
    (void)state;
    struct ct_arena arena;
    struct ct_map map;
    ct_arena_init(&arena, ct_default_allocator());
    ct_map_init(&map, &arena);
    int a, b;
    assert_null(ct_map_get(&map, "a"));
    assert_null(ct_map_remove(&map, "a"));
    assert_true(ct_map_put(&map, "a", &a));
    assert_true(ct_map_put(&map, "", &b));
    assert_ptr_equal(ct_map_get(&map, "a"), &a);
    assert_ptr_equal(ct_map_get(&map, ""), &b);
    assert_null(ct_map_get(&map, "ab"));
    assert_true(ct_map_put(&map, "a", &b));
    assert_ptr_equal(ct_map_get(&map, "a"), &b);
    assert_int_equal(map.count, 2);
    ct_arena_deinit(&arena);
}

/* Against a plain array, with enough removals that runs of slots close again. */
static void random_use_agrees_with_an_array(void **state)
{
    (void)state;
    enum { KEYS = 700, STEPS = 60000 };
    static char keys[KEYS][32];
    static void *expected[KEYS];
    struct ct_arena arena;
    struct ct_map map;
    ct_arena_init(&arena, ct_default_allocator());
    ct_map_init(&map, &arena);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "/layers.%d/MatMul", i);
    uint32_t random = 1;
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        uint32_t key = (random >> 8) % KEYS;
        if (random >> 30) {
            count += !expected[key];
            expected[key] = &keys[(random >> 4) % KEYS];
            assert_true(ct_map_put(&map, keys[key], expected[key]));
        } else {
            count -= expected[key] != NULL;
            assert_ptr_equal(ct_map_remove(&map, keys[key]), expected[key]);
            expected[key] = NULL;
        }
        assert_int_equal(map.count, count);
        if (step % 500 == 0)
            for (int i = 0; i < KEYS; i++)
                assert_ptr_equal(ct_map_get(&map, keys[i]), expected[i]);
    }
    ct_arena_deinit(&arena);
}

static void no_memory_leaves_the_map_as_it_was(void **state)
{
    (void)state;
    struct test_alloc below = {0};
    corten_allocator allocator = test_allocator(&below);
    struct ct_arena arena;
    struct ct_map map;
    ct_arena_init(&arena, &allocator);
    ct_map_init(&map, &arena);
    static char keys[1000][8];
    int value;
    below.fail_at = 2;
    size_t put = 0;
    for (; put < 1000; put++) {
        snprintf(keys[put], sizeof keys[put], "k%zu", put);
        if (!ct_map_put(&map, keys[put], &value))
            break;
    }
    assert_true(put > 0 && put < 1000);
    assert_int_equal(map.count, put);
    for (size_t i = 0; i < put; i++)
        assert_ptr_equal(ct_map_get(&map, keys[i]), &value);
    assert_null(ct_map_get(&map, keys[put]));
    ct_arena_deinit(&arena);
    assert_int_equal(below.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_lead_to_their_values),
        cmocka_unit_test(random_use_agrees_with_an_array),
        cmocka_unit_test(no_memory_leaves_the_map_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
