#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Opening to read never waits (a pipe would) and never makes a terminal ours. */
enum { READ_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static ct_status fail_errno(corten_error *error, const char *verb, const char *path, int code)
{
    ct_status status = code == ENOENT || code == ENOTDIR ? CORTEN_NO_SUCH_FILE : CORTEN_IO_ERROR;
    return ct_fail(error, status, "cannot %s \"%s\": %s", verb, path, strerror(code));
}

/* ------------------------------------------------------------------ reading */

bool ct_os_read_text(const char *path, char *text, size_t size_bytes)
{
    int fd = open(path, READ_FLAGS);
    if (fd < 0)
        return false;
    size_t used = 0;
    ssize_t got = 0;
    while (used < size_bytes - 1) {
        got = read(fd, text + used, size_bytes - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    text[used] = '\0';
    return got >= 0;
}

static ct_status map_descriptor(int fd, const struct stat *info, const char *path,
                                struct ct_os_map *map, corten_error *error)
{
    struct ct_os_map made = {.device = info->st_dev, .inode = info->st_ino};
    if (info->st_size > 0) {
        made.size_bytes = (size_t)info->st_size;
        void *data = mmap(NULL, made.size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            return fail_errno(error, "map", path, errno);
        made.data = data;
    }
    *map = made;
    return CORTEN_OK;
}

ct_status ct_os_map_file(const char *path, struct ct_os_map *map, corten_error *error)
{
    int fd = open(path, READ_FLAGS);
    if (fd < 0)
        return fail_errno(error, "open", path, errno);
    struct stat info;
    ct_status status;
    if (fstat(fd, &info) != 0)
        status = fail_errno(error, "look at", path, errno);
    else if (!S_ISREG(info.st_mode))
        status = ct_fail(error, CORTEN_IO_ERROR, "cannot map \"%s\": not a regular file", path);
    else
        status = map_descriptor(fd, &info, path, map, error);
    close(fd);
    return status;
}

void ct_os_unmap(struct ct_os_map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size_bytes);
    *map = (struct ct_os_map){0};
}

void ct_os_drop_pages(const void *data, size_t size_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ct_align_up((uintptr_t)data, page_bytes);
    uintptr_t end = ((uintptr_t)data + size_bytes) & ~(uintptr_t)(page_bytes - 1);
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* ------------------------------------------------------------------ beneath a folder */

/* Why a path that a model gives is refused, or NULL. */
static const char *refusal_of(const char *relative)
{
    if (!*relative)
        return "it is empty";
    if (*relative == '/')
        return "it is absolute";
    size_t relative_bytes = strlen(relative);
    if (relative_bytes >= PATH_MAX)
        return "it is too long";
    if (relative[relative_bytes - 1] == '/')
        return "it names a folder";
    for (const char *part = relative; *part;) {
        size_t part_bytes = strcspn(part, "/");
        if (part_bytes == 2 && part[0] == '.' && part[1] == '.')
            return "it has a \"..\"";
        part += part_bytes;
        part += strspn(part, "/");
    }
    return NULL;
}

/* For kernels before 5.6: one component after the other, none of which may be a link. */
static int open_by_parts(int folder, const char *relative)
{
    int at = folder;
    const char *part = relative;
    for (;;) {
        char name[NAME_MAX + 1];
        size_t part_bytes = strcspn(part, "/");
        const char *next = part + part_bytes + strspn(part + part_bytes, "/");
        int fd = -1, code = ENAMETOOLONG;
        if (part_bytes <= NAME_MAX) {
            memcpy(name, part, part_bytes);
            name[part_bytes] = '\0';
            int flags = *next ? O_PATH | O_DIRECTORY | O_CLOEXEC : READ_FLAGS;
            fd = openat(at, name, flags | O_NOFOLLOW);
            code = errno;
            /* What is not a folder is a link, or nothing of use either. */
            struct stat info;
            if (fd < 0 && code == ENOTDIR && fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISLNK(info.st_mode))
                code = ELOOP;
        }
        if (at != folder)
            close(at);
        if (fd < 0 || !*next) {
            errno = code;
            return fd;
        }
        at = fd;
        part = next;
    }
}

static int open_beneath(int folder, const char *relative)
{
    struct open_how how = {
        .flags = (uint64_t)READ_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, folder, relative, &how, sizeof how);
    /* Old kernels do not have it; some sandboxes refuse what they do not know. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_by_parts(folder, relative);
    return (int)fd;
}

static ct_status check_beneath(int fd, const char *relative, struct stat *info, corten_error *error)
{
    if (fstat(fd, info) != 0)
        return fail_errno(error, "look at", relative, errno);
    if (!S_ISREG(info->st_mode))
        return ct_fail(error, CORTEN_INVALID_MODEL,
                       "the path \"%s\" is refused: it is not a regular file", relative);
    if (info->st_nlink != 1)
        return ct_fail(error, CORTEN_INVALID_MODEL,
                       "the path \"%s\" is refused: the file has %llu hard links, expected 1",
                       relative, (unsigned long long)info->st_nlink);
    return CORTEN_OK;
}

ct_status ct_os_map_beneath(const char *folder, const char *relative, struct ct_os_map *map,
                            corten_error *error)
{
    const char *refusal = refusal_of(relative);
    if (refusal)
        return ct_fail(error, CORTEN_INVALID_MODEL, "the path \"%s\" is refused: %s", relative,
                       refusal);
    int folder_fd = open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0)
        return fail_errno(error, "open folder", folder, errno);
    int fd = open_beneath(folder_fd, relative);
    int code = errno;
    close(folder_fd);
    if (fd < 0 && (code == ELOOP || code == EXDEV))
        return ct_fail(error, CORTEN_INVALID_MODEL,
                       "the path \"%s\" is refused: it leads through a link", relative);
    if (fd < 0)
        return fail_errno(error, "open", relative, code);
    struct stat info;
    ct_status status = check_beneath(fd, relative, &info, error);
    if (status == CORTEN_OK)
        status = map_descriptor(fd, &info, relative, map, error);
    close(fd);
    return status;
}

/* ------------------------------------------------------------------ writing */

static bool write_all(int fd, const char *data, size_t size_bytes)
{
    while (size_bytes) {
        ssize_t put = write(fd, data, size_bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        size_bytes -= (size_t)put;
    }
    return true;
}

static bool write_pieces(int fd, const struct ct_os_piece *pieces, size_t count)
{
    static const char zeros[4096];
    for (size_t i = 0; i < count; i++) {
        size_t left = pieces[i].size_bytes;
        if (pieces[i].data) {
            if (!write_all(fd, pieces[i].data, left))
                return false;
            continue;
        }
        while (left) {
            size_t part = left < sizeof zeros ? left : sizeof zeros;
            if (!write_all(fd, zeros, part))
                return false;
            left -= part;
        }
    }
    return true;
}

/* A new file beside `path`; its name goes to `temporary`. */
static int create_beside(const char *path, char *temporary, size_t size_bytes)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        int written = snprintf(temporary, size_bytes, "%s.%lld-%llx.tmp", path,
                               (long long)ct_os_process_id(), (unsigned long long)ct_os_now_ns());
        if (written < 0 || (size_t)written >= size_bytes) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

ct_status ct_os_write_file(const char *path, const struct ct_os_piece *pieces, size_t count,
                           corten_error *error)
{
    char temporary[PATH_MAX];
    int fd = create_beside(path, temporary, sizeof temporary);
    if (fd < 0)
        return fail_errno(error, "create", path, errno);
    bool written = write_pieces(fd, pieces, count);
    int code = errno;
    if (close(fd) != 0 && written) {
        written = false;
        code = errno;
    }
    if (written && rename(temporary, path) != 0) {
        written = false;
        code = errno;
    }
    if (written)
        return CORTEN_OK;
    unlink(temporary);
    return fail_errno(error, "write", path, code);
}
