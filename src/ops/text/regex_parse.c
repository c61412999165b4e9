/* From the text of a pattern to a tree. */
#include <string.h>

#include "ops/text/regex_tree.h"
#include "ops/text/unicode.h"

enum { MAX_DEPTH = 500, MAX_REPEAT = 1000 };

/* Of a tree: classes with thousands of ranges are written in three letters. */
enum { MAX_TREE_BYTES = 64 << 20 };

enum flags { FOLD = 1, LINES = 2, DOT_ALL = 4 };

struct parser {
    const char *begin, *at, *end;
    struct ct_arena *arena;
    size_t used_before_bytes; /* of the arena */
    corten_error *error;
    int depth;
    unsigned flags;
};

static ct_status fail(const struct parser *p, const char *at, const char *what)
{
    return ct_fail(p->error, CORTEN_INVALID_MODEL, "regular expression: %s at byte %zu", what,
                   (size_t)(at - p->begin));
}

static ct_status fail_memory(const struct parser *p)
{
    return ct_fail_memory(p->error, 0, "a regular expression");
}

static ct_status new_node(const struct parser *p, enum ct_regex_kind kind,
                          struct ct_regex_node **node)
{
    if (p->arena->used_bytes - p->used_before_bytes > MAX_TREE_BYTES)
        return ct_fail(p->error, CORTEN_LIMIT_EXCEEDED, "regular expression: it is too large");
    *node = ct_arena_alloc_zero(p->arena, sizeof **node);
    if (!*node)
        return fail_memory(p);
    (*node)->kind = kind;
    (*node)->set.arena = p->arena;
    return CORTEN_OK;
}

static bool at_text(const struct parser *p, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(p->end - p->at) >= n && memcmp(p->at, text, n) == 0;
}

static bool take(struct parser *p, const char *text)
{
    if (!at_text(p, text))
        return false;
    p->at += strlen(text);
    return true;
}

