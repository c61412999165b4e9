#include "os/cgroup.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int cpus(void **state, const char *membership)
{
    return ct_cgroup_cpus(membership, ((struct test_folder *)*state)->path);
}

static void no_files_mean_no_quota(void **state)
{
    assert_int_equal(cpus(state, ""), 0);
    assert_int_equal(cpus(state, "0::/\n"), 0);
    assert_int_equal(cpus(state, "0::/a/b\n"), 0);
    assert_int_equal(cpus(state, "garbage\n::\n:"), 0);
}

static void quota_of_version_2_is_rounded_up(void **state)
{
    test_folder_write(*state, "a/cpu.max", "250000 100000\n");
    assert_int_equal(cpus(state, "0::/a\n"), 3);
    test_folder_write(*state, "a/cpu.max", "200000 100000\n");
    assert_int_equal(cpus(state, "0::/a\n"), 2);
    test_folder_write(*state, "a/cpu.max", "1000 100000\n");
    assert_int_equal(cpus(state, "0::/a\n"), 1);
    test_folder_write(*state, "a/cpu.max", "max 100000\n");
    assert_int_equal(cpus(state, "0::/a\n"), 0);
}

static void the_tightest_group_above_counts(void **state)
{
    test_folder_write(*state, "a/cpu.max", "200000 100000\n");
    test_folder_write(*state, "a/b/cpu.max", "800000 100000\n");
    test_folder_write(*state, "a/b/c/cpu.max", "max 100000\n");
    assert_int_equal(cpus(state, "0::/a/b/c\n"), 2);
    assert_int_equal(cpus(state, "0::/a/b\n"), 2);
    assert_int_equal(cpus(state, "0::/other\n"), 0);
}

/* In a container the group's path is that of the host, and its files are at the mount point. */
static void the_mount_point_counts_when_the_group_is_not_there(void **state)
{
    test_folder_write(*state, "cpu.max", "400000 100000\n");
    assert_int_equal(cpus(state, "0::/docker/0123\n"), 4);
    assert_int_equal(cpus(state, "0::/../../x\n"), 4);
    assert_int_equal(cpus(state, "0::/\n"), 4);
}

static void quota_of_version_1_is_read(void **state)
{
    test_folder_write(*state, "cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n");
    test_folder_write(*state, "cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    test_folder_write(*state, "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    test_folder_write(*state, "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus(state, "5:cpuset:/a\n4:cpu,cpuacct:/a\n3:memory:/a\n"), 2);
    assert_int_equal(cpus(state, "4:cpu,cpuacct:/b\n"), 0);
    assert_int_equal(cpus(state, "4:cpuacct:/a\n"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_folder_setup, test_folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_files_mean_no_quota),
        TEST(quota_of_version_2_is_rounded_up),
        TEST(the_tightest_group_above_counts),
        TEST(the_mount_point_counts_when_the_group_is_not_there),
        TEST(quota_of_version_1_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
