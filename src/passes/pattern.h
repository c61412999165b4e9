/* Patterns as data: what a fusion looks for, as text, and the matcher.
 *
 *   Mul(0.5, x, Add(1, Erf(Mul(x, 0.70710678))))
 *
 *   Op(a, b)       a node of that operator; `ms.Op` is of domain com.microsoft, `ct.Op` of ai.corten
 *   x              captures a value; the same name again must be the same value
 *   c:x            captures a value that must be constant
 *   0.5            a constant whose elements are all that number (relative tolerance 1e-3)
 *   _              any value, or an input that is absent
 *   n:Op(…)        captures the node; `n` further on is then its output 0
 *   Op[axis=-1](…) an int attribute must have that value (an absent one counts as 0)
 *   Op&(…)         its result may have other readers; otherwise the outer node must be the only one
 *   Op?(a)         the node may be missing: a is then matched in its place
 *   Op(a, b, …)    more inputs than given here may follow when the list ends with …, as `...`
 *
 * Add, Mul, Max, Min, Equal, And and Or match their operands in either order, and Add and Mul with
 * three or four operands match the flattened sum or product, however it is bracketed. */
#ifndef CT_PASSES_PATTERN_H
#define CT_PASSES_PATTERN_H

#include "passes/rewrite.h"

enum { CT_PATTERN_NODES = 64, CT_PATTERN_ARGS = 8, CT_MATCH_CAPTURES = 32 };

enum ct_pattern_kind { CT_PATTERN_CALL, CT_PATTERN_CAPTURE, CT_PATTERN_NUMBER, CT_PATTERN_ANY };

struct ct_pattern_node {
    enum ct_pattern_kind kind;
    corten_string name; /* of the capture; of a call, "" if it is not captured */
    const char *domain;
    corten_string op;
    corten_string attr; /* name of an int attribute, empty: none */
    int64_t attr_value;
    double number;
    bool constant; /* c: */
    bool shared;   /* & */
    bool optional; /* ? */
    bool open;     /* ... */
    bool commutative;
    int args[CT_PATTERN_ARGS]; /* indices of pattern nodes */
    int n_args;
};

/** A parsed pattern; borrows the text. nodes[0] is the root. */
struct ct_pattern {
    struct ct_pattern_node nodes[CT_PATTERN_NODES];
    int n_nodes;
};

/** False when the text is no pattern (a mistake of ours, which the tests find). */
bool ct_pattern_parse(const char *text, struct ct_pattern *pattern);

struct ct_match {
    struct {
        corten_string name;
        struct ct_value *value;
        struct ct_node *node; /* NULL for values */
    } captures[CT_MATCH_CAPTURES];
    int n_captures;
    struct ct_node *nodes[CT_PATTERN_NODES]; /* matched; the root is the last */
    int n_nodes;
    /* The failure that came after the most nodes had been recognised. */
    int best_nodes;
    char reason[160];
};

/** Matches the pattern with `root` as its outermost node. */
bool ct_pattern_match(const struct ct_pattern *pattern, struct ct_node *root,
                      struct ct_match *match);
/** NULL: no capture of that name (an optional node that was missing). */
struct ct_value *ct_match_value(const struct ct_match *match, const char *name);
struct ct_node *ct_match_node(const struct ct_match *match, const char *name);

/* ------------------------------------------------------------------ fusions */

/** A fusion: patterns, and what is done with a match. */
struct ct_fusion {
    const char *const *patterns; /* NULL-terminated; the first that matches is taken */
    /** Builds what replaces match->nodes, or declines: leaves *node NULL and says why with
     *  ct_match_decline. The new node gets the root's output 0 afterwards. */
    ct_status (*rewrite)(struct ct_pass_context *context, struct ct_match *match,
                         struct ct_node **node);
};

/** Applies the fusion wherever it matches in the graph. */
ct_status ct_fusion_run(const struct ct_fusion *fusion, struct ct_pass_context *context,
                        struct ct_graph *graph);
/** Notes why a match was not used; returns OK, for `return ct_match_decline(…)`. */
ct_status ct_match_decline(struct ct_match *match, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** The one number that all elements of a constant are; false: not a constant, or not one. */
bool ct_value_number(const struct ct_value *value, double *number);

#endif
