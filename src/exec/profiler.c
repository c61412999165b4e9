/* Recording: plans, runs and phases. See profile_json.c for the trace. */
#include "exec/profiler.h"

#include <string.h>

#include "exec/profile_parts.h"

enum { MOST_STEPS = 1000000 };

struct ct_profile_run {
    struct ct_profile_plan *plan;
    size_t size_bytes;
    int n_done;
    const struct ct_profile_step **dynamic;
    int64_t stamps[];
};

int64_t ct_profile_ticks(void)
{
#if defined(__x86_64__)
    return (int64_t)__builtin_ia32_rdtsc();
#else
    return ct_os_now_ns();
#endif
}

/* ------------------------------------------------------------------ life */

ct_status ct_profiler_create(const corten_allocator *allocator, const char *prefix,
                             int64_t start_ns, struct ct_profiler **profiler, corten_error *error)
{
    struct ct_profiler *p = ct_alloc_zero(allocator, sizeof *p);
    if (!p)
        return ct_fail_memory(error, sizeof *p, "the profiler");
    p->allocator = allocator;
    ct_arena_init(&p->arena, allocator);
    p->prefix = ct_arena_strdup(&p->arena, prefix);
    p->last_event = &p->first_event;
    p->last_log = &p->first_log;
    p->start_ns = start_ns;
    /* Both clocks, read at one time; what has gone by since start_ns is nanoseconds only. */
    p->start_ticks = ct_profile_ticks();
    p->start_now_ns = ct_os_now_ns();
    if (!p->prefix) {
        ct_profiler_destroy(p);
        return ct_fail_memory(error, strlen(prefix), "the profiler");
    }
    *profiler = p;
    return CORTEN_OK;
}

void ct_profiler_destroy(struct ct_profiler *profiler)
{
    if (!profiler)
        return;
    ct_arena_deinit(&profiler->arena);
    ct_release(profiler->allocator, profiler, sizeof *profiler);
}

int64_t ct_profiler_start_ns(const struct ct_profiler *profiler)
{
    return profiler->start_ns;
}

void ct_profiler_add_phase(struct ct_profiler *profiler, const char *name, int64_t start_ns,
                           int64_t end_ns)
{
    int64_t thread = ct_os_thread_id();
    ct_mutex_lock(&profiler->mutex);
    struct ct_profile_event *event = ct_arena_alloc_zero(&profiler->arena, sizeof *event);
    if (event) {
        event->phase = (struct ct_profile_phase){name, start_ns, end_ns};
        event->thread = thread;
        *profiler->last_event = event;
        profiler->last_event = &event->next;
    }
    ct_mutex_unlock(&profiler->mutex);
}

/* ------------------------------------------------------------------ plans */

static bool describe_planned(struct ct_profile_plan *described, const struct ct_plan *plan,
                             int index, struct ct_arena *arena)
{
    const struct ct_plan_step *step = &plan->steps[index];
    const struct ct_tensor **in = ct_arena_array(arena, (size_t)step->n_in, sizeof *in);
    const struct ct_tensor **out = ct_arena_array(arena, (size_t)step->n_out, sizeof *out);
    if (!in || !out)
        return false;
    uint64_t constants = 0;
    for (int i = 0; i < step->n_in; i++) {
        if (step->in[i] < 0)
            continue;
        in[i] = &plan->slots[step->in[i]].tensor;
        if (i < 64 && plan->slots[step->in[i]].place == CT_PLACE_CONSTANT)
            constants |= UINT64_C(1) << i;
    }
    for (int i = 0; i < step->n_out; i++)
        out[i] = step->out[i] < 0 ? NULL : &plan->slots[step->out[i]].tensor;
    return ct_profile_describe(&described->steps[index], step, index, in, out, constants, arena);
}

static struct ct_profile_plan *describe_plan(struct ct_profiler *profiler,
                                             const struct ct_plan *plan)
{
    struct ct_arena *arena = &profiler->arena;
    size_t n = (size_t)plan->n_steps;
    struct ct_profile_plan *d = ct_arena_alloc_zero(arena, sizeof *d);
    if (!d)
        return NULL;
    d->profiler = profiler;
    d->is_main = !plan->graph->parent;
    d->n_steps = plan->n_steps;
    d->steps = ct_arena_array(arena, n, sizeof *d->steps);
    d->dynamic_index = ct_arena_array(arena, n, sizeof *d->dynamic_index);
    if (!d->steps || !d->dynamic_index)
        return NULL;
    d->planned = plan->steps;
    for (int i = 0; i < plan->n_steps; i++) {
        bool dynamic = !plan->steps[i].run;
        d->dynamic_index[i] = dynamic ? d->n_dynamic++ : -1;
        if (!dynamic && !describe_planned(d, plan, i, arena))
            return NULL;
    }
    return d;
}

