/* What the files of the profiler share; nobody else includes this. */
#ifndef CT_EXEC_PROFILE_PARTS_H
#define CT_EXEC_PROFILE_PARTS_H

#include "exec/profiler.h"

/** A step in words: the event's name and its arguments, but for what each run adds. */
struct ct_profile_step {
    const char *name, *args; /* as in JSON, without quotes or braces around them */
    double flops, bytes;     /* -1: not known */
};

struct ct_profile_plan {
    struct ct_profiler *profiler;
    bool is_main; /* of the model's main graph */
    int n_steps, n_dynamic;
    struct ct_profile_step *steps;
    /* Steps whose shapes only a run tells: by step, their place in a run's `dynamic`, or -1. */
    const struct ct_plan_step *planned; /* valid while the plan lives */
    int *dynamic_index;
};

/** A run that has ended. */
struct ct_profile_log {
    struct ct_profile_log *next;
    const struct ct_profile_plan *plan;
    int64_t thread;
    int n_done;                             /* steps that ended */
    int64_t *stamps;                        /* begin, end of step 0, of step 1, …, end */
    const struct ct_profile_step **dynamic; /* plan->n_dynamic; NULL where not reached */
};

struct ct_profile_event {
    struct ct_profile_event *next;
    struct ct_profile_phase phase;
    int64_t thread;
};

struct ct_profiler {
    const corten_allocator *allocator;
    int64_t start_ns;                  /* what times count from */
    int64_t start_ticks, start_now_ns; /* both clocks at one time */
    struct ct_mutex mutex;             /* over what follows */
    struct ct_arena arena;             /* of all that is noted */
    char *prefix;
    struct ct_profile_event *first_event, **last_event;
    struct ct_profile_log *first_log, **last_log;
    size_t n_noted, n_dropped; /* steps */
};

/** A clock that is cheap to read; monotonic, of unknown frequency. */
int64_t ct_profile_ticks(void);
/** Describes a step from its tensors (NULL: absent). In `arena`; false without memory. */
bool ct_profile_describe(struct ct_profile_step *described, const struct ct_plan_step *step,
                         int index, const struct ct_tensor *const *in,
                         const struct ct_tensor *const *out, uint64_t constants,
                         struct ct_arena *arena);

#endif
