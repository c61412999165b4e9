/* What corten profile found out, for its tables, JSON and page. */
#ifndef CT_CLI_PROFILE_H
#define CT_CLI_PROFILE_H

#include "roofline.h"
#include "trace.h"

struct ct_cli_profile {
    const char *model;
    int threads;
    struct ct_cli_trace trace; /* of the warm runs */
    struct ct_cli_roofline roofline;
    corten_times times;
    corten_memory_info memory;
    double first_s, warm_s; /* warm: mean, with the profiler on */
    int64_t repeat;
};

/** Seconds of a phase by name, in the order of time; false past the end. */
bool ct_cli_profile_phase(const struct ct_cli_profile *profile, size_t index, const char **name,
                          const char **key, double *seconds);
/** Writes one page of HTML that needs nothing else. */
corten_status ct_cli_profile_html(const struct ct_cli_profile *profile, const char *path,
                                  corten_error *error);

#endif
