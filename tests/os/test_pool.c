#include "os/pool.h"
#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 20000, THREADS = 4 };

static struct ct_pool *make_pool(int threads)
{
    struct ct_pool *pool = NULL;
    corten_error error;
    assert_int_equal(ct_pool_create(ct_default_allocator(), threads, &pool, &error), CORTEN_OK);
    return pool;
}

/* What a loop did. */
struct visits {
    int items[MOST];      /* how often each item was visited */
    int workers[THREADS]; /* calls under way per worker */
    int clashes, small_chunks;
    int64_t n, grain;
};

static void visit(void *arg, int64_t begin, int64_t end, int worker)
{
    struct visits *v = arg;
    if (__atomic_add_fetch(&v->workers[worker], 1, __ATOMIC_RELAXED) != 1)
        __atomic_add_fetch(&v->clashes, 1, __ATOMIC_RELAXED);
    if (end - begin < v->grain && end != v->n)
        __atomic_add_fetch(&v->small_chunks, 1, __ATOMIC_RELAXED);
    for (int64_t i = begin; i < end; i++)
        v->items[i]++; /* not atomic: an item that two threads get is a race */
    __atomic_sub_fetch(&v->workers[worker], 1, __ATOMIC_RELAXED);
}

static void check_loop(struct ct_pool *pool, int64_t n, int64_t grain)
{
    struct visits *v = calloc(1, sizeof *v);
    v->n = n;
    v->grain = grain;
    ct_parallel_for(pool, n, grain, visit, v);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(v->items[i], 1);
    assert_int_equal(v->clashes, 0);
    assert_int_equal(v->small_chunks, 0);
    free(v);
}

static void every_item_is_visited_once(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 7, 64, 1000, MOST};
    static const int64_t grains[] = {0, 1, 3, 100, 5000};
    for (int threads = 1; threads <= THREADS; threads++) {
        struct ct_pool *pool = make_pool(threads);
        assert_int_equal(ct_pool_threads(pool), threads);
        ct_pool_enter(pool);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (size_t k = 0; k < sizeof grains / sizeof grains[0]; k++)
                for (int repeat = 0; repeat < 5; repeat++)
                    check_loop(pool, sizes[i], grains[k]);
        ct_pool_leave(pool);
        check_loop(pool, 1000, 1); /* outside of a run too */
        ct_pool_destroy(pool);
    }
}

struct order {
    int64_t end[THREADS]; /* where a worker's last chunk ended */
    int jumps;            /* forward, past items that somebody else gets */
};

static void follow(void *arg, int64_t begin, int64_t end, int worker)
{
    struct order *o = arg;
    if (o->end[worker] && begin > o->end[worker])
        __atomic_add_fetch(&o->jumps, 1, __ATOMIC_RELAXED);
    o->end[worker] = end;
}

/* Each does its half of the items in a row, and then takes the last ones of the other's half: a
 * jump forward for the first thread only. */
static void threads_go_on_where_they_were(void **state)
{
    (void)state;
    struct ct_pool *pool = make_pool(2);
    ct_pool_enter(pool);
    for (int i = 0; i < 100; i++) {
        struct order order = {.jumps = 0};
        ct_parallel_for(pool, 1600, 1, follow, &order);
        assert_true(order.jumps <= 1);
    }
    ct_pool_leave(pool);
    ct_pool_destroy(pool);
}

static void no_pool_runs_on_the_caller(void **state)
{
    (void)state;
    check_loop(NULL, 1000, 1);
    ct_pool_destroy(NULL);
}

static void threads_follow_the_machine_by_default(void **state)
{
    (void)state;
    struct ct_pool *pool = make_pool(0);
    assert_int_equal(ct_pool_threads(pool), ct_os_usable_cpus());
    ct_pool_destroy(pool);
}

static void bad_thread_counts_are_refused(void **state)
{
    (void)state;
    struct ct_pool *pool = NULL;
    assert_int_equal(ct_pool_create(ct_default_allocator(), -1, &pool, NULL),
                     CORTEN_INVALID_ARGUMENT);
    assert_int_equal(ct_pool_create(ct_default_allocator(), 1000000, &pool, NULL),
                     CORTEN_INVALID_ARGUMENT);
    assert_null(pool);
}

