/* The profiler: notes when each step of each run began and ended, and tells it as a Chrome trace.
 *
 * What is the same in all runs of a plan (names, shapes, sizes, costs) is put into words once, when
 * the plan is made. A run then writes one reading of the processor's time stamp counter a step into
 * memory of its frame, and hands all of them over at its end. */
#ifndef CT_EXEC_PROFILER_H
#define CT_EXEC_PROFILER_H

#include "plan/plan.h"

struct ct_profiler;
struct ct_profile_plan;
struct ct_profile_run;

/** Phases of a session, and runs: events of category "Session". */
struct ct_profile_phase {
    const char *name; /* static */
    int64_t start_ns, end_ns;
};

/** `prefix` is copied, the allocator borrowed. Times count from `start_ns`. */
ct_status ct_profiler_create(const corten_allocator *allocator, const char *prefix,
                             int64_t start_ns, struct ct_profiler **profiler, corten_error *error);
void ct_profiler_destroy(struct ct_profiler *profiler); /* NULL allowed */
int64_t ct_profiler_start_ns(const struct ct_profiler *profiler);

/** Thread safe; lost when there is no memory. */
void ct_profiler_add_phase(struct ct_profiler *profiler, const char *name, int64_t start_ns,
                           int64_t end_ns);
/** Describes the steps of a plan, the making of which began at `start_ns` and has just ended.
 *  *described lives as long as the profiler, and needs nothing of the plan later. Thread safe. */
ct_status ct_profiler_add_plan(struct ct_profiler *profiler, const struct ct_plan *plan,
                               int64_t start_ns, struct ct_profile_plan **described,
                               corten_error *error);

/** The notes of one run at a time. */
ct_status ct_profile_run_create(struct ct_profile_plan *plan, struct ct_profile_run **run,
                                corten_error *error);
void ct_profile_run_destroy(struct ct_profile_run *run); /* NULL allowed */
void ct_profile_run_begin(struct ct_profile_run *run);
/** Step `index` has ended. */
void ct_profile_run_note(struct ct_profile_run *run, int index, const struct ct_run *args);
/** Hands the notes to the profiler; those over the millionth step are dropped. */
void ct_profile_run_end(struct ct_profile_run *run);

/** The trace up to now; `*json` is from the default allocator. Thread safe. */
ct_status ct_profiler_json(struct ct_profiler *profiler, char **json, corten_error *error);
/** Writes PREFIX_DATE_TIME_PID.json; `path` (NULL allowed) receives the path. */
ct_status ct_profiler_write(struct ct_profiler *profiler, char *path, size_t path_size_bytes,
                            corten_error *error);

#endif
