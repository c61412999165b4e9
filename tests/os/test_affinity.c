#include "os/affinity.h"
#include "os/pool.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void lists_are_numbers_and_ranges_that_count_from_one(void **state)
{
    (void)state;
    struct ct_os_cpus cpus;
    const char *end;
    const char *text = "1,3-5,66;7";
    assert_int_equal(ct_affinity_parse(text, text, &cpus, &end, NULL), CORTEN_OK);
    assert_int_equal(cpus.bits[0], 1 | 4 | 8 | 16);
    assert_int_equal(cpus.bits[1], 2);
    assert_string_equal(end, ";7");
    assert_int_equal(ct_affinity_parse(text, end + 1, &cpus, &end, NULL), CORTEN_OK);
    assert_int_equal(cpus.bits[0], 64);
    assert_string_equal(end, "");
}

static void what_is_no_list_is_refused_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int at;
    } bad[] = {{"", 1},   {"0", 2},    {"1,", 3},          {"a", 1},   {"3-2", 4}, {"1-", 3},
               {"1;", 1}, {"8193", 4}, {"99999999999", 4}, {"1 2", 2}, {"-1", 1},  {"1,,2", 3}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        corten_error error = {0};
        struct ct_os_cpus cpus;
        const char *end;
        const char *list = bad[i].text[0] == '1' && bad[i].text[1] == ';' ? "" : bad[i].text;
        char expected[64];
        assert_int_equal(ct_affinity_parse(bad[i].text, list, &cpus, &end, &error),
                         CORTEN_INVALID_ARGUMENT);
        snprintf(expected, sizeof expected, "at character %d,", bad[i].at);
        if (list == bad[i].text)
            assert_non_null(strstr(error.text, expected));
    }
}

struct place {
    int cpus[2]; /* by worker */
};

static void note_cpu(void *arg, int64_t begin, int64_t end, int worker)
{
    struct place *place = arg;
    (void)begin, (void)end;
    for (int i = 0; i < 1000; i++) /* long enough for the worker to take part */
        __atomic_store_n(&place->cpus[worker], sched_getcpu(), __ATOMIC_RELAXED);
}

static void workers_stay_where_they_are_pinned(void **state)
{
    (void)state;
    cpu_set_t usable;
    assert_int_equal(sched_getaffinity(0, sizeof usable, &usable), 0);
    for (size_t cpu = 0; cpu < 64; cpu++) {
        if (!CPU_ISSET(cpu, &usable))
            continue;
        struct ct_pool *pool;
        corten_error error;
        char text[16];
        snprintf(text, sizeof text, "%zu", cpu + 1);
        assert_int_equal(ct_pool_create(ct_default_allocator(), 2, &pool, &error), CORTEN_OK);
        assert_int_equal(ct_pool_pin(pool, text, &error), CORTEN_OK);
        struct place place = {.cpus = {-1, -1}};
        for (int i = 0; i < 1000 && place.cpus[1] < 0; i++)
            ct_parallel_for(pool, 64, 1, note_cpu, &place);
        assert_int_equal(place.cpus[1], (int)cpu);
        ct_pool_destroy(pool);
    }
}

static void lists_are_as_many_as_workers(void **state)
{
    (void)state;
    struct ct_pool *pool;
    corten_error error;
    assert_int_equal(ct_pool_create(ct_default_allocator(), 3, &pool, &error), CORTEN_OK);
    assert_int_equal(ct_pool_pin(pool, "1", &error), CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "expected 2"));
    assert_int_equal(ct_pool_pin(pool, "1;1;1", &error), CORTEN_INVALID_ARGUMENT);
    assert_int_equal(ct_pool_pin(pool, "1;8000", &error), CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "corten-2"));
    assert_int_equal(ct_pool_pin(pool, "1;1", &error), CORTEN_OK);
    ct_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_numbers_and_ranges_that_count_from_one),
        cmocka_unit_test(what_is_no_list_is_refused_with_the_place),
        cmocka_unit_test(workers_stay_where_they_are_pinned),
        cmocka_unit_test(lists_are_as_many_as_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
