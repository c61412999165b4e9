#include "command.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

const struct ct_cli_command *const ct_cli_commands[] = {
#define CT_CLI_X(name) &ct_cli_command_##name,
    CT_CLI_COMMAND_MAP(CT_CLI_X)
#undef CT_CLI_X
        NULL,
};

corten_status ct_cli_usage(struct ct_cli_call *call, corten_error *error, const char *format, ...)
{
    char text[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    call->usage = true;
    return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "%s", text);
}
