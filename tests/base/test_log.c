#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct lines {
    int count;
    corten_log_level level;
    char text[2000];
};

static void take_line(void *user, corten_log_level level, const char *text)
{
    struct lines *lines = user;
    lines->count++;
    lines->level = level;
    strncpy(lines->text, text, sizeof lines->text - 1);
}

static void only_lines_of_the_level_pass(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct ct_log log = {take_line, &lines, CORTEN_LOG_WARNING};
    ct_log_write(&log, CORTEN_LOG_INFO, "no");
    assert_int_equal(lines.count, 0);
    ct_log_write(&log, CORTEN_LOG_WARNING, "pass %d of %d", 1, 2);
    assert_int_equal(lines.count, 1);
    assert_int_equal(lines.level, CORTEN_LOG_WARNING);
    assert_string_equal(lines.text, "pass 1 of 2");
    log.least = CORTEN_LOG_NONE;
    ct_log_write(&log, CORTEN_LOG_ERROR, "no");
    assert_int_equal(lines.count, 1);
}

static void no_function_is_silent(void **state)
{
    (void)state;
    struct ct_log log = {0};
    ct_log_write(&log, CORTEN_LOG_ERROR, "x");
    ct_log_write(NULL, CORTEN_LOG_ERROR, "x");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct ct_log log = {take_line, &lines, CORTEN_LOG_VERBOSE};
    ct_log_write(&log, CORTEN_LOG_ERROR, "%1500d", 1);
    assert_int_equal(strlen(lines.text), 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_lines_of_the_level_pass),
        cmocka_unit_test(no_function_is_silent),
        cmocka_unit_test(long_lines_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
