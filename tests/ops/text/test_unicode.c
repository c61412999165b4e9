/* UTF-8 and case, whatever the locale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ops/text/unicode.h"

static void every_code_point_survives_utf8(void **state)
{
    (void)state;
    char text[4];
    int size_bytes;
    for (int32_t rune = 0; rune <= CT_RUNE_LAST; rune++) {
        if (rune >= 0xd800 && rune <= 0xdfff)
            continue;
        int n = ct_utf8_encode(rune, text);
        assert_int_equal(ct_utf8_decode(text, text + n, &size_bytes), rune);
        assert_int_equal(size_bytes, n);
    }
}

static void bad_bytes_are_told_one_by_one(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xc3", "\xe2\x82", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int size_bytes;
        assert_int_equal(ct_utf8_decode(bad[i], bad[i] + strlen(bad[i]), &size_bytes), CT_RUNE_BAD);
        assert_int_equal(size_bytes, 1);
    }
}

static void assert_case(const char *text, bool upper, const char *expected)
{
    char to[64];
    corten_string from = {text, strlen(text)};
    assert_true(ct_case_bytes(from.size_bytes) <= sizeof to);
    size_t n = ct_text_case(from, upper, to);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(to, expected, n);
}

static void case_is_that_of_unicode(void **state)
{
    (void)state;
    assert_case("a\xc3\xbc\xd0\xb6z", true, "A\xc3\x9c\xd0\x96Z");
    assert_case("A\xc3\x9c\xd0\x96Z", false, "a\xc3\xbc\xd0\xb6z");
    assert_case("\xc3\x9f", true, "\xc3\x9f");     /* no single letter is its upper case */
    assert_case("\xc9\x90", true, "\xe2\xb1\xaf"); /* grows */
    assert_case("a\xff"
                "b",
                true,
                "A\xff"
                "B");
    assert_int_equal(ct_rune_lower(0x130), 'i');
    assert_int_equal(ct_rune_upper(0x10ffff), 0x10ffff);
}

/* What ct_case_bytes promises. */
static void no_case_mapping_grows_more_than_twice(void **state)
{
    (void)state;
    char text[4];
    for (int32_t rune = 0; rune <= CT_RUNE_LAST; rune++) {
        int n = ct_utf8_encode(rune, text);
        assert_true(ct_utf8_encode(ct_rune_upper(rune), text) <= 2 * n);
        assert_true(ct_utf8_encode(ct_rune_lower(rune), text) <= 2 * n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_survives_utf8),
        cmocka_unit_test(bad_bytes_are_told_one_by_one),
        cmocka_unit_test(case_is_that_of_unicode),
        cmocka_unit_test(no_case_mapping_grows_more_than_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
