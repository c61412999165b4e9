/* Regular expressions in RE2's syntax (https://github.com/google/re2/wiki/Syntax), matched against
 * whole texts in time linear in the text: the states of a nondeterministic automaton are followed
 * all at once (Thompson, 1968), so that no pattern takes exponential time.
 * Texts are UTF-8; only \C matches a byte that is none. */
#ifndef CT_OPS_TEXT_REGEX_H
#define CT_OPS_TEXT_REGEX_H

#include "base/memory.h"
#include "base/tensor.h"

struct ct_regex;

/** Compiles into `arena`, which holds the result. INVALID_MODEL says what is wrong and where,
 *  LIMIT_EXCEEDED when the program would be too large. */
ct_status ct_regex_compile(corten_string pattern, struct ct_arena *arena,
                           const struct ct_regex **regex, corten_error *error);
/** Memory that a match needs; aligned to 8 bytes. */
size_t ct_regex_scratch_bytes(const struct ct_regex *regex);
/** The whole text matches. */
bool ct_regex_full_match(const struct ct_regex *regex, corten_string text, void *scratch);

#endif
