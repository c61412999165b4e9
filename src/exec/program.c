#include "exec/program.h"

#include <string.h>

/* Plans kept for each program: shapes vary (sequence lengths, batches), but not endlessly. */
enum { MAX_PLANS = 8 };

struct cached_plan {
    struct ct_plan *plan;
    struct ct_profile_plan *profile; /* the profiler's; NULL: none */
    struct ct_frame *free_frames;
    int n_frames;     /* in use too */
    int users;        /* runs under way */
    bool retired;     /* out of the cache; freed by its last user */
    uint64_t used_at; /* for least recently used */
    struct cached_plan *next;
};

struct ct_program {
    const struct ct_context *context;
    struct ct_graph *graph;
    struct ct_mutex mutex; /* over what follows; never held while planning or running */
    struct cached_plan *plans;
    int n_plans;
    uint64_t clock;
    int64_t plan_ns;
};

/* ------------------------------------------------------------------ creation */

static void destroy_frames(struct ct_frame *frames)
{
    while (frames) {
        struct ct_frame *next = frames->next;
        ct_frame_destroy(frames);
        frames = next;
    }
}

static void destroy_plan(const struct ct_program *program, struct cached_plan *cached)
{
    destroy_frames(cached->free_frames);
    ct_plan_destroy(cached->plan);
    ct_release(program->context->allocator, cached, sizeof *cached);
}

static ct_status for_subgraphs(struct ct_graph *graph,
                               ct_status (*fn)(void *arg, struct ct_graph *graph), void *arg)
{
    for (struct ct_node *node = graph->first; node; node = node->next)
        for (int i = 0; i < node->n_attrs; i++)
            for (int j = 0; j < ct_attr_graph_count(&node->attrs[i]); j++)
                CT_TRY(fn(arg, node->attrs[i].graphs[j]));
    return CORTEN_OK;
}

struct create_arg {
    const struct ct_context *context;
    corten_error *error;
};

static ct_status create_subprogram(void *arg, struct ct_graph *graph)
{
    struct create_arg *create = arg;
    struct ct_program *program;
    CT_TRY(ct_program_create(create->context, graph, &program, create->error));
    graph->program = program;
    return CORTEN_OK;
}

static ct_status destroy_subprogram(void *arg, struct ct_graph *graph)
{
    (void)arg;
    ct_program_destroy(graph->program);
    graph->program = NULL;
    return CORTEN_OK;
}

ct_status ct_program_create(const struct ct_context *context, struct ct_graph *graph,
                            struct ct_program **program, corten_error *error)
{
    struct ct_program *p = ct_alloc_zero(context->allocator, sizeof *p);
    if (!p)
        return ct_fail_memory(error, sizeof *p, "a program");
    p->context = context;
    p->graph = graph;
    struct create_arg arg = {context, error};
    ct_status status = for_subgraphs(graph, create_subprogram, &arg);
    if (status != CORTEN_OK) {
        ct_program_destroy(p);
        return status;
    }
    *program = p;
    return CORTEN_OK;
}

void ct_program_destroy(struct ct_program *program)
{
    if (!program)
        return;
    for_subgraphs(program->graph, destroy_subprogram, NULL);
    while (program->plans) {
        struct cached_plan *next = program->plans->next;
        destroy_plan(program, program->plans);
        program->plans = next;
    }
    ct_release(program->context->allocator, program, sizeof *program);
}

/* ------------------------------------------------------------------ the cache of plans */

/* With the mutex held. */
static struct cached_plan *find_plan(struct ct_program *program,
                                     const struct ct_tensor *const *inputs)
{
    for (struct cached_plan *c = program->plans; c; c = c->next)
        if (ct_plan_fits(c->plan, inputs)) {
            c->used_at = ++program->clock;
            c->users++;
            return c;
        }
    return NULL;
}

/* With the mutex held: takes the plan unused for longest out of the list. Returns it when it can be
 * freed at once. */
