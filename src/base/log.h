/* The logger: one function of the caller's. The library prints nothing itself. */
#ifndef CT_BASE_LOG_H
#define CT_BASE_LOG_H

#include <corten/corten.h>

struct ct_log {
    corten_log_fn fn; /* NULL: silent */
    void *user;
    corten_log_level least;
};

void ct_log_write(const struct ct_log *log, corten_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