/* Each waits until the other has begun, so that it ends only when two threads take part. */
static void meet(void *arg, int64_t begin, int64_t end, int worker)
{
    int *arrived = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        __atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(arrived, __ATOMIC_SEQ_CST) < 2)
            ;
    }
}

static void workers_take_part_awake_or_asleep(void **state)
{
    (void)state;
    struct ct_pool *pool = make_pool(2);
    for (int i = 0; i < 50; i++) {
        int arrived = 0;
        ct_parallel_for(pool, 2, 1, meet, &arrived);
        assert_int_equal(arrived, 2);
        if (i % 10 == 0)
            usleep(2000); /* long enough for the worker to sleep */
    }
    ct_pool_enter(pool);
    for (int i = 0; i < 50; i++) {
        int arrived = 0;
        ct_parallel_for(pool, 2, 1, meet, &arrived);
        assert_int_equal(arrived, 2);
    }
    ct_pool_leave(pool);
    ct_pool_destroy(pool);
}

struct nest {
    struct ct_pool *pool;
    int64_t sums[64];
};

static void add_up(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        *(int64_t *)arg += i;
}

static void add_up_nested(void *arg, int64_t begin, int64_t end, int worker)
{
    struct nest *nest = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        ct_parallel_for(nest->pool, 1000, 1, add_up, &nest->sums[i]);
}

static void nested_loops_run_on_their_caller(void **state)
{
    (void)state;
    struct nest nest = {.pool = make_pool(3)};
    ct_pool_enter(nest.pool);
    for (int repeat = 0; repeat < 20; repeat++) {
        memset(nest.sums, 0, sizeof nest.sums);
        ct_parallel_for(nest.pool, 64, 1, add_up_nested, &nest);
        for (int i = 0; i < 64; i++)
            assert_int_equal(nest.sums[i], 499500);
    }
    ct_pool_leave(nest.pool);
    ct_pool_destroy(nest.pool);
}

static void add_atomic(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    __atomic_add_fetch((int64_t *)arg, end - begin, __ATOMIC_RELAXED);
}

struct caller {
    struct ct_pool *pool;
    int wrong;
};

static void call_loops(void *arg)
{
    struct caller *caller = arg;
    for (int i = 0; i < 1500; i++) {
        int64_t count = 0;
        ct_pool_enter(caller->pool);
        ct_parallel_for(caller->pool, 1 + i % 70, 1, add_atomic, &count);
        ct_pool_leave(caller->pool);
        caller->wrong += count != 1 + i % 70;
    }
}

static void many_callers_share_one_pool(void **state)
{
    (void)state;
    enum { CALLERS = 6 };
    struct ct_pool *pool = make_pool(3);
    struct caller callers[CALLERS];
    ct_os_thread *threads[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){pool, 0};
        assert_int_equal(ct_os_thread_start(ct_default_allocator(), call_loops, &callers[i],
                                            "caller", &threads[i], NULL),
                         CORTEN_OK);
    }
    for (int i = 0; i < CALLERS; i++) {
        ct_os_thread_join(threads[i]);
        assert_int_equal(callers[i].wrong, 0);
    }
    ct_pool_destroy(pool);
}

static int64_t cpu_time_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void idle_pools_use_no_processor(void **state)
{
    (void)state;
    struct ct_pool *pool = make_pool(THREADS);
    ct_pool_enter(pool);
    check_loop(pool, 1000, 1);
    ct_pool_leave(pool);
    usleep(5000);
    int64_t before_us = cpu_time_us();
    usleep(200000);
    assert_true(cpu_time_us() - before_us < 5000);
    ct_pool_destroy(pool);
}

static void workers_sleep_in_a_long_serial_part_of_a_run(void **state)
{
    (void)state;
    struct ct_pool *pool = make_pool(2);
    ct_pool_enter(pool);
    check_loop(pool, 1000, 1);
    int64_t before_us = cpu_time_us();
    usleep(200000);
    assert_true(cpu_time_us() - before_us < 10000);
    ct_pool_leave(pool);
    ct_pool_destroy(pool);
}

