/* corten bench: how long a model takes to load and to run, and what memory it holds. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
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
    int64_t warmup, repeat;
    double time_s;
    bool json;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "warmup",
     .type = CT_CLI_INT,
     .offset = FIELD(warmup),
     .argument = "N",
     .fallback = "3",
     .least = 0,
     .most = 1e9,
     .help = "runs that are not measured, after the first"},
    {.name = "time",
     .type = CT_CLI_REAL,
     .offset = FIELD(time_s),
     .argument = "SECONDS",
     .fallback = "3",
     .least = 0,
     .most = 1e6,
     .help = "how long to measure"},
    {.name = "repeat",
     .type = CT_CLI_INT,
     .offset = FIELD(repeat),
     .argument = "N",
     .fallback = "0",
     .least = 0,
     .most = 1e9,
     .help = "measure N runs, whatever time they take"},
    {.name = "json", .type = CT_CLI_FLAG, .offset = FIELD(json), .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"Measurement", options, 0},
    {"Inputs", ct_cli_input_options, FIELD(input)},
    {"Pictures as inputs", ct_cli_image_options, FIELD(image)},
    {"Session", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

struct result {
    double load_s, first_s;
    double *runs_s; /* sorted when they are shown */
    size_t count, capacity;
    double rss_bytes, peak_bytes;
    int threads;
};

/* A bar on a terminal, nothing elsewhere. */
struct progress {
    bool shown;
    double next_s;
};

static void show_progress(struct progress *progress, double part, size_t count)
{
    enum { WIDTH = 40 };
    double now_s = ct_cli_now_s();
    if (!progress->shown || now_s < progress->next_s)
        return;
    progress->next_s = now_s + 0.1;
    int filled = part >= 1.0 ? WIDTH : (int)(part * WIDTH);
    fprintf(stderr, "\r[%.*s%*s] %zu runs", filled, "########################################",
            WIDTH - filled, "", count);
}

static void end_progress(const struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
}

static corten_status add_time(struct result *result, double seconds, corten_error *error)
{
    if (result->count == result->capacity) {
        size_t capacity = result->capacity ? 2 * result->capacity : 1024;
        double *runs_s = realloc(result->runs_s, capacity * sizeof *runs_s);
        if (!runs_s)
            return ct_cli_no_memory(error, "the times");
        result->runs_s = runs_s;
        result->capacity = capacity;
    }
    result->runs_s[result->count++] = seconds;
    return CORTEN_OK;
}

static corten_status measure(const struct args *args, corten_session *session,
                             const struct ct_cli_inputs *inputs, struct ct_cli_outputs *outputs,
                             struct progress *progress, struct result *result, corten_error *error)
{
    double start_s = ct_cli_now_s();
    CT_CLI_TRY(ct_cli_outputs_run(outputs, session, inputs, error));
    result->first_s = ct_cli_now_s() - start_s;
    for (int64_t i = 0; i < args->warmup; i++)
        CT_CLI_TRY(ct_cli_outputs_run(outputs, session, inputs, error));
    start_s = ct_cli_now_s();
    double last_s = start_s;
    for (;;) {
        CT_CLI_TRY(ct_cli_outputs_run(outputs, session, inputs, error));
        double now_s = ct_cli_now_s();
        CT_CLI_TRY(add_time(result, now_s - last_s, error));
        double part = args->repeat > 0 ? (double)result->count / (double)args->repeat
                                       : (now_s - start_s) / fmax(args->time_s, 1e-9);
        if (part >= 1.0)
            return CORTEN_OK;
        show_progress(progress, part, result->count);
        /* The time of showing is nobody's run. */
        last_s = progress->shown ? ct_cli_now_s() : now_s;
    }
}

