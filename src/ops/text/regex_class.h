/* Sets of code points, while a pattern is read. */
#ifndef CT_OPS_TEXT_REGEX_CLASS_H
#define CT_OPS_TEXT_REGEX_CLASS_H

#include "base/memory.h"
#include "base/tensor.h"

struct ct_rune_range {
    int32_t first, last;
};

struct ct_rune_set {
    struct ct_arena *arena; /* borrowed */
    struct ct_rune_range *ranges;
    size_t count, capacity;
};

/** Whether it is in one of the ranges, which are sorted. */
bool ct_rune_in(const struct ct_rune_range *ranges, size_t count, int32_t rune);

/* Each returns false when there is no memory. */

bool ct_rune_set_add(struct ct_rune_set *set, int32_t first, int32_t last);
bool ct_rune_set_add_all(struct ct_rune_set *set, const struct ct_rune_set *other);
/** Sorts and joins ranges. */
void ct_rune_set_normalize(struct ct_rune_set *set);
/** Everything that is not in it. */
bool ct_rune_set_negate(struct ct_rune_set *set);
/** Adds what differs from a member by case only. */
bool ct_rune_set_fold(struct ct_rune_set *set);
/** Adds \d, \s, \w by their letter; *found false for other letters. Capitals are negated. */
bool ct_rune_set_add_perl(struct ct_rune_set *set, char letter, bool *found);
/** Adds "alpha", "^digit" and the like. */
bool ct_rune_set_add_posix(struct ct_rune_set *set, corten_string name, bool *found);
/** Adds a category ("L", "Lu"), a script ("Greek") or "Any". */
bool ct_rune_set_add_unicode(struct ct_rune_set *set, corten_string name, bool negate, bool *found);

#endif
