/* corten run: runs a model once or a few times and shows, saves or checks what comes out. */
#include <stddef.h>
#include <stdio.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "outputs.h"
#include "session_args.h"
#include "summary.h"
#include "text.h"

struct args {
    struct ct_cli_session_args session;
    struct ct_cli_input_args input;
    struct ct_cli_image_args image;
    const char *output;
    bool compress, print, json, quiet, report;
    int64_t repeat;
    const char *check;
    double rtol;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .type = CT_CLI_TEXT,
     .offset = FIELD(output),
     .argument = "FILE",
     .help = "save the outputs: .npz all of them, .npy or .pb the only one, a folder "
             "output_N.pb of each"},
    {.name = "compress",
     .type = CT_CLI_FLAG,
     .offset = FIELD(compress),
     .help = "deflate the arrays of a saved .npz"},
    {.name = "print",
     .type = CT_CLI_FLAG,
     .offset = FIELD(print),
     .help = "print all elements instead of a summary"},
    {.name = "quiet",
     .letter = 'q',
     .type = CT_CLI_FLAG,
     .offset = FIELD(quiet),
     .help = "print nothing but the result of --check"},
    {.name = "report",
     .type = CT_CLI_FLAG,
     .offset = FIELD(report),
     .help = "with --precision auto: print which product computes in which precision"},
    {.name = "repeat",
     .type = CT_CLI_INT,
     .offset = FIELD(repeat),
     .argument = "N",
     .fallback = "1",
     .least = 1,
     .most = 1e9,
     .help = "run N times"},
    {.name = "check",
     .type = CT_CLI_TEXT,
     .offset = FIELD(check),
     .argument = "FILE.npz",
     .help = "compare the outputs with arrays named out:NAME or NAME, fail if one differs"},
    {.name = "rtol",
     .type = CT_CLI_REAL,
     .offset = FIELD(rtol),
     .argument = "R",
     .fallback = "1e-4",
     .least = 0,
     .most = 1e9,
     .help = "what --check allows as largest error over largest magnitude"},
    {.name = "json", .type = CT_CLI_FLAG, .offset = FIELD(json), .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"Inputs", ct_cli_input_options, FIELD(input)},
    {"Pictures as inputs", ct_cli_image_options, FIELD(image)},
    {"Outputs", options, 0},
    {"Session", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

static corten_status print_summary(const struct args *args, const struct ct_cli_outputs *outputs,
                                   corten_error *error)
{
    if (args->print) {
        for (size_t i = 0; i < outputs->count; i++)
            ct_cli_value_print(outputs->names[i], outputs->values[i], stdout);
        return CORTEN_OK;
    }
    struct ct_cli_table table;
    ct_cli_table_init(&table, CT_CLI_SUMMARY_COLUMNS);
    ct_cli_summary_head(&table);
    for (size_t i = 0; i < outputs->count; i++)
        ct_cli_summary_row(&table, outputs->names[i], outputs->values[i]);
    corten_status status = ct_cli_table_print(&table, 0, stdout, error);
    ct_cli_table_deinit(&table);
    return status;
}

static corten_status check(const struct args *args, const struct ct_cli_outputs *outputs,
                           struct ct_cli_json *json, corten_error *error)
{
    if (!args->check)
        return CORTEN_OK;
    return ct_cli_outputs_check(outputs, args->check, args->rtol, json, error);
}

static corten_status show_json(const struct args *args, const struct ct_cli_outputs *outputs,
                               double mean_s, corten_error *error)
{
    struct ct_cli_json json;
    ct_cli_json_init(&json);
    ct_cli_json_number(&json, json.root, "runs", (double)args->repeat);
    ct_cli_json_number(&json, json.root, "mean_ms", 1e3 * mean_s);
    if (!args->quiet) {
        cJSON *array = ct_cli_json_array(&json, json.root, "outputs");
        for (size_t i = 0; i < outputs->count; i++)
            ct_cli_summary_json(&json, ct_cli_json_object(&json, array, NULL), outputs->names[i],
                                outputs->values[i], args->print);
    }
    /* A failed check still prints what it found. */
    corten_status checked = check(args, outputs, &json, error);
    corten_status printed = ct_cli_json_print(&json, stdout, checked == CORTEN_OK ? error : NULL);
    ct_cli_json_deinit(&json);
    return checked != CORTEN_OK ? checked : printed;
}

static corten_status show(const struct args *args, const struct ct_cli_outputs *outputs,
                          double mean_s, corten_error *error)
{
    if (args->json)
        return show_json(args, outputs, mean_s, error);
    if (!args->quiet)
        CT_CLI_TRY(print_summary(args, outputs, error));
    if (args->repeat > 1)
        printf("%lld runs, mean %.3f ms\n", (long long)args->repeat, 1e3 * mean_s);
    return check(args, outputs, NULL, error);
}

static corten_status run_and_show(const struct args *args, corten_session *session,
                                  const struct ct_cli_inputs *inputs,
                                  struct ct_cli_outputs *outputs, corten_error *error)
{
    double start_s = ct_cli_now_s();
    for (int64_t i = 0; i < args->repeat; i++)
        CT_CLI_TRY(ct_cli_outputs_run(outputs, session, inputs, error));
    double mean_s = (ct_cli_now_s() - start_s) / (double)args->repeat;
    if (args->output)
        CT_CLI_TRY(ct_cli_outputs_save(outputs, args->output, args->compress, error));
    return show(args, outputs, mean_s, error);
}

static corten_status run_session(const struct args *args, corten_session *session,
                                 corten_error *error)
{
    struct ct_cli_inputs inputs = {.names = NULL};
    struct ct_cli_outputs outputs = {.names = NULL};
    corten_status status = ct_cli_inputs_load(&args->input, &args->image, session, &inputs, error);
    if (status == CORTEN_OK)
        status = ct_cli_session_calibrate(&args->session, session, &inputs, error);
    if (status == CORTEN_OK && args->report)
        status = ct_cli_session_print_precision(&args->session, session, error);
    if (status == CORTEN_OK)
        status = ct_cli_outputs_init(&outputs, session, error);
    if (status == CORTEN_OK)
        status = run_and_show(args, session, &inputs, &outputs, error);
    ct_cli_outputs_deinit(&outputs);
    ct_cli_inputs_deinit(&inputs);
    return status;
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    if (args->compress && !(args->output && ct_cli_ends_with(args->output, ".npz")))
        return ct_cli_usage(call, error, "--compress is for an --output that ends in .npz");
    corten_session *session = NULL;
    CT_CLI_TRY(ct_cli_session_open(call->operands[0], &args->session, &session, error));
    corten_status status = run_session(args, session, error);
    corten_session_close(session);
    return status;
}

const struct ct_cli_command ct_cli_command_run = {
    .name = "run",
    .operands = "MODEL",
    .operands_least = 1,
    .operands_most = 1,
    .summary = "run a model on inputs from files, pictures or random numbers",
    .details = "Prints name, type, range and first elements of each output.",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