ct_status ct_profiler_add_plan(struct ct_profiler *profiler, const struct ct_plan *plan,
                               int64_t start_ns, struct ct_profile_plan **described,
                               corten_error *error)
{
    int64_t end_ns = ct_os_now_ns();
    ct_mutex_lock(&profiler->mutex);
    struct ct_profile_plan *made = describe_plan(profiler, plan);
    ct_mutex_unlock(&profiler->mutex);
    if (!made)
        return ct_fail_memory(error, (size_t)plan->n_steps * sizeof *made->steps,
                              "the profile of a plan");
    ct_profiler_add_phase(profiler, "planning", start_ns, end_ns);
    *described = made;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ runs */

ct_status ct_profile_run_create(struct ct_profile_plan *plan, struct ct_profile_run **run,
                                corten_error *error)
{
    const corten_allocator *allocator = plan->profiler->allocator;
    size_t stamps = ((size_t)plan->n_steps + 2) * sizeof(int64_t);
    size_t dynamic = (size_t)plan->n_dynamic * sizeof(void *);
    size_t size_bytes = sizeof(struct ct_profile_run) + stamps + dynamic;
    struct ct_profile_run *made = ct_alloc_zero(allocator, size_bytes);
    if (!made)
        return ct_fail_memory(error, size_bytes, "the profile of a run");
    made->plan = plan;
    made->size_bytes = size_bytes;
    made->dynamic = (const struct ct_profile_step **)(void *)((char *)made->stamps + stamps);
    *run = made;
    return CORTEN_OK;
}

void ct_profile_run_destroy(struct ct_profile_run *run)
{
    if (run)
        ct_release(run->plan->profiler->allocator, run, run->size_bytes);
}

void ct_profile_run_begin(struct ct_profile_run *run)
{
    run->n_done = 0;
    run->stamps[0] = ct_profile_ticks();
}

/* Shapes of this run. */
static const struct ct_profile_step *describe_dynamic(struct ct_profile_run *run, int index,
                                                      const struct ct_run *args)
{
    struct ct_profiler *profiler = run->plan->profiler;
    ct_mutex_lock(&profiler->mutex);
    struct ct_profile_step *step = ct_arena_alloc_zero(&profiler->arena, sizeof *step);
    if (step &&
        !ct_profile_describe(step, &run->plan->planned[index], index,
                             (const struct ct_tensor *const *)args->in,
                             (const struct ct_tensor *const *)args->out, 0, &profiler->arena))
        step = NULL;
    ct_mutex_unlock(&profiler->mutex);
    return step;
}

void ct_profile_run_note(struct ct_profile_run *run, int index, const struct ct_run *args)
{
    run->stamps[index + 1] = ct_profile_ticks();
    run->n_done = index + 1;
    int dynamic = run->plan->dynamic_index[index];
    if (dynamic >= 0)
        run->dynamic[dynamic] = describe_dynamic(run, index, args);
}

void ct_profile_run_end(struct ct_profile_run *run)
{
    struct ct_profile_plan *plan = run->plan;
    struct ct_profiler *profiler = plan->profiler;
    size_t n_done = (size_t)run->n_done, n_stamps = n_done + 2;
    run->stamps[n_done + 1] = ct_profile_ticks();
    int64_t thread = ct_os_thread_id();
    ct_mutex_lock(&profiler->mutex);
    struct ct_profile_log *log = NULL;
    if (profiler->n_noted + n_done <= MOST_STEPS)
        log = ct_arena_alloc(&profiler->arena, sizeof *log + n_stamps * sizeof *log->stamps +
                                                   (size_t)plan->n_dynamic * sizeof *log->dynamic);
    if (log) {
        *log = (struct ct_profile_log){.plan = plan, .thread = thread, .n_done = run->n_done};
        log->stamps = (int64_t *)(void *)(log + 1);
        log->dynamic = (const struct ct_profile_step **)(void *)(log->stamps + n_stamps);
        memcpy(log->stamps, run->stamps, n_stamps * sizeof *log->stamps);
        if (plan->n_dynamic)
            memcpy(log->dynamic, run->dynamic, (size_t)plan->n_dynamic * sizeof *log->dynamic);
        *profiler->last_log = log;
        profiler->last_log = &log->next;
        profiler->n_noted += n_done;
    } else {
        profiler->n_dropped += n_done;
    }
    ct_mutex_unlock(&profiler->mutex);
    if (plan->n_dynamic)
        memset(run->dynamic, 0, (size_t)plan->n_dynamic * sizeof *run->dynamic);
}
