/* Status and error text. Every fallible function returns a ct_status and writes the text to an
 * error object that its caller owns (NULL: text not wanted). */
#ifndef CT_BASE_STATUS_H
#define CT_BASE_STATUS_H

#include <corten/corten.h>

typedef corten_status ct_status;

/** Writes status and text to `error` and returns `status`: `return ct_fail(error, CORTEN_…, …);`.
 *  `error` may be NULL. */
ct_status ct_fail(corten_error *error, ct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/** Puts text before that of an error that is passed upwards, with ": " between. */
void ct_error_prefix(corten_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/** OUT_OF_MEMORY, saying what the memory was for. */
ct_status ct_fail_memory(corten_error *error, size_t size_bytes, const char *what)
    __attribute__((cold));

/** Returns from the calling function when `expr` fails. */
#define CT_TRY(expr)                                                                               \
    do {                                                                                           \
        ct_status ct_try_status_ = (expr);                                                         \
        if (__builtin_expect(ct_try_status_ != CORTEN_OK, 0))                                      \
            return ct_try_status_;                                                                 \
    } while (0)

/** Goes to `label`, with `status` set, when `expr` fails. */
#define CT_TRY_GOTO(status, expr, label)                                                           \
    do {                                                                                           \
        (status) = (expr);                                                                         \
        if (__builtin_expect((status) != CORTEN_OK, 0))                                            \
            goto label;                                                                            \
    } while (0)

#endif
