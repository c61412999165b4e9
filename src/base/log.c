#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void ct_log_write(const struct ct_log *log, corten_log_level level, const char *format, ...)
{
    if (!log || !log->fn || level < log->least || level >= CORTEN_LOG_NONE)
        return;
    char text[1024]; /* longer lines are cut */
    va_list args;
    va_start(args, format);
    int written = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (written >= 0)
        log->fn(log->user, level, text);
}
