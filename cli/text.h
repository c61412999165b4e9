/* Small text tools of the command line: errors, numbers, sizes and names as people read them. */
#ifndef CT_CLI_TEXT_H
#define CT_CLI_TEXT_H

#include <corten/corten.h>

/* Returns the status of a failed call to the caller. */
#define CT_CLI_TRY(call)                                                                           \
    do {                                                                                           \
        corten_status try_status_ = (call);                                                        \
        if (try_status_ != CORTEN_OK)                                                              \
            return try_status_;                                                                    \
    } while (0)

/** Longest text that ct_cli_shape_text writes, with its end. */
#define CT_CLI_SHAPE_TEXT_SIZE 512
/** Longest text of ct_cli_bytes_text and ct_cli_count_text, with its end. */
#define CT_CLI_SIZE_TEXT_SIZE 32

/** Fills `error` (NULL is allowed) and returns `status`. */
corten_status ct_cli_fail(corten_error *error, corten_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** OUT_OF_MEMORY for `what`. */
corten_status ct_cli_no_memory(corten_error *error, const char *what);
/** Puts "`format`: " in front of the text that `error` holds. Returns `status`. */
corten_status ct_cli_prefix(corten_error *error, corten_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Decimal (or 0x) integer that fills all of `text`. */
bool ct_cli_parse_int(const char *text, int64_t *value);
/** Finite decimal number that fills all of `text`. */
bool ct_cli_parse_real(const char *text, double *value);
/** The part after the first `mark`, NULL if there is none or nothing stands before it;
 *  `*size_bytes` receives the length of the part before. */
const char *ct_cli_split(const char *text, char mark, size_t *size_bytes);

/** The name nearest to `word`, NULL if none is close. */
const char *ct_cli_nearest(const char *word, const char *const *names, size_t count);
/** True if `text` ends with `ending`, letters compared without case. */
bool ct_cli_ends_with(const char *text, const char *ending);

/** "1.5 MiB"; `out` holds CT_CLI_SIZE_TEXT_SIZE. Returns `out`. */
const char *ct_cli_bytes_text(char *out, double size_bytes);
/** "3.9 G", thousands; "-" for a negative (unknown) count. */
const char *ct_cli_count_text(char *out, double count);
/** "[1,N,224]"; symbols for dimensions below 0 (`names` may be NULL), "[...]" for rank -1.
 *  `out` holds CT_CLI_SHAPE_TEXT_SIZE. Returns `out`. */
const char *ct_cli_shape_text(char *out, int rank, const int64_t *dims, const char *const *names);

/** Seconds of a clock that only goes forward. */
double ct_cli_now_s(void);

#endif
