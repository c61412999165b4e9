#include "base/memory.h"
#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void default_allocator_aligns_and_takes_any_size(void **state)
{
    (void)state;
    const corten_allocator *allocator = ct_default_allocator();
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4097, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *memory = ct_alloc_zero(allocator, sizes[i]);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % CT_ALIGN, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(memory[k], 0);
        ct_release(allocator, memory, sizes[i]);
    }
    ct_release(allocator, NULL, 10);
}

static void impossible_sizes_give_null(void **state)
{
    (void)state;
    assert_null(ct_alloc(ct_default_allocator(), SIZE_MAX));
    assert_null(ct_alloc(ct_default_allocator(), SIZE_MAX - 64));
}

static void free_takes_what_the_default_allocator_gave(void **state)
{
    (void)state;
    corten_free(ct_alloc(ct_default_allocator(), 100));
    corten_free(NULL);
}

static void sizes_are_checked(void **state)
{
    (void)state;
    size_t n = 7;
    assert_false(ct_mul_size(SIZE_MAX / 2, 3, &n));
    assert_false(ct_add_size(SIZE_MAX, 1, &n));
    assert_int_equal(n, 7);
    assert_true(ct_mul_size(6, 7, &n));
    assert_int_equal(n, 42);
    assert_true(ct_add_size(6, 7, &n));
    assert_int_equal(n, 13);
    assert_int_equal(ct_align_up(65, 64), 128);
    assert_int_equal(ct_align_up(64, 64), 64);
}

static void meter_counts_and_keeps_the_peak(void **state)
{
    (void)state;
    struct test_alloc below = {0};
    struct ct_meter meter = {.base = test_allocator(&below)};
    corten_allocator allocator = ct_meter_allocator(&meter);
    void *a = ct_alloc(&allocator, 1000), *b = ct_alloc(&allocator, 500);
    assert_int_equal(meter.live_bytes, 1500);
    ct_release(&allocator, a, 1000);
    assert_int_equal(meter.live_bytes, 500);
    assert_int_equal(meter.peak_bytes, 1500);
    ct_release(&allocator, b, 500);
    assert_int_equal(meter.live_bytes, 0);
    assert_int_equal(below.live, 0);
    assert_int_equal(below.errors, 0);
}

static void meter_refuses_to_pass_its_limit(void **state)
{
    (void)state;
    struct test_alloc below = {0};
    struct ct_meter meter = {.base = test_allocator(&below), .limit_bytes = 1000};
    corten_allocator allocator = ct_meter_allocator(&meter);
    void *a = ct_alloc(&allocator, 1000);
    assert_non_null(a);
    assert_null(ct_alloc(&allocator, 1));
    assert_int_equal(meter.live_bytes, 1000);
    ct_release(&allocator, a, 1000);
    a = ct_alloc(&allocator, 999);
    assert_non_null(a);
    ct_release(&allocator, a, 999);
    below.fail_at = 1;
    assert_null(ct_alloc(&allocator, 10));
    assert_int_equal(meter.live_bytes, 0);
}

static void arena_pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct test_alloc below = {0};
    corten_allocator allocator = test_allocator(&below);
    struct ct_arena arena;
    ct_arena_init(&arena, &allocator);
    enum { COUNT = 2000 };
    static unsigned char *pieces[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size_bytes = i * 37 % 300;
        pieces[i] = ct_arena_alloc(&arena, size_bytes);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % (size_bytes >= CT_ALIGN ? CT_ALIGN : 16), 0);
        memset(pieces[i], (int)(i & 0xff), size_bytes);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < i * 37 % 300; k++)
            assert_int_equal(pieces[i][k], i & 0xff);
    assert_true(below.calls < 20);
    assert_true(arena.used_bytes >= 2000 * 140);
    ct_arena_deinit(&arena);
    assert_int_equal(below.live, 0);
    assert_int_equal(below.errors, 0);
    assert_int_equal(arena.used_bytes, 0);
}

