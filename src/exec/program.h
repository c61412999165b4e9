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
    bool keeps_weights; /* none is packed */
    struct ct_log log;
    struct ct_model *model;
    const corten_allocator *run_allocator; /* of outputs and dynamic tensors; NULL: allocator */
    struct ct_profiler *profiler;          /* NULL: none */
    uint64_t *seed;                        /* see ct_exec; NULL: none */
};

/** How a run differs from the usual one; NULL or zeroed: not at all. */
struct ct_call {
    struct ct_stop *stop;
    const bool *reuse; /* see ct_frame_run */
};

/** Of a program and those of its subgraphs. */
struct ct_program_usage {
    size_t arena_bytes;
    size_t n_plans, n_frames;
    int64_t plan_ns; /* spent on planning, packing of constants included */
};

struct ct_program;

/** Creates programs for the graph and, as graph->program, for all its subgraphs. */
ct_status ct_program_create(const struct ct_context *context, struct ct_graph *graph,
                            struct ct_program **program, corten_error *error);
void ct_program_destroy(struct ct_program *program); /* NULL allowed; subgraphs' too */

/** Runs the graph; see ct_frame_run for inputs (graph inputs, then captures) and outputs. */
ct_status ct_program_run(struct ct_program *program, const struct ct_tensor *const *inputs,
                         struct ct_tensor *outputs, const struct ct_call *call,
                         corten_error *error);

/** Makes the plan for these inputs (only type and shape are used) and keeps it. `step_count` and
 *  so on of info are filled, but not what depends on the session. */
ct_status ct_program_plan(struct ct_program *program, const struct ct_tensor *const *inputs,
                          corten_plan_info *info, corten_error *error);
/** Calls fn for each step of the plan for these inputs, which is made when there is none. */
ct_status ct_program_visit(struct ct_program *program, const struct ct_tensor *const *inputs,
                           void (*fn)(void *arg, const struct ct_plan_step *step), void *arg,
                           corten_error *error);
/** Adds to *usage. */
void ct_program_add_usage(struct ct_program *program, struct ct_program_usage *usage);
/** Frees all plans and frames that are not in use. */
void ct_program_trim(struct ct_program *program);

#endif
