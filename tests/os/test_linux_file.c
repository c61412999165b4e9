#include "os/os.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static void mapped_files_have_their_bytes(void **state)
{
    char path[TEST_PATH_BYTES];
    struct ct_os_map map, same;
    test_folder_write(*state, "a", "hello");
    test_folder_path(*state, "a", path);
    assert_int_equal(ct_os_map_file(path, &map, NULL), CORTEN_OK);
    assert_int_equal(map.size_bytes, 5);
    assert_memory_equal(map.data, "hello", 5);
    assert_int_equal(ct_os_map_beneath(((struct test_folder *)*state)->path, "a", &same, NULL),
                     CORTEN_OK);
    assert_true(same.inode == map.inode && same.device == map.device);
    ct_os_unmap(&same);
    ct_os_unmap(&map);
    assert_null(map.data);
    ct_os_unmap(&map);
}

static void empty_files_have_no_data(void **state)
{
    char path[TEST_PATH_BYTES];
    struct ct_os_map map;
    test_folder_write(*state, "a", "");
    assert_int_equal(ct_os_map_file(test_folder_path(*state, "a", path), &map, NULL), CORTEN_OK);
    assert_null(map.data);
    assert_int_equal(map.size_bytes, 0);
    ct_os_unmap(&map);
}

static void missing_files_and_folders_are_told_apart(void **state)
{
    char path[TEST_PATH_BYTES];
    struct ct_os_map map;
    corten_error error;
    assert_int_equal(ct_os_map_file(test_folder_path(*state, "none", path), &map, &error),
                     CORTEN_NO_SUCH_FILE);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "No such file"));
    assert_int_equal(ct_os_map_file(((struct test_folder *)*state)->path, &map, &error),
                     CORTEN_IO_ERROR);
    assert_int_equal(ct_os_map_file("/dev/null", &map, &error), CORTEN_IO_ERROR);
}

static ct_status map_beneath(void **state, const char *relative)
{
    struct ct_os_map map;
    corten_error error;
    ct_status status =
        ct_os_map_beneath(((struct test_folder *)*state)->path, relative, &map, &error);
    if (status == CORTEN_OK)
        ct_os_unmap(&map);
    else
        assert_non_null(strstr(error.text, relative));
    return status;
}

static void files_beneath_a_folder_are_found(void **state)
{
    test_folder_write(*state, "weights", "x");
    test_folder_write(*state, "sub/deep/weights", "x");
    test_folder_write(*state, "..dots", "x");
    assert_int_equal(map_beneath(state, "weights"), CORTEN_OK);
    assert_int_equal(map_beneath(state, "./weights"), CORTEN_OK);
    assert_int_equal(map_beneath(state, "sub/deep/weights"), CORTEN_OK);
    assert_int_equal(map_beneath(state, "sub//deep/./weights"), CORTEN_OK);
    assert_int_equal(map_beneath(state, "..dots"), CORTEN_OK);
    assert_int_equal(map_beneath(state, "none"), CORTEN_NO_SUCH_FILE);
    assert_int_equal(map_beneath(state, "none/weights"), CORTEN_NO_SUCH_FILE);
}

