#include "ops/text/regex_class.h"

#include <stdlib.h>
#include <string.h>

#include "ops/text/unicode.h"
#include "ops/text/unicode_tables.h"

bool ct_rune_set_add(struct ct_rune_set *set, int32_t first, int32_t last)
{
    if (!CT_ARENA_PUSH(set->arena, set->ranges, set->count, set->capacity))
        return false;
    set->ranges[set->count++] = (struct ct_rune_range){first, last};
    return true;
}

bool ct_rune_set_add_all(struct ct_rune_set *set, const struct ct_rune_set *other)
{
    for (size_t i = 0; i < other->count; i++)
        if (!ct_rune_set_add(set, other->ranges[i].first, other->ranges[i].last))
            return false;
    return true;
}

bool ct_rune_in(const struct ct_rune_range *ranges, size_t count, int32_t rune)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < rune)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].first <= rune;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct ct_rune_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

void ct_rune_set_normalize(struct ct_rune_set *set)
{
    if (!set->count)
        return;
    qsort(set->ranges, set->count, sizeof *set->ranges, compare_ranges);
    size_t n = 1;
    for (size_t i = 1; i < set->count; i++) {
        struct ct_rune_range *last = &set->ranges[n - 1], *next = &set->ranges[i];
        if (next->first > last->last + 1)
            set->ranges[n++] = *next;
        else if (next->last > last->last)
            last->last = next->last;
    }
    set->count = n;
}

bool ct_rune_set_negate(struct ct_rune_set *set)
{
    struct ct_rune_set result = {.arena = set->arena};
    int32_t next = 0;
    ct_rune_set_normalize(set);
    for (size_t i = 0; i < set->count; i++) {
        if (set->ranges[i].first > next &&
            !ct_rune_set_add(&result, next, set->ranges[i].first - 1))
            return false;
        next = set->ranges[i].last + 1;
    }
    if (next <= CT_RUNE_LAST && !ct_rune_set_add(&result, next, CT_RUNE_LAST))
        return false;
    *set = result;
    return true;
}

/* ------------------------------------------------------------------ case */

/* Adds what the runs map the members of `range` to. */
static bool add_mapped(struct ct_rune_set *set, struct ct_rune_range range,
                       const struct ct_case_run *runs, size_t count)
{
    for (size_t i = 0; i < count && runs[i].first <= range.last; i++) {
        const struct ct_case_run *run = &runs[i];
        int32_t first = run->first > range.first ? run->first : range.first;
        int32_t last = run->last < range.last ? run->last : range.last;
        first += (run->first - first) % run->step ? 1 : 0; /* steps are 1 or 2 */
        if (first > last)
            continue;
        if (run->step == 1) {
            if (!ct_rune_set_add(set, first + run->delta, last + run->delta))
                return false;
            continue;
        }
        for (int32_t rune = first; rune <= last; rune += run->step)
            if (!ct_rune_set_add(set, rune + run->delta, rune + run->delta))
                return false;
    }
    return true;
}

static bool same_ranges(const struct ct_rune_set *a, const struct ct_rune_range *b, size_t count)
{
    return a->count == count && memcmp(a->ranges, b, count * sizeof *b) == 0;
}

bool ct_rune_set_fold(struct ct_rune_set *set)
{
    /* k, K and the Kelvin sign: each step reaches the lower or upper case of the members, and a
     * few steps reach all that share one. */
    for (int round = 0; round < 4; round++) {
        ct_rune_set_normalize(set);
        struct ct_rune_set next = {.arena = set->arena};
        if (!ct_rune_set_add_all(&next, set))
            return false;
        for (size_t i = 0; i < set->count; i++)
            if (!add_mapped(&next, set->ranges[i], ct_unicode_lower, ct_unicode_lower_count) ||
                !add_mapped(&next, set->ranges[i], ct_unicode_upper, ct_unicode_upper_count))
                return false;
        /* And back: who is mapped to a member. */
        for (int table = 0; table < 2; table++) {
            const struct ct_case_run *runs = table ? ct_unicode_upper : ct_unicode_lower;
            size_t count = table ? ct_unicode_upper_count : ct_unicode_lower_count;
            for (size_t r = 0; r < count; r++)
                for (int32_t rune = runs[r].first; rune <= runs[r].last; rune += runs[r].step)
                    if (ct_rune_in(set->ranges, set->count, rune + runs[r].delta) &&
                        !ct_rune_set_add(&next, rune, rune))
                        return false;
        }
        ct_rune_set_normalize(&next);
        bool done = same_ranges(&next, set->ranges, set->count);
        *set = next;
        if (done)
            break;
    }
    return true;
}

