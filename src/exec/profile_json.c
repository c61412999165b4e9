/* The profile as a Chrome trace. Names of events and fields are those of ONNX Runtime's profiler,
 * numbers in "args" are strings as there, so that tools for its traces read ours. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "exec/profile_parts.h"
#include "graph/infer.h"
#include "graph/text.h"

/* ------------------------------------------------------------------ describing a step */

static void put_escaped(struct ct_text *text, const char *from)
{
    for (; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (c == '"' || c == '\\')
            ct_text_put(text, "\\%c", c);
        else if (c < 0x20)
            ct_text_put(text, "\\u%04x", c);
        else
            ct_text_put_bytes(text, from, 1);
    }
}

static const char *type_name(ct_dtype dtype)
{
    if (dtype == CORTEN_F32)
        return "float";
    return dtype == CORTEN_F64 ? "double" : corten_dtype_name(dtype);
}

/* [{"float":[4,16]},{"int64":[]}]; only tensors have shapes. */
static void put_shapes(struct ct_text *text, const char *key,
                       const struct ct_tensor *const *tensors, int count)
{
    const char *comma = "";
    ct_text_put(text, ",\"%s\" : [", key);
    for (int i = 0; i < count; i++) {
        const struct ct_tensor *t = tensors[i];
        if (!t || t->kind != CORTEN_TENSOR)
            continue;
        ct_text_put(text, "%s{\"%s\":[", comma, type_name(t->dtype));
        for (int k = 0; k < t->rank; k++)
            ct_text_put(text, "%s%" PRId64, k ? "," : "", t->dims[k]);
        ct_text_put(text, "]}");
        comma = ",";
    }
    ct_text_put(text, "]");
}

static size_t bytes_of(const struct ct_tensor *t)
{
    return t && t->kind == CORTEN_TENSOR && t->dtype ? ct_tensor_bytes(t) : 0;
}

static ct_status fact_of(const struct ct_tensor *t, bool constant, struct ct_arena *arena,
                         struct ct_fact *fact)
{
    struct ct_tensor shape = *t;
    if (!constant)
        shape.data = NULL;
    shape.buffer = NULL;
    return ct_fact_of_tensor(fact, &shape, arena, NULL);
}

/* False when it is not known, as for containers. */
static bool find_cost(const struct ct_plan_step *step, const struct ct_tensor *const *in,
                      const struct ct_tensor *const *out, uint64_t constants,
                      struct ct_arena *arena, struct ct_cost *cost)
{
    size_t n = (size_t)step->n_in + (size_t)step->n_out;
    struct ct_fact *facts = ct_arena_array(arena, n, sizeof *facts);
    const struct ct_fact **in_facts = ct_arena_array(arena, (size_t)step->n_in, sizeof *in_facts);
    struct ct_fact **out_facts = ct_arena_array(arena, (size_t)step->n_out, sizeof *out_facts);
    if (!facts || !in_facts || !out_facts)
        return false;
    for (int i = 0; i < step->n_in; i++) {
        if (!in[i])
            continue;
        if (in[i]->kind != CORTEN_TENSOR ||
            fact_of(in[i], i < 64 && constants >> i & 1, arena, &facts[i]) != CORTEN_OK)
            return false;
        in_facts[i] = &facts[i];
    }
    for (int i = 0; i < step->n_out; i++) {
        if (!out[i])
            continue;
        out_facts[i] = &facts[step->n_in + i];
        if (out[i]->kind != CORTEN_TENSOR ||
            fact_of(out[i], false, arena, out_facts[i]) != CORTEN_OK)
            return false;
    }
    return ct_node_cost_of(step->node, in_facts, out_facts, arena, cost);
}

bool ct_profile_describe(struct ct_profile_step *described, const struct ct_plan_step *step,
                         int index, const struct ct_tensor *const *in,
                         const struct ct_tensor *const *out, uint64_t constants,
                         struct ct_arena *arena)
{
    const struct ct_node *node = step->node;
    struct ct_cost cost = {-1, -1};
    struct ct_arena scratch;
    ct_arena_init(&scratch, arena->allocator);
    if (!find_cost(step, in, out, constants, &scratch, &cost))
        cost = (struct ct_cost){-1, -1};
    size_t parameters = 0, activations = 0, outputs = 0;
    for (int i = 0; i < step->n_in; i++)
        *(i < 64 && constants >> i & 1 ? &parameters : &activations) += bytes_of(in[i]);
    for (int i = 0; i < step->n_out; i++)
        outputs += bytes_of(out[i]);

