#include "ops/text/unicode.h"

#include <string.h>

#include "ops/text/unicode_tables.h"

/* ------------------------------------------------------------------ UTF-8 */

int32_t ct_utf8_decode(const char *at, const char *end, int *size_bytes)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)*at;
    *size_bytes = 1;
    if (first < 0x80)
        return first;
    int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || end - at <= more)
        return CT_RUNE_BAD;
    int32_t rune = first & (0x3f >> more);
    for (int i = 1; i <= more; i++) {
        unsigned char c = (unsigned char)at[i];
        if ((c & 0xc0) != 0x80)
            return CT_RUNE_BAD;
        rune = rune << 6 | (c & 0x3f);
    }
    if (rune < least[more] || rune > CT_RUNE_LAST || (rune >= 0xd800 && rune <= 0xdfff))
        return CT_RUNE_BAD;
    *size_bytes = more + 1;
    return rune;
}

int ct_utf8_encode(int32_t rune, char *to)
{
    if (rune < 0x80) {
        to[0] = (char)rune;
        return 1;
    }
    int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
    static const int marks[] = {0, 0xc0, 0xe0, 0xf0};
    for (int i = more; i > 0; i--) {
        to[i] = (char)(0x80 | (rune & 0x3f));
        rune >>= 6;
    }
    to[0] = (char)(marks[more] | rune);
    return more + 1;
}

/* ------------------------------------------------------------------ case */

static int32_t map_rune(const struct ct_case_run *runs, size_t count, int32_t rune)
{
    size_t low = 0, high = count; /* the last run that begins at or before the rune */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (runs[middle].first <= rune)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return rune;
    const struct ct_case_run *run = &runs[low - 1];
    bool is_in = rune <= run->last && (rune - run->first) % run->step == 0;
    return is_in ? rune + run->delta : rune;
}

int32_t ct_rune_upper(int32_t rune)
{
    if (rune < 0x80)
        return rune >= 'a' && rune <= 'z' ? rune - 32 : rune;
    return map_rune(ct_unicode_upper, ct_unicode_upper_count, rune);
}

int32_t ct_rune_lower(int32_t rune)
{
    if (rune < 0x80)
        return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
    return map_rune(ct_unicode_lower, ct_unicode_lower_count, rune);
}

bool ct_rune_is_space(int32_t rune)
{
    if (rune < 0x80)
        return rune == ' ' || (rune >= '\t' && rune <= '\r') || (rune >= 0x1c && rune <= 0x1f);
    return rune == 0x85 || rune == 0xa0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) ||
           rune == 0x2028 || rune == 0x2029 || rune == 0x202f || rune == 0x205f || rune == 0x3000;
}

size_t ct_case_bytes(size_t n)
{
    /* U+0250 and its like go from two bytes to three, nothing grows more. */
    size_t most;
    return ct_mul_size(n, 2, &most) ? most : SIZE_MAX;
}

size_t ct_text_case(corten_string text, bool upper, char *to)
{
    const char *at = text.data, *end = at + text.size_bytes;
    char *begin = to;
    while (at < end) {
        int size_bytes;
        int32_t rune = ct_utf8_decode(at, end, &size_bytes);
        if (rune == CT_RUNE_BAD)
            *to++ = *at;
        else
            to += ct_utf8_encode(upper ? ct_rune_upper(rune) : ct_rune_lower(rune), to);
        at += size_bytes;
    }
    return (size_t)(to - begin);
}
