/* Lists of processors as people write them. */
#ifndef CT_OS_AFFINITY_H
#define CT_OS_AFFINITY_H

#include "os/os.h"

/** Reads one list, such as "1,3-5": numbers that count from 1, and ranges. It ends before a ';' or
 *  with the text; *end is there. `text` is all of it, for errors. */
ct_status ct_affinity_parse(const char *text, const char *list, struct ct_os_cpus *cpus,
                            const char **end, corten_error *error);

#endif
