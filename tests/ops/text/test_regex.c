/* Regular expressions: what matches, what is refused, and that no pattern takes long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ops/text/regex.h"

static corten_string text_of(const char *text)
{
    return (corten_string){text, strlen(text)};
}

static ct_status compile(struct ct_arena *arena, const char *pattern, const struct ct_regex **regex,
                         corten_error *error)
{
    return ct_regex_compile(text_of(pattern), arena, regex, error);
}

static bool matches(const char *pattern, const char *text)
{
    struct ct_arena arena;
    const struct ct_regex *regex;
    corten_error error = {0};
    ct_arena_init(&arena, ct_default_allocator());
    if (compile(&arena, pattern, &regex, &error) != CORTEN_OK)
        fail_msg("%s: %s", pattern, error.text);
    void *scratch = ct_arena_alloc(&arena, ct_regex_scratch_bytes(regex));
    bool result = ct_regex_full_match(regex, text_of(text), scratch);
    ct_arena_deinit(&arena);
    return result;
}

static void assert_refused(const char *pattern, ct_status expected)
{
    struct ct_arena arena;
    const struct ct_regex *regex;
    corten_error error = {0};
    ct_arena_init(&arena, ct_default_allocator());
    if (compile(&arena, pattern, &regex, &error) != expected)
        fail_msg("'%s' was not refused as expected: '%s'", pattern, error.text);
    ct_arena_deinit(&arena);
}

static void whole_texts_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *yes, *no;
    } cases[] = {
        {"a*b+c?", "aabb", "aac"},
        {"a|bc|", "", "abc"},
        {"(a|b){2,3}", "aba", "abab"},
        {"a{2,}", "aaaa", "a"},
        {"x{,2}", "x{,2}", "xx"},
        {"[^a-c\\d]+", "xyz", "xa"},
        {"[]a-]+", "]-a", "b"},
        {"[[:alpha:]]+[[:^digit:]]", "ab.", "ab1"},
        {"\\bfoo\\b.bar", "foo bar", "fooxbar"},
        {"(?i)straSSe", "STRASSE", "STRA"},
        {"(?i)k", "\xe2\x84\xaa", "q"},
        {"(?s)a.b", "a\nb", "ab"},
        {"a.b",
         "a\xc3\xa9"
         "b",
         "a\nb"},
        {"(?m)a$\n^b", "a\nb", "ab"},
        {"\\p{Greek}+", "\xce\xb1\xce\xb2", "ab"},
        {"\\pL\\PL", "a1", "aa"},
        {"\\x41\\x{1F600}\\102",
         "A\xf0\x9f\x98\x80"
         "B",
         "AB"},
        {"\\Qa.b\\E*", "a.bbb", "axb"},
        {"(?P<name>a)(?<other>b)(?:c)", "abc", "ab"},
        {"\\C\\C", "\xc3\xa9", "a"},
        {"(?i:a)b", "Ab", "AB"},
        {"^a$", "a", "ba"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!matches(cases[i].pattern, cases[i].yes))
            fail_msg("%s does not match %s", cases[i].pattern, cases[i].yes);
        if (matches(cases[i].pattern, cases[i].no))
            fail_msg("%s matches %s", cases[i].pattern, cases[i].no);
    }
}

static void invalid_utf8_matches_nothing_but_bytes(void **state)
{
    (void)state;
    assert_false(matches(".*", "a\xff"));
    assert_false(matches("[^a]", "\x80"));
    assert_true(matches("a\\C", "a\xff"));
}

static void malformed_patterns_are_refused(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(",       ")",        "[a",          "a**",   "*a",        "a{3,2}",    "a{1001}",
        "\\1",     "\\q",      "(?=a)",       "[z-a]", "\\p{No}x{", "\\p{Nope}", "a\\",
        "(?P<>a)", "[[:no:]]", "\\x{110000}", "\xff",  "(?i-)a"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (!strcmp(patterns[i], "\\p{No}x{")) {
            assert_true(matches(patterns[i], "\xc2\xb2x{")); /* No: other numbers */
            continue;
        }
        assert_refused(patterns[i], CORTEN_INVALID_MODEL);
    }
}

static void patterns_that_explode_are_refused(void **state)
{
    (void)state;
    char deep[4096];
    assert_refused("(((a{1000}){1000}){1000}){1000}", CORTEN_LIMIT_EXCEEDED);
    assert_refused("(((){1000}){1000}){1000}", CORTEN_LIMIT_EXCEEDED);
    memset(deep, '(', 2000);
    memset(deep + 2000, ')', 2000);
    deep[4000] = 0;
    assert_refused(deep, CORTEN_INVALID_MODEL);
}

/* A backtracking matcher needs 2^60 steps for these. */
static void nested_repetitions_take_linear_time(void **state)
{
    (void)state;
    char text[62];
    memset(text, 'a', 60);
    text[60] = 'b';
    text[61] = 0;
    assert_false(matches("(a*)*c", text));
    assert_false(matches("(a|aa)+", text));
    assert_true(matches("(a?){60}a{60}b|(a+)+b", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts_match),
        cmocka_unit_test(invalid_utf8_matches_nothing_but_bytes),
        cmocka_unit_test(malformed_patterns_are_refused),
        cmocka_unit_test(patterns_that_explode_are_refused),
        cmocka_unit_test(nested_repetitions_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
