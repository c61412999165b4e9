/* What the files that build a plan share; nobody else includes this. */
#ifndef CT_PLAN_BUILDER_H
#define CT_PLAN_BUILDER_H

#include "plan/plan.h"

struct ct_builder {
    const struct ct_plan_request *request;
    struct ct_plan *plan;
    corten_error *error;
    struct ct_arena scratch;   /* until the plan is built */
    struct ct_fact *facts;     /* by slot */
    bool *dynamic;             /* by slot: type or shape only known by running */
    int *parent;               /* by slot: union-find over slots that share memory */
    int *first_use, *last_use; /* by root slot: steps */
    int *n_uses;               /* by root slot: arguments of steps */
    bool *read, *spared;       /* by root slot: constants that some step reads, or need not read */
    size_t steps_capacity;
};

/** Root of the slots that share memory with `slot`. */
int ct_builder_root(struct ct_builder *builder, int slot);
/** Slot of a value that the graph defines or captures; -1 for NULL. */
int ct_builder_slot(const struct ct_builder *builder, const struct ct_value *value);

/** Turns nodes into slots and steps: infers, folds what is constant, finds views. */
ct_status ct_builder_lower(struct ct_builder *builder);
/** Gives outputs their memory, prepares the steps, lays out the arena. */
ct_status ct_builder_place(struct ct_builder *builder);

#endif
