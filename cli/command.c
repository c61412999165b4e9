#include "command.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

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
