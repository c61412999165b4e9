#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int test_folder_setup(void **state)
{
    struct test_folder *folder = calloc(1, sizeof *folder);
    const char *above = getenv("TMPDIR");
    if (!folder)
        return -1;
    snprintf(folder->path, sizeof folder->path, "%s/corten-test-XXXXXX", above ? above : "/tmp");
    *state = folder;
    return mkdtemp(folder->path) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

int test_folder_teardown(void **state)
{
    struct test_folder *folder = *state;
    int result = nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
    return result;
}

char *test_folder_path(const struct test_folder *folder, const char *name, char *path)
{
    int written = snprintf(path, TEST_PATH_BYTES, "%s/%s", folder->path, name);
    assert_true(written > 0 && written < TEST_PATH_BYTES);
    return path;
}

void test_folder_write(const struct test_folder *folder, const char *name, const char *text)
{
    char path[TEST_PATH_BYTES];
    test_folder_path(folder, name, path);
    for (char *slash = path + strlen(folder->path) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}
