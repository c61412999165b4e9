#include "session_args.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "inputs.h"
#include "text.h"

enum { DIM_NAME_SIZE = 256 };

static corten_status parse_dim(const char *argument, char *name, int64_t *value,
                               corten_error *error)
{
    size_t size = 0;
    const char *number = ct_cli_split(argument, '=', &size);
    if (!number || size >= DIM_NAME_SIZE || !ct_cli_parse_int(number, value) || *value < 0)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "'%s' is not NAME=N with a whole number N of 0 or more", argument);
    memcpy(name, argument, size);
    name[size] = '\0';
    return CORTEN_OK;
}

static corten_status check_dim(const char *argument, corten_error *error)
{
    char name[DIM_NAME_SIZE];
    int64_t value = 0;
    return parse_dim(argument, name, &value, error);
}

static const struct ct_cli_choice levels[] = {
    {"disable", CORTEN_LEVEL_DISABLE},   {"basic", CORTEN_LEVEL_BASIC},
    {"extended", CORTEN_LEVEL_EXTENDED}, {"layout", CORTEN_LEVEL_LAYOUT},
    {"all", CORTEN_LEVEL_ALL},           {NULL, 0},
};

static const struct ct_cli_choice precisions[] = {
    {"f32", CORTEN_PRECISION_F32},
    {"bf16", CORTEN_PRECISION_BF16},
    {"auto", CORTEN_PRECISION_AUTO},
    {NULL, 0},
};

static const struct ct_cli_choice log_levels[] = {
    {"verbose", CORTEN_LOG_VERBOSE}, {"info", CORTEN_LOG_INFO}, {"warning", CORTEN_LOG_WARNING},
    {"error", CORTEN_LOG_ERROR},     {"none", CORTEN_LOG_NONE}, {NULL, 0},
};

#define FIELD(name) offsetof(struct ct_cli_session_args, name)

const struct ct_cli_option ct_cli_session_options[] = {
    {.name = "threads",
     .type = CT_CLI_INT,
     .offset = FIELD(threads),
     .argument = "N",
     .fallback = "0",
     .least = 0,
     .most = 4096,
     .help = "threads of a run; 0 takes what cpuset and cgroup quota allow"},
    {.name = "level",
     .type = CT_CLI_CHOICE,
     .offset = FIELD(level),
     .argument = "LEVEL",
     .fallback = "all",
     .choices = levels,
     .help = "optimisation: disable, basic, extended, layout or all"},
    {.name = "precision",
     .type = CT_CLI_CHOICE,
     .offset = FIELD(precision),
     .argument = "TYPE",
     .fallback = "f32",
     .choices = precisions,
     .help = "products: f32, bf16 (operands rounded, sums in float32), or auto: bf16 where "
             "outputs stay within --precision-bound (run and verify)"},
    {.name = "precision-bound",
     .type = CT_CLI_REAL,
     .offset = FIELD(precision_bound),
     .argument = "R",
     .fallback = "1e-2",
     .least = 0,
     .most = 1e9,
     .help = "with --precision auto: largest difference from f32 over largest magnitude"},
    {.name = "disable-pass",
     .type = CT_CLI_LIST,
     .offset = FIELD(disabled_passes),
     .argument = "PASS",
     .help = "switch one optimiser pass off; may be repeated"},
    {.name = "dim",
     .type = CT_CLI_LIST,
     .offset = FIELD(dims),
     .argument = "NAME=N",
     .check = check_dim,
     .help = "fix a symbolic dimension of the inputs; may be repeated"},
    {.name = "memory-limit",
     .type = CT_CLI_INT,
     .offset = FIELD(memory_limit_mib),
     .argument = "MIB",
     .fallback = "0",
     .least = 0,
     .most = 1 << 30,
     .help = "most memory beyond the mapped model, in MiB; 0 sets no bound"},
    {.name = "log",
     .type = CT_CLI_CHOICE,
     .offset = FIELD(log),
     .argument = "LEVEL",
     .fallback = "warning",
     .choices = log_levels,
     .help = "least level of messages on standard error: verbose, info, warning, error or none"},
    {.name = NULL},
};

static void print_log(void *user, corten_log_level level, const char *text)
{
    (void)user;
    const char *name = "error";
    for (const struct ct_cli_choice *choice = log_levels; choice->name; choice++)
        if (choice->value == (int)level)
            name = choice->name;
    fprintf(stderr, "corten %s: %s\n", name, text);
}

static corten_status set_options(const struct ct_cli_session_args *args, corten_options *options,
                                 corten_error *error)
{
    CT_CLI_TRY(corten_options_set_threads(options, (int)args->threads, error));
    CT_CLI_TRY(corten_options_set_level(options, (corten_level)args->level, error));
    CT_CLI_TRY(corten_options_set_precision(options, (corten_precision)args->precision, error));
    for (size_t i = 0; i < args->disabled_passes.count; i++)
        CT_CLI_TRY(corten_options_disable_pass(options, args->disabled_passes.items[i], error));
    for (size_t i = 0; i < args->dims.count; i++) {
        char name[DIM_NAME_SIZE];
        int64_t value = 0;
        CT_CLI_TRY(parse_dim(args->dims.items[i], name, &value, error));
        CT_CLI_TRY(corten_options_set_dim(options, name, value, error));
    }
    if (args->memory_limit_mib > 0)
        CT_CLI_TRY(
            corten_options_set_memory_limit(options, (size_t)args->memory_limit_mib << 20, error));
    return corten_options_set_log(options, print_log, NULL, (corten_log_level)args->log, error);
}

corten_status ct_cli_session_options_make(const struct ct_cli_session_args *args,
                                          corten_options **options, corten_error *error)
{
    corten_options *made = NULL;
    CT_CLI_TRY(corten_options_create(&made, error));
    corten_status status = set_options(args, made, error);
    if (status != CORTEN_OK) {
        corten_options_destroy(made);
        return status;
    }
    *options = made;
    return CORTEN_OK;
}

corten_status ct_cli_session_open(const char *path, const struct ct_cli_session_args *args,
                                  corten_session **session, corten_error *error)
{
    corten_options *options = NULL;
    CT_CLI_TRY(ct_cli_session_options_make(args, &options, error));
    corten_status status = corten_session_open(path, options, session, error);
    corten_options_destroy(options);
    return status;
}

corten_status ct_cli_session_calibrate(const struct ct_cli_session_args *args,
                                       corten_session *session, const struct ct_cli_inputs *inputs,
                                       corten_error *error)
{
    if (args->precision != CORTEN_PRECISION_AUTO)
        return CORTEN_OK;
    return corten_session_calibrate(session, inputs->names,
                                    (const corten_value *const *)inputs->values, inputs->count,
                                    args->precision_bound, error);
}

corten_status ct_cli_session_print_precision(const struct ct_cli_session_args *args,
                                             const corten_session *session, corten_error *error)
{
    corten_calibration_info info;
    if (args->precision != CORTEN_PRECISION_AUTO)
        return CORTEN_OK;
    CT_CLI_TRY(corten_session_calibration(session, &info, error));
    for (size_t i = 0; i < info.product_count; i++) {
        corten_product_info product;
        CT_CLI_TRY(corten_session_product_info(session, i, &product, error));
        printf("%s  %s  %s\n", product.precision == CORTEN_PRECISION_BF16 ? "bf16" : "f32 ",
               product.op_type, product.name);
    }
    printf("%zu of %zu products in bfloat16, error %.3g, bound %g, found in %zu runs\n",
           info.bf16_count, info.product_count, info.error, args->precision_bound, info.run_count);
    return CORTEN_OK;
}
