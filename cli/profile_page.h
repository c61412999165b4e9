/* What surrounds the data on the page of corten profile --html. */
#ifndef CT_CLI_PROFILE_PAGE_H
#define CT_CLI_PROFILE_PAGE_H

#include <stddef.h>

/** Lines, each with its newline; ends with NULL. */
extern const char *const ct_cli_profile_page[];

#endif