    struct ct_text text;
    ct_text_init(&text, &scratch);
    if (node->name && *node->name)
        put_escaped(&text, node->name);
    else
        ct_text_put(&text, "%s_%d", node->op_type, index);
    const char *name = ct_text_end(&text);
    described->name = name ? ct_arena_strdup(arena, name) : NULL;

    ct_text_init(&text, &scratch);
    ct_text_put(&text, "\"op_name\" : \"%s\",\"provider\" : \"%s\",\"node_index\" : \"%d\"",
                node->op_type, step->provider ? step->provider->name : "CPUExecutionProvider",
                index);
    ct_text_put(&text,
                ",\"parameter_size\" : \"%zu\",\"activation_size\" : \"%zu\""
                ",\"output_size\" : \"%zu\"",
                parameters, activations, outputs);
    put_shapes(&text, "input_type_shape", in, step->n_in);
    put_shapes(&text, "output_type_shape", out, step->n_out);
    if (cost.flops >= 0)
        ct_text_put(&text, ",\"flops\" : \"%.0f\",\"bytes\" : \"%.0f\"", cost.flops, cost.bytes);
    if (step->kernel) {
        ct_text_put(&text, ",\"kernel\" : \"");
        put_escaped(&text, step->kernel);
        ct_text_put(&text, "\"");
    }
    if (node->origin && *node->origin) {
        ct_text_put(&text, ",\"origin\" : \"");
        put_escaped(&text, node->origin);
        ct_text_put(&text, "\"");
    }
    ct_text_put(&text, ",\"arena_in_use\" : \"%zu\"", step->live_bytes);
    const char *args = ct_text_end(&text);
    described->args = args ? ct_arena_strdup(arena, args) : NULL;
    described->flops = cost.flops;
    described->bytes = cost.bytes;
    ct_arena_deinit(&scratch);
    return described->name && described->args;
}

/* ------------------------------------------------------------------ the trace */

struct writer {
    struct ct_text text;
    const struct ct_profiler *profiler;
    int64_t process;
    double ns_per_tick;
    bool any;
};

static double ticks_to_ns(const struct writer *w, int64_t ticks)
{
    const struct ct_profiler *p = w->profiler;
    return (double)(p->start_now_ns - p->start_ns) +
           (double)(ticks - p->start_ticks) * w->ns_per_tick;
}

/* What comes before "name". */
static void begin_event(struct writer *w, const char *category, int64_t thread, double start_ns,
                        double end_ns)
{
    ct_text_put(&w->text,
                "%s{\"cat\" : \"%s\",\"pid\" :%" PRId64 ",\"tid\" :%" PRId64
                ",\"dur\" :%.3f,\"ts\" :%.3f,\"ph\" : \"X\",\"name\" :\"",
                w->any ? ",\n" : "", category, w->process, thread, (end_ns - start_ns) * 1e-3,
                start_ns * 1e-3);
    w->any = true;
}

static void put_session_event(struct writer *w, const char *name, int64_t thread, double start_ns,
                              double end_ns)
{
    begin_event(w, "Session", thread, start_ns, end_ns);
    ct_text_put(&w->text, "%s\",\"args\" : {}}", name);
}

static void put_step(struct writer *w, const struct ct_profile_step *step, int64_t thread,
                     double start_ns, double end_ns)
{
    begin_event(w, "Node", thread, start_ns, end_ns);
    ct_text_put_bytes(&w->text, step->name, strlen(step->name));
    ct_text_put(&w->text, "_kernel_time\",\"args\" : {");
    ct_text_put_bytes(&w->text, step->args, strlen(step->args));
    if (step->flops >= 0 && end_ns > start_ns)
        ct_text_put(&w->text, ",\"gflops\" : \"%.3f\",\"gbps\" : \"%.3f\"",
                    step->flops / (end_ns - start_ns), step->bytes / (end_ns - start_ns));
    ct_text_put(&w->text,
                ",\"thread_scheduling_stats\" : {\"main_thread\": {\"thread_pool_name\": "
                "\"corten\", \"thread_id\": \"%" PRId64
                "\", \"block_size\": [], \"core\": -1, \"Distribution\": 0, "
                "\"DistributionEnqueue\": 0, \"Run\": 0, \"Wait\": 0, \"WaitRevoke\": 0}, "
                "\"sub_threads\": {}}}}",
                thread);
}

