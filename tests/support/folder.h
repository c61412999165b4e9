/* A temporary folder of a test's own. */
#ifndef CT_TESTS_SUPPORT_FOLDER_H
#define CT_TESTS_SUPPORT_FOLDER_H

#include <stddef.h>

enum { TEST_PATH_BYTES = 512 };

struct test_folder {
    char path[TEST_PATH_BYTES / 2];
};

/* As cmocka's setup and teardown: *state is a struct test_folder that they create and free; the
 * folder goes with all that is in it. */
int test_folder_setup(void **state);
int test_folder_teardown(void **state);

/** Writes FOLDER/name to `path`, of TEST_PATH_BYTES; returns it. */
char *test_folder_path(const struct test_folder *folder, const char *name, char *path);
/** Creates a file (and the folders above it) with that text. */
void test_folder_write(const struct test_folder *folder, const char *name, const char *text);

#endif
