#include "exec/session.h"

#include <stdio.h>
#include <string.h>

#include "model/writer.h"
#include "passes/pass.h"
#include "providers/cpu/cpu.h"

struct ct_session {
    struct ct_meter *meter;         /* outlives the session while values live */
    corten_allocator allocator;     /* over the meter */
    corten_allocator run_allocator; /* of outputs: not metered when nobody needs the figures */
    struct ct_model *model;
    struct ct_pool *own_pool; /* NULL: one that sessions share */
    struct ct_pool pool;      /* what runs see */
    struct ct_weights *weights;
    struct ct_context context;
    struct ct_program *program;
    struct ct_profiler *profiler;
    struct ct_calibration calibration;
    uint64_t seed; /* the next, when options say the first */
    int64_t load_ns, optimize_ns;
};

static const struct ct_provider *const providers[] = {&ct_provider_cpu};

/* ------------------------------------------------------------------ opening */

/* Names of values that are not there, are outputs already, or lie in another layout, are passed
 * over. */
static ct_status add_outputs(struct ct_graph *graph, const struct ct_options *options,
                             corten_error *error)
{
    for (size_t i = 0; i < options->n_outputs; i++) {
        struct ct_value *value = ct_graph_find(graph, options->outputs[i]);
        if (value && value->producer && !value->n_output_refs &&
            value->fact.layout == CT_LAYOUT_PLAIN && !ct_graph_add_output(graph, value))
            return ct_fail_memory(error, sizeof(struct ct_value *), "an output");
    }
    return CORTEN_OK;
}

static ct_status optimize(struct ct_session *s, const struct ct_options *options,
                          corten_error *error)
{
    /* Blocked convolutions have no way without packed weights. */
    const bool plain = options->no_packing && options->level > CORTEN_LEVEL_EXTENDED;
    struct ct_pass_options passes = {
        .level = plain ? CORTEN_LEVEL_EXTENDED : options->level,
        .disabled = options->disabled_passes,
        .n_disabled = options->n_disabled_passes,
    };
    if (options->level != CORTEN_LEVEL_DISABLE)
        CT_TRY(ct_passes_run(s->model, &passes, NULL, NULL, error));
    if (options->optimized_path)
        CT_TRY(ct_model_write_file(s->model, options->optimized_path, options->optimized_external,
                                   error));
    CT_TRY(add_outputs(s->model->graph, options, error));
    return ct_graph_find_captures(s->model->graph, error);
}

ct_status ct_options_create_pool(const struct ct_options *options,
                                 const corten_allocator *allocator, struct ct_pool **pool,
                                 corten_error *error)
{
    struct ct_pool *made;
    CT_TRY(ct_pool_create(allocator, options->threads, &made, error));
    if (options->no_spinning)
        ct_pool_set_spinning(made, false);
    ct_status status =
        options->affinities ? ct_pool_pin(made, options->affinities, error) : CORTEN_OK;
    if (status != CORTEN_OK) {
        ct_pool_destroy(made);
        return status;
    }
    *pool = made;
    return CORTEN_OK;
}

static ct_status open(struct ct_session *s, const struct ct_source *source,
                      const struct ct_options *options, corten_error *error)
{
    int64_t start = ct_os_now_ns();
    if (options->profile_prefix)
        CT_TRY(
            ct_profiler_create(&s->allocator, options->profile_prefix, start, &s->profiler, error));
    CT_TRY(ct_model_load(source, options, &s->allocator, &s->model, error));
    int64_t loaded = ct_os_now_ns();
    ct_status status = optimize(s, options, error);
    if (status != CORTEN_OK) {
        if (error && !strstr(error->text, s->model->source))
            ct_error_prefix(error, "%s", s->model->source);
        return status;
    }
    int64_t optimized = ct_os_now_ns();
    s->load_ns = loaded - start;
    s->optimize_ns = optimized - loaded;
    if (!options->pool)
        CT_TRY(ct_options_create_pool(options, &s->allocator, &s->own_pool, error));
    s->pool = options->pool ? *options->pool : *s->own_pool;
    s->pool.flushes_denormals = options->flushes_denormals;
    CT_TRY(ct_weights_create(&s->allocator, false, options->shared, &s->weights, error));
    s->context = (struct ct_context){
        .allocator = &s->allocator,
        .pool = &s->pool,
        .weights = s->weights,
        .providers = {providers, sizeof providers / sizeof *providers},
        .precision = options->precision,
        .keeps_weights = options->no_packing,
        .log = options->log,
        .model = s->model,
        .run_allocator = &s->run_allocator,
        .profiler = s->profiler,
        .seed = options->seed ? &s->seed : NULL,
    };
    s->seed = options->seed ? *options->seed : 0;
    ct_log_write(&options->log, CORTEN_LOG_INFO,
                 "%s: loaded in %.1f ms, optimised in %.1f ms, %zu nodes", s->model->source,
                 (double)s->load_ns * 1e-6, (double)s->optimize_ns * 1e-6,
                 s->model->graph->n_nodes);
    CT_TRY(ct_program_create(&s->context, s->model->graph, &s->program, error));
    if (s->profiler) {
        ct_profiler_add_phase(
            s->profiler, source->path ? "model_loading_uri" : "model_loading_array", start, loaded);
        ct_profiler_add_phase(s->profiler, "graph_optimization", loaded, optimized);
        ct_profiler_add_phase(s->profiler, "session_initialization", loaded, ct_os_now_ns());
    }
    return CORTEN_OK;
}

