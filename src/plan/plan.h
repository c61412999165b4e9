/* Plans: a graph made concrete for given shapes of its inputs. What a plan holds never changes
 * after it is built, so any number of runs share it.
 *
 * Every value of the graph has a slot, and so has every capture. A slot's memory is a constant,
 * a place in the run's arena, the memory of input or output number n, or, for values whose shape
 * only the run tells ("dynamic"), a counted buffer. Slots that are views of one another, or that
 * an operator computes in place, have one memory. */
#ifndef CT_PLAN_PLAN_H
#define CT_PLAN_PLAN_H

#include "graph/op.h"
#include "plan/provider.h"
#include "plan/weights.h"

enum ct_place {
    CT_PLACE_NONE = 0, /* unused */
    CT_PLACE_CONSTANT, /* tensor.data */
    CT_PLACE_ARENA,    /* offset */
    CT_PLACE_INPUT,    /* index: input of the graph, or n_inputs + capture */
    CT_PLACE_OUTPUT,   /* index */
    CT_PLACE_DYNAMIC
};

struct ct_slot {
    struct ct_tensor tensor; /* type and shape (not of dynamic slots); data of constants */
    enum ct_place place;
    int index;
    size_t offset;
};

struct ct_plan_step {
    const struct ct_node *node;
    ct_status (*run)(const struct ct_run *run); /* NULL: dynamic, infer and prepare at run time */
    const void *state;
    const char *kernel;
    const struct ct_provider *provider;
    int n_in, n_out;     /* n_in: without captures */
    int n_args;          /* n_in and captures */
    const int *in, *out; /* slots; -1: absent */
    size_t scratch_bytes, scratch_offset;
    enum ct_product product;
    size_t live_bytes;  /* of the arena, while it runs */
    const int *release; /* dynamic slots that die here */
    int n_release;
};

struct ct_plan_output {
    int slot;
    bool copy; /* its memory is somebody else's (input, constant, other output): copy at the end */
};

struct ct_plan {
    struct ct_arena arena; /* holds all of this */
    const struct ct_graph *graph;
    struct ct_slot *slots;
    int n_slots;
    struct ct_plan_step *steps;
    int n_steps;
    struct ct_plan_output *outputs; /* graph->n_outputs */
    size_t n_inputs;                /* graph inputs and captures */
    const int *input_slots;
    struct ct_tensor *inputs; /* the key: type and shape of inputs and captures, no data */
    size_t arena_bytes;       /* memory that a run needs */
    size_t n_args;            /* pointers that all steps need together */
    int n_products, n_bf16;   /* steps that the precision concerns, and those that it lowered */
};

struct ct_plan_request {
    const struct ct_graph *graph;          /* captures found, nodes resolved */
    const struct ct_tensor *const *inputs; /* graph inputs, then captures; only type and shape are
                                              used. Kinds other than tensor are dynamic */
    const struct ct_providers *providers;
    struct ct_weights *weights;
    corten_precision precision;
    bool keeps_weights; /* none is packed */
    struct ct_pool *pool;
    const corten_allocator *allocator;
};

ct_status ct_plan_create(const struct ct_plan_request *request, struct ct_plan **plan,
                         corten_error *error);
void ct_plan_destroy(struct ct_plan *plan); /* NULL allowed */
/** Whether the plan is for these inputs. */
bool ct_plan_fits(const struct ct_plan *plan, const struct ct_tensor *const *inputs);

#endif