static struct cached_plan *evict_oldest(struct ct_program *program)
{
    struct cached_plan **oldest = &program->plans;
    for (struct cached_plan **c = &program->plans; *c; c = &(*c)->next)
        if ((*c)->used_at < (*oldest)->used_at)
            oldest = c;
    struct cached_plan *out = *oldest;
    *oldest = out->next;
    program->n_plans--;
    out->retired = true;
    return out->users ? NULL : out;
}

static ct_status make_plan(struct ct_program *program, const struct ct_tensor *const *inputs,
                           struct cached_plan **made, corten_error *error)
{
    const struct ct_context *context = program->context;
    struct ct_plan_request request = {
        .graph = program->graph,
        .inputs = inputs,
        .providers = &context->providers,
        .weights = context->weights,
        .precision = context->precision,
        .keeps_weights = context->keeps_weights,
        .pool = context->pool,
        .allocator = context->allocator,
    };
    struct cached_plan *cached = ct_alloc_zero(context->allocator, sizeof *cached);
    if (!cached)
        return ct_fail_memory(error, sizeof *cached, "a plan");
    int64_t start = ct_os_now_ns();
    ct_status status = ct_plan_create(&request, &cached->plan, error);
    if (status == CORTEN_OK && context->profiler)
        status =
            ct_profiler_add_plan(context->profiler, cached->plan, start, &cached->profile, error);
    if (status != CORTEN_OK) {
        destroy_plan(program, cached);
        return status;
    }
    __atomic_add_fetch(&program->plan_ns, ct_os_now_ns() - start, __ATOMIC_RELAXED);
    ct_log_write(&context->log, CORTEN_LOG_INFO,
                 "graph '%s': planned %d steps, %zu KiB for intermediates, in %.1f ms",
                 program->graph->name, cached->plan->n_steps, cached->plan->arena_bytes >> 10,
                 (double)(ct_os_now_ns() - start) * 1e-6);
    if (cached->plan->n_products)
        ct_log_write(&context->log, CORTEN_LOG_INFO,
                     "graph '%s': of %d products %d compute in bfloat16", program->graph->name,
                     cached->plan->n_products, cached->plan->n_bf16);
    *made = cached;
    return CORTEN_OK;
}

static ct_status acquire_plan(struct ct_program *program, const struct ct_tensor *const *inputs,
                              struct cached_plan **result, corten_error *error)
{
    ct_mutex_lock(&program->mutex);
    struct cached_plan *found = find_plan(program, inputs);
    ct_mutex_unlock(&program->mutex);
    if (!found) {
        struct cached_plan *made = NULL, *old = NULL;
        CT_TRY(make_plan(program, inputs, &made, error));
        ct_mutex_lock(&program->mutex);
        found = find_plan(program, inputs); /* somebody else may have been faster */
        if (found) {
            old = made;
        } else {
            if (program->n_plans == MAX_PLANS)
                old = evict_oldest(program);
            made->users = 1;
            made->used_at = ++program->clock;
            made->next = program->plans;
            program->plans = made;
            program->n_plans++;
            found = made;
        }
        ct_mutex_unlock(&program->mutex);
        if (old)
            destroy_plan(program, old);
    }
    *result = found;
    return CORTEN_OK;
}

static void init_exec(struct ct_program *program, struct ct_frame *frame);

static ct_status acquire_frame(struct ct_program *program, struct cached_plan *cached,
                               struct ct_frame **frame, corten_error *error)
{
    ct_mutex_lock(&program->mutex);
    *frame = cached->free_frames;
    if (*frame)
        cached->free_frames = (*frame)->next;
    ct_mutex_unlock(&program->mutex);
    if (*frame)
        return CORTEN_OK;
    CT_TRY(ct_frame_create(cached->plan, program->context->allocator, frame, error));
    init_exec(program, *frame);
    ct_status status = CORTEN_OK;
    if (cached->profile)
        status = ct_profile_run_create(cached->profile, &(*frame)->profile, error);
    if (status != CORTEN_OK) {
        ct_frame_destroy(*frame);
        *frame = NULL;
        return status;
    }
    ct_mutex_lock(&program->mutex);
    cached->n_frames++;
    ct_mutex_unlock(&program->mutex);
    return CORTEN_OK;
}