/* An error of memory that the limit refused says so. */
static ct_status explain_limit(const struct ct_session *s, ct_status status, corten_error *error)
{
    if (__builtin_expect(status != CORTEN_OUT_OF_MEMORY || !s->meter, 1))
        return status;
    size_t asked = __atomic_exchange_n(&s->meter->refused_bytes, 0, __ATOMIC_RELAXED);
    if (!asked)
        return status;
    char text[sizeof error->text];
    snprintf(text, sizeof text, "%s", error ? error->text : "");
    return ct_fail(
        error, CORTEN_LIMIT_EXCEEDED,
        "%s: %zu bytes more would pass the session's memory limit of %zu bytes, of which "
        "%zu are in use",
        text, asked, s->meter->limit_bytes,
        __atomic_load_n(&s->meter->live_bytes, __ATOMIC_RELAXED));
}

ct_status ct_session_open(const struct ct_source *source, const struct ct_options *options,
                          struct ct_session **session, corten_error *error)
{
    const corten_allocator *base = &options->allocator;
    struct ct_session *s = ct_alloc_zero(base, sizeof *s);
    if (!s)
        return ct_fail_memory(error, sizeof *s, "a session");
    ct_status status = CORTEN_OK;
    s->allocator = *base;
    s->run_allocator = *base;
    s->meter = ct_meter_create(base, options->memory_limit_bytes);
    if (s->meter)
        s->allocator = ct_meter_allocator(s->meter);
    else
        status = ct_fail_memory(error, sizeof *s->meter, "a session");
    if (options->memory_limit_bytes || options->profile_prefix)
        s->run_allocator = s->allocator;
    if (status == CORTEN_OK)
        status = open(s, source, options, error);
    if (status != CORTEN_OK) {
        status = explain_limit(s, status, error);
        ct_session_close(s);
        return status;
    }
    *session = s;
    return CORTEN_OK;
}

void ct_session_close(struct ct_session *session)
{
    if (!session)
        return;
    ct_calibration_deinit(&session->allocator, &session->calibration);
    ct_program_destroy(session->program);
    ct_weights_destroy(session->weights);
    ct_pool_destroy(session->own_pool);
    ct_model_destroy(session->model);
    ct_profiler_destroy(session->profiler);
    corten_allocator base = ct_session_base_allocator(session);
    ct_meter_unref(session->meter);
    ct_release(&base, session, sizeof *session);
}

corten_allocator ct_session_base_allocator(const struct ct_session *session)
{
    return session->meter ? session->meter->base : session->allocator;
}

const struct ct_model *ct_session_model(const struct ct_session *session)
{
    return session->model;
}

int ct_session_threads(const struct ct_session *session)
{
    return ct_pool_threads(&session->pool);
}

/* ------------------------------------------------------------------ checking inputs */

static void list_names(struct ct_value *const *values, size_t count, char *text, size_t size_bytes)
{
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < count && at < size_bytes; i++)
        at +=
            (size_t)snprintf(text + at, size_bytes - at, "%s'%s'", i ? ", " : "", values[i]->name);
}

static ct_status fail_name(const struct ct_session *s, const char *what, const char *name,
                           struct ct_value *const *values, size_t count, corten_error *error)
{
    char names[600];
    list_names(values, count, names, sizeof names);
    return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: no %s is named '%s'; there is %s",
                   s->model->source, what, name, count ? names : "none");
}

