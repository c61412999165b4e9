/* A frame: what one run of a plan needs for itself: arena memory, tensors with their addresses, and
 * the steps with their arguments. Frames are kept and used again; a warm run makes none. */
#ifndef CT_EXEC_FRAME_H
#define CT_EXEC_FRAME_H

#include "exec/profiler.h"
#include "plan/plan.h"

struct ct_step {
    ct_status (*run)(const struct ct_run *run);
    struct ct_run args;
};

struct ct_frame {
    struct ct_frame *next; /* of the program's free ones */
    struct ct_plan *plan;  /* borrowed */
    struct ct_exec exec;   /* what args.exec points to: loops end early when the run stops … */
    struct ct_exec whole;  /* … and for steps that could not bear that */
    struct ct_pool pool;   /* exec's, when the run may stop */
    struct ct_arena arena; /* holds the arrays below */
    void *memory;          /* plan->arena_bytes */
    struct ct_tensor *tensors; /* by slot */
    struct ct_step *steps;
    /* Slots whose address changes with every run. */
    struct ct_patch {
        int slot, index;
    } * input_patches, *output_patches;
    int n_input_patches, n_output_patches;
    int *dynamic_slots; /* cleared after every run */
    int n_dynamic_slots;
    struct ct_profile_run *profile; /* notes of the run under way; NULL: no profile */
};

ct_status ct_frame_create(struct ct_plan *plan, const corten_allocator *allocator,
                          struct ct_frame **frame, corten_error *error);
void ct_frame_destroy(struct ct_frame *frame); /* NULL allowed */

/** Runs the frame's plan.
 *  inputs: n_inputs tensors, of the types and shapes that the plan is for.
 *  outputs: for each output, memory of the right size (data set, type and shape as
 *  ct_frame_output says), or a cleared tensor, which then gets memory from exec's allocator and
 *  the caller owns it. On failure tensors that were cleared are so again.
 *  reuse: outputs whose memory is the caller's to give: when it does not fit the result it is
 *  freed and made anew. NULL: none.
 *  The caller sets frame->exec and frame->whole first. */
ct_status ct_frame_run(struct ct_frame *frame, const struct ct_tensor *const *inputs,
                       struct ct_tensor *outputs, const bool *reuse);

#endif
