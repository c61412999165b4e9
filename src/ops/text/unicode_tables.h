/* What unicode_tables.c holds; scripts/make_unicode_tables.py makes it. Use unicode.h. */
#ifndef CT_OPS_TEXT_UNICODE_TABLES_H
#define CT_OPS_TEXT_UNICODE_TABLES_H

#include <stddef.h>
#include <stdint.h>

/** Every step-th code point from first to last maps to itself + delta. Sorted by first. */
struct ct_case_run {
    int32_t first, last, step, delta;
};
extern const struct ct_case_run ct_unicode_upper[], ct_unicode_lower[];
extern const size_t ct_unicode_upper_count, ct_unicode_lower_count;

/** Code points where a property changes: first code point << 8 | value, up to the next entry. */
enum { CT_UNICODE_CATEGORIES = 30 };
extern const char ct_unicode_category_names[CT_UNICODE_CATEGORIES][3];
extern const uint32_t ct_unicode_categories[];
extern const size_t ct_unicode_categories_count;
extern const char *const ct_unicode_script_names[];
extern const size_t ct_unicode_script_count;
extern const uint32_t ct_unicode_scripts[];
extern const size_t ct_unicode_scripts_count;

#endif