static ct_status check_input(const struct ct_session *s, const struct ct_value *value,
                             const struct ct_tensor *given, corten_error *error)
{
    const struct ct_fact *fact = &value->fact;
    const char *source = s->model->source;
    if (given->kind != fact->kind)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: input '%s' is of another kind of value",
                       source, value->name);
    if (given->kind != CORTEN_TENSOR)
        return CORTEN_OK;
    if (fact->dtype && given->dtype != fact->dtype)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: input '%s' is %s, expected %s", source,
                       value->name, corten_dtype_name(given->dtype),
                       corten_dtype_name(fact->dtype));
    char found[160], expected[256];
    ct_tensor_describe(given, found, sizeof found);
    ct_fact_describe(fact, &s->model->symbols, expected, sizeof expected);
    if (fact->rank >= 0 && given->rank != fact->rank)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "%s: input '%s' has rank %d (%s), expected rank %d (%s)", source,
                       value->name, given->rank, found, fact->rank, expected);
    for (int i = 0; i < fact->rank; i++)
        if (ct_dim_known(fact->dims[i]) && fact->dims[i] != given->dims[i])
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "%s: dimension %d of input '%s' is %lld (%s), expected %lld (%s)",
                           source, i, value->name, (long long)given->dims[i], found,
                           (long long)fact->dims[i], expected);
    if (!given->data && ct_tensor_bytes(given))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: input '%s' has no data", source,
                       value->name);
    return CORTEN_OK;
}

static bool needs_check(const struct ct_value *value, const struct ct_tensor *given)
{
    const struct ct_fact *fact = &value->fact;
    if (given->kind != CORTEN_TENSOR || fact->kind != CORTEN_TENSOR || !given->data ||
        given->dtype != fact->dtype || given->rank != fact->rank)
        return true;
    for (int i = 0; i < fact->rank; i++)
        if (ct_dim_known(fact->dims[i]) && fact->dims[i] != given->dims[i])
            return true;
    return false;
}

static int find_value(struct ct_value *const *values, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(values[i]->name, name))
            return (int)i;
    return -1;
}

ct_status ct_session_find(const struct ct_session *session, bool output, const char *name,
                          size_t *index, corten_error *error)
{
    const struct ct_graph *graph = session->model->graph;
    struct ct_value *const *values = output ? graph->outputs : graph->inputs;
    size_t count = output ? graph->n_outputs : graph->n_inputs;
    int at = find_value(values, count, name);
    if (at < 0)
        return fail_name(session, output ? "output" : "input", name, values, count, error);
    *index = (size_t)at;
    return CORTEN_OK;
}

ct_status ct_session_check_input(const struct ct_session *session, size_t index,
                                 const struct ct_tensor *given, corten_error *error)
{
    const struct ct_value *value = session->model->graph->inputs[index];
    return needs_check(value, given) ? check_input(session, value, given, error) : CORTEN_OK;
}

/* Inputs that were not given take their defaults. */
static ct_status fill_defaults(const struct ct_session *s, const struct ct_tensor **bound,
                               corten_error *error)
{
    const struct ct_graph *graph = s->model->graph;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (!bound[i])
            bound[i] = graph->inputs[i]->constant;
        if (!bound[i])
            return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: input '%s' is missing",
                           s->model->source, graph->inputs[i]->name);
    }
    return CORTEN_OK;
}

static ct_status bind_inputs(const struct ct_session *s, const char *const *names,
                             const struct ct_tensor *const *inputs, size_t n_inputs,
                             const struct ct_tensor **bound, corten_error *error)
{
    const struct ct_graph *graph = s->model->graph;
    for (size_t i = 0; i < n_inputs; i++) {
        int at = find_value(graph->inputs, graph->n_inputs, names[i]);
        if (at < 0)
            return fail_name(s, "input", names[i], graph->inputs, graph->n_inputs, error);
        if (needs_check(graph->inputs[at], inputs[i]))
            CT_TRY(check_input(s, graph->inputs[at], inputs[i], error));
        bound[at] = inputs[i];
    }
    return fill_defaults(s, bound, error);
}

/* ------------------------------------------------------------------ running */

ct_status ct_session_run_bound(struct ct_session *session, const struct ct_tensor *const *inputs,
                               struct ct_tensor *outputs, const struct ct_call *call,
                               corten_error *error)
{
    ct_status status = ct_program_run(session->program, inputs, outputs, call, error);
    return explain_limit(session, status, error);
}

