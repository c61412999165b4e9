/* A command of the program: what the file that implements it says about itself. */
#ifndef CT_CLI_COMMAND_H
#define CT_CLI_COMMAND_H

#include <stddef.h>

#include <corten/corten.h>

#include "option.h"

/* X(name): commands in the order that the help lists them; each is described by the
 * const struct ct_cli_command ct_cli_command_<name> at the bottom of cli/<name>.c. */
#define CT_CLI_COMMAND_MAP(X)                                                                      \
    X(run)                                                                                         \
    X(inspect)                                                                                     \
    X(optimize)                                                                                    \
    X(verify)                                                                                      \
    X(infer)                                                                                       \
    X(bench)                                                                                       \
    X(profile)                                                                                     \
    X(test)                                                                                        \
    X(operators)

/** What a command was called with. */
struct ct_cli_call {
    void *args; /* the command's own struct, filled by its option table */
    const char *const *operands;
    size_t operand_count;
    bool usage; /* set by ct_cli_usage: the failure is a wrong call, exit code 2 */
};

struct ct_cli_command {
    const char *name;
    const char *operands; /* as the help shows them */
    size_t operands_least, operands_most;
    const char *summary; /* one line */
    const char *details; /* paragraphs of the help; NULL: none */
    const struct ct_cli_group *groups;
    size_t args_size_bytes;
    corten_status (*run)(struct ct_cli_call *call, corten_error *error);
};

#define CT_CLI_X(name) extern const struct ct_cli_command ct_cli_command_##name;
CT_CLI_COMMAND_MAP(CT_CLI_X)
#undef CT_CLI_X

/** All of them, in that order; NULL ends the list. */
extern const struct ct_cli_command *const ct_cli_commands[];

/** Fails a command because of how it was called. */
corten_status ct_cli_usage(struct ct_cli_call *call, corten_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
