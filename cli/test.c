/* corten test: runs conformance cases and counts, by kind, which pass. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "command.h"
#include "distribution.h"
#include "json.h"
#include "session_args.h"
#include "suite.h"
#include "table.h"
#include "text.h"
#include "worker.h"

struct args {
    struct ct_cli_session_args session;
    const char *exceptions, *draws, *match;
    bool json, verbose, fork_each, no_fork;
    double timeout_s;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "exceptions",
     .type = CT_CLI_TEXT,
     .offset = FIELD(exceptions),
     .argument = "FILE",
     .help = "cases that are expected to fail, lines \"NAME reason\" or \"KIND/NAME reason\"; one "
             "that passes after all is a failure"},
    {.name = "draws",
     .type = CT_CLI_TEXT,
     .offset = FIELD(draws),
     .argument = "FILE",
     .help = "cases whose outputs are draws, lines \"NAME DISTRIBUTION reason\": what the "
             "distribution says is checked over many runs"},
    {.name = "match",
     .type = CT_CLI_TEXT,
     .offset = FIELD(match),
     .argument = "PATTERN",
     .help = "only cases whose NAME or KIND/NAME fits a shell pattern"},
    {.name = "timeout",
     .type = CT_CLI_REAL,
     .offset = FIELD(timeout_s),
     .argument = "SECONDS",
     .fallback = "60",
     .least = 0.01,
     .most = 86400,
     .help = "longest time of a case"},
    {.name = "fork",
     .type = CT_CLI_FLAG,
     .offset = FIELD(fork_each),
     .help = "run each case in a process of its own, not many in one until it crashes"},
    {.name = "no-fork",
     .type = CT_CLI_FLAG,
     .offset = FIELD(no_fork),
     .help = "run all cases in this process, for debuggers and sanitizers"},
    {.name = "verbose",
     .letter = 'v',
     .type = CT_CLI_FLAG,
     .offset = FIELD(verbose),
     .help = "a line for each case, also if it passes"},
    {.name = "json", .type = CT_CLI_FLAG, .offset = FIELD(json), .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"Cases", options, 0},
    {"Session", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

/* X(NAME, what a line of output calls it) */
#define VERDICT_MAP(X)                                                                             \
    X(PASSED, "passed")                                                                            \
    X(DRAWN, "passed by distribution")                                                             \
    X(FAILED, "FAILED")                                                                            \
    X(EXPECTED, "expected failure")                                                                \
    X(STALE, "FAILED")

enum verdict {
#define X(name, text) name,
    VERDICT_MAP(X)
#undef X
        VERDICT_COUNT
};

static const char *const verdict_names[] = {
#define X(name, text) text,
    VERDICT_MAP(X)
#undef X
};

struct kind {
    const char *name;
    size_t counts[VERDICT_COUNT];
};

struct tester {
    const struct args *args;
    struct ct_cli_suite suite;
    corten_options *options;
    struct kind *kinds;
    size_t kind_count;
    struct kind total;
    struct ct_cli_json json;
    cJSON *cases; /* NULL: print text */
};

static corten_status run_case(void *user, size_t index, corten_error *error)
{
    struct tester *tester = user;
    const struct ct_cli_suite_case *item = &tester->suite.cases[index];
    if (item->distribution)
        return ct_cli_distribution_run(item->folder, item->distribution, tester->options, error);
    return ct_cli_case_run(item->folder, tester->options, error);
}

static struct kind *kind_of(struct tester *tester, const char *name)
{
    for (size_t i = 0; i < tester->kind_count; i++)
        if (strcmp(tester->kinds[i].name, name) == 0)
            return &tester->kinds[i];
    struct kind *kind = &tester->kinds[tester->kind_count++];
    kind->name = name;
    return kind;
}

