/* The optimiser: passes that rewrite a graph, run in the order of passes.def, over and over until
 * nothing changes (with a bound): first those of level basic, then these and extended, and so on.
 * Adding one: a file with a `const struct ct_pass`, and a row. */
#ifndef CT_PASSES_PASS_H
#define CT_PASSES_PASS_H

#include "graph/graph.h"
#include "graph/op.h"

/** Something worth telling about a pass: a near miss and why it is one, or what it saved. */
struct ct_pass_note {
    const char *pass;
    const char *node; /* name; "": the whole graph */
    const char *text;
};

/** What the passes did, for people. Texts live in the model's arena. */
struct ct_pass_report {
    struct ct_pass_note *notes;
    size_t n_notes, notes_capacity;
};

struct ct_pass_stats {
    size_t changes;
    int64_t time_ns;
    /** By how much less the main graph costs; reckoned only with a report. */
    struct ct_cost saved;
    bool unknown; /* not all shapes were known: saved is not */
};

struct ct_pass_context {
    struct ct_model *model;
    const struct ct_pass *pass;    /* that runs */
    corten_level level;            /* up to which passes run now */
    corten_level target;           /* up to which they will */
    struct ct_pass_stats *stats;   /* of that pass */
    struct ct_pass_report *report; /* NULL: nobody asks */
    size_t fold_limit_bytes;       /* largest constant that folding makes */
    bool verify; /* the graph after every pass that changed it: for tests, which set
                                      CORTEN_VERIFY_PASSES in the environment */
    corten_error *error;
};

struct ct_pass {
    const char *name;    /* as users switch it off: "constant-folding" */
    const char *summary; /* one line for help and documentation */
    corten_level level;  /* lowest level that runs it */
    bool late;           /* runs when all others have nothing left to do */
    /** Rewrites one graph (the driver goes into subgraphs), adding to context->stats->changes what
     *  it did. Facts of values are up to date when the round starts; a pass sets those of values
     *  it makes where it knows them. Nodes it makes are resolved with ct_op_resolve. */
    ct_status (*run)(struct ct_pass_context *context, struct ct_graph *graph);
};

/** Adds a note to the report, if there is one. node NULL: on the whole graph. */
void ct_pass_note(struct ct_pass_context *context, const struct ct_node *node, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

struct ct_pass_options {
    corten_level level;
    const char *const *disabled; /* names */
    size_t n_disabled;
};

/** All passes in order. */
const struct ct_pass *const *ct_pass_list(size_t *count);
/** NULL: there is none of that name. */
const struct ct_pass *ct_pass_find(const char *name);

/** Optimises a resolved and inferred model. stats: one entry for each of ct_pass_list, added to;
 *  may be NULL, as may report. Afterwards facts are up to date. */
ct_status ct_passes_run(struct ct_model *model, const struct ct_pass_options *options,
                        struct ct_pass_stats *stats, struct ct_pass_report *report,
                        corten_error *error);

#endif
