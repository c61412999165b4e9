#include "os/os.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The file that holds this code. glibc gives no name for the program itself, and argv[0] may be
 * anything. */
static bool own_path(char *path, size_t size_bytes)
{
    static const char here;
    struct link_map *map = NULL;
    Dl_info info;
    if (dladdr1(&here, &info, (void **)&map, RTLD_DL_LINKMAP) && map && map->l_name &&
        map->l_name[0])
        return (size_t)snprintf(path, size_bytes, "%s", map->l_name) < size_bytes;
    ssize_t n = readlink("/proc/self/exe", path, size_bytes - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    return true;
}

/* Only a file that is there is tried, so that the error is that of the one that should load. */
static void *open_beside(const char *folder, const char *between, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s%s", folder, between, name);
    if (n < 0 || (size_t)n >= sizeof path || access(path, R_OK) != 0)
        return NULL;
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

ct_status ct_os_library_open(const char *name, void **library, corten_error *error)
{
    char folder[PATH_MAX];
    void *opened = NULL;
    if (own_path(folder, sizeof folder)) {
        char *slash = strrchr(folder, '/');
        if (slash) {
            *slash = '\0';
            opened = open_beside(folder, "", name);
            if (!opened)
                opened = open_beside(folder, "../lib/", name);
        }
    }
    if (!opened)
        opened = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!opened) {
        const char *text = dlerror();
        return ct_fail(error, CORTEN_NO_SUCH_FILE, "%s", text ? text : name);
    }
    *library = opened;
    return CORTEN_OK;
}

void *ct_os_library_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

void ct_os_library_close(void *library)
{
    if (library)
        dlclose(library);
}
