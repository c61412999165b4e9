/* corten operators: what the library runs. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "table.h"
#include "text.h"

struct args {
    bool markdown, json;
};

static const struct ct_cli_option options[] = {
    {.name = "markdown",
     .type = CT_CLI_FLAG,
     .offset = offsetof(struct args, markdown),
     .help = "print the page docs/operators.md"},
    {.name = "json",
     .type = CT_CLI_FLAG,
     .offset = offsetof(struct args, json),
     .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"How to show it", options, 0},
    {NULL, NULL, 0},
};

enum { DTYPES_TEXT_SIZE = 400 };

static const char *dtypes_text(uint64_t dtypes, char *text)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 1; i < 64 && at < DTYPES_TEXT_SIZE; i++)
        if (dtypes >> i & 1)
            at += (size_t)snprintf(text + at, DTYPES_TEXT_SIZE - at, "%s%s", at ? ", " : "",
                                   corten_dtype_name((corten_dtype)i));
    return text;
}

static const char *domain_text(const char *domain)
{
    return *domain ? domain : "ai.onnx";
}

static bool is_asked(const struct ct_cli_call *call, const corten_operator_info *info)
{
    return call->operand_count == 0 || strcmp(call->operands[0], info->name) == 0;
}

static corten_status print_table(const struct ct_cli_call *call, corten_error *error)
{
    struct ct_cli_table table;
    char text[DTYPES_TEXT_SIZE];
    size_t shown = 0;
    ct_cli_table_init(&table, "llrl");
    for (const char *const *title =
             (const char *const[]){"domain", "operator", "since", "types", NULL};
         *title; title++)
        ct_cli_table_add(&table, "%s", *title);
    for (size_t i = 0; i < corten_operator_count(); i++) {
        corten_operator_info info;
        corten_operator_get(i, &info, NULL);
        if (!is_asked(call, &info))
            continue;
        ct_cli_table_add(&table, "%s", domain_text(info.domain));
        ct_cli_table_add(&table, "%s", info.name);
        ct_cli_table_add(&table, "%lld", (long long)info.since);
        ct_cli_table_add(&table, "%s", dtypes_text(info.dtypes, text));
        shown++;
    }
    corten_status status = CORTEN_OK;
    if (shown) {
        status = ct_cli_table_print(&table, 0, stdout, error);
    } else {
        status = CORTEN_INVALID_ARGUMENT;
        error->status = status;
        snprintf(error->text, sizeof error->text, "no operator is named '%s'", call->operands[0]);
    }
    ct_cli_table_deinit(&table);
    return status;
}

static corten_status print_json(const struct ct_cli_call *call, corten_error *error)
{
    struct ct_cli_json json;
    ct_cli_json_init(&json);
    cJSON *list = ct_cli_json_array(&json, json.root, "operators");
    for (size_t i = 0; i < corten_operator_count(); i++) {
        corten_operator_info info;
        corten_operator_get(i, &info, NULL);
        if (!is_asked(call, &info))
            continue;
        cJSON *one = ct_cli_json_object(&json, list, NULL);
        ct_cli_json_text(&json, one, "domain", info.domain);
        ct_cli_json_text(&json, one, "name", info.name);
        ct_cli_json_number(&json, one, "since", (double)info.since);
        cJSON *dtypes = ct_cli_json_array(&json, one, "dtypes");
        for (int d = 1; d < 64; d++)
            if (info.dtypes >> d & 1)
                ct_cli_json_text(&json, dtypes, NULL, corten_dtype_name((corten_dtype)d));
        cJSON *providers = ct_cli_json_array(&json, one, "providers");
        for (int p = 0; p < 2 && info.providers[p]; p++)
            ct_cli_json_text(&json, providers, NULL, info.providers[p]);
    }
    corten_status status = ct_cli_json_print(&json, stdout, error);
    ct_cli_json_deinit(&json);
    return status;
}

/* One table a domain, one row a version. */
static void print_markdown(void)
{
    const char *domain = NULL;
    char text[DTYPES_TEXT_SIZE];
    printf("# Operators\n\n"
           "Written by `corten operators --markdown`; a test fails when it is out of date.\n"
           "*Since* is the version of the operator set from which on a row holds, up to the next "
           "row of that\noperator. *Types* are those of the operator's typed input, its first in "
           "most cases. All rows are run by\nthe CPU provider.\n");
    for (size_t i = 0; i < corten_operator_count(); i++) {
        corten_operator_info info;
        corten_operator_get(i, &info, NULL);
        if (!domain || strcmp(domain, info.domain) != 0)
            printf("\n## %s\n\n| operator | since | types |\n|---|---|---|\n",
                   domain_text(info.domain));
        domain = info.domain;
        printf("| %s | %lld | %s |\n", info.name, (long long)info.since,
               dtypes_text(info.dtypes, text));
    }
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    const struct args *args = call->args;
    if (args->markdown && (args->json || call->operand_count))
        return ct_cli_usage(call, error, "--markdown goes with nothing else");
    if (args->markdown) {
        print_markdown();
        return CORTEN_OK;
    }
    return args->json ? print_json(call, error) : print_table(call, error);
}

const struct ct_cli_command ct_cli_command_operators = {
    .name = "operators",
    .operands = "[NAME]",
    .operands_least = 0,
    .operands_most = 1,
    .summary = "list the operators that there are, with versions and types",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
