#include "os/affinity.h"

#include <string.h>

enum { MOST_CPUS = 8 * sizeof(struct ct_os_cpus) };

/* 0 when there is no number from 1 to MOST_CPUS. */
static int parse_cpu(const char **at)
{
    int cpu = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        cpu = cpu * 10 + (**at - '0');
        if (cpu > MOST_CPUS)
            return 0;
    }
    return cpu;
}

ct_status ct_affinity_parse(const char *text, const char *list, struct ct_os_cpus *cpus,
                            const char **end, corten_error *error)
{
    memset(cpus, 0, sizeof *cpus);
    const char *at = list;
    for (;;) {
        int first = parse_cpu(&at), last = first;
        if (first && *at == '-') {
            at++;
            last = parse_cpu(&at);
        }
        if (!first || last < first || (*at && *at != ',' && *at != ';'))
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "affinities '%s': at character %d, expected processors from 1 to %d, as "
                           "in '1,2;3-4'",
                           text, (int)(at - text) + 1, (int)MOST_CPUS);
        for (int cpu = first - 1; cpu < last; cpu++)
            cpus->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
        if (*at != ',')
            break;
        at++;
    }
    *end = at;
    return CORTEN_OK;
}
