/* Options that every command has which opens a model. */
#ifndef CT_CLI_SESSION_ARGS_H
#define CT_CLI_SESSION_ARGS_H

#include <corten/corten.h>

#include "option.h"

struct ct_cli_session_args {
    int64_t threads;
    int level;     /* corten_level */
    int precision; /* corten_precision */
    double precision_bound;
    struct ct_cli_list disabled_passes;
    struct ct_cli_list dims; /* "NAME=N" */
    int64_t memory_limit_mib;
    int log; /* corten_log_level */
};

/** Rows for struct ct_cli_session_args. */
extern const struct ct_cli_option ct_cli_session_options[];

/** The options of the library; destroy them with corten_options_destroy. */
corten_status ct_cli_session_options_make(const struct ct_cli_session_args *args,
                                          corten_options **options, corten_error *error);
struct ct_cli_inputs;

/** With --precision auto: chooses the precision of products on these inputs. */
corten_status ct_cli_session_calibrate(const struct ct_cli_session_args *args,
                                       corten_session *session, const struct ct_cli_inputs *inputs,
                                       corten_error *error);
/** Prints what was chosen, a line for each product; nothing with another precision. */
corten_status ct_cli_session_print_precision(const struct ct_cli_session_args *args,
                                             const corten_session *session, corten_error *error);
/** Opens `path`; errors begin with it. */
corten_status ct_cli_session_open(const char *path, const struct ct_cli_session_args *args,
                                  corten_session **session, corten_error *error);

#endif
