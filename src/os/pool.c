#include "os/pool.h"

#include <stdio.h>

/* A loop is offered through one word, the gate: a flag that it is open, and the number of workers
 * inside. Workers enter by compare-and-swap while it is open; whoever finds no chunk left closes
 * it; the caller waits until nobody is inside. Nobody can enter a closed gate, so the loop's
 * description may be overwritten as soon as the gate is 0, and a worker that comes late or never
 * costs nothing. So a forked child, which has the pool's memory but not its threads, needs no
 * check: its loops end without workers, or, when the fork fell into a loop, find the pool busy. */
enum { OPEN = 1 << 30, WAITED = 1 << 29, INSIDE_MASK = WAITED - 1 };

/* How long a worker looks for the next loop, and a caller for the last worker, before it sleeps:
 * about what waking a sleeper takes. */
enum { SPIN_NS = 40000, PAUSES_PER_LOOK = 16 };

/* A sleeper wakes others, so that the caller does not pay for all. */
enum { WAKES_AT_ONCE = 2 };

/* Chunks that a thread gets on average, when they are larger than the grain. */
enum { CHUNKS_PER_THREAD = 4 };

struct worker {
    struct ct_pool *pool;
    ct_os_thread *thread;
    int index;
};

/* Words that different threads write lie in different cache lines. */
struct ct_pool {
    const corten_allocator *allocator;
    struct worker *workers; /* threads - 1 */
    int threads;
    int started; /* workers whose thread runs */
    int spin_ns;

    /* The loop; written by the thread that holds `busy`, while the gate is 0. */
    ct_loop_fn fn;
    void *arg;
    int64_t n, chunk;

    _Alignas(CT_ALIGN) int gate;
    _Alignas(CT_ALIGN) int64_t next; /* first item that nobody has claimed */
    _Alignas(CT_ALIGN) int busy;     /* a loop has the workers */
    int active;                      /* runs between enter and leave */
    int stopping;
    _Alignas(CT_ALIGN) int sleepers;
    int signal; /* what sleepers wait on; counts up with each waking */
};

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void wake_some(struct ct_pool *pool, int count)
{
    __atomic_add_fetch(&pool->signal, 1, __ATOMIC_SEQ_CST);
    ct_os_wake(&pool->signal, count);
}

/* Runs chunks until none is left. */
static void run_chunks(struct ct_pool *pool, int worker)
{
    const int64_t n = pool->n, chunk = pool->chunk;
    for (;;) {
        /* Cannot overflow: each thread adds once more than there are chunks, at most. */
        int64_t begin = __atomic_fetch_add(&pool->next, chunk, __ATOMIC_RELAXED);
        if (begin >= n)
            return;
        pool->fn(pool->arg, begin, n - begin < chunk ? n : begin + chunk, worker);
    }
}

/* ------------------------------------------------------------------ workers */