static void release(struct ct_program *program, struct cached_plan *cached, struct ct_frame *frame)
{
    ct_mutex_lock(&program->mutex);
    if (frame) {
        frame->next = cached->free_frames;
        cached->free_frames = frame;
    }
    bool last = --cached->users == 0 && cached->retired;
    ct_mutex_unlock(&program->mutex);
    if (last)
        destroy_plan(program, cached);
}

/* ------------------------------------------------------------------ running */

static ct_status run_subgraph(const struct ct_run *run, struct ct_graph *graph,
                              const struct ct_tensor *const *inputs, size_t n_inputs,
                              struct ct_tensor *outputs, size_t n_outputs)
{
    if (n_inputs != graph->n_inputs || n_outputs != graph->n_outputs)
        return ct_run_fail(run,
                           "subgraph '%s' has %zu inputs and %zu outputs, expected %zu and %zu",
                           graph->name, graph->n_inputs, graph->n_outputs, n_inputs, n_outputs);
    const struct ct_tensor *few[32];
    const struct ct_tensor **all = few;
    size_t n = n_inputs + graph->n_captures;
    if (n > sizeof few / sizeof *few) {
        all = ct_alloc(run->exec->allocator, n * sizeof *all);
        if (!all)
            return ct_fail_memory(run->exec->error, n * sizeof *all, "inputs of a subgraph");
    }
    struct ct_tensor *const *captures =
        run->in + run->n_in + ct_node_captures_before(run->node, graph);
    for (size_t i = 0; i < n; i++)
        all[i] = i < n_inputs ? inputs[i] : captures[i - n_inputs];
    struct ct_call call = {.stop = run->exec->stop};
    ct_status status = ct_program_run(graph->program, all, outputs, &call, run->exec->error);
    if (all != few)
        ct_release(run->exec->allocator, all, n * sizeof *all);
    return status;
}

/* What the steps of a frame's runs share, but for what changes from run to run. */
static void init_exec(struct ct_program *program, struct ct_frame *frame)
{
    const struct ct_context *context = program->context;
    frame->exec = (struct ct_exec){
        .pool = context->pool,
        .allocator = context->run_allocator ? context->run_allocator : context->allocator,
        .seed = context->seed,
        .subgraph = run_subgraph,
        .runner = program,
    };
    frame->whole = frame->exec;
    if (context->pool)
        frame->pool = *context->pool;
}

static void set_exec(const struct ct_program *program, struct ct_frame *frame, struct ct_stop *stop,
                     corten_error *error)
{
    frame->exec.error = frame->whole.error = error;
    frame->exec.stop = frame->whole.stop = frame->pool.stop = stop;
    frame->exec.pool = stop ? &frame->pool : program->context->pool;
}

ct_status ct_program_run(struct ct_program *program, const struct ct_tensor *const *inputs,
                         struct ct_tensor *outputs, const struct ct_call *call, corten_error *error)
{
    const struct ct_context *context = program->context;
    struct cached_plan *cached;
    struct ct_frame *frame = NULL;
    CT_TRY(acquire_plan(program, inputs, &cached, error));
    ct_status status = acquire_frame(program, cached, &frame, error);
    if (status == CORTEN_OK) {
        set_exec(program, frame, call ? call->stop : NULL, error);
        const bool flushes = context->pool->flushes_denormals;
        const unsigned floats = flushes ? ct_flush_denormals() : 0;
        ct_pool_enter(context->pool);
        if (__builtin_expect(frame->profile != NULL, 0))
            ct_profile_run_begin(frame->profile);
        status = ct_frame_run(frame, inputs, outputs, call ? call->reuse : NULL);
        if (__builtin_expect(frame->profile != NULL, 0))
            ct_profile_run_end(frame->profile);
        ct_pool_leave(context->pool);
        if (flushes)
            ct_restore_denormals(floats);
    }
    release(program, cached, frame);
    return status;
}

