/* Jobs in child processes: one that crashes, hangs or fails costs itself only, and outcomes come in
 * order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"
#include "worker.h"

enum { JOB_COUNT = 8, FAILS = 1, CRASHES = 3, HANGS_FOR_EVER = 5, LEAVES = 6 };

struct log {
    size_t count;
    corten_status statuses[JOB_COUNT];
    char texts[JOB_COUNT][128];
};

static corten_status odd_job(void *user, size_t index, corten_error *error)
{
    (void)user;
    if (index == FAILS)
        return ct_cli_fail(error, CORTEN_RUN_FAILED, "job %zu went wrong", index);
    if (index == CRASHES)
        kill(getpid(), SIGKILL);
    if (index == LEAVES)
        _exit(7);
    while (index == HANGS_FOR_EVER)
        pause();
    return CORTEN_OK;
}

static corten_status tame_job(void *user, size_t index, corten_error *error)
{
    return index == FAILS ? odd_job(user, index, error) : CORTEN_OK;
}

static void note(void *user, size_t index, corten_status status, const char *text, double seconds)
{
    struct log *log = user;
    assert_int_equal(index, log->count);
    assert_true(seconds >= 0.0);
    log->statuses[index] = status;
    snprintf(log->texts[index], sizeof log->texts[index], "%s", text);
    log->count++;
}

static void check(size_t jobs_per_child)
{
    struct log log = {.count = 0};
    const struct ct_cli_worker worker = {.job = odd_job,
                                         .done = note,
                                         .user = &log,
                                         .count = JOB_COUNT,
                                         .limit_s = 0.3,
                                         .jobs_per_child = jobs_per_child};
    assert_int_equal(ct_cli_worker_run(&worker, NULL), CORTEN_OK);
    assert_int_equal(log.count, JOB_COUNT);
    for (size_t i = 0; i < JOB_COUNT; i++) {
        bool odd = i == FAILS || i == CRASHES || i == HANGS_FOR_EVER || i == LEAVES;
        assert_int_equal(log.statuses[i] != CORTEN_OK, odd);
    }
    assert_string_equal(log.texts[FAILS], "job 1 went wrong");
    assert_non_null(strstr(log.texts[CRASHES], "crashed: Killed"));
    assert_int_equal(log.statuses[HANGS_FOR_EVER], CORTEN_DEADLINE_EXCEEDED);
    assert_non_null(strstr(log.texts[LEAVES], "code 7"));
}

static void bad_jobs_cost_themselves_only(void **state)
{
    (void)state;
    check(0);
}

static void each_job_may_have_its_own_child(void **state)
{
    (void)state;
    check(1);
}

static void jobs_can_stay_in_this_process(void **state)
{
    (void)state;
    struct log log = {.count = 0};
    const struct ct_cli_worker worker = {.job = tame_job,
                                         .done = note,
                                         .user = &log,
                                         .count = JOB_COUNT,
                                         .limit_s = 5.0,
                                         .in_process = true};
    assert_int_equal(ct_cli_worker_run(&worker, NULL), CORTEN_OK);
    assert_int_equal(log.count, JOB_COUNT);
    assert_int_equal(log.statuses[FAILS], CORTEN_RUN_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_jobs_cost_themselves_only),
        cmocka_unit_test(each_job_may_have_its_own_child),
        cmocka_unit_test(jobs_can_stay_in_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
