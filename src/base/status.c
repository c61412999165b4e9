#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ct_status ct_fail(corten_error *error, ct_status status, const char *format, ...)
{
    if (!error)
        return status;
    error->status = status;
    va_list args;
    va_start(args, format);
    if (vsnprintf(error->text, sizeof error->text, format, args) < 0)
        error->text[0] = '\0';
    va_end(args);
    return status;
}

void ct_error_prefix(corten_error *error, const char *format, ...)
{
    if (!error)
        return;
    char prefix[sizeof error->text];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    if (written < 0)
        return;

    /* The old text says what is wrong and the prefix only where: when both do not fit, the
     * prefix leaves room for at least half of the text. */
    enum { room = sizeof error->text - 1 };
    size_t old_bytes = strnlen(error->text, room);
    size_t kept_bytes = old_bytes < room / 2 ? old_bytes : room / 2;
    size_t prefix_bytes = strlen(prefix);
    if (prefix_bytes > room - 2 - kept_bytes)
        prefix_bytes = room - 2 - kept_bytes;
    if (old_bytes > room - 2 - prefix_bytes)
        old_bytes = room - 2 - prefix_bytes;
    memmove(error->text + prefix_bytes + 2, error->text, old_bytes);
    memcpy(error->text, prefix, prefix_bytes);
    memcpy(error->text + prefix_bytes, ": ", 2);
    error->text[prefix_bytes + 2 + old_bytes] = '\0';
}

ct_status ct_fail_memory(corten_error *error, size_t size_bytes, const char *what)
{
    return ct_fail(error, CORTEN_OUT_OF_MEMORY, "no memory for %s (%zu bytes)", what, size_bytes);
}

const char *corten_status_text(corten_status status)
{
    switch (status) {
#define CT_X(name, number, text)                                                                   \
    case CORTEN_##name: return text;
        CORTEN_STATUS_MAP(CT_X)
#undef CT_X
    }
    return "unknown status";
}

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *corten_version(void)
{
    return VERSION_TEXT(CORTEN_VERSION_MAJOR, CORTEN_VERSION_MINOR, CORTEN_VERSION_PATCH);
}
