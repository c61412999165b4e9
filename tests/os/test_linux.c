#include "os/os.h"
#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void the_clock_goes_forward(void **state)
{
    (void)state;
    int64_t begin_ns = ct_os_now_ns();
    usleep(2000);
    int64_t took_ns = ct_os_now_ns() - begin_ns;
    assert_true(took_ns >= 2000000);
    assert_true(took_ns < INT64_C(10000000000));
}

static void usable_processors_follow_the_cpuset(void **state)
{
    (void)state;
    cpu_set_t before, one;
    int all = ct_os_usable_cpus();
    assert_true(all >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_true(all <= CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(ct_os_usable_cpus(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

struct seen {
    char name[16];
    bool blocks_signals;
};

static void look_around(void *arg)
{
    struct seen *seen = arg;
    sigset_t set;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    seen->blocks_signals = sigismember(&set, SIGINT) == 1;
}

static void threads_are_named_and_take_no_signals(void **state)
{
    (void)state;
    struct seen seen = {0};
    ct_os_thread *thread;
    assert_int_equal(ct_os_thread_start(ct_default_allocator(), look_around, &seen,
                                        "a name that is too long", &thread, NULL),
                     CORTEN_OK);
    ct_os_thread_join(thread);
    assert_string_equal(seen.name, "a name that is ");
    assert_true(seen.blocks_signals);
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_int_equal(sigismember(&set, SIGINT), 0);
}

static void a_thread_without_memory_is_an_error(void **state)
{
    (void)state;
    struct test_alloc counter = {.fail_at = 1};
    corten_allocator allocator = test_allocator(&counter);
    ct_os_thread *thread = NULL;
    corten_error error;
    assert_int_equal(ct_os_thread_start(&allocator, look_around, NULL, "x", &thread, &error),
                     CORTEN_OUT_OF_MEMORY);
    assert_null(thread);
}

static void wake_later(void *arg)
{
    int *word = arg;
    usleep(2000);
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    ct_os_wake(word, 1);
}

static void waiting_ends_with_a_change_and_a_wake(void **state)
{
    (void)state;
    int word = 0;
    ct_os_wait(&word, 5); /* not the expected value: returns at once */
    ct_os_thread *thread;
    assert_int_equal(
        ct_os_thread_start(ct_default_allocator(), wake_later, &word, "waker", &thread, NULL),
        CORTEN_OK);
    while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE))
        ct_os_wait(&word, 0);
    ct_os_thread_join(thread);
}

struct shared {
    struct ct_mutex mutex;
    int64_t sum;
};

static void add_many(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < 20000; i++) {
        ct_mutex_lock(&shared->mutex);
        shared->sum++;
        ct_mutex_unlock(&shared->mutex);
    }
}

static void a_mutex_lets_one_in(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct shared shared = {0};
    ct_os_thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(ct_os_thread_start(ct_default_allocator(), add_many, &shared, "adder",
                                            &threads[i], NULL),
                         CORTEN_OK);
    for (int i = 0; i < THREADS; i++)
        ct_os_thread_join(threads[i]);
    assert_int_equal(shared.sum, THREADS * 20000);
    assert_int_equal(shared.mutex.state, 0);
}

static void the_process_has_an_id(void **state)
{
    (void)state;
    assert_int_equal(ct_os_process_id(), getpid());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_goes_forward),
        cmocka_unit_test(usable_processors_follow_the_cpuset),
        cmocka_unit_test(threads_are_named_and_take_no_signals),
        cmocka_unit_test(a_thread_without_memory_is_an_error),
        cmocka_unit_test(waiting_ends_with_a_change_and_a_wake),
        cmocka_unit_test(a_mutex_lets_one_in),
        cmocka_unit_test(the_process_has_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
