/* corten infer: writes a model with the types and shapes of all its values. */
#include <stddef.h>
#include <stdio.h>

#include "command.h"
#include "session_args.h"
#include "text.h"

struct args {
    struct ct_cli_session_args session;
    bool external;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "external-data",
     .type = CT_CLI_FLAG,
     .offset = FIELD(external),
     .help = "weights of 1 KiB and more go to OUT.data"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"What to write", options, 0},
    {"Model", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

/* How many values have a shape of numbers, one with symbols, and none. */
static corten_status print_counts(const corten_model *model, corten_error *error)
{
    corten_model_info info;
    size_t known = 0, symbolic = 0, unknown = 0;
    corten_model_get_info(model, &info);
    for (size_t i = 0; i < info.node_count; i++) {
        corten_node_info node;
        CT_CLI_TRY(corten_model_node(model, i, &node, error));
        for (size_t k = 0; k < node.output_count; k++) {
            corten_value_info value;
            CT_CLI_TRY(corten_model_node_value(model, i, true, k, &value, error));
            bool named = value.rank >= 0, number = value.rank >= 0;
            for (int d = 0; d < value.rank; d++) {
                number &= value.dims[d] >= 0;
                named &= value.dims[d] >= 0 || value.dim_names[d][0];
            }
            known += number;
            symbolic += named && !number;
            unknown += !named;
        }
    }
    printf("%zu values have shapes of numbers, %zu shapes with symbols, %zu are not known\n", known,
           symbolic, unknown);
    return CORTEN_OK;
}

static corten_status infer(const struct args *args, corten_model *model, const char *path,
                           corten_error *error)
{
    CT_CLI_TRY(corten_model_infer(model, error));
    CT_CLI_TRY(corten_model_declare_values(model, error));
    CT_CLI_TRY(corten_model_save(model, path, args->external, error));
    return print_counts(model, error);
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    corten_options *library_options = NULL;
    corten_model *model = NULL;
    CT_CLI_TRY(ct_cli_session_options_make(&args->session, &library_options, error));
    corten_status status = corten_model_open(call->operands[0], library_options, &model, error);
    corten_options_destroy(library_options);
    CT_CLI_TRY(status);
    status = infer(args, model, call->operands[1], error);
    corten_model_close(model);
    return status;
}

const struct ct_cli_command ct_cli_command_infer = {
    .name = "infer",
    .operands = "MODEL OUT",
    .operands_least = 2,
    .operands_most = 2,
    .summary = "write a model with the types and shapes of all its values",
    .details = "Shapes are symbolic where they must be; --dim fixes symbols first.",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