static void put_run(struct writer *w, const struct ct_profile_log *log)
{
    const struct ct_profile_plan *plan = log->plan;
    double start_ns = ticks_to_ns(w, log->stamps[0]), last_ns = start_ns;
    for (int i = 0; i < log->n_done; i++) {
        double end_ns = ticks_to_ns(w, log->stamps[i + 1]);
        int dynamic = plan->dynamic_index[i];
        const struct ct_profile_step *step = dynamic < 0 ? &plan->steps[i] : log->dynamic[dynamic];
        if (step)
            put_step(w, step, log->thread, last_ns, end_ns);
        last_ns = end_ns;
    }
    double end_ns = ticks_to_ns(w, log->stamps[log->n_done + 1]);
    put_session_event(w, "SequentialExecutor::Execute", log->thread, start_ns, last_ns);
    if (plan->is_main)
        put_session_event(w, "model_run", log->thread, start_ns, end_ns);
}

/* With the mutex held. */
static void put_trace(struct writer *w)
{
    const struct ct_profiler *p = w->profiler;
    ct_text_put(&w->text, "[\n");
    for (const struct ct_profile_event *e = p->first_event; e; e = e->next)
        put_session_event(w, e->phase.name, e->thread, (double)(e->phase.start_ns - p->start_ns),
                          (double)(e->phase.end_ns - p->start_ns));
    for (const struct ct_profile_log *log = p->first_log; log; log = log->next)
        put_run(w, log);
    ct_text_put(&w->text, "\n]\n");
}

ct_status ct_profiler_json(struct ct_profiler *profiler, char **json, corten_error *error)
{
    struct ct_arena scratch;
    ct_arena_init(&scratch, ct_default_allocator());
    struct writer w = {.profiler = profiler, .process = ct_os_process_id(), .ns_per_tick = 1};
    ct_text_init(&w.text, &scratch);
    int64_t ticks = ct_profile_ticks() - profiler->start_ticks;
    if (ticks > 0)
        w.ns_per_tick = (double)(ct_os_now_ns() - profiler->start_now_ns) / (double)ticks;
    ct_mutex_lock(&profiler->mutex);
    put_trace(&w);
    ct_mutex_unlock(&profiler->mutex);
    const char *text = ct_text_end(&w.text);
    size_t size_bytes = w.text.used_bytes + 1;
    char *copy = text ? ct_alloc(ct_default_allocator(), size_bytes) : NULL;
    if (copy)
        memcpy(copy, text, size_bytes);
    ct_arena_deinit(&scratch);
    if (!copy)
        return ct_fail_memory(error, size_bytes, "the profile");
    *json = copy;
    return CORTEN_OK;
}

ct_status ct_profiler_write(struct ct_profiler *profiler, char *path, size_t path_size_bytes,
                            corten_error *error)
{
    char *json, name[4096], date[32];
    time_t now = time(NULL);
    struct tm parts;
    if (!gmtime_r(&now, &parts))
        parts = (struct tm){0};
    strftime(date, sizeof date, "%Y-%m-%d_%H-%M-%S", &parts);
    int n = snprintf(name, sizeof name, "%s_%s_%" PRId64 ".json", profiler->prefix, date,
                     ct_os_process_id());
    if (n < 0 || (size_t)n >= sizeof name)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "the profile's path is too long");
    CT_TRY(ct_profiler_json(profiler, &json, error));
    struct ct_os_piece piece = {json, strlen(json)};
    ct_status status = ct_os_write_file(name, &piece, 1, error);
    corten_free(json);
    if (status == CORTEN_OK && path)
        snprintf(path, path_size_bytes, "%s", name);
    return status;
}
