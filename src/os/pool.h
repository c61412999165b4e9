/* The thread pool: N threads of which the caller of a run is one.
 *
 * Workers sleep unless a run is active; within one they spin for a short while between parallel
 * loops. Several runs may use one pool at once: a loop that finds the workers busy runs on its
 * caller alone. Results never depend on the number of threads: how work is cut into items is the
 * caller's choice and must depend on shapes only.
 * After a fork the child has no workers: loops there run on the caller alone. */
#ifndef CT_OS_POOL_H
#define CT_OS_POOL_H

#include "os/os.h"

/** What may stop a run before its end. Kept by whoever runs, for as long as the run lasts. */
struct ct_stop {
    const int *cancel;   /* becomes non-zero in another thread (atomically); NULL: none */
    int64_t deadline_ns; /* of ct_os_now_ns; 0: none */
    int reason;          /* 0, or for good the status that the run ends with */
};
/** Whether to stop now; sets the reason. `stop` may be NULL. Any thread. */
bool ct_stop_due(struct ct_stop *stop);
/** The reason so far; CORTEN_OK: none. `stop` may be NULL. */
ct_status ct_stop_reason(const struct ct_stop *stop);

/** What a loop sees of the threads. A run that may be stopped makes a copy and sets `stop`: loops
 *  over it then leave items undone once that is due. Nothing may read what such a loop should have
 *  written, but to write it elsewhere, until the reason has been looked at. */
struct ct_pool {
    struct ct_team *team; /* the workers */
    struct ct_stop *stop; /* NULL: loops are always whole */
    /* Workers take denormal numbers for 0 within loops; for the caller see ct_flush_denormals. */
    bool flushes_denormals;
};

/** threads 0: ct_os_usable_cpus(). The allocator is borrowed. */
ct_status ct_pool_create(const corten_allocator *allocator, int threads, struct ct_pool **pool,
                         corten_error *error);
void ct_pool_destroy(struct ct_pool *pool); /* NULL allowed */
int ct_pool_threads(const struct ct_pool *pool);

/* Before the first loop: */

/** Without spinning, workers sleep as soon as they find no work. */
void ct_pool_set_spinning(struct ct_pool *pool, bool spinning);
/** Keeps each worker on processors of its own: a list for each, separated by ';', of numbers that
 *  count from 1 and ranges, separated by ',', as "1,2;3-4". */
ct_status ct_pool_pin(struct ct_pool *pool, const char *affinities, corten_error *error);

/** Makes the calling thread take denormal numbers for 0, and returns what restores it. */
unsigned ct_flush_denormals(void);
void ct_restore_denormals(unsigned before);

/** Between these, workers spin for work. Calls nest and may come from several threads. */
void ct_pool_enter(struct ct_pool *pool);
void ct_pool_leave(struct ct_pool *pool);

/** Work on items begin to end-1. `worker` is 0 to threads-1 and is unique among the calls that
 *  are under way for one loop. */
typedef void (*ct_loop_fn)(void *arg, int64_t begin, int64_t end, int worker);

/** Calls fn over [0, n) in chunks of at least `grain` items, in parallel, and returns when all are
 *  done, or the pool's stop is due. `pool` may be NULL: then on the caller alone. Never fails, never
 *  allocates. */
void ct_parallel_for(struct ct_pool *pool, int64_t n, int64_t grain, ct_loop_fn fn, void *arg);

/** A grain such that a chunk takes some 10 µs when an item costs `item_ns` nanoseconds. */
int64_t ct_grain(double item_ns);

#endif