ct_status ct_session_calibrate(struct ct_session *session, const char *const *input_names,
                               const struct ct_tensor *const *inputs, size_t n_inputs, double bound,
                               corten_error *error)
{
    struct ct_graph *graph = session->model->graph;
    size_t size_bytes = graph->n_inputs * sizeof(const struct ct_tensor *);
    if (session->context.precision != CORTEN_PRECISION_AUTO)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "%s: the session was not opened with CORTEN_PRECISION_AUTO",
                       session->model->source);
    const struct ct_tensor **bound_inputs = ct_alloc_zero(&session->allocator, size_bytes);
    if (size_bytes && !bound_inputs)
        return ct_fail_memory(error, size_bytes, "a calibration");
    ct_status status = bind_inputs(session, input_names, inputs, n_inputs, bound_inputs, error);
    if (status == CORTEN_OK)
        status = ct_calibrate(session->program, graph, &session->allocator, bound_inputs, bound,
                              &session->calibration, error);
    ct_release(&session->allocator, bound_inputs, size_bytes);
    return explain_limit(session, status, error);
}

const struct ct_calibration *ct_session_calibration(const struct ct_session *session)
{
    return &session->calibration;
}

static bool is_twice(const char *const *names, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!strcmp(names[i], names[index]))
            return true;
    return false;
}

ct_status ct_session_run(struct ct_session *session, const char *const *input_names,
                         const struct ct_tensor *const *inputs, size_t n_inputs,
                         const char *const *output_names, struct ct_tensor *outputs,
                         size_t n_outputs, struct ct_stop *stop, corten_error *error)
{
    const struct ct_graph *graph = session->model->graph;
    enum { FEW = 64 };
    const struct ct_tensor *few_in[FEW] = {0}, **in = few_in;
    struct ct_tensor few_out[FEW], *out = few_out;
    void *memory = NULL;
    size_t in_bytes = graph->n_inputs * sizeof *in, out_bytes = graph->n_outputs * sizeof *out;
    if (graph->n_inputs > FEW || graph->n_outputs > FEW) {
        memory = ct_alloc_zero(&session->allocator, in_bytes + out_bytes);
        if (!memory)
            return ct_fail_memory(error, in_bytes + out_bytes, "a run");
        in = memory;
        out = (struct ct_tensor *)((char *)memory + in_bytes);
    } else {
        memset(few_out, 0, out_bytes);
    }
    ct_status status = bind_inputs(session, input_names, inputs, n_inputs, in, error);
    for (size_t i = 0; i < n_outputs && status == CORTEN_OK; i++) {
        int at = find_value(graph->outputs, graph->n_outputs, output_names[i]);
        if (at < 0)
            status = fail_name(session, "output", output_names[i], graph->outputs, graph->n_outputs,
                               error);
        else if (is_twice(output_names, i))
            status = ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: output '%s' is asked for twice",
                             session->model->source, output_names[i]);
        else
            out[at] = outputs[i];
    }
    if (status == CORTEN_OK)
        status = ct_session_run_bound(session, in, out, &(struct ct_call){.stop = stop}, error);
    if (status == CORTEN_OK) {
        for (size_t i = 0; i < n_outputs; i++) {
            int at = find_value(graph->outputs, graph->n_outputs, output_names[i]);
            outputs[i] = out[at];
            out[at] = (struct ct_tensor){0};
        }
        for (size_t k = 0; k < graph->n_outputs; k++) /* those that nobody asked for */
            ct_tensor_clear(&out[k]);
    }
    ct_release(&session->allocator, memory, in_bytes + out_bytes);
    return status;
}

/* ------------------------------------------------------------------ planning ahead, figures */

/* The shape of an input that is not named, from what the model says. */
static ct_status fixed_shape(const struct ct_session *s, const struct ct_value *value,
                             struct ct_tensor *shape, corten_error *error)
{
    const struct ct_fact *fact = &value->fact;
    if (!ct_fact_is_concrete(fact) || !fact->dtype) {
        char text[256];
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "%s: input '%s' has no fixed shape (%s); give its dimensions",
                       s->model->source, value->name,
                       ct_fact_describe(fact, &s->model->symbols, text, sizeof text));
    }
    *shape = (struct ct_tensor){.dtype = fact->dtype, .rank = fact->rank};
    for (int i = 0; i < fact->rank; i++)
        shape->dims[i] = fact->dims[i];
    return CORTEN_OK;
}

