#include "os/pool.h"

#include <stdio.h>

#include "os/affinity.h"

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

/* Chunks that a thread gets, when they are larger than the grain: what is left to share at the end
 * of a loop. */
enum { CHUNKS_PER_THREAD = 8 };

/* Each thread begins with a share of the chunks in a row, so that it goes on where it was in memory
 * and keeps what it has in its caches, from one loop over the same memory to the next too. Who has
 * done its share takes the last chunks of others; so nobody waits for a worker that is late. */
struct share {
    _Alignas(CT_ALIGN) uint64_t chunks; /* first << 32 | end */
};
enum { MOST_CHUNKS = INT32_MAX };

struct worker {
    struct ct_team *team;
    ct_os_thread *thread;
    int index;
};

/* Words that different threads write lie in different cache lines. */
struct ct_team {
    struct ct_pool pool; /* the one that ct_pool_create gave */
    const corten_allocator *allocator;
    struct worker *workers; /* threads - 1 */
    struct share *shares;   /* of each thread */
    int threads;
    int started; /* workers whose thread runs */
    int spin_ns;

    /* The loop; written by the thread that holds `busy`, while the gate is 0. */
    ct_loop_fn fn;
    void *arg;
    int64_t n, chunk;
    struct ct_stop *stop;
    bool flushes_denormals;

    _Alignas(CT_ALIGN) int gate;
    _Alignas(CT_ALIGN) int busy; /* a loop has the workers */
    int active;                  /* runs between enter and leave */
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

/* Whether the thread takes denormal operands and results for 0: bits 15 and 6 of MXCSR on x86, bit 24
 * of FPCR on ARM. */
static unsigned float_control(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
    return (unsigned)__builtin_aarch64_get_fpcr();
#else
    return 0;
#endif
}

void ct_restore_denormals(unsigned before)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(before);
#elif defined(__aarch64__)
    __builtin_aarch64_set_fpcr(before);
#else
    (void)before;
#endif
}

unsigned ct_flush_denormals(void)
{
    const unsigned before = float_control();
#if defined(__x86_64__)
    ct_restore_denormals(before | 1u << 15 | 1u << 6);
#elif defined(__aarch64__)
    ct_restore_denormals(before | 1u << 24);
#endif
    return before;
}

static void wake_some(struct ct_team *team, int count)
{
    __atomic_add_fetch(&team->signal, 1, __ATOMIC_SEQ_CST);
    ct_os_wake(&team->signal, count);
}

/* ------------------------------------------------------------------ stopping */