static void loops_work_in_a_forked_child(void **state)
{
    (void)state;
    struct ct_pool *pool = make_pool(3);
    ct_pool_enter(pool);
    check_loop(pool, 1000, 1);
    pid_t child = fork();
    if (child == 0) {
        int64_t count = 0;
        for (int i = 0; i < 100; i++)
            ct_parallel_for(pool, 100, 1, add_atomic, &count);
        ct_pool_leave(pool);
        ct_pool_destroy(pool);
        _exit(count == 10000 ? 0 : 1);
    }
    assert_true(child > 0);
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    check_loop(pool, 1000, 1);
    ct_pool_leave(pool);
    ct_pool_destroy(pool);
}

static ct_status create_and_use(const corten_allocator *allocator, void *arg, corten_error *error)
{
    (void)arg;
    struct ct_pool *pool;
    CT_TRY(ct_pool_create(allocator, 3, &pool, error));
    int64_t count = 0;
    ct_parallel_for(pool, 10, 1, add_atomic, &count);
    ct_pool_destroy(pool);
    return count == 10 ? CORTEN_OK : CORTEN_INTERNAL;
}

static void creation_survives_no_memory(void **state)
{
    (void)state;
    assert_int_equal(test_each_allocation_failure(create_and_use, NULL), 5);
}

static void grain_follows_the_cost(void **state)
{
    (void)state;
    assert_int_equal(ct_grain(1), 10000);
    assert_int_equal(ct_grain(1e9), 1);
    assert_int_equal(ct_grain(0.5), 20000);
    assert_true(ct_grain(0) > 1000);
    assert_true(ct_grain(1e-30) > 1000);
}

struct stopped_loop {
    int cancel, visited;
};

static void cancel_at_third(void *arg, int64_t begin, int64_t end, int worker)
{
    struct stopped_loop *loop = arg;
    (void)worker;
    if (__atomic_add_fetch(&loop->visited, (int)(end - begin), __ATOMIC_SEQ_CST) >= 3)
        __atomic_store_n(&loop->cancel, 1, __ATOMIC_SEQ_CST);
}

static void a_stopped_loop_leaves_items_undone(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        struct ct_pool *pool = make_pool(threads);
        struct stopped_loop loop = {0, 0};
        struct ct_stop stop = {.cancel = &loop.cancel};
        struct ct_pool stoppable = *pool;
        stoppable.stop = &stop;
        ct_parallel_for(&stoppable, 1000, 1, cancel_at_third, &loop);
        assert_in_range(loop.visited, 3, 3 + threads);
        assert_int_equal(ct_stop_reason(&stop), CORTEN_CANCELLED);
        ct_parallel_for(&stoppable, 1000, 1000, cancel_at_third, &loop); /* nothing more */
        assert_in_range(loop.visited, 3, 3 + threads);
        check_loop(pool, 1000, 1); /* others go on */
        ct_pool_destroy(pool);
    }
}

static void the_first_reason_to_stop_stays(void **state)
{
    (void)state;
    int cancel = 0;
    struct ct_stop stop = {.cancel = &cancel, .deadline_ns = ct_os_now_ns() + 3600000000000};
    assert_false(ct_stop_due(NULL));
    assert_false(ct_stop_due(&stop));
    assert_int_equal(ct_stop_reason(&stop), CORTEN_OK);
    stop.deadline_ns = 1;
    assert_true(ct_stop_due(&stop));
    cancel = 1;
    assert_true(ct_stop_due(&stop));
    assert_int_equal(ct_stop_reason(&stop), CORTEN_DEADLINE_EXCEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_visited_once),
        cmocka_unit_test(threads_go_on_where_they_were),
        cmocka_unit_test(no_pool_runs_on_the_caller),
        cmocka_unit_test(threads_follow_the_machine_by_default),
        cmocka_unit_test(bad_thread_counts_are_refused),
        cmocka_unit_test(workers_take_part_awake_or_asleep),
        cmocka_unit_test(nested_loops_run_on_their_caller),
        cmocka_unit_test(many_callers_share_one_pool),
        cmocka_unit_test(idle_pools_use_no_processor),
        cmocka_unit_test(workers_sleep_in_a_long_serial_part_of_a_run),
        cmocka_unit_test(loops_work_in_a_forked_child),
        cmocka_unit_test(creation_survives_no_memory),
        cmocka_unit_test(grain_follows_the_cost),
        cmocka_unit_test(a_stopped_loop_leaves_items_undone),
        cmocka_unit_test(the_first_reason_to_stop_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