static ct_status shape_inputs(const struct ct_session *s, const char *const *names,
                              const struct ct_tensor *given, size_t count, struct ct_tensor *shapes,
                              const struct ct_tensor **inputs, corten_error *error)
{
    const struct ct_graph *graph = s->model->graph;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        CT_TRY(ct_session_find(s, false, names[i], &at, error));
        shapes[at] = given[i];
        shapes[at].dtype = graph->inputs[at]->fact.dtype;
        shapes[at].data = &shapes[at]; /* not read; the check wants to see something */
        CT_TRY(ct_session_check_input(s, at, &shapes[at], error));
        shapes[at].data = NULL;
        inputs[at] = &shapes[at];
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (!inputs[i])
            inputs[i] = graph->inputs[i]->constant;
        if (!inputs[i]) {
            CT_TRY(fixed_shape(s, graph->inputs[i], &shapes[i], error));
            inputs[i] = &shapes[i];
        }
    }
    return CORTEN_OK;
}

ct_status ct_session_plan(struct ct_session *session, const char *const *names,
                          const struct ct_tensor *given, size_t count, corten_plan_info *info,
                          corten_error *error)
{
    size_t n = session->model->graph->n_inputs;
    struct ct_arena scratch;
    ct_arena_init(&scratch, &session->allocator);
    struct ct_tensor *shapes = ct_arena_array(&scratch, n, sizeof *shapes);
    const struct ct_tensor **inputs = ct_arena_array(&scratch, n, sizeof *inputs);
    ct_status status = shapes && inputs ? CORTEN_OK : ct_fail_memory(error, 0, "a plan");
    corten_plan_info made;
    if (status == CORTEN_OK)
        status = shape_inputs(session, names, given, count, shapes, inputs, error);
    if (status == CORTEN_OK)
        status = ct_program_plan(session->program, inputs, &made, error);
    ct_arena_deinit(&scratch);
    if (status != CORTEN_OK)
        return explain_limit(session, status, error);
    /* The arena of a run with these shapes may be there already. */
    corten_memory_info memory;
    ct_session_memory(session, &memory);
    made.packed_bytes = memory.packed_bytes;
    made.peak_bytes = memory.live_bytes - memory.arena_bytes + made.arena_bytes + made.output_bytes;
    *info = made;
    return CORTEN_OK;
}

static size_t weight_bytes(const struct ct_graph *graph)
{
    size_t size_bytes = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        if (value->constant && value->constant->kind == CORTEN_TENSOR && !ct_value_unused(value))
            size_bytes += ct_tensor_bytes(value->constant);
    }
    return size_bytes;
}

void ct_session_memory(struct ct_session *session, corten_memory_info *info)
{
    struct ct_program_usage usage = {0};
    ct_program_add_usage(session->program, &usage);
    *info = (corten_memory_info){
        .weight_bytes = weight_bytes(session->model->graph),
        .packed_bytes = ct_weights_bytes(session->weights),
        .arena_bytes = usage.arena_bytes,
        .plan_count = usage.n_plans,
        .frame_count = usage.n_frames,
        .live_bytes = __atomic_load_n(&session->meter->live_bytes, __ATOMIC_RELAXED),
        .peak_bytes = __atomic_load_n(&session->meter->peak_bytes, __ATOMIC_RELAXED),
        .limit_bytes = session->meter->limit_bytes,
    };
}

size_t ct_session_trim(struct ct_session *session)
{
    size_t before = __atomic_load_n(&session->meter->live_bytes, __ATOMIC_RELAXED);
    ct_program_trim(session->program);
    size_t after = __atomic_load_n(&session->meter->live_bytes, __ATOMIC_RELAXED);
    return before > after ? before - after : 0;
}

void ct_session_times(struct ct_session *session, corten_times *times)
{
    struct ct_program_usage usage = {0};
    ct_program_add_usage(session->program, &usage);
    *times = (corten_times){
        .load_ns = session->load_ns,
        .optimize_ns = session->optimize_ns,
        .plan_ns = usage.plan_ns,
        .pack_ns = ct_weights_pack_ns(session->weights),
    };
}

void ct_session_end_profile(struct ct_session *session)
{
    session->context.profiler = NULL;
    ct_program_trim(session->program); /* frames that would take notes */
    ct_profiler_destroy(session->profiler);
    session->profiler = NULL;
}

struct ct_profiler *ct_session_profiler(const struct ct_session *session)
{
    return session->profiler;
}