bool ct_stop_due(struct ct_stop *stop)
{
    if (!stop)
        return false;
    int reason = __atomic_load_n(&stop->reason, __ATOMIC_RELAXED);
    if (reason)
        return true;
    if (stop->cancel && __atomic_load_n(stop->cancel, __ATOMIC_RELAXED))
        reason = CORTEN_CANCELLED;
    else if (stop->deadline_ns && ct_os_now_ns() >= stop->deadline_ns)
        reason = CORTEN_DEADLINE_EXCEEDED;
    else
        return false;
    int none = 0; /* the first reason stays */
    __atomic_compare_exchange_n(&stop->reason, &none, reason, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    return true;
}

ct_status ct_stop_reason(const struct ct_stop *stop)
{
    return stop ? (ct_status)__atomic_load_n(&stop->reason, __ATOMIC_RELAXED) : CORTEN_OK;
}

/* Items between two looks at `stop`: a grain is some 10 µs, so a look costs nothing and comes soon;
 * a grain of one item says only that an item takes at least as long. */
static int64_t stoppable_chunk(int64_t grain)
{
    enum { GRAINS_PER_LOOK = 32 };
    return grain <= 1 ? 1 : grain > INT64_MAX / GRAINS_PER_LOOK ? grain : grain * GRAINS_PER_LOOK;
}

/* On the caller alone. */
static void run_alone(struct ct_stop *stop, int64_t n, int64_t grain, ct_loop_fn fn, void *arg)
{
    const int64_t chunk = stoppable_chunk(grain);
    for (int64_t begin = 0; begin < n && !ct_stop_due(stop); begin += chunk)
        fn(arg, begin, n - begin < chunk ? n : begin + chunk, 0);
}

/* Splits the chunks of a loop; before the gate opens. */
static void share_out(struct ct_team *team)
{
    const uint64_t chunks = (uint64_t)((team->n - 1) / team->chunk + 1);
    const uint64_t threads = (uint64_t)team->threads, some = chunks < threads ? chunks : threads;
    for (uint64_t i = 0, first = 0; i < threads; i++) {
        uint64_t end = i < some ? chunks * (i + 1) / some : chunks;
        __atomic_store_n(&team->shares[i].chunks, first << 32 | end, __ATOMIC_RELAXED);
        first = end;
    }
}

/* The first chunk of a share, or its last; -1: none is left. */
static int64_t take_chunk(struct share *share, bool last)
{
    uint64_t chunks = __atomic_load_n(&share->chunks, __ATOMIC_RELAXED);
    for (;;) {
        const uint64_t first = chunks >> 32, end = chunks & UINT32_MAX;
        if (first == end)
            return -1;
        uint64_t rest = last ? first << 32 | (end - 1) : (first + 1) << 32 | end;
        if (__atomic_compare_exchange_n(&share->chunks, &chunks, rest, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return (int64_t)(last ? end - 1 : first);
    }
}

static bool has_chunks(struct ct_team *team)
{
    for (int i = 0; i < team->threads; i++) {
        uint64_t chunks = __atomic_load_n(&team->shares[i].chunks, __ATOMIC_RELAXED);
        if (chunks >> 32 != (chunks & UINT32_MAX))
            return true;
    }
    return false;
}

/* Runs chunks until none is left: its own, then those of the threads after it. */
static void run_chunks(struct ct_team *team, int worker)
{
    const int64_t n = team->n, chunk = team->chunk;
    int from = worker, done = 0;
    while (done < team->threads) {
        int64_t begin = take_chunk(&team->shares[from], from != worker) * chunk;
        if (begin < 0) {
            from = from + 1 < team->threads ? from + 1 : 0;
            done++;
            continue;
        }
        if (team->stop && ct_stop_due(team->stop))
            return;
        team->fn(team->arg, begin, n - begin < chunk ? n : begin + chunk, worker);
    }
}

/* ------------------------------------------------------------------ workers */

static bool enter_gate(struct ct_team *team)
{
    int gate = __atomic_load_n(&team->gate, __ATOMIC_RELAXED);
    while (gate & OPEN)
        if (__atomic_compare_exchange_n(&team->gate, &gate, gate + 1, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

static void leave_gate(struct ct_team *team)
{
    __atomic_and_fetch(&team->gate, ~OPEN, __ATOMIC_RELAXED);
    if (__atomic_sub_fetch(&team->gate, 1, __ATOMIC_RELEASE) == WAITED)
        ct_os_wake(&team->gate, 1);
}

static bool has_work(struct ct_team *team)
{
    return __atomic_load_n(&team->gate, __ATOMIC_SEQ_CST) & OPEN ||
           __atomic_load_n(&team->stopping, __ATOMIC_SEQ_CST);
}

/* Looks for work for a while; false when there was none. */
static bool spin_for_work(struct ct_team *team)
{
    int64_t deadline_ns = ct_os_now_ns() + __atomic_load_n(&team->spin_ns, __ATOMIC_RELAXED);
    do {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if (has_work(team))
                return true;
            pause_cpu();
        }
        if (!__atomic_load_n(&team->active, __ATOMIC_RELAXED))
            return false;
    } while (ct_os_now_ns() < deadline_ns);
    return false;
}

/* Returns whether it slept. The order matters: a sleeper first says that it sleeps and then looks
 * for work; a caller first offers work and then looks for sleepers. One of them sees the other. */
static bool sleep_for_work(struct ct_team *team)
{
    int signal = __atomic_load_n(&team->signal, __ATOMIC_SEQ_CST);
    bool slept = false;
    __atomic_add_fetch(&team->sleepers, 1, __ATOMIC_SEQ_CST);
    if (!has_work(team)) {
        ct_os_wait(&team->signal, signal);
        slept = true;
    }
    __atomic_sub_fetch(&team->sleepers, 1, __ATOMIC_SEQ_CST);
    return slept;
}

static void work(void *arg)
{
    struct worker *self = arg;
    struct ct_team *team = self->team;
    const unsigned plain_floats = float_control();
    bool slept = false, flushing = false;
    while (!__atomic_load_n(&team->stopping, __ATOMIC_ACQUIRE)) {
        if (enter_gate(team)) {
            if (slept && __atomic_load_n(&team->sleepers, __ATOMIC_RELAXED) && has_chunks(team))
                wake_some(team, WAKES_AT_ONCE);
            slept = false;
            if (team->flushes_denormals != flushing) {
                flushing = !flushing;
                if (flushing)
                    ct_flush_denormals();
                else
                    ct_restore_denormals(plain_floats);
            }
            run_chunks(team, self->index);
            leave_gate(team);
        } else if (!spin_for_work(team)) {
            slept |= sleep_for_work(team);
        }
    }
}

/* ------------------------------------------------------------------ pool */

static void stop_workers(struct ct_team *team)
{
    __atomic_store_n(&team->stopping, 1, __ATOMIC_SEQ_CST);
    wake_some(team, INT32_MAX);
    for (int i = 0; i < team->started; i++)
        ct_os_thread_join(team->workers[i].thread);
}

static size_t workers_bytes(const struct ct_team *team)
{
    return (size_t)(team->threads - 1) * sizeof *team->workers;
}

static size_t shares_bytes(const struct ct_team *team)
{
    return (size_t)team->threads * sizeof *team->shares;
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

    struct ct_team *made = ct_alloc_zero(allocator, sizeof *made);
    if (!made)
        return ct_fail_memory(error, sizeof *made, "a thread pool");
    made->pool = (struct ct_pool){.team = made};
    made->allocator = allocator;
    made->threads = threads;
    /* With more threads than processors, spinning takes time from who has work. */
    made->spin_ns = threads <= usable ? SPIN_NS : 0;
    made->workers = ct_alloc_zero(allocator, workers_bytes(made));
    made->shares = ct_alloc_zero(allocator, shares_bytes(made));
    if (!made->workers || !made->shares) {
        size_t size_bytes = workers_bytes(made) + shares_bytes(made);
        ct_pool_destroy(&made->pool);
        return ct_fail_memory(error, size_bytes, "a thread pool");
    }
    for (int i = 0; i < threads - 1; i++) {
        struct worker *worker = &made->workers[i];
        *worker = (struct worker){.team = made, .index = i + 1};
        char name[32];
        snprintf(name, sizeof name, "corten-%d", i + 1);
        ct_status status =
            ct_os_thread_start(allocator, work, worker, name, &worker->thread, error);
        if (status != CORTEN_OK) {
            ct_pool_destroy(&made->pool);
            return status;
        }
        made->started++;
    }
    *pool = &made->pool;
    return CORTEN_OK;
}

void ct_pool_destroy(struct ct_pool *pool)
{
    if (!pool)
        return;
    struct ct_team *team = pool->team;
    const corten_allocator *allocator = team->allocator;
    stop_workers(team);
    ct_release(allocator, team->workers, workers_bytes(team));
    ct_release(allocator, team->shares, shares_bytes(team));
    ct_release(allocator, team, sizeof *team);
}

int ct_pool_threads(const struct ct_pool *pool)
{
    return pool->team->threads;
}

void ct_pool_set_spinning(struct ct_pool *pool, bool spinning)
{
    struct ct_team *team = pool->team;
    const bool spins = spinning && team->threads <= ct_os_usable_cpus();
    __atomic_store_n(&team->spin_ns, spins ? SPIN_NS : 0, __ATOMIC_RELAXED);
}

ct_status ct_pool_pin(struct ct_pool *pool, const char *affinities, corten_error *error)
{
    const struct ct_team *team = pool->team;
    const char *at = affinities;
    for (int i = 0; i < team->threads - 1; i++) {
        struct ct_os_cpus cpus;
        if (i > 0 && *at != ';')
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "affinities '%s' are for %d threads, expected %d: one less than the "
                           "pool's, for the caller of a run is not among them",
                           affinities, i, team->threads - 1);
        CT_TRY(ct_affinity_parse(affinities, i > 0 ? at + 1 : at, &cpus, &at, error));
        CT_TRY(ct_os_thread_pin(team->workers[i].thread, &cpus, error));
    }
    if (*at)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "affinities '%s' are for more than the %d workers of the pool", affinities,
                       team->threads - 1);
    return CORTEN_OK;
}

void ct_pool_enter(struct ct_pool *pool)
{
    __atomic_add_fetch(&pool->team->active, 1, __ATOMIC_RELAXED);
}

void ct_pool_leave(struct ct_pool *pool)
{
    __atomic_sub_fetch(&pool->team->active, 1, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ loops */

static bool take_workers(struct ct_team *team)
{
    int idle = 0;
    return __atomic_load_n(&team->busy, __ATOMIC_RELAXED) == 0 &&
           __atomic_compare_exchange_n(&team->busy, &idle, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Waits until no worker is inside the closed gate: at most what one chunk takes, unless the
 * system has taken the processor from a worker. */
static void wait_for_workers(struct ct_team *team)
{
    int64_t deadline_ns = 0;
    for (;;) {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if (!(__atomic_load_n(&team->gate, __ATOMIC_ACQUIRE) & INSIDE_MASK))
                return;
            pause_cpu();
        }
        int64_t now_ns = ct_os_now_ns();
        if (!deadline_ns)
            deadline_ns = now_ns + team->spin_ns;
        if (now_ns < deadline_ns)
            continue;
        int gate = __atomic_or_fetch(&team->gate, WAITED, __ATOMIC_ACQUIRE);
        if (gate & INSIDE_MASK)
            ct_os_wait(&team->gate, gate);
    }
}

/* Wakes workers when those awake are fewer than the chunks for others. */
static void wake_for_chunks(struct ct_team *team, int64_t chunks)
{
    int sleepers = __atomic_load_n(&team->sleepers, __ATOMIC_SEQ_CST);
    int64_t missing = chunks - (team->threads - 1 - sleepers);
    if (sleepers && missing > 0)
        wake_some(team, missing < WAKES_AT_ONCE ? (int)missing : WAKES_AT_ONCE);
}

void ct_parallel_for(struct ct_pool *pool, int64_t n, int64_t grain, ct_loop_fn fn, void *arg)
{
    if (n <= 0)
        return;
    struct ct_team *team = pool ? pool->team : NULL;
    if (n <= grain || n == 1 || !team || team->threads == 1 || !take_workers(team)) {
        if (pool && pool->stop)
            run_alone(pool->stop, n, grain, fn, arg);
        else
            fn(arg, 0, n, 0);
        return;
    }
    int64_t share = n / ((int64_t)team->threads * CHUNKS_PER_THREAD);
    int64_t chunk = grain > share ? grain : share;
    int64_t most = pool->stop ? stoppable_chunk(grain) : chunk;
    chunk = chunk < most ? chunk : most;
    const int64_t least = (n - 1) / MOST_CHUNKS + 1;
    team->fn = fn;
    team->arg = arg;
    team->n = n;
    team->chunk = chunk > least ? chunk : least;
    team->stop = pool->stop;
    team->flushes_denormals = pool->flushes_denormals;
    share_out(team);
    __atomic_store_n(&team->gate, OPEN, __ATOMIC_SEQ_CST);
    wake_for_chunks(team, (n - 1) / team->chunk);

    run_chunks(team, 0);
    __atomic_and_fetch(&team->gate, ~OPEN, __ATOMIC_RELAXED);
    wait_for_workers(team);
    __atomic_store_n(&team->gate, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team->busy, 0, __ATOMIC_RELEASE);
}

int64_t ct_grain(double item_ns)
{
    const double chunk_ns = 10000;
    if (!(item_ns > 0))
        return INT64_C(1) << 20;
    double items = chunk_ns / item_ns;
    return items < 1 ? 1 : items > (double)(1 << 30) ? INT64_C(1) << 30 : (int64_t)items;
}
