#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_its_own_text(void **state)
{
    (void)state;
    assert_string_equal(corten_status_text(CORTEN_OK), "ok");
    assert_string_equal(corten_status_text(CORTEN_INVALID_MODEL), "invalid model");
    assert_string_equal(corten_status_text(CORTEN_INTERNAL), "internal error");
    assert_string_equal(corten_status_text((corten_status)99), "unknown status");
}

static void version_is_that_of_the_header(void **state)
{
    (void)state;
    int major, minor, patch;
    assert_int_equal(sscanf(corten_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    assert_int_equal(major, CORTEN_VERSION_MAJOR);
    assert_int_equal(minor, CORTEN_VERSION_MINOR);
    assert_int_equal(patch, CORTEN_VERSION_PATCH);
}

static void fail_writes_status_and_text(void **state)
{
    (void)state;
    corten_error error;
    assert_int_equal(ct_fail(&error, CORTEN_UNSUPPORTED, "op %s of opset %d", "Foo", 9),
                     CORTEN_UNSUPPORTED);
    assert_int_equal(error.status, CORTEN_UNSUPPORTED);
    assert_string_equal(error.text, "op Foo of opset 9");
}

static void text_is_optional(void **state)
{
    (void)state;
    assert_int_equal(ct_fail(NULL, CORTEN_IO_ERROR, "%d", 1), CORTEN_IO_ERROR);
    ct_error_prefix(NULL, "x");
}

static void long_text_is_cut(void **state)
{
    (void)state;
    corten_error error;
    char text[3000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ct_fail(&error, CORTEN_INTERNAL, "%s", text);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

static void prefix_goes_before_the_text(void **state)
{
    (void)state;
    corten_error error;
    ct_fail(&error, CORTEN_INVALID_MODEL, "bad shape");
    ct_error_prefix(&error, "node \"%s\"", "a");
    ct_error_prefix(&error, "model");
    assert_string_equal(error.text, "model: node \"a\": bad shape");
    assert_int_equal(error.status, CORTEN_INVALID_MODEL);
}

static void prefix_leaves_room_for_the_reason(void **state)
{
    (void)state;
    corten_error error;
    char name[3000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ct_fail(&error, CORTEN_INVALID_MODEL, "the reason");
    ct_error_prefix(&error, "%s", name);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    assert_non_null(strstr(error.text, "n: the reason"));

    ct_fail(&error, CORTEN_INVALID_MODEL, "%s", name);
    ct_error_prefix(&error, "short");
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    assert_int_equal(strncmp(error.text, "short: nnn", 10), 0);
}

static void memory_error_says_what_for(void **state)
{
    (void)state;
    corten_error error;
    assert_int_equal(ct_fail_memory(&error, 123, "a plan"), CORTEN_OUT_OF_MEMORY);
    assert_string_equal(error.text, "no memory for a plan (123 bytes)");
}

static ct_status try_twice(ct_status first, ct_status second)
{
    CT_TRY(first);
    ct_status status;
    CT_TRY_GOTO(status, second, done);
    return CORTEN_OK;
done:
    return status == second ? CORTEN_CANCELLED : CORTEN_INTERNAL;
}

static void try_returns_the_first_failure(void **state)
{
    (void)state;
    assert_int_equal(try_twice(CORTEN_OK, CORTEN_OK), CORTEN_OK);
    assert_int_equal(try_twice(CORTEN_IO_ERROR, CORTEN_OK), CORTEN_IO_ERROR);
    assert_int_equal(try_twice(CORTEN_OK, CORTEN_IO_ERROR), CORTEN_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_text),
        cmocka_unit_test(version_is_that_of_the_header),
        cmocka_unit_test(fail_writes_status_and_text),
        cmocka_unit_test(text_is_optional),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(prefix_goes_before_the_text),
        cmocka_unit_test(prefix_leaves_room_for_the_reason),
        cmocka_unit_test(memory_error_says_what_for),
        cmocka_unit_test(try_returns_the_first_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