static void case_done(void *user, size_t index, corten_status status, const char *text,
                      double seconds)
{
    struct tester *tester = user;
    const struct ct_cli_suite_case *item = &tester->suite.cases[index];
    bool passed = status == CORTEN_OK;
    enum verdict verdict = !passed ? FAILED : item->distribution ? DRAWN : PASSED;
    if (item->reason) {
        verdict = passed ? STALE : EXPECTED;
        if (passed)
            text = "passes, but is listed as an exception";
    }
    kind_of(tester, item->kind)->counts[verdict]++;
    tester->total.counts[verdict]++;
    if (tester->cases) {
        if (passed && verdict != STALE && !tester->args->verbose)
            return;
        cJSON *object = ct_cli_json_object(&tester->json, tester->cases, NULL);
        ct_cli_json_text(&tester->json, object, "kind", item->kind);
        ct_cli_json_text(&tester->json, object, "name", item->name);
        ct_cli_json_text(&tester->json, object, "result", verdict_names[verdict]);
        ct_cli_json_text(&tester->json, object, "text", text);
        ct_cli_json_number(&tester->json, object, "seconds", seconds);
        return;
    }
    if ((verdict == PASSED || verdict == DRAWN) && tester->args->verbose)
        printf("%s  %s/%s  %.1f ms\n", verdict_names[verdict], item->kind, item->name,
               1e3 * seconds);
    else if (verdict == EXPECTED && tester->args->verbose)
        printf("expected failure  %s/%s: %s (listed: %s)\n", item->kind, item->name, text,
               item->reason);
    else if (verdict == FAILED || verdict == STALE)
        printf("FAILED  %s/%s: %s\n", item->kind, item->name, text);
}

static size_t failures_of(const struct kind *kind)
{
    return kind->counts[FAILED] + kind->counts[STALE];
}

static size_t passes_of(const struct kind *kind)
{
    return kind->counts[PASSED] + kind->counts[DRAWN];
}

static void add_counts(struct ct_cli_json *json, cJSON *object, const struct kind *kind)
{
    ct_cli_json_number(json, object, "passed", (double)passes_of(kind));
    ct_cli_json_number(json, object, "passed_by_distribution", (double)kind->counts[DRAWN]);
    ct_cli_json_number(json, object, "failed", (double)failures_of(kind));
    ct_cli_json_number(json, object, "expected_failures", (double)kind->counts[EXPECTED]);
}

static corten_status print_json(struct tester *tester, double seconds, corten_error *error)
{
    struct ct_cli_json *json = &tester->json;
    cJSON *kinds = ct_cli_json_object(json, json->root, "kinds");
    for (size_t i = 0; i < tester->kind_count; i++)
        add_counts(json, ct_cli_json_object(json, kinds, tester->kinds[i].name), &tester->kinds[i]);
    add_counts(json, json->root, &tester->total);
    ct_cli_json_number(json, json->root, "seconds", seconds);
    return ct_cli_json_print(json, stdout, error);
}

static corten_status print_text(const struct tester *tester, double seconds, corten_error *error)
{
    struct ct_cli_table table;
    ct_cli_table_init(&table, "lrrr");
    static const char *const heads[] = {"kind", "passed", "failed", "expected failures"};
    for (int i = 0; i < 4; i++)
        ct_cli_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; i < tester->kind_count; i++) {
        const struct kind *kind = &tester->kinds[i];
        ct_cli_table_add(&table, "%s", kind->name);
        ct_cli_table_add(&table, "%zu", passes_of(kind));
        ct_cli_table_add(&table, "%zu", failures_of(kind));
        ct_cli_table_add(&table, "%zu", kind->counts[EXPECTED]);
    }
    corten_status status = ct_cli_table_print(&table, 0, stdout, error);
    ct_cli_table_deinit(&table);
    const struct kind *total = &tester->total;
    printf("%zu cases in %.1f s", tester->suite.count, seconds);
    if (total->counts[EXPECTED] > 0)
        printf(", %zu failed as expected", total->counts[EXPECTED]);
    printf("\n%zu passed", passes_of(total));
    if (total->counts[DRAWN] > 0)
        printf(" (%zu of them by distribution)", total->counts[DRAWN]);
    printf(", %zu failed\n", failures_of(total));
    return status;
}

