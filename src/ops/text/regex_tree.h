/* The tree that a pattern is read into. */
#ifndef CT_OPS_TEXT_REGEX_TREE_H
#define CT_OPS_TEXT_REGEX_TREE_H

#include "ops/text/regex_class.h"

enum ct_regex_kind {
    CT_REGEX_EMPTY,
    CT_REGEX_CLASS,  /* one code point of the set */
    CT_REGEX_BYTE,   /* \C */
    CT_REGEX_ASSERT, /* see below */
    CT_REGEX_CONCAT, /* of child and its siblings */
    CT_REGEX_ALTERNATE,
    CT_REGEX_REPEAT /* of child, min to max times; max -1: no bound */
};

/** Conditions on a place in the text, as bits. */
enum ct_regex_assert {
    CT_ASSERT_BEGIN = 1, /* of the text */
    CT_ASSERT_END = 2,
    CT_ASSERT_LINE_BEGIN = 4,
    CT_ASSERT_LINE_END = 8,
    CT_ASSERT_WORD = 16,   /* \b */
    CT_ASSERT_NO_WORD = 32 /* \B */
};

struct ct_regex_node {
    enum ct_regex_kind kind;
    int min, max;
    enum ct_regex_assert assert;
    struct ct_rune_set set; /* normalised */
    struct ct_regex_node *child, *next;
};

/** Reads a pattern; the tree lies in the arena. */
ct_status ct_regex_parse(corten_string pattern, struct ct_arena *arena, struct ct_regex_node **root,
                         corten_error *error);

#endif
