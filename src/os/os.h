/* The contract with the operating system; one .c file per system. */
#ifndef CT_OS_OS_H
#define CT_OS_OS_H

#include "base/memory.h"

/** A file mapped to read. */
struct ct_os_map {
    const void *data;
    size_t size_bytes;
    uint64_t device, inode; /* identity of the file */
};

/** NO_SUCH_FILE or IO_ERROR, with the path and the system's text. An empty file has data NULL. */
ct_status ct_os_map_file(const char *path, struct ct_os_map *map, corten_error *error);
/** Opens `relative` beneath `folder` without following any link, and refuses "..", absolute
 *  paths, symbolic links, files with more than one hard link and anything but regular files:
 *  INVALID_MODEL. */
ct_status ct_os_map_beneath(const char *folder, const char *relative, struct ct_os_map *map,
                            corten_error *error);
void ct_os_unmap(struct ct_os_map *map);
/** Gives the memory of whole pages inside back; reading them again reads the file again. */
void ct_os_drop_pages(const void *data, size_t size_bytes);

/** Writes a new file or replaces one, whole or not at all (a temporary file, then rename). The
 *  pieces are written one after the other. */
struct ct_os_piece {
    const void *data; /* NULL: zeros */
    size_t size_bytes;
};
ct_status ct_os_write_file(const char *path, const struct ct_os_piece *pieces, size_t count,
                           corten_error *error);
/** Reads a small text file of the system's, such as of /proc, cut to the size and NUL-terminated.
 *  False when it cannot be read. */
bool ct_os_read_text(const char *path, char *text, size_t size_bytes);

/** Opens a shared library that is an optional part of the project. It is looked for beside the
 *  library or program that this code is part of, in ../lib from there, and then where the system
 *  looks. NO_SUCH_FILE with the system's text when it is not there or cannot be loaded. It stays in
 *  memory after close, so that its symbols are valid as long as the process is. */
ct_status ct_os_library_open(const char *name, void **library, corten_error *error);
/** NULL: no such symbol. */
void *ct_os_library_symbol(void *library, const char *name);
void ct_os_library_close(void *library); /* NULL allowed */

/** Monotonic clock. */
int64_t ct_os_now_ns(void);
/** Processors that this process may use: cpuset and cgroup quota, rounded up; at least 1. */
int ct_os_usable_cpus(void);

/** Asks for this process's permission to use AMX tiles, which a thread's saved state has room for
 *  only then; signal frames grow by as much. False when the system does not give it. */
bool ct_os_permit_tiles(void);

/** Threads. */
typedef struct ct_os_thread ct_os_thread;
ct_status ct_os_thread_start(const corten_allocator *allocator, void (*fn)(void *), void *arg,
                             const char *name, ct_os_thread **thread, corten_error *error);
void ct_os_thread_join(ct_os_thread *thread);
/** A set of processors by the system's numbers, which count from 0. */
struct ct_os_cpus {
    uint64_t bits[128]; /* as many as a Linux kernel knows */
};
/** Keeps a thread on these processors. INVALID_ARGUMENT with the system's text. */
ct_status ct_os_thread_pin(ct_os_thread *thread, const struct ct_os_cpus *cpus,
                           corten_error *error);

/** Sleeps while *word == expected, until woken; may wake early. */
void ct_os_wait(const int *word, int expected);
void ct_os_wake(const int *word, int count);
/** Process id, for detecting a fork. */
int64_t ct_os_process_id(void);
/** The system's id of the calling thread, for people to read. */
int64_t ct_os_thread_id(void);

/** A lock that sleeps (futex); zero-initialised is unlocked. */
struct ct_mutex {
    int state;
};
void ct_mutex_lock(struct ct_mutex *mutex);
void ct_mutex_unlock(struct ct_mutex *mutex);

#endif