static bool enter_gate(struct ct_pool *pool)
{
    int gate = __atomic_load_n(&pool->gate, __ATOMIC_RELAXED);
    while (gate & OPEN)
        if (__atomic_compare_exchange_n(&pool->gate, &gate, gate + 1, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

static void leave_gate(struct ct_pool *pool)
{
    __atomic_and_fetch(&pool->gate, ~OPEN, __ATOMIC_RELAXED);
    if (__atomic_sub_fetch(&pool->gate, 1, __ATOMIC_RELEASE) == WAITED)
        ct_os_wake(&pool->gate, 1);
}

static bool has_work(struct ct_pool *pool)
{
    return __atomic_load_n(&pool->gate, __ATOMIC_SEQ_CST) & OPEN ||
           __atomic_load_n(&pool->stopping, __ATOMIC_SEQ_CST);
}

/* Looks for work for a while; false when there was none. */
static bool spin_for_work(struct ct_pool *pool)
{
    int64_t deadline_ns = ct_os_now_ns() + pool->spin_ns;
    do {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if (has_work(pool))
                return true;
            pause_cpu();
        }
        if (!__atomic_load_n(&pool->active, __ATOMIC_RELAXED))
            return false;
    } while (ct_os_now_ns() < deadline_ns);
    return false;
}

/* Returns whether it slept. The order matters: a sleeper first says that it sleeps and then looks
 * for work; a caller first offers work and then looks for sleepers. One of them sees the other. */
static bool sleep_for_work(struct ct_pool *pool)
{
    int signal = __atomic_load_n(&pool->signal, __ATOMIC_SEQ_CST);
    bool slept = false;
    __atomic_add_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
    if (!has_work(pool)) {
        ct_os_wait(&pool->signal, signal);
        slept = true;
    }
    __atomic_sub_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
    return slept;
}

static void work(void *arg)
{
    struct worker *self = arg;
    struct ct_pool *pool = self->pool;
    bool slept = false;
    while (!__atomic_load_n(&pool->stopping, __ATOMIC_ACQUIRE)) {
        if (enter_gate(pool)) {
            if (slept && __atomic_load_n(&pool->sleepers, __ATOMIC_RELAXED) &&
                __atomic_load_n(&pool->next, __ATOMIC_RELAXED) < pool->n)
                wake_some(pool, WAKES_AT_ONCE);
            slept = false;
            run_chunks(pool, self->index);
            leave_gate(pool);
        } else if (!spin_for_work(pool)) {
            slept |= sleep_for_work(pool);
        }
    }
}

/* ------------------------------------------------------------------ pool */

static void stop_workers(struct ct_pool *pool)
{
    __atomic_store_n(&pool->stopping, 1, __ATOMIC_SEQ_CST);
    wake_some(pool, INT32_MAX);
    for (int i = 0; i < pool->started; i++)
        ct_os_thread_join(pool->workers[i].thread);
}

ct_status ct_pool_create(const corten_allocator *allocator, int threads, struct ct_pool **pool,
                         corten_error *error)
{
    enum { MOST_THREADS = 4096 };
    if (threads < 0 || threads > MOST_THREADS)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%d threads; expected 0 to %d", threads,
                       (int)MOST_THREADS);
    int usable = ct_os_usable_cpus();
    if (threads == 0)
        threads = usable;

    size_t workers_bytes = (size_t)(threads - 1) * sizeof(struct worker);
    struct ct_pool *made = ct_alloc_zero(allocator, sizeof *made);
    if (!made)
        return ct_fail_memory(error, sizeof *made, "a thread pool");
    made->allocator = allocator;
    made->threads = threads;
    /* With more threads than processors, spinning takes time from who has work. */
    made->spin_ns = threads <= usable ? SPIN_NS : 0;
    made->workers = ct_alloc_zero(allocator, workers_bytes);
    if (!made->workers) {
        ct_release(allocator, made, sizeof *made);
        return ct_fail_memory(error, workers_bytes, "a thread pool");
    }
    for (int i = 0; i < threads - 1; i++) {
        struct worker *worker = &made->workers[i];
        *worker = (struct worker){.pool = made, .index = i + 1};
        char name[32];
        snprintf(name, sizeof name, "corten-%d", i + 1);
        ct_status status =
            ct_os_thread_start(allocator, work, worker, name, &worker->thread, error);
        if (status != CORTEN_OK) {
            ct_pool_destroy(made);
            return status;
        }
        made->started++;
    }
    *pool = made;
    return CORTEN_OK;
}

void ct_pool_destroy(struct ct_pool *pool)
{
    if (!pool)
        return;
    const corten_allocator *allocator = pool->allocator;
    stop_workers(pool);
    ct_release(allocator, pool->workers, (size_t)(pool->threads - 1) * sizeof *pool->workers);
    ct_release(allocator, pool, sizeof *pool);
}

int ct_pool_threads(const struct ct_pool *pool)
{
    return pool->threads;
}

void ct_pool_enter(struct ct_pool *pool)
{
    __atomic_add_fetch(&pool->active, 1, __ATOMIC_RELAXED);
}

void ct_pool_leave(struct ct_pool *pool)
{
    __atomic_sub_fetch(&pool->active, 1, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ loops */

static bool take_workers(struct ct_pool *pool)
{
    int idle = 0;
    return __atomic_load_n(&pool->busy, __ATOMIC_RELAXED) == 0 &&
           __atomic_compare_exchange_n(&pool->busy, &idle, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Waits until no worker is inside the closed gate: at most what one chunk takes, unless the
 * system has taken the processor from a worker. */
static void wait_for_workers(struct ct_pool *pool)
{
    int64_t deadline_ns = 0;
    for (;;) {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if (!(__atomic_load_n(&pool->gate, __ATOMIC_ACQUIRE) & INSIDE_MASK))
                return;
            pause_cpu();
        }
        int64_t now_ns = ct_os_now_ns();
        if (!deadline_ns)
            deadline_ns = now_ns + pool->spin_ns;
        if (now_ns < deadline_ns)
            continue;
        int gate = __atomic_or_fetch(&pool->gate, WAITED, __ATOMIC_ACQUIRE);
        if (gate & INSIDE_MASK)
            ct_os_wait(&pool->gate, gate);
    }
}

/* Wakes workers when those awake are fewer than the chunks for others. */
static void wake_for_chunks(struct ct_pool *pool, int64_t chunks)
{
    int sleepers = __atomic_load_n(&pool->sleepers, __ATOMIC_SEQ_CST);
    int64_t missing = chunks - (pool->threads - 1 - sleepers);
    if (sleepers && missing > 0)
        wake_some(pool, missing < WAKES_AT_ONCE ? (int)missing : WAKES_AT_ONCE);
}

void ct_parallel_for(struct ct_pool *pool, int64_t n, int64_t grain, ct_loop_fn fn, void *arg)
{
    if (n <= 0)
        return;
    if (!pool || pool->threads == 1 || n <= grain || n == 1 || !take_workers(pool)) {
        fn(arg, 0, n, 0);
        return;
    }
    int64_t share = n / ((int64_t)pool->threads * CHUNKS_PER_THREAD);
    int64_t chunk = grain > share ? grain : share;
    pool->fn = fn;
    pool->arg = arg;
    pool->n = n;
    pool->chunk = chunk > 1 ? chunk : 1;
    __atomic_store_n(&pool->next, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&pool->gate, OPEN, __ATOMIC_SEQ_CST);
    wake_for_chunks(pool, (n - 1) / pool->chunk);

    run_chunks(pool, 0);
    __atomic_and_fetch(&pool->gate, ~OPEN, __ATOMIC_RELAXED);
    wait_for_workers(pool);
    __atomic_store_n(&pool->gate, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&pool->busy, 0, __ATOMIC_RELEASE);
}

int64_t ct_grain(double item_ns)
{
    const double chunk_ns = 10000;
    if (!(item_ns > 0))
        return INT64_C(1) << 20;
    double items = chunk_ns / item_ns;
    return items < 1 ? 1 : items > (double)(1 << 30) ? INT64_C(1) << 30 : (int64_t)items;
}