static void paths_that_leave_the_folder_are_refused(void **state)
{
    test_folder_write(*state, "sub/a", "x");
    test_folder_write(*state, "a", "x");
    static const char *const paths[] = {"",       "..",       "../x",        "/etc/passwd",
                                        "sub/..", "sub/../a", "sub/../../x", "./../x"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(map_beneath(state, paths[i]), CORTEN_INVALID_MODEL);
}

static void links_are_refused(void **state)
{
    char path[TEST_PATH_BYTES], other[TEST_PATH_BYTES];
    test_folder_write(*state, "a", "x");
    test_folder_write(*state, "sub/b", "x");
    assert_int_equal(symlink("a", test_folder_path(*state, "inside", path)), 0);
    assert_int_equal(symlink("/etc/hostname", test_folder_path(*state, "outside", path)), 0);
    assert_int_equal(symlink("sub", test_folder_path(*state, "folder", path)), 0);
    assert_int_equal(symlink("/proc/self/fd", test_folder_path(*state, "magic", path)), 0);
    assert_int_equal(map_beneath(state, "inside"), CORTEN_INVALID_MODEL);
    assert_int_equal(map_beneath(state, "outside"), CORTEN_INVALID_MODEL);
    assert_int_equal(map_beneath(state, "folder/b"), CORTEN_INVALID_MODEL);
    assert_int_equal(map_beneath(state, "magic/0"), CORTEN_INVALID_MODEL);
    assert_int_equal(map_beneath(state, "a"), CORTEN_OK);
    assert_int_equal(
        link(test_folder_path(*state, "a", path), test_folder_path(*state, "hard", other)), 0);
    assert_int_equal(map_beneath(state, "a"), CORTEN_INVALID_MODEL);
}

static void only_regular_files_are_mapped(void **state)
{
    char path[TEST_PATH_BYTES];
    test_folder_write(*state, "sub/b", "x");
    assert_int_equal(mkfifo(test_folder_path(*state, "pipe", path), 0666), 0);
    assert_int_equal(map_beneath(state, "sub"), CORTEN_INVALID_MODEL);
    assert_int_equal(map_beneath(state, "pipe"), CORTEN_INVALID_MODEL);
    assert_int_equal(map_beneath(state, "sub/b/"), CORTEN_INVALID_MODEL);
}

static void dropped_pages_come_back_from_the_file(void **state)
{
    char path[TEST_PATH_BYTES];
    enum { BYTES = 20000 };
    static char text[BYTES + 1];
    memset(text, 'q', BYTES);
    test_folder_write(*state, "a", text);
    struct ct_os_map map;
    assert_int_equal(ct_os_map_file(test_folder_path(*state, "a", path), &map, NULL), CORTEN_OK);
    ct_os_drop_pages((const char *)map.data + 100, 19000);
    ct_os_drop_pages(map.data, 10); /* no whole page */
    assert_memory_equal(map.data, text, BYTES);
    ct_os_unmap(&map);
}

static size_t files_in(const struct test_folder *folder)
{
    char command[TEST_PATH_BYTES], line[32] = "";
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder->path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    pclose(pipe);
    return strtoul(line, NULL, 10);
}

static void written_files_hold_their_pieces(void **state)
{
    char path[TEST_PATH_BYTES];
    static const char zeros[10000];
    const struct ct_os_piece pieces[] = {{"head", 4}, {NULL, sizeof zeros}, {"", 0}, {"tail", 4}};
    struct ct_os_map map;
    test_folder_write(*state, "a", "what was there");
    test_folder_path(*state, "a", path);
    assert_int_equal(ct_os_write_file(path, pieces, 4, NULL), CORTEN_OK);
    assert_int_equal(ct_os_map_file(path, &map, NULL), CORTEN_OK);
    assert_int_equal(map.size_bytes, 8 + sizeof zeros);
    assert_memory_equal(map.data, "head", 4);
    assert_memory_equal((const char *)map.data + 4, zeros, sizeof zeros);
    assert_memory_equal((const char *)map.data + 4 + sizeof zeros, "tail", 4);
    ct_os_unmap(&map);
    assert_int_equal(files_in(*state), 1);
}

/* A reader that has the old file mapped keeps it whole. */
static void replacing_a_file_leaves_the_old_one_to_its_readers(void **state)
{
    char path[TEST_PATH_BYTES];
    struct ct_os_map map;
    test_folder_write(*state, "a", "old");
    assert_int_equal(ct_os_map_file(test_folder_path(*state, "a", path), &map, NULL), CORTEN_OK);
    assert_int_equal(ct_os_write_file(path, &(struct ct_os_piece){"new!", 4}, 1, NULL), CORTEN_OK);
    assert_memory_equal(map.data, "old", 3);
    ct_os_unmap(&map);
}

static void failed_writes_leave_nothing(void **state)
{
    char path[TEST_PATH_BYTES];
    corten_error error;
    const struct ct_os_piece piece = {"x", 1};
    assert_int_equal(ct_os_write_file(test_folder_path(*state, "no/a", path), &piece, 1, &error),
                     CORTEN_NO_SUCH_FILE);
    test_folder_write(*state, "sub/b", "x");
    assert_int_equal(ct_os_write_file(test_folder_path(*state, "sub", path), &piece, 1, &error),
                     CORTEN_IO_ERROR);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(files_in(*state), 1);
}

static void small_texts_are_read_and_cut(void **state)
{
    char path[TEST_PATH_BYTES], text[4];
    test_folder_write(*state, "a", "12345");
    assert_true(ct_os_read_text(test_folder_path(*state, "a", path), text, sizeof text));
    assert_string_equal(text, "123");
    assert_false(ct_os_read_text(test_folder_path(*state, "none", path), text, sizeof text));
}

/* Makes openat2 fail as on a kernel that does not have it. False where filters are not allowed. */
static bool hide_openat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
           syscall(SYS_openat2, AT_FDCWD, ".", NULL, 0) == -1 && errno == ENOSYS;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_folder_setup, test_folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mapped_files_have_their_bytes),
        TEST(empty_files_have_no_data),
        TEST(missing_files_and_folders_are_told_apart),
        TEST(dropped_pages_come_back_from_the_file),
        TEST(written_files_hold_their_pieces),
        TEST(replacing_a_file_leaves_the_old_one_to_its_readers),
        TEST(failed_writes_leave_nothing),
        TEST(small_texts_are_read_and_cut),
    };
    const struct CMUnitTest tests_beneath[] = {
        TEST(files_beneath_a_folder_are_found),
        TEST(paths_that_leave_the_folder_are_refused),
        TEST(links_are_refused),
        TEST(only_regular_files_are_mapped),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("with openat2", tests_beneath, NULL, NULL);
    if (hide_openat2())
        failed += cmocka_run_group_tests_name("without openat2", tests_beneath, NULL, NULL);
    return failed;
}
