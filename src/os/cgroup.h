/* The processor quota of a control group, versions 1 and 2 (Linux: cgroups(7)). */
#ifndef CT_OS_CGROUP_H
#define CT_OS_CGROUP_H

#include "os/os.h"

/** Processors that the quotas of the process's group and of those above it allow, rounded up; 0
 *  when there is no quota. `membership` is the text of /proc/self/cgroup, `root` the folder where
 *  the hierarchies are mounted (/sys/fs/cgroup). */
int ct_cgroup_cpus(const char *membership, const char *root);

#endif
