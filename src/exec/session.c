#include "exec/session.h"

#include <stdio.h>
#include <string.h>

#include "model/writer.h"
#include "passes/pass.h"
#include "providers/cpu/cpu.h"

struct ct_session {
    struct ct_meter *meter;     /* outlives the session while values live; NULL: no limit */
    corten_allocator allocator; /* over the meter */
    struct ct_model *model;
    struct ct_pool *pool;
    struct ct_weights *weights;
    struct ct_context context;
    struct ct_program *program;
};

static const struct ct_provider *const providers[] = {&ct_provider_cpu};

/* ------------------------------------------------------------------ opening */

/* Names of values that are not there, or are outputs already, are passed over. */
static ct_status add_outputs(struct ct_graph *graph, const struct ct_options *options,
                             corten_error *error)
{
    for (size_t i = 0; i < options->n_outputs; i++) {
        struct ct_value *value = ct_graph_find(graph, options->outputs[i]);
        if (value && value->producer && !value->n_output_refs && !ct_graph_add_output(graph, value))
            return ct_fail_memory(error, sizeof(struct ct_value *), "an output");
    }
    return CORTEN_OK;
}

static ct_status optimize(struct ct_session *s, const struct ct_options *options,
                          corten_error *error)
{
    struct ct_pass_options passes = {
        .level = options->level,
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

static ct_status open(struct ct_session *s, const struct ct_source *source,
                      const struct ct_options *options, corten_error *error)
{
    int64_t start = ct_os_now_ns();
    CT_TRY(ct_model_load(source, options, &s->allocator, &s->model, error));
    int64_t loaded = ct_os_now_ns();
    ct_status status = optimize(s, options, error);
    if (status != CORTEN_OK) {
        if (error && !strstr(error->text, s->model->source))
            ct_error_prefix(error, "%s", s->model->source);
        return status;
    }
    CT_TRY(ct_pool_create(&s->allocator, options->threads, &s->pool, error));
    CT_TRY(ct_weights_create(&s->allocator, &s->weights, error));
    s->context = (struct ct_context){
        .allocator = &s->allocator,
        .pool = s->pool,
        .weights = s->weights,
        .providers = {providers, sizeof providers / sizeof *providers},
        .precision = options->precision,
        .log = options->log,
        .model = s->model,
    };
    ct_log_write(&options->log, CORTEN_LOG_INFO,
                 "%s: loaded in %.1f ms, optimised in %.1f ms, %zu nodes", s->model->source,
                 (double)(loaded - start) * 1e-6, (double)(ct_os_now_ns() - loaded) * 1e-6,
                 s->model->graph->n_nodes);
    return ct_program_create(&s->context, s->model->graph, &s->program, error);
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
    if (options->memory_limit_bytes) {
        s->meter = ct_meter_create(base, options->memory_limit_bytes);
        if (s->meter)
            s->allocator = ct_meter_allocator(s->meter);
        else
            status = ct_fail_memory(error, sizeof *s->meter, "a session");
    }
    if (status == CORTEN_OK)
        status = open(s, source, options, error);
    if (status != CORTEN_OK) {
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
    ct_program_destroy(session->program);
    ct_weights_destroy(session->weights);
    ct_pool_destroy(session->pool);
    ct_model_destroy(session->model);
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
    return ct_pool_threads(session->pool);
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
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (!bound[i])
            bound[i] = graph->inputs[i]->constant; /* its default */
        if (!bound[i])
            return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: input '%s' is missing",
                           s->model->source, graph->inputs[i]->name);
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ running */

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
                         size_t n_outputs, corten_error *error)
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
        status = ct_program_run(session->program, in, out, NULL, error);
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
