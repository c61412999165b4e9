/* A program: a graph with its plans and frames. A session has one for the main graph and one for
 * each subgraph. Thread safe. */
#ifndef CT_EXEC_PROGRAM_H
#define CT_EXEC_PROGRAM_H

#include "exec/frame.h"

/** What the programs of a session share; borrowed. */
struct ct_context {
    const corten_allocator *allocator;
    struct ct_pool *pool;
    struct ct_weights *weights;
    struct ct_providers providers;
    corten_precision precision;
    struct ct_log log;
    struct ct_model *model;
};

struct ct_program;

/** Creates programs for the graph and, as graph->program, for all its subgraphs. */
ct_status ct_program_create(const struct ct_context *context, struct ct_graph *graph,
                            struct ct_program **program, corten_error *error);
void ct_program_destroy(struct ct_program *program); /* NULL allowed; subgraphs' too */

/** Runs the graph; see ct_frame_run for inputs (graph inputs, then captures) and outputs. */
ct_status ct_program_run(struct ct_program *program, const struct ct_tensor *const *inputs,
                         struct ct_tensor *outputs, const int *cancel, corten_error *error);

#endif