static void arena_keeps_its_chunk_after_an_oversize_piece(void **state)
{
    (void)state;
    struct test_alloc below = {0};
    corten_allocator allocator = test_allocator(&below);
    struct ct_arena arena;
    ct_arena_init(&arena, &allocator);
    char *large = ct_arena_alloc_zero(&arena, 1 << 20);
    char *first = ct_arena_alloc(&arena, 16);
    char *larger = ct_arena_alloc_zero(&arena, 3 << 20);
    char *second = ct_arena_alloc(&arena, 16);
    assert_true(large && larger && first && second);
    assert_ptr_equal(first + 16, second);
    assert_int_equal(below.live, 3);
    larger[(3 << 20) - 1] = 1;
    ct_arena_deinit(&arena);
    assert_int_equal(below.live, 0);
}

static void arena_reports_overflow_and_no_memory(void **state)
{
    (void)state;
    struct test_alloc below = {0};
    corten_allocator allocator = test_allocator(&below);
    struct ct_arena arena;
    ct_arena_init(&arena, &allocator);
    assert_null(ct_arena_alloc(&arena, SIZE_MAX));
    assert_null(ct_arena_array(&arena, SIZE_MAX / 2, 3));
    assert_null(ct_arena_strndup(&arena, "x", SIZE_MAX));
    below.fail_at = 1;
    assert_null(ct_arena_alloc(&arena, 1));
    assert_null(ct_arena_alloc_zero(&arena, 1));
    assert_null(ct_arena_strdup(&arena, "x"));
    assert_null(ct_arena_printf(&arena, "%d", 1));
    assert_int_equal(arena.used_bytes, 0);
    below.fail_at = 0;
    assert_non_null(ct_arena_alloc(&arena, 1));
    ct_arena_deinit(&arena);
}

static void arena_copies_text(void **state)
{
    (void)state;
    struct ct_arena arena;
    ct_arena_init(&arena, ct_default_allocator());
    assert_string_equal(ct_arena_strdup(&arena, "conv"), "conv");
    assert_string_equal(ct_arena_strndup(&arena, "conv", 2), "co");
    assert_string_equal(ct_arena_strndup(&arena, NULL, 0), "");
    assert_string_equal(ct_arena_printf(&arena, "%s_%d", "node", 12), "node_12");
    ct_arena_deinit(&arena);
}

static void growing_arrays_keep_their_items(void **state)
{
    (void)state;
    struct test_alloc below = {0};
    corten_allocator allocator = test_allocator(&below);
    struct ct_arena arena;
    ct_arena_init(&arena, &allocator);
    struct {
        int *items;
        size_t count, capacity;
    } list = {0};
    for (int i = 0; i < 5000; i++) {
        assert_true(CT_ARENA_PUSH(&arena, list.items, list.count, list.capacity));
        list.items[list.count++] = i;
    }
    for (int i = 0; i < 5000; i++)
        assert_int_equal(list.items[i], i);

    below.fail_at = 1;
    int *before = list.items;
    list.count = list.capacity;
    while (ct_arena_alloc(&arena, 64))
        ;
    assert_false(CT_ARENA_PUSH(&arena, list.items, list.count, list.capacity));
    assert_ptr_equal(list.items, before);
    assert_int_equal(list.count, list.capacity);
    ct_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_allocator_aligns_and_takes_any_size),
        cmocka_unit_test(impossible_sizes_give_null),
        cmocka_unit_test(free_takes_what_the_default_allocator_gave),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(meter_counts_and_keeps_the_peak),
        cmocka_unit_test(meter_refuses_to_pass_its_limit),
        cmocka_unit_test(arena_pieces_are_aligned_and_apart),
        cmocka_unit_test(arena_keeps_its_chunk_after_an_oversize_piece),
        cmocka_unit_test(arena_reports_overflow_and_no_memory),
        cmocka_unit_test(arena_copies_text),
        cmocka_unit_test(growing_arrays_keep_their_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
