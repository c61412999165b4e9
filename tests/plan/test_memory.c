/* The memory plan: blocks alive together never overlap, and those that are not share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "plan/memory.h"

static size_t plan(struct ct_block *blocks, size_t count)
{
    struct ct_arena scratch;
    corten_error error;
    size_t total_bytes = 0;
    ct_arena_init(&scratch, ct_default_allocator());
    assert_int_equal(ct_memory_plan(blocks, count, &scratch, &total_bytes, &error), CORTEN_OK);
    ct_arena_deinit(&scratch);
    return total_bytes;
}

static void assert_no_overlap(const struct ct_block *blocks, size_t count, size_t total_bytes)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(blocks[i].offset % CT_ALIGN, 0);
        assert_true(blocks[i].offset + blocks[i].size_bytes <= total_bytes);
        for (size_t j = 0; j < i; j++) {
            bool together = blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
            bool apart = blocks[i].offset + blocks[i].size_bytes <= blocks[j].offset ||
                         blocks[j].offset + blocks[j].size_bytes <= blocks[i].offset;
            assert_true(!together || apart || !blocks[i].size_bytes || !blocks[j].size_bytes);
        }
    }
}

static void nothing_needs_nothing(void **state)
{
    (void)state;
    assert_int_equal(plan(NULL, 0), 0);
}

static void a_chain_needs_two_blocks(void **state)
{
    (void)state;
    struct ct_block blocks[10];
    for (int i = 0; i < 10; i++)
        blocks[i] = (struct ct_block){.size_bytes = 1024, .first = i, .last = i + 1};
    size_t total_bytes = plan(blocks, 10);
    assert_no_overlap(blocks, 10, total_bytes);
    assert_int_equal(total_bytes, 2048);
}

static void blocks_that_never_meet_share(void **state)
{
    (void)state;
    struct ct_block blocks[] = {
        {.size_bytes = 1000, .first = 0, .last = 1},
        {.size_bytes = 500, .first = 2, .last = 3},
        {.size_bytes = 400, .first = 2, .last = 3},
    };
    size_t total_bytes = plan(blocks, 3);
    assert_no_overlap(blocks, 3, total_bytes);
    assert_int_equal(total_bytes, 1024);
}

static void random_blocks_never_overlap(void **state)
{
    (void)state;
    enum { N = 300 };
    struct ct_block blocks[N];
    unsigned seed = 1;
    size_t sum = 0;
    for (int i = 0; i < N; i++) {
        seed = seed * 1103515245u + 12345u;
        int first = (int)(seed >> 16) % 100;
        seed = seed * 1103515245u + 12345u;
        blocks[i] = (struct ct_block){.size_bytes = (seed >> 8) % 5000,
                                      .first = first,
                                      .last = first + (int)(seed >> 24) % 10};
        sum += ct_align_up(blocks[i].size_bytes, CT_ALIGN);
    }
    size_t total_bytes = plan(blocks, N);
    assert_no_overlap(blocks, N, total_bytes);
    assert_true(total_bytes < sum / 4);
}

static void sizes_that_overflow_are_an_error(void **state)
{
    (void)state;
    struct ct_block blocks[] = {
        {.size_bytes = SIZE_MAX / 2, .first = 0, .last = 1},
        {.size_bytes = SIZE_MAX / 2, .first = 0, .last = 1},
    };
    struct ct_arena scratch;
    corten_error error = {0};
    size_t total_bytes;
    ct_arena_init(&scratch, ct_default_allocator());
    assert_int_equal(ct_memory_plan(blocks, 2, &scratch, &total_bytes, &error),
                     CORTEN_LIMIT_EXCEEDED);
    assert_string_equal(error.text, "the intermediates are too large");
    ct_arena_deinit(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_needs_nothing),
        cmocka_unit_test(a_chain_needs_two_blocks),
        cmocka_unit_test(blocks_that_never_meet_share),
        cmocka_unit_test(random_blocks_never_overlap),
        cmocka_unit_test(sizes_that_overflow_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
