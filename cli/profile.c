/* corten profile: where the time and the memory of a model go. */
#include "profile.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "file.h"
#include "inputs.h"
#include "json.h"
#include "outputs.h"
#include "session_args.h"
#include "table.h"
#include "text.h"

struct args {
    struct ct_cli_session_args session;
    struct ct_cli_input_args input;
    struct ct_cli_image_args image;
    int64_t repeat, top;
    double peak_gflops, peak_gbs;
    const char *trace, *html;
    bool json;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "repeat",
     .type = CT_CLI_INT,
     .offset = FIELD(repeat),
     .argument = "N",
     .fallback = "10",
     .least = 1,
     .most = 1e6,
     .help = "warm runs to profile, after the first"},
    {.name = "top",
     .type = CT_CLI_INT,
     .offset = FIELD(top),
     .argument = "N",
     .fallback = "10",
     .least = 0,
     .most = 1e6,
     .help = "slowest nodes to list"},
    {.name = "trace",
     .type = CT_CLI_TEXT,
     .offset = FIELD(trace),
     .argument = "FILE",
     .help = "write a Chrome trace, for Perfetto and chrome://tracing"},
    {.name = "html",
     .type = CT_CLI_TEXT,
     .offset = FIELD(html),
     .argument = "FILE",
     .help = "write a page with pictures that opens in any browser"},
    {.name = "peak-gflops",
     .type = CT_CLI_REAL,
     .offset = FIELD(peak_gflops),
     .argument = "X",
     .fallback = "0",
     .least = 0,
     .most = 1e9,
     .help = "what the machine computes at most; 0: measure"},
    {.name = "peak-gbs",
     .type = CT_CLI_REAL,
     .offset = FIELD(peak_gbs),
     .argument = "X",
     .fallback = "0",
     .least = 0,
     .most = 1e9,
     .help = "what its memory delivers at most, in GB/s; 0: measure"},
    {.name = "json", .type = CT_CLI_FLAG, .offset = FIELD(json), .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"Profile", options, 0},
    {"Inputs", ct_cli_input_options, FIELD(input)},
    {"Pictures as inputs", ct_cli_image_options, FIELD(image)},
    {"Session", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

/* ------------------------------------------------------------------ measuring */

static corten_status open_session(const char *path, const struct args *args,
                                  corten_session **session, corten_error *error)
{
    corten_options *made = NULL;
    CT_CLI_TRY(ct_cli_session_options_make(&args->session, &made, error));
    corten_status status = corten_options_set_profile(made, "corten_profile", error);
    if (status == CORTEN_OK)
        status = corten_session_open(path, made, session, error);
    corten_options_destroy(made);
    return status;
}

static corten_status run_model(const struct args *args, corten_session *session,
                               struct ct_cli_profile *profile, corten_error *error)
{
    struct ct_cli_input_args input = args->input;
    struct ct_cli_inputs inputs = {.names = NULL};
    struct ct_cli_outputs outputs = {.names = NULL};
    if (input.files.count == 0 && !input.archive)
        input.random = true;
    corten_status status = ct_cli_inputs_load(&input, &args->image, session, &inputs, error);
    if (status == CORTEN_OK)
        status = ct_cli_outputs_init(&outputs, session, error);
    double start_s = ct_cli_now_s();
    if (status == CORTEN_OK)
        status = ct_cli_outputs_run(&outputs, session, &inputs, error);
    profile->first_s = ct_cli_now_s() - start_s;
    start_s = ct_cli_now_s();
    for (int64_t i = 0; i < args->repeat && status == CORTEN_OK; i++)
        status = ct_cli_outputs_run(&outputs, session, &inputs, error);
    profile->warm_s = (ct_cli_now_s() - start_s) / (double)args->repeat;
    ct_cli_outputs_deinit(&outputs);
    ct_cli_inputs_deinit(&inputs);
    return status;
}

static corten_status read_profile(const struct args *args, corten_session *session,
                                  struct ct_cli_profile *profile, corten_error *error)
{
    char *json = NULL;
    CT_CLI_TRY(corten_session_profile(session, &json, error));
    corten_status status = CORTEN_OK;
    if (args->trace)
        status = ct_cli_file_save(args->trace, json, strlen(json), NULL, 0, error);
    if (status == CORTEN_OK)
        status = ct_cli_trace_parse(&profile->trace, json, 1, error);
    corten_free(json);
    return status;
}

bool ct_cli_profile_phase(const struct ct_cli_profile *profile, size_t index, const char **name,
                          const char **key, double *seconds)
{
    const corten_times *t = &profile->times;
    const double ns = 1e-9;
    const struct {
        const char *name, *key;
        double seconds;
    } phases[] = {
        {"load", "load_ms", ns * (double)t->load_ns},
        {"optimise", "optimize_ms", ns * (double)t->optimize_ns},
        {"plan", "plan_ms", ns * (double)(t->plan_ns - t->pack_ns)},
        {"pack", "pack_ms", ns * (double)t->pack_ns},
        {"first run", "first_run_ms", profile->first_s - ns * (double)t->plan_ns},
        {"warm run", "warm_run_ms", profile->warm_s},
    };
    if (index >= sizeof phases / sizeof phases[0])
        return false;
    *name = phases[index].name;
    *key = phases[index].key;
    *seconds = phases[index].seconds > 0.0 ? phases[index].seconds : 0.0;
    return true;
}

/* ------------------------------------------------------------------ showing */

static double percent(const struct ct_cli_profile *p, double time_us)
{
    return p->trace.total_us > 0.0 ? 100.0 * time_us / p->trace.total_us : 0.0;
}

static corten_status print_types(const struct ct_cli_profile *p, corten_error *error)
{
    struct ct_cli_table table;
    ct_cli_table_init(&table, "lrrrr");
    for (const char *const *title =
             (const char *const[]){"operator", "ms a run", "%", "calls a run", "us a call", NULL};
         *title; title++)
        ct_cli_table_add(&table, "%s", *title);
    for (size_t i = 0; i < p->trace.type_count; i++) {
        const struct ct_cli_share *s = &p->trace.types[i];
        ct_cli_table_add(&table, "%s", s->event.op_type);
        ct_cli_table_add(&table, "%.3f", s->total_us * 1e-3 / (double)p->repeat);
        ct_cli_table_add(&table, "%.1f", percent(p, s->total_us));
        ct_cli_table_add(&table, "%.0f", (double)s->calls / (double)p->repeat);
        ct_cli_table_add(&table, "%.1f", s->total_us / (double)s->calls);
    }
    corten_status status = ct_cli_table_print(&table, 0, stdout, error);
    ct_cli_table_deinit(&table);
    return status;
}

static void add_rate(struct ct_cli_table *table, double amount, double seconds, int digits)
{
    if (amount > 0.0 && seconds > 0.0)
        ct_cli_table_add(table, "%.*f", digits, amount / seconds);
    else
        ct_cli_table_add(table, "-");
}

static corten_status print_nodes(const struct ct_cli_profile *p, size_t top, corten_error *error)
{
    struct ct_cli_table table;
    ct_cli_table_init(&table, "llrrrrrl");
    for (const char *const *title =
             (const char *const[]){"slowest nodes", "operator", "us", "%", "GFLOP/s", "GB/s",
                                   "% of roofline", "kernel", NULL};
         *title; title++)
        ct_cli_table_add(&table, "%s", *title);
    for (size_t i = 0; i < p->trace.node_count && i < top; i++) {
        const struct ct_cli_share *s = &p->trace.nodes[i];
        double seconds = s->total_us * 1e-6;
        double fraction = ct_cli_roofline_fraction(&p->roofline, s->gflop, s->gbyte, seconds);
        ct_cli_table_add(&table, "%s", s->event.name);
        ct_cli_table_add(&table, "%s", s->event.op_type);
        ct_cli_table_add(&table, "%.1f", s->total_us / (double)s->calls);
        ct_cli_table_add(&table, "%.1f", percent(p, s->total_us));
        add_rate(&table, s->gflop, seconds, 1);
        add_rate(&table, s->gbyte, seconds, 1);
        add_rate(&table, 100.0 * fraction, 1.0, 0);
        ct_cli_table_add(&table, "%s", s->event.kernel);
    }
    corten_status status = ct_cli_table_print(&table, 0, stdout, error);
    ct_cli_table_deinit(&table);
    return status;
}

static corten_status print_rest(const struct ct_cli_profile *p, corten_error *error)
{
    struct ct_cli_table table;
    const char *name, *key;
    double seconds;
    char text[CT_CLI_SIZE_TEXT_SIZE];
    ct_cli_table_init(&table, "lr");
    for (size_t i = 0; ct_cli_profile_phase(p, i, &name, &key, &seconds); i++) {
        ct_cli_table_add(&table, "%s", name);
        ct_cli_table_add(&table, "%.3f ms", 1e3 * seconds);
    }
    const struct {
        const char *name;
        size_t size_bytes;
    } sizes[] = {
        {"weights", p->memory.weight_bytes}, {"packed weights", p->memory.packed_bytes},
        {"arena", p->memory.arena_bytes},    {"held now", p->memory.live_bytes},
        {"peak", p->memory.peak_bytes},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ct_cli_table_add(&table, "%s", sizes[i].name);
        ct_cli_table_add(&table, "%s", ct_cli_bytes_text(text, (double)sizes[i].size_bytes));
    }
    ct_cli_table_add(&table, "roofline");
    ct_cli_table_add(&table, "%.0f GFLOP/s, %.1f GB/s", p->roofline.gflops, p->roofline.gbs);
    corten_status status = ct_cli_table_print(&table, 0, stdout, error);
    ct_cli_table_deinit(&table);
    return status;
}

static corten_status print_text(const struct ct_cli_profile *p, size_t top, corten_error *error)
{
    printf("%s: %d threads, %lld warm runs\n\n", p->model, p->threads, (long long)p->repeat);
    CT_CLI_TRY(print_types(p, error));
    printf("\n");
    CT_CLI_TRY(print_nodes(p, top, error));
    printf("\n");
    return print_rest(p, error);
}

static void json_shares(struct ct_cli_json *json, const struct ct_cli_profile *p, const char *key,
                        const struct ct_cli_share *shares, size_t count, bool nodes)
{
    cJSON *list = ct_cli_json_array(json, json->root, key);
    for (size_t i = 0; i < count; i++) {
        const struct ct_cli_share *s = &shares[i];
        cJSON *row = ct_cli_json_object(json, list, NULL);
        double seconds = s->total_us * 1e-6;
        if (nodes) {
            ct_cli_json_text(json, row, "name", s->event.name);
            ct_cli_json_text(json, row, "kernel", s->event.kernel);
            ct_cli_json_text(json, row, "origin", s->event.origin);
        }
        ct_cli_json_text(json, row, "op_type", s->event.op_type);
        ct_cli_json_number(json, row, "ms", s->total_us * 1e-3 / (double)p->repeat);
        ct_cli_json_number(json, row, "percent", percent(p, s->total_us));
        ct_cli_json_number(json, row, "calls", (double)s->calls / (double)p->repeat);
        ct_cli_json_number(json, row, "us_per_call", s->total_us / (double)s->calls);
        if (s->gbyte > 0.0 && seconds > 0.0) {
            ct_cli_json_number(json, row, "gflops", s->gflop / seconds);
            ct_cli_json_number(json, row, "gbs", s->gbyte / seconds);
            ct_cli_json_number(json, row, "roofline",
                               ct_cli_roofline_fraction(&p->roofline, s->gflop, s->gbyte, seconds));
        }
    }
}

static corten_status print_json(const struct ct_cli_profile *p, corten_error *error)
{
    struct ct_cli_json json;
    const char *name, *key;
    double seconds;
    ct_cli_json_init(&json);
    ct_cli_json_text(&json, json.root, "model", p->model);
    ct_cli_json_number(&json, json.root, "threads", p->threads);
    ct_cli_json_number(&json, json.root, "runs", (double)p->repeat);
    cJSON *phases = ct_cli_json_object(&json, json.root, "phases");
    for (size_t i = 0; ct_cli_profile_phase(p, i, &name, &key, &seconds); i++)
        ct_cli_json_number(&json, phases, key, 1e3 * seconds);
    cJSON *memory = ct_cli_json_object(&json, json.root, "memory");
    ct_cli_json_number(&json, memory, "weight_bytes", (double)p->memory.weight_bytes);
    ct_cli_json_number(&json, memory, "packed_bytes", (double)p->memory.packed_bytes);
    ct_cli_json_number(&json, memory, "arena_bytes", (double)p->memory.arena_bytes);
    ct_cli_json_number(&json, memory, "live_bytes", (double)p->memory.live_bytes);
    ct_cli_json_number(&json, memory, "peak_bytes", (double)p->memory.peak_bytes);
    cJSON *roofline = ct_cli_json_object(&json, json.root, "roofline");
    ct_cli_json_number(&json, roofline, "gflops", p->roofline.gflops);
    ct_cli_json_number(&json, roofline, "gbs", p->roofline.gbs);
    json_shares(&json, p, "operators", p->trace.types, p->trace.type_count, false);
    json_shares(&json, p, "nodes", p->trace.nodes, p->trace.node_count, true);
    corten_status status = ct_cli_json_print(&json, stdout, error);
    ct_cli_json_deinit(&json);
    return status;
}

/* ------------------------------------------------------------------ the command */

static corten_status profile_session(const struct args *args, corten_session *session,
                                     struct ct_cli_profile *profile, corten_error *error)
{
    profile->threads = corten_session_threads(session);
    CT_CLI_TRY(run_model(args, session, profile, error));
    CT_CLI_TRY(corten_session_times(session, &profile->times, error));
    CT_CLI_TRY(corten_session_memory(session, &profile->memory, error));
    CT_CLI_TRY(read_profile(args, session, profile, error));
    CT_CLI_TRY(ct_cli_roofline_measure(&profile->roofline, profile->threads, error));
    if (args->html)
        CT_CLI_TRY(ct_cli_profile_html(profile, args->html, error));
    return args->json ? print_json(profile, error) : print_text(profile, (size_t)args->top, error);
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    struct ct_cli_profile profile = {
        .model = call->operands[0],
        .repeat = args->repeat,
        .roofline = {args->peak_gflops, args->peak_gbs},
    };
    corten_session *session = NULL;
    CT_CLI_TRY(open_session(profile.model, args, &session, error));
    corten_status status = profile_session(args, session, &profile, error);
    ct_cli_trace_deinit(&profile.trace);
    corten_session_close(session);
    return status;
}

const struct ct_cli_command ct_cli_command_profile = {
    .name = "profile",
    .operands = "MODEL",
    .operands_least = 1,
    .operands_most = 1,
    .summary = "show where the time and the memory of a model go",
    .details = "Inputs are random unless files give them. The first run is left out of the tables "
               "of operators\nand nodes.",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