/* A line of /proc/self/status in bytes, -1 if the system does not tell. */
static double memory_of(const char *name)
{
    char line[256];
    double kib = -1.0;
    size_t size = strlen(name);
    FILE *stream = fopen("/proc/self/status", "r");
    if (!stream)
        return -1.0;
    while (fgets(line, sizeof line, stream))
        if (strncmp(line, name, size) == 0 && line[size] == ':')
            kib = strtod(line + size + 1, NULL);
    fclose(stream);
    return kib < 0.0 ? -1.0 : 1024.0 * kib;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank: a time that some run really took. */
static double percentile(const struct result *result, double percent)
{
    double rank = ceil(percent / 100.0 * (double)result->count);
    size_t index = rank < 1.0 ? 0 : (size_t)rank - 1;
    return result->runs_s[index < result->count ? index : result->count - 1];
}

static double sum_of(const struct result *result)
{
    double sum = 0.0;
    for (size_t i = 0; i < result->count; i++)
        sum += result->runs_s[i];
    return sum;
}

enum unit { MILLISECONDS, PER_SECOND, COUNT, BYTES };

static corten_status show(const struct args *args, struct result *result, corten_error *error)
{
    qsort(result->runs_s, result->count, sizeof *result->runs_s, by_value);
    double sum_s = sum_of(result);
    double count = (double)result->count;
    const struct {
        const char *name, *key;
        double value;
        enum unit unit;
    } rows[] = {
        {"threads", "threads", (double)result->threads, COUNT},
        {"load", "load_ms", 1e3 * result->load_s, MILLISECONDS},
        {"first run", "first_run_ms", 1e3 * result->first_s, MILLISECONDS},
        {"runs", "runs", count, COUNT},
        {"min", "min_ms", 1e3 * result->runs_s[0], MILLISECONDS},
        {"mean", "mean_ms", 1e3 * sum_s / count, MILLISECONDS},
        {"p50", "p50_ms", 1e3 * percentile(result, 50.0), MILLISECONDS},
        {"p95", "p95_ms", 1e3 * percentile(result, 95.0), MILLISECONDS},
        {"p99", "p99_ms", 1e3 * percentile(result, 99.0), MILLISECONDS},
        {"p99.9", "p99_9_ms", 1e3 * percentile(result, 99.9), MILLISECONDS},
        {"runs per second", "runs_per_second", count / fmax(sum_s, 1e-9), PER_SECOND},
        {"memory", "rss_bytes", result->rss_bytes, BYTES},
        {"peak memory", "peak_rss_bytes", result->peak_bytes, BYTES},
    };
    static const char *const units[] = {"ms", "/s", "", ""};
    struct ct_cli_json json = {.root = NULL};
    struct ct_cli_table table;
    ct_cli_table_init(&table, "lrl");
    if (args->json)
        ct_cli_json_init(&json);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[CT_CLI_SIZE_TEXT_SIZE];
        if (args->json) {
            ct_cli_json_number(&json, json.root, rows[i].key, rows[i].value);
            continue;
        }
        ct_cli_table_add(&table, "%s", rows[i].name);
        if (rows[i].unit == BYTES)
            ct_cli_table_add(&table, "%s", ct_cli_bytes_text(text, rows[i].value));
        else
            ct_cli_table_add(&table, "%.*f", rows[i].unit == COUNT ? 0 : 3, rows[i].value);
        ct_cli_table_add(&table, "%s", units[rows[i].unit]);
    }
    corten_status status = args->json ? ct_cli_json_print(&json, stdout, error)
                                      : ct_cli_table_print(&table, 0, stdout, error);
    ct_cli_table_deinit(&table);
    ct_cli_json_deinit(&json);
    return status;
}

static corten_status bench(const struct args *args, corten_session *session, struct result *result,
                           corten_error *error)
{
    struct ct_cli_input_args input = args->input;
    struct ct_cli_inputs inputs = {.names = NULL};
    struct ct_cli_outputs outputs = {.names = NULL};
    struct progress progress = {.shown = isatty(STDERR_FILENO) == 1};
    /* Times need inputs, but rarely particular ones. */
    if (input.files.count == 0 && !input.archive)
        input.random = true;
    result->threads = corten_session_threads(session);
    corten_status status = ct_cli_inputs_load(&input, &args->image, session, &inputs, error);
    if (status == CORTEN_OK)
        status = ct_cli_outputs_init(&outputs, session, error);
    if (status == CORTEN_OK)
        status = measure(args, session, &inputs, &outputs, &progress, result, error);
    end_progress(&progress);
    result->rss_bytes = memory_of("VmRSS");
    result->peak_bytes = memory_of("VmHWM");
    if (status == CORTEN_OK)
        status = show(args, result, error);
    ct_cli_outputs_deinit(&outputs);
    ct_cli_inputs_deinit(&inputs);
    return status;
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    struct result result = {.runs_s = NULL};
    corten_session *session = NULL;
    double start_s = ct_cli_now_s();
    CT_CLI_TRY(ct_cli_session_open(call->operands[0], &args->session, &session, error));
    result.load_s = ct_cli_now_s() - start_s;
    corten_status status = bench(args, session, &result, error);
    free(result.runs_s);
    corten_session_close(session);
    return status;
}

const struct ct_cli_command ct_cli_command_bench = {
    .name = "bench",
    .operands = "MODEL",
    .operands_least = 1,
    .operands_most = 1,
    .summary = "measure how long a model takes to load and to run",
    .details = "Inputs are random unless files give them. Outputs are written into the same memory "
               "in every\nrun. Percentiles are times of runs (nearest rank).",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
