#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

corten_status ct_cli_fail(corten_error *error, corten_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

corten_status ct_cli_no_memory(corten_error *error, const char *what)
{
    return ct_cli_fail(error, CORTEN_OUT_OF_MEMORY, "no memory for %s", what);
}

corten_status ct_cli_prefix(corten_error *error, corten_status status, const char *format, ...)
{
    if (!error)
        return status;
    corten_error rest = *error;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (size < 0)
        size = 0;
    size_t room = sizeof error->text - 1;
    if ((size_t)size + 2 < room) {
        /* What does not fit of the older text is cut. */
        int left = (int)(room - (size_t)size - 2);
        snprintf(error->text + size, room - (size_t)size + 1, ": %.*s", left, rest.text);
    }
    error->status = status;
    return status;
}

bool ct_cli_parse_int(const char *text, int64_t *value)
{
    char *end = NULL;
    errno = 0;
    long long parsed = strtoll(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    *value = parsed;
    return true;
}

bool ct_cli_parse_real(const char *text, double *value)
{
    char *end = NULL;
    double parsed = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(parsed))
        return false;
    *value = parsed;
    return true;
}

const char *ct_cli_split(const char *text, char mark, size_t *size_bytes)
{
    const char *found = strchr(text, mark);
    if (!found || found == text)
        return NULL;
    *size_bytes = (size_t)(found - text);
    return found + 1;
}

/* Optimal string alignment distance: insert, remove, replace and swap of neighbours cost 1 each.
 * Words past the limit are never near anything that a person mistyped. */
static size_t distance(const char *a, const char *b)
{
    enum { LIMIT = 32 };
    size_t table[LIMIT + 1][LIMIT + 1];
    size_t rows = strlen(a);
    size_t columns = strlen(b);
    if (rows > LIMIT || columns > LIMIT)
        return SIZE_MAX;
    for (size_t i = 0; i <= rows; i++)
        table[i][0] = i;
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            size_t best = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (table[i - 1][j] + 1 < best)
                best = table[i - 1][j] + 1;
            if (table[i][j - 1] + 1 < best)
                best = table[i][j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && table[i - 2][j - 2] + 1 < best)
                best = table[i - 2][j - 2] + 1;
            table[i][j] = best;
        }
    }
    return table[rows][columns];
}

const char *ct_cli_nearest(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t limit = strlen(word) / 3 + 1;
    size_t best = limit < 3 ? limit + 1 : 4;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < best) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

bool ct_cli_ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text);
    size_t ending_size = strlen(ending);
    return size >= ending_size && strcasecmp(text + size - ending_size, ending) == 0;
}

static const char *scaled_text(char *out, double value, double step, const char *const *units,
                               size_t unit_count)
{
    size_t unit = 0;
    while (value >= step && unit + 1 < unit_count) {
        value /= step;
        unit++;
    }
    /* A whole number of the smallest unit has no decimals. */
    int decimals = unit == 0 || value >= 100.0 ? 0 : value >= 10.0 ? 1 : 2;
    snprintf(out, CT_CLI_SIZE_TEXT_SIZE, "%.*f%s", decimals, value, units[unit]);
    return out;
}

const char *ct_cli_bytes_text(char *out, double size_bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    if (size_bytes < 0.0) {
        snprintf(out, CT_CLI_SIZE_TEXT_SIZE, "-");
        return out;
    }
    return scaled_text(out, size_bytes, 1024.0, units, sizeof units / sizeof units[0]);
}

const char *ct_cli_count_text(char *out, double count)
{
    static const char *const units[] = {"", " K", " M", " G", " T", " P"};
    if (count < 0.0) {
        snprintf(out, CT_CLI_SIZE_TEXT_SIZE, "-");
        return out;
    }
    return scaled_text(out, count, 1000.0, units, sizeof units / sizeof units[0]);
}

const char *ct_cli_shape_text(char *out, int rank, const int64_t *dims, const char *const *names)
{
    if (rank < 0) {
        snprintf(out, CT_CLI_SHAPE_TEXT_SIZE, "[...]");
        return out;
    }
    size_t used = 0;
    out[used++] = '[';
    for (int i = 0; i < rank; i++) {
        char one[64];
        if (dims[i] >= 0)
            snprintf(one, sizeof one, "%lld", (long long)dims[i]);
        else
            snprintf(one, sizeof one, "%.48s", names && names[i] && names[i][0] ? names[i] : "?");
        size_t size = strlen(one);
        if (used + size + 6 > CT_CLI_SHAPE_TEXT_SIZE) {
            memcpy(out + used, ",...", 4);
            used += 4;
            break;
        }
        if (i > 0)
            out[used++] = ',';
        memcpy(out + used, one, size);
        used += size;
    }
    out[used++] = ']';
    out[used] = '\0';
    return out;
}

double ct_cli_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