/* ------------------------------------------------------------------ planning ahead, memory */

ct_status ct_program_plan(struct ct_program *program, const struct ct_tensor *const *inputs,
                          corten_plan_info *info, corten_error *error)
{
    struct cached_plan *cached;
    CT_TRY(acquire_plan(program, inputs, &cached, error));
    const struct ct_plan *plan = cached->plan;
    *info =
        (corten_plan_info){.step_count = (size_t)plan->n_steps, .arena_bytes = plan->arena_bytes};
    for (int i = 0; i < plan->n_steps; i++)
        info->dynamic_step_count += plan->steps[i].run == NULL;
    for (size_t i = 0; i < plan->graph->n_inputs; i++)
        info->input_bytes += ct_tensor_bytes(&plan->inputs[i]);
    for (size_t k = 0; k < plan->graph->n_outputs; k++) {
        const struct ct_slot *slot = &plan->slots[plan->outputs[k].slot];
        if (slot->place != CT_PLACE_DYNAMIC)
            info->output_bytes += ct_tensor_bytes(&slot->tensor);
    }
    release(program, cached, NULL);
    return CORTEN_OK;
}

ct_status ct_program_visit(struct ct_program *program, const struct ct_tensor *const *inputs,
                           void (*fn)(void *arg, const struct ct_plan_step *step), void *arg,
                           corten_error *error)
{
    struct cached_plan *cached;
    CT_TRY(acquire_plan(program, inputs, &cached, error));
    for (int i = 0; i < cached->plan->n_steps; i++)
        fn(arg, &cached->plan->steps[i]);
    release(program, cached, NULL);
    return CORTEN_OK;
}

static ct_status add_usage(void *arg, struct ct_graph *graph)
{
    ct_program_add_usage(graph->program, arg);
    return CORTEN_OK;
}

void ct_program_add_usage(struct ct_program *program, struct ct_program_usage *usage)
{
    ct_mutex_lock(&program->mutex);
    for (const struct cached_plan *c = program->plans; c; c = c->next) {
        usage->n_plans++;
        usage->n_frames += (size_t)c->n_frames;
        usage->arena_bytes += (size_t)c->n_frames * c->plan->arena_bytes;
    }
    ct_mutex_unlock(&program->mutex);
    usage->plan_ns += __atomic_load_n(&program->plan_ns, __ATOMIC_RELAXED);
    for_subgraphs(program->graph, add_usage, usage);
}

static ct_status trim(void *arg, struct ct_graph *graph)
{
    (void)arg;
    ct_program_trim(graph->program);
    return CORTEN_OK;
}

void ct_program_trim(struct ct_program *program)
{
    struct cached_plan *unused = NULL;
    ct_mutex_lock(&program->mutex);
    for (struct cached_plan **at = &program->plans; *at;) {
        struct cached_plan *cached = *at;
        if (!cached->users) {
            *at = cached->next;
            cached->next = unused;
            unused = cached;
            program->n_plans--;
            continue;
        }
        /* Under the lock: without it the plan's last user may destroy the plan meanwhile. */
        for (const struct ct_frame *frame = cached->free_frames; frame; frame = frame->next)
            cached->n_frames--;
        destroy_frames(cached->free_frames);
        cached->free_frames = NULL;
        at = &cached->next;
    }
    ct_mutex_unlock(&program->mutex);
    while (unused) {
        struct cached_plan *next = unused->next;
        destroy_plan(program, unused);
        unused = next;
    }
    for_subgraphs(program->graph, trim, NULL);
}