/* A list that names what is not there does not say what it seems to say. */
static corten_status check_list(const struct tester *tester, const struct ct_cli_suite_list *list,
                                const char *path, corten_error *error)
{
    for (size_t i = 0; i < list->count && !tester->args->match; i++)
        if (!list->lines[i].used)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "'%s': there is no case '%s'", path,
                               list->lines[i].name);
    return CORTEN_OK;
}

static corten_status prepare(struct tester *tester, const struct ct_cli_call *call,
                             corten_error *error)
{
    const struct args *args = call->args;
    CT_CLI_TRY(
        ct_cli_suite_find(&tester->suite, call->operands, call->operand_count, args->match, error));
    if (args->exceptions) {
        CT_CLI_TRY(ct_cli_suite_except(&tester->suite, args->exceptions, error));
        CT_CLI_TRY(check_list(tester, &tester->suite.exceptions, args->exceptions, error));
    }
    if (args->draws) {
        CT_CLI_TRY(ct_cli_suite_draw(&tester->suite, args->draws, error));
        CT_CLI_TRY(check_list(tester, &tester->suite.draws, args->draws, error));
    }
    tester->kinds = calloc(tester->suite.count, sizeof *tester->kinds);
    if (!tester->kinds)
        return ct_cli_no_memory(error, "the kinds of cases");
    if (args->json) {
        ct_cli_json_init(&tester->json);
        tester->cases = ct_cli_json_array(&tester->json, tester->json.root, "cases");
        if (!tester->cases)
            return ct_cli_no_memory(error, "the JSON document");
    }
    return ct_cli_session_options_make(&args->session, &tester->options, error);
}

static corten_status run_suite(struct tester *tester, corten_error *error)
{
    const struct args *args = tester->args;
    const struct ct_cli_worker worker = {.job = run_case,
                                         .done = case_done,
                                         .user = tester,
                                         .count = tester->suite.count,
                                         .limit_s = args->timeout_s,
                                         .jobs_per_child = args->fork_each ? 1 : 0,
                                         .in_process = args->no_fork};
    double start_s = ct_cli_now_s();
    CT_CLI_TRY(ct_cli_worker_run(&worker, error));
    double seconds = ct_cli_now_s() - start_s;
    CT_CLI_TRY(tester->cases ? print_json(tester, seconds, error)
                             : print_text(tester, seconds, error));
    size_t failures = failures_of(&tester->total);
    if (failures > 0)
        return ct_cli_fail(error, CORTEN_RUN_FAILED, "%zu of %zu cases failed", failures,
                           tester->suite.count);
    return CORTEN_OK;
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    if (args->fork_each && args->no_fork)
        return ct_cli_usage(call, error, "--fork and --no-fork exclude each other");
    struct tester tester = {.args = args};
    corten_status status = prepare(&tester, call, error);
    if (status == CORTEN_OK)
        status = run_suite(&tester, error);
    corten_options_destroy(tester.options);
    ct_cli_json_deinit(&tester.json);
    ct_cli_suite_deinit(&tester.suite);
    free(tester.kinds);
    return status;
}

const struct ct_cli_command ct_cli_command_test = {
    .name = "test",
    .operands = "DIR...",
    .operands_least = 1,
    .operands_most = SIZE_MAX,
    .summary = "run the conformance cases in folders and compare their outputs",
    .details =
        "A case is a folder with model.onnx and test_data_set_N/{input,output}_M.pb. Numbers "
        "must be as\nclose as its tolerance.txt (rtol atol) says, else 1e-3 and 1e-7; "
        "bfloat16 has an rtol of at\nleast 2^-6. Integers, bools and strings must be equal.",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
