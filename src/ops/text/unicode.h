/* UTF-8 and what Unicode says of code points: simple case mappings, categories, scripts. Nothing
 * here depends on the locale of the process. */
#ifndef CT_OPS_TEXT_UNICODE_H
#define CT_OPS_TEXT_UNICODE_H

#include "base/tensor.h"

enum { CT_RUNE_LAST = 0x10ffff, CT_RUNE_BAD = -1 };

/** The code point at `at` (before `end`); *size_bytes is how long it is. A byte that begins no
 *  valid encoding gives CT_RUNE_BAD and 1. */
int32_t ct_utf8_decode(const char *at, const char *end, int *size_bytes);
/** Writes 1 to 4 bytes; returns how many. */
int ct_utf8_encode(int32_t rune, char *to);

/** Simple (one to one) mappings, as in towupper of a UTF-8 locale. */
int32_t ct_rune_upper(int32_t rune);
int32_t ct_rune_lower(int32_t rune);
/** White space of Unicode and the separators U+001C to U+001F. */
bool ct_rune_is_space(int32_t rune);

/** Bytes of the text in the other case: `to` has room for ct_case_bytes(text.size_bytes). Bad bytes
 *  stay as they are. */
size_t ct_text_case(corten_string text, bool upper, char *to);
/** The most that changing case makes of n bytes; SIZE_MAX when that overflows. */
size_t ct_case_bytes(size_t n);

#endif