/* ------------------------------------------------------------------ named classes */

/* ranges: pairs of characters. */
static bool add_pairs(struct ct_rune_set *set, const char *pairs, bool negate)
{
    struct ct_rune_set part = {.arena = set->arena};
    for (; pairs[0]; pairs += 2)
        if (!ct_rune_set_add(&part, pairs[0], pairs[1]))
            return false;
    if (negate && !ct_rune_set_negate(&part))
        return false;
    return ct_rune_set_add_all(set, &part);
}

bool ct_rune_set_add_perl(struct ct_rune_set *set, char letter, bool *found)
{
    *found = true;
    switch (letter) {
    case 'd':
    case 'D': return add_pairs(set, "09", letter == 'D');
    case 's':
    case 'S': return add_pairs(set, "\t\n\f\r  ", letter == 'S');
    case 'w':
    case 'W': return add_pairs(set, "09AZ__az", letter == 'W');
    default: *found = false; return true;
    }
}

bool ct_rune_set_add_posix(struct ct_rune_set *set, corten_string name, bool *found)
{
    static const struct {
        const char *name, *pairs;
    } classes[] = {
        {"alnum", "09AZaz"},   {"alpha", "AZaz"},   {"blank", "\t\t  "}, {"cntrl", "\1\37\177\177"},
        {"digit", "09"},       {"graph", "!~"},     {"lower", "az"},     {"print", " ~"},
        {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"},     {"word", "09AZ__az"},
        {"xdigit", "09AFaf"},  {"ascii", "\1\177"},
    };
    bool negate = name.size_bytes && name.data[0] == '^';
    name.data += negate;
    name.size_bytes -= negate;
    *found = true;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strlen(classes[i].name) != name.size_bytes ||
            memcmp(classes[i].name, name.data, name.size_bytes) != 0)
            continue;
        struct ct_rune_set part = {.arena = set->arena};
        if (!add_pairs(&part, classes[i].pairs, false))
            return false;
        /* NUL, which a text of pairs cannot say. */
        bool has_nul = classes[i].pairs[0] == '\1';
        if (has_nul && !ct_rune_set_add(&part, 0, 0))
            return false;
        if (negate && !ct_rune_set_negate(&part))
            return false;
        return ct_rune_set_add_all(set, &part);
    }
    *found = false;
    return true;
}

/* Adds the stretches of a table whose value is in `wanted` (by bit below 64, or equal). */
static bool add_points(struct ct_rune_set *set, const uint32_t *points, size_t count,
                       uint64_t wanted, int value)
{
    for (size_t i = 0; i < count; i++) {
        int v = (int)(points[i] & 0xff);
        if (value >= 0 ? v != value : !(wanted >> v & 1))
            continue;
        int32_t first = (int32_t)(points[i] >> 8);
        int32_t last = i + 1 < count ? (int32_t)(points[i + 1] >> 8) - 1 : CT_RUNE_LAST;
        if (!ct_rune_set_add(set, first, last))
            return false;
    }
    return true;
}

static bool is_name(corten_string name, const char *text)
{
    return strlen(text) == name.size_bytes && memcmp(text, name.data, name.size_bytes) == 0;
}

bool ct_rune_set_add_unicode(struct ct_rune_set *set, corten_string name, bool negate, bool *found)
{
    struct ct_rune_set part = {.arena = set->arena};
    uint64_t wanted = 0;
    for (int i = 0; i < CT_UNICODE_CATEGORIES; i++) {
        const char *category = ct_unicode_category_names[i];
        bool is_unassigned = category[0] == 'C' && category[1] == 'n';
        if (name.size_bytes && name.size_bytes <= 2 && !is_unassigned &&
            memcmp(category, name.data, name.size_bytes) == 0)
            wanted |= UINT64_C(1) << i;
    }
    *found = true;
    bool ok = true;
    if (wanted) {
        ok = add_points(&part, ct_unicode_categories, ct_unicode_categories_count, wanted, -1);
    } else if (is_name(name, "Any")) {
        ok = ct_rune_set_add(&part, 0, CT_RUNE_LAST);
    } else {
        *found = false;
        for (size_t i = 1; i < ct_unicode_script_count && !*found; i++)
            if (is_name(name, ct_unicode_script_names[i])) {
                *found = true;
                ok = add_points(&part, ct_unicode_scripts, ct_unicode_scripts_count, 0, (int)i);
            }
    }
    if (ok && negate)
        ok = ct_rune_set_negate(&part);
    return ok && (!*found || ct_rune_set_add_all(set, &part));
}
