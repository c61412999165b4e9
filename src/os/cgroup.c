#include "os/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

/* Quota over period, rounded up; 0 for none. */
static int quota_cpus(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return 0;
    long long cpus = quota_us / period_us + (quota_us % period_us != 0);
    return cpus < 65536 ? (int)cpus : 65536;
}

static int lesser_quota(int a, int b)
{
    if (!a || !b)
        return a + b;
    return a < b ? a : b;
}

/* Version 2: one file, "QUOTA PERIOD" or "max PERIOD". */
static int quota_in_folder_v2(const char *folder)
{
    char path[PATH_BYTES + 32], text[64];
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!ct_os_read_text(path, text, sizeof text))
        return 0;
    char *rest;
    long long quota_us = strtoll(text, &rest, 10);
    return rest == text ? 0 : quota_cpus(quota_us, strtoll(rest, NULL, 10));
}

/* Version 1: two files; a quota of -1 is none. */
static int quota_in_folder_v1(const char *folder)
{
    char path[PATH_BYTES + 32], quota[64], period[64];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!ct_os_read_text(path, quota, sizeof quota))
        return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!ct_os_read_text(path, period, sizeof period))
        return 0;
    return quota_cpus(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The least quota from the group up to the mount point. In a container the group's own path is
 * often not there, since what is mounted is the group itself: the mount point is tried always. */
static int quota_upwards(const char *mount, const char *group, size_t group_bytes,
                         int (*quota_in_folder)(const char *))
{
    char folder[PATH_BYTES];
    int written = snprintf(folder, sizeof folder, "%s%.*s", mount, (int)group_bytes, group);
    if (written < 0 || (size_t)written >= sizeof folder || strstr(folder, "/.."))
        return quota_in_folder(mount);
    size_t mount_bytes = strlen(mount);
    int cpus = 0;
    for (size_t end = (size_t)written; end > mount_bytes; end--) {
        if (folder[end] != '\0' && folder[end] != '/')
            continue;
        folder[end] = '\0';
        if (folder[end - 1] != '/')
            cpus = lesser_quota(cpus, quota_in_folder(folder));
    }
    return lesser_quota(cpus, quota_in_folder(mount));
}

/* True when the comma-separated list names the controller "cpu". */
static bool names_cpu(const char *list, size_t size_bytes)
{
    while (size_bytes >= 3) {
        const char *comma = memchr(list, ',', size_bytes);
        size_t item_bytes = comma ? (size_t)(comma - list) : size_bytes;
        if (item_bytes == 3 && memcmp(list, "cpu", 3) == 0)
            return true;
        if (!comma)
            break;
        list += item_bytes + 1;
        size_bytes -= item_bytes + 1;
    }
    return false;
}

/* Lines read "ID:CONTROLLERS:GROUP"; the one of version 2 has ID 0 and no controllers. */
int ct_cgroup_cpus(const char *membership, const char *root)
{
    int cpus = 0;
    for (const char *line = membership; *line;) {
        size_t line_bytes = strcspn(line, "\n");
        const char *end = line + line_bytes;
        const char *controllers = memchr(line, ':', line_bytes);
        const char *group =
            controllers ? memchr(controllers + 1, ':', (size_t)(end - controllers - 1)) : NULL;
        if (group) {
            controllers++;
            size_t controllers_bytes = (size_t)(group - controllers);
            group++;
            size_t group_bytes = (size_t)(end - group);
            char mount[PATH_BYTES];
            if (!controllers_bytes) {
                cpus =
                    lesser_quota(cpus, quota_upwards(root, group, group_bytes, quota_in_folder_v2));
            } else if (names_cpu(controllers, controllers_bytes) && controllers_bytes < 256) {
                snprintf(mount, sizeof mount, "%s/%.*s", root, (int)controllers_bytes, controllers);
                cpus = lesser_quota(cpus,
                                    quota_upwards(mount, group, group_bytes, quota_in_folder_v1));
            }
        }
        line = *end ? end + 1 : end;
    }
    return cpus;
}
