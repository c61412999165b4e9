/* The manual page and the completions for shells, from the tables that --help is made of. */
#ifndef CT_CLI_MANUAL_H
#define CT_CLI_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

/** A page for man(1). */
void ct_cli_print_man(FILE *to);
/** What `shell` (bash, zsh or fish) reads to complete commands, options and choices; false, and
 *  nothing printed, for another one. */
bool ct_cli_print_completion(const char *shell, FILE *to);

#endif
