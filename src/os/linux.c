#include "os/cgroup.h"
#include "os/os.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ clock and processors */

int64_t ct_os_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t ct_os_process_id(void)
{
    return getpid();
}

int64_t ct_os_thread_id(void)
{
    return syscall(SYS_gettid);
}

static int cpuset_cpus(void)
{
    /* As large as the largest set of a Linux kernel; it refuses a smaller one than its own. */
    union {
        cpu_set_t set;
        unsigned char bytes[1024];
    } mask;
    memset(&mask, 0, sizeof mask);
    if (sched_getaffinity(0, sizeof mask, &mask.set) != 0)
        return 1;
    int cpus = 0;
    for (size_t i = 0; i < sizeof mask.bytes; i++)
        cpus += __builtin_popcount(mask.bytes[i]);
    return cpus > 0 ? cpus : 1;
}

int ct_os_usable_cpus(void)
{
    int cpus = cpuset_cpus();
    char membership[4096];
    if (ct_os_read_text("/proc/self/cgroup", membership, sizeof membership)) {
        int quota = ct_cgroup_cpus(membership, "/sys/fs/cgroup");
        if (quota && quota < cpus)
            cpus = quota;
    }
    return cpus;
}

bool ct_os_permit_tiles(void)
{
#if defined(__x86_64__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 }; /* since Linux 5.16 */

    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

/* ------------------------------------------------------------------ threads */

struct ct_os_thread {
    const corten_allocator *allocator;
    void (*fn)(void *);
    void *arg;
    pthread_t id;
    int64_t process_id;
    char name[16]; /* the system's limit */
};

static void *run_thread(void *arg)
{
    struct ct_os_thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->name);
    thread->fn(thread->arg);
    return NULL;
}

ct_status ct_os_thread_start(const corten_allocator *allocator, void (*fn)(void *), void *arg,
                             const char *name, ct_os_thread **thread, corten_error *error)
{
    struct ct_os_thread *made = ct_alloc_zero(allocator, sizeof *made);
    if (!made)
        return ct_fail_memory(error, sizeof *made, "a thread");
    made->allocator = allocator;
    made->fn = fn;
    made->arg = arg;
    made->process_id = ct_os_process_id();
    size_t name_bytes = strnlen(name, sizeof made->name - 1);
    memcpy(made->name, name, name_bytes);

    /* Signals are the business of the program's own threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&made->id, NULL, run_thread, made);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        ct_release(allocator, made, sizeof *made);
        return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "cannot start thread \"%s\": %s", name,
                       strerror(code));
    }
    *thread = made;
    return CORTEN_OK;
}

void ct_os_thread_join(ct_os_thread *thread)
{
    /* A thread of the parent is not there in a forked child. */
    if (thread->process_id == ct_os_process_id())
        pthread_join(thread->id, NULL);
    ct_release(thread->allocator, thread, sizeof *thread);
}

ct_status ct_os_thread_pin(ct_os_thread *thread, const struct ct_os_cpus *cpus, corten_error *error)
{
    int code =
        pthread_setaffinity_np(thread->id, sizeof *cpus, (const cpu_set_t *)(const void *)cpus);
    if (code != 0)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "cannot pin thread \"%s\": %s", thread->name,
                       strerror(code));
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ futex and mutex */

void ct_os_wait(const int *word, int expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void ct_os_wake(const int *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* The third mutex of Drepper, "Futexes Are Tricky": the state tells the owner whether it must
 * wake somebody, so that an uncontended lock makes no system call. */
enum { FREE = 0, HELD = 1, WANTED = 2 };

void ct_mutex_lock(struct ct_mutex *mutex)
{
    int state = FREE;
    if (__atomic_compare_exchange_n(&mutex->state, &state, HELD, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&mutex->state, WANTED, __ATOMIC_ACQUIRE) != FREE)
        ct_os_wait(&mutex->state, WANTED);
}

void ct_mutex_unlock(struct ct_mutex *mutex)
{
    if (__atomic_exchange_n(&mutex->state, FREE, __ATOMIC_RELEASE) == WANTED)
        ct_os_wake(&mutex->state, 1);
}