static ct_status next_rune(struct parser *p, int32_t *rune)
{
    int size_bytes;
    *rune = ct_utf8_decode(p->at, p->end, &size_bytes);
    if (*rune == CT_RUNE_BAD)
        return fail(p, p->at, "invalid UTF-8");
    p->at += size_bytes;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ escapes */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* After \x: two digits, or any number of them in braces. */
static ct_status parse_hex(struct parser *p, int32_t *rune)
{
    bool braces = take(p, "{");
    int n = 0;
    *rune = 0;
    while (p->at < p->end && hex_digit(*p->at) >= 0 && (braces || n < 2)) {
        *rune = *rune * 16 + hex_digit(*p->at++);
        n++;
        if (*rune > CT_RUNE_LAST)
            return fail(p, p->at, "a number that is no code point");
    }
    if (!n || (!braces && n != 2) || (braces && !take(p, "}")))
        return fail(p, p->at, "a malformed \\x");
    return CORTEN_OK;
}

/* The backslash is read. */
static ct_status parse_escape(struct parser *p, int32_t *rune)
{
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    if (p->at == p->end)
        return fail(p, p->at, "a \\ at the end");
    char c = *p->at;
    const char *letter = c ? strchr(letters, c) : NULL;
    bool is_octal = c == '0' || (c >= '1' && c <= '7' && p->end - p->at > 1 && p->at[1] >= '0' &&
                                 p->at[1] <= '7');
    bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                   c == '_' || (c & 0x80);
    if (letter) {
        p->at++;
        *rune = meanings[letter - letters];
    } else if (is_octal) {
        *rune = 0;
        for (int i = 0; i < 3 && p->at < p->end && *p->at >= '0' && *p->at <= '7'; i++)
            *rune = *rune * 8 + (*p->at++ - '0');
    } else if (c == 'x') {
        p->at++;
        return parse_hex(p, rune);
    } else if (!is_word) {
        p->at++;
        *rune = c;
    } else {
        return fail(p, p->at, "an unknown escape");
    }
    return CORTEN_OK;
}

/* \d, \pL and the like; the backslash is at p->at. */
static ct_status parse_class_escape(struct parser *p, struct ct_rune_set *set, bool *found)
{
    *found = false;
    if (p->end - p->at < 2 || *p->at != '\\')
        return CORTEN_OK;
    const char *start = p->at;
    char letter = p->at[1];
    if (letter != 'p' && letter != 'P') {
        if (!ct_rune_set_add_perl(set, letter, found))
            return fail_memory(p);
        p->at += *found ? 2 : 0;
        return CORTEN_OK;
    }
    p->at += 2;
    bool negate = letter == 'P';
    corten_string name = {p->at, 1};
    if (take(p, "{")) {
        if (take(p, "^"))
            negate = !negate;
        const char *close = memchr(p->at, '}', (size_t)(p->end - p->at));
        if (!close)
            return fail(p, start, "a \\p{ without }");
        name = (corten_string){p->at, (size_t)(close - p->at)};
        p->at = close + 1;
    } else if (p->at++ == p->end) {
        return fail(p, start, "a \\p without name");
    }
    if (!ct_rune_set_add_unicode(set, name, negate, found))
        return fail_memory(p);
    return *found ? CORTEN_OK : fail(p, start, "an unknown category or script");
}

/* ------------------------------------------------------------------ [classes] */

static ct_status parse_posix(struct parser *p, struct ct_rune_set *set, bool *found)
{
    *found = false;
    if (!at_text(p, "[:"))
        return CORTEN_OK;
    const char *at = p->at + 2;
    while (at + 1 < p->end && !(at[0] == ':' && at[1] == ']'))
        at++;
    if (at + 1 >= p->end)
        return CORTEN_OK; /* then it is a [ and a : */
    corten_string name = {p->at + 2, (size_t)(at - p->at - 2)};
    if (!ct_rune_set_add_posix(set, name, found))
        return fail_memory(p);
    if (!*found)
        return fail(p, p->at, "an unknown class");
    p->at = at + 2;
    return CORTEN_OK;
}

static ct_status parse_class_rune(struct parser *p, int32_t *rune)
{
    return take(p, "\\") ? parse_escape(p, rune) : next_rune(p, rune);
}

static ct_status parse_class(struct parser *p, struct ct_rune_set *set)
{
    const char *start = p->at - 1; /* the [ is read */
    bool negate = take(p, "^"), first = true;
    for (; first || !at_text(p, "]"); first = false) {
        bool found;
        if (p->at == p->end)
            return fail(p, start, "a [ without ]");
        CT_TRY(parse_posix(p, set, &found));
        if (!found)
            CT_TRY(parse_class_escape(p, set, &found));
        if (found)
            continue;
        int32_t low, high;
        const char *range = p->at;
        CT_TRY(parse_class_rune(p, &low));
        high = low;
        if (at_text(p, "-") && p->end - p->at > 1 && p->at[1] != ']') {
            p->at++;
            CT_TRY(parse_class_rune(p, &high));
        }
        if (high < low)
            return fail(p, range, "a range that runs backwards");
        if (!ct_rune_set_add(set, low, high))
            return fail_memory(p);
    }
    p->at++;
    ct_rune_set_normalize(set);
    if ((p->flags & FOLD) && !ct_rune_set_fold(set))
        return fail_memory(p);
    if (negate && !ct_rune_set_negate(set))
        return fail_memory(p);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ atoms */

static ct_status parse_alternation(struct parser *p, struct ct_regex_node **result);

static ct_status literal(struct parser *p, int32_t rune, struct ct_regex_node **node)
{
    CT_TRY(new_node(p, CT_REGEX_CLASS, node));
    if (!ct_rune_set_add(&(*node)->set, rune, rune) ||
        ((p->flags & FOLD) && !ct_rune_set_fold(&(*node)->set)))
        return fail_memory(p);
    return CORTEN_OK;
}

static ct_status assertion(struct parser *p, enum ct_regex_assert what, struct ct_regex_node **node)
{
    CT_TRY(new_node(p, CT_REGEX_ASSERT, node));
    (*node)->assert = what;
    return CORTEN_OK;
}

static ct_status any(struct parser *p, struct ct_regex_node **node)
{
    CT_TRY(new_node(p, CT_REGEX_CLASS, node));
    struct ct_rune_set *set = &(*node)->set;
    bool ok = p->flags & DOT_ALL ? ct_rune_set_add(set, 0, CT_RUNE_LAST)
                                 : ct_rune_set_add(set, 0, '\n' - 1) &&
                                       ct_rune_set_add(set, '\n' + 1, CT_RUNE_LAST);
    return ok ? CORTEN_OK : fail_memory(p);
}

/* After "(?": sets *scoped when a group follows whose flags end with it. */
static ct_status parse_flags(struct parser *p, bool *scoped)
{
    const char *start = p->at;
    bool negate = false, any_flag = false;
    unsigned flags = p->flags;
    for (;;) {
        if (p->at == p->end)
            return fail(p, start, "a ( without )");
        char c = *p->at++;
        unsigned flag = 0;
        switch (c) {
        case 'i': flag = FOLD; break;
        case 'm': flag = LINES; break;
        case 's': flag = DOT_ALL; break;
        case 'U': break; /* which of several matches is found does not matter here */
        case '-':
            if (negate)
                return fail(p, start, "malformed flags");
            negate = true;
            any_flag = false;
            continue;
        case ':':
        case ')':
            if (negate && !any_flag)
                return fail(p, start, "malformed flags");
            p->flags = flags;
            *scoped = c == ':';
            return CORTEN_OK;
        default: return fail(p, start, "an unknown group or flag");
        }
        any_flag = true;
        flags = negate ? flags & ~flag : flags | flag;
    }
}

static ct_status parse_name(struct parser *p)
{
    const char *start = p->at;
    for (; p->at < p->end && *p->at != '>'; p->at++) {
        char c = *p->at;
        bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '_' || (c & 0x80);
        if (!is_word)
            return fail(p, start, "a malformed group name");
    }
    if (p->at == start || p->at == p->end)
        return fail(p, start, "a malformed group name");
    p->at++;
    return CORTEN_OK;
}

/* The ( is read. */
static ct_status parse_group(struct parser *p, struct ct_regex_node **node)
{
    const char *start = p->at - 1;
    unsigned outer = p->flags;
    if (at_text(p, "?P<") || (at_text(p, "?<") && !at_text(p, "?<=") && !at_text(p, "?<!"))) {
        p->at += at_text(p, "?P<") ? 3 : 2;
        CT_TRY(parse_name(p));
    } else if (take(p, "?")) {
        bool scoped = false;
        CT_TRY(parse_flags(p, &scoped));
        if (!scoped) /* the flags hold up to the end of the group around this */
            return new_node(p, CT_REGEX_EMPTY, node);
    }
    if (++p->depth > MAX_DEPTH)
        return fail(p, start, "groups nested too deep");
    CT_TRY(parse_alternation(p, node));
    p->depth--;
    if (!take(p, ")"))
        return fail(p, start, "a ( without )");
    p->flags = outer;
    return CORTEN_OK;
}

/* Escapes that stand for more than a character. *node NULL: it is a character. */
static ct_status parse_special_escape(struct parser *p, struct ct_regex_node **node)
{
    char c = p->end - p->at > 1 ? p->at[1] : 0;
    enum ct_regex_assert what = (enum ct_regex_assert)0;
    *node = NULL;
    switch (c) {
    case 'A': what = CT_ASSERT_BEGIN; break;
    case 'z': what = CT_ASSERT_END; break;
    case 'b': what = CT_ASSERT_WORD; break;
    case 'B': what = CT_ASSERT_NO_WORD; break;
    case 'C': p->at += 2; return new_node(p, CT_REGEX_BYTE, node);
    default: break;
    }
    if (what) {
        p->at += 2;
        return assertion(p, what, node);
    }
    struct ct_regex_node *made;
    bool found;
    CT_TRY(new_node(p, CT_REGEX_CLASS, &made));
    CT_TRY(parse_class_escape(p, &made->set, &found));
    if (!found)
        return CORTEN_OK;
    ct_rune_set_normalize(&made->set);
    if ((p->flags & FOLD) && !ct_rune_set_fold(&made->set))
        return fail_memory(p);
    *node = made;
    return CORTEN_OK;
}

static ct_status parse_atom(struct parser *p, struct ct_regex_node **node)
{
    int32_t rune;
    if (*p->at == '\\') {
        CT_TRY(parse_special_escape(p, node));
        if (*node)
            return CORTEN_OK;
        p->at++;
        CT_TRY(parse_escape(p, &rune));
        return literal(p, rune, node);
    }
    if (take(p, "("))
        return parse_group(p, node);
    if (take(p, "[")) {
        CT_TRY(new_node(p, CT_REGEX_CLASS, node));
        return parse_class(p, &(*node)->set);
    }
    if (take(p, "."))
        return any(p, node);
    if (take(p, "^"))
        return assertion(p, p->flags & LINES ? CT_ASSERT_LINE_BEGIN : CT_ASSERT_BEGIN, node);
    if (take(p, "$"))
        return assertion(p, p->flags & LINES ? CT_ASSERT_LINE_END : CT_ASSERT_END, node);
    CT_TRY(next_rune(p, &rune));
    return literal(p, rune, node);
}

/* ------------------------------------------------------------------ repetition */

/* A number at *at; -1 when there is none. Large ones stay large. */
static int parse_number(const struct parser *p, const char **at)
{
    int n = -1;
    for (; *at < p->end && **at >= '0' && **at <= '9'; ++*at) {
        n = (n < 0 ? 0 : n) * 10 + (**at - '0');
        n = n > MAX_REPEAT ? MAX_REPEAT + 1 : n;
    }
    return n;
}

/* *found false: no repetition follows, or a { that stands for itself. */
static ct_status parse_count(struct parser *p, int *min, int *max, bool *found)
{
    *found = true;
    *min = at_text(p, "+") ? 1 : 0;
    *max = at_text(p, "?") ? 1 : -1;
    if (take(p, "*") || take(p, "+") || take(p, "?"))
        return CORTEN_OK;
    *found = false;
    if (!at_text(p, "{"))
        return CORTEN_OK;
    const char *at = p->at + 1;
    *min = *max = parse_number(p, &at);
    if (*min >= 0 && at < p->end && *at == ',') {
        at++;
        *max = parse_number(p, &at);
    }
    if (*min < 0 || at == p->end || *at != '}')
        return CORTEN_OK;
    if (*min > MAX_REPEAT || *max > MAX_REPEAT || (*max >= 0 && *max < *min))
        return fail(p, p->at, "a bad number of repetitions");
    p->at = at + 1;
    *found = true;
    return CORTEN_OK;
}

/* A repetition that follows `node`, if there is one. */
static ct_status parse_suffix(struct parser *p, struct ct_regex_node **node)
{
    const char *start = p->at;
    int min, max;
    bool found;
    CT_TRY(parse_count(p, &min, &max, &found));
    if (!found)
        return CORTEN_OK;
    struct ct_regex_node *repeat;
    CT_TRY(new_node(p, CT_REGEX_REPEAT, &repeat));
    take(p, "?"); /* lazy: the same texts match */
    repeat->min = min;
    repeat->max = max;
    repeat->child = *node;
    *node = repeat;
    CT_TRY(parse_count(p, &min, &max, &found));
    return found ? fail(p, start, "a repetition of a repetition") : CORTEN_OK;
}

static ct_status parse_repeat(struct parser *p, struct ct_regex_node **node)
{
    const char *start = p->at;
    int min, max;
    bool found;
    CT_TRY(parse_count(p, &min, &max, &found));
    if (found)
        return fail(p, start, "nothing to repeat");
    CT_TRY(parse_atom(p, node));
    return parse_suffix(p, node);
}

/* ------------------------------------------------------------------ sequences */

/* After \Q. A repetition after \E is of the last character. */
static ct_status parse_quote(struct parser *p, struct ct_regex_node ***last)
{
    bool is_end = p->at == p->end || take(p, "\\E");
    while (!is_end) {
        int32_t rune;
        CT_TRY(next_rune(p, &rune));
        CT_TRY(literal(p, rune, *last));
        is_end = p->at == p->end || take(p, "\\E");
        if (is_end)
            CT_TRY(parse_suffix(p, *last));
        *last = &(**last)->next;
    }
    return CORTEN_OK;
}

static ct_status parse_concat(struct parser *p, struct ct_regex_node **result)
{
    CT_TRY(new_node(p, CT_REGEX_CONCAT, result));
    struct ct_regex_node **last = &(*result)->child;
    while (p->at < p->end && *p->at != '|' && *p->at != ')') {
        if (take(p, "\\Q")) {
            CT_TRY(parse_quote(p, &last));
            continue;
        }
        CT_TRY(parse_repeat(p, last));
        last = &(*last)->next;
    }
    return CORTEN_OK;
}

static ct_status parse_alternation(struct parser *p, struct ct_regex_node **result)
{
    CT_TRY(new_node(p, CT_REGEX_ALTERNATE, result));
    struct ct_regex_node **last = &(*result)->child;
    do {
        CT_TRY(parse_concat(p, last));
        last = &(*last)->next;
    } while (take(p, "|"));
    return CORTEN_OK;
}

ct_status ct_regex_parse(corten_string pattern, struct ct_arena *arena, struct ct_regex_node **root,
                         corten_error *error)
{
    const char *begin = pattern.data ? pattern.data : "";
    struct parser p = {
        .begin = begin,
        .at = begin,
        .end = begin + pattern.size_bytes,
        .arena = arena,
        .used_before_bytes = arena->used_bytes,
        .error = error,
    };
    CT_TRY(parse_alternation(&p, root));
    return p.at == p.end ? CORTEN_OK : fail(&p, p.at, "a ) without (");
}
