#include "exec/frame.h"

#include <string.h>

#include "ops/eval.h"

/* A step whose shapes are known only now. */
static ct_status run_dynamic(const struct ct_run *run)
{
    struct ct_tensor few[8];
    struct ct_tensor *out = few;
    size_t n_out = (size_t)run->n_out, size_bytes = n_out * sizeof *out;
    if (n_out > sizeof few / sizeof *few) {
        out = ct_alloc(run->exec->allocator, size_bytes);
        if (!out)
            return ct_fail_memory(run->exec->error, size_bytes, "outputs of a node");
    }
    memset(out, 0, size_bytes);
    ct_status status =
        ct_eval_node(run->node, (const struct ct_tensor *const *)run->in, out, run->exec);
    for (size_t i = 0; i < n_out && status == CORTEN_OK; i++) {
        if (run->out[i])
            *run->out[i] = out[i];
        else
            ct_tensor_clear(&out[i]);
    }
    if (out != few)
        ct_release(run->exec->allocator, out, size_bytes);
    return status;
}

/* ------------------------------------------------------------------ creation */

/* Whether a step must never meet a loop that ended early. What such loops leave undone is garbage,
 * which is harmless in elements that nobody will see, but not in numbers that tell how much to
 * allocate or which subgraph to run, nor in the pointers of strings. */
static bool needs_whole_loops(const struct ct_plan_step *step)
{
    if (!step->run ||
        step->node->op->flags & (CT_OP_ALLOCATES | CT_OP_SUBGRAPHS | CT_OP_CONTAINERS))
        return true;
    for (int k = 0; k < step->node->n_in; k++)
        if (step->node->in[k].value && step->node->in[k].value->fact.dtype == CORTEN_STRING)
            return true;
    for (int k = 0; k < step->node->n_out; k++)
        if (step->node->out[k] && step->node->out[k]->fact.dtype == CORTEN_STRING)
            return true;
    return false;
}

static ct_status fill_steps(struct ct_frame *f, corten_error *error)
{
    const struct ct_plan *plan = f->plan;
    f->steps = ct_arena_array(&f->arena, (size_t)plan->n_steps, sizeof *f->steps);
    struct ct_tensor **args = ct_arena_array(&f->arena, plan->n_args, sizeof *args);
    if (!f->steps || !args)
        return ct_fail_memory(error, plan->n_args * sizeof *args, "the steps of a run");
    for (int i = 0; i < plan->n_steps; i++) {
        const struct ct_plan_step *step = &plan->steps[i];
        struct ct_tensor **in = args, **out = args + step->n_args;
        args += step->n_args + step->n_out;
        for (int k = 0; k < step->n_args; k++)
            in[k] = step->in[k] < 0 ? NULL : &f->tensors[step->in[k]];
        for (int k = 0; k < step->n_out; k++)
            out[k] = step->out[k] < 0 ? NULL : &f->tensors[step->out[k]];
        f->steps[i] = (struct ct_step){
            .run = step->run ? step->run : run_dynamic,
            .args =
                {
                    .in = in,
                    .out = out,
                    .state = step->state,
                    .scratch =
                        step->scratch_bytes ? (char *)f->memory + step->scratch_offset : (char *)f,
                    .exec = needs_whole_loops(step) ? &f->whole : &f->exec,
                    .node = step->node,
                    .n_in = step->n_in,
                    .n_out = step->n_out,
                },
        };
    }
    return CORTEN_OK;
}

static ct_status fill_tensors(struct ct_frame *f, corten_error *error)
{
    const struct ct_plan *plan = f->plan;
    size_t n = (size_t)plan->n_slots;
    f->tensors = ct_arena_array(&f->arena, n, sizeof *f->tensors);
    f->input_patches = ct_arena_array(&f->arena, n, sizeof *f->input_patches);
    f->output_patches = ct_arena_array(&f->arena, n, sizeof *f->output_patches);
    f->dynamic_slots = ct_arena_array(&f->arena, n, sizeof *f->dynamic_slots);
    if (!f->tensors || !f->input_patches || !f->output_patches || !f->dynamic_slots)
        return ct_fail_memory(error, n * sizeof *f->tensors, "the tensors of a run");
    /* Tensors without elements have an address too, even when there is no other intermediate. */
    char *memory = f->memory ? f->memory : (char *)f;
    for (int s = 0; s < plan->n_slots; s++) {
        const struct ct_slot *slot = &plan->slots[s];
        struct ct_tensor *t = &f->tensors[s];
        *t = slot->tensor;
        t->buffer = NULL; /* the plan's */
        switch (slot->place) {
        case CT_PLACE_ARENA: t->data = memory + slot->offset; break;
        case CT_PLACE_INPUT:
            f->input_patches[f->n_input_patches++] = (struct ct_patch){s, slot->index};
            break;
        case CT_PLACE_OUTPUT:
            f->output_patches[f->n_output_patches++] = (struct ct_patch){s, slot->index};
            break;
        case CT_PLACE_DYNAMIC:
            *t = (struct ct_tensor){0};
            f->dynamic_slots[f->n_dynamic_slots++] = s;
            break;
        case CT_PLACE_NONE:
        case CT_PLACE_CONSTANT: break;
        }
    }
    return CORTEN_OK;
}

ct_status ct_frame_create(struct ct_plan *plan, const corten_allocator *allocator,
                          struct ct_frame **frame, corten_error *error)
{
    struct ct_frame *f = ct_alloc_zero(allocator, sizeof *f);
    if (!f)
        return ct_fail_memory(error, sizeof *f, "a run");
    ct_arena_init(&f->arena, allocator);
    f->plan = plan;
    ct_status status = CORTEN_OK;
    if (plan->arena_bytes) {
        f->memory = ct_alloc(allocator, plan->arena_bytes);
        if (!f->memory)
            status = ct_fail_memory(error, plan->arena_bytes, "the intermediates of a run");
    }
    if (status == CORTEN_OK)
        status = fill_tensors(f, error);
    if (status == CORTEN_OK)
        status = fill_steps(f, error);
    if (status != CORTEN_OK) {
        ct_frame_destroy(f);
        return status;
    }
    *frame = f;
    return CORTEN_OK;
}

void ct_frame_destroy(struct ct_frame *frame)
{
    if (!frame)
        return;
    const corten_allocator *allocator = frame->arena.allocator;
    ct_profile_run_destroy(frame->profile);
    ct_release(allocator, frame->memory, frame->plan->arena_bytes);
    ct_arena_deinit(&frame->arena);
    ct_release(allocator, frame, sizeof *frame);
}

/* ------------------------------------------------------------------ running */

static void bind_inputs(struct ct_frame *f, const struct ct_tensor *const *inputs)
{
    for (int i = 0; i < f->n_input_patches; i++) {
        struct ct_patch patch = f->input_patches[i];
        struct ct_tensor *t = &f->tensors[patch.slot];
        t->data = inputs[patch.index]->data;
        t->dtype = inputs[patch.index]->dtype; /* tells more than the plan for containers */
    }
}

static ct_status fail_output(struct ct_frame *f, size_t k, const struct ct_tensor *result,
                             const struct ct_tensor *given)
{
    char found[128], expected[128];
    return ct_fail(
        f->exec.error, CORTEN_INVALID_ARGUMENT, "output '%s' is %s, the memory given for it is %s",
        f->plan->graph->outputs[k]->name, ct_tensor_describe(result, found, sizeof found),
        ct_tensor_describe(given, expected, sizeof expected));
}

static bool fits(const struct ct_tensor *given, const struct ct_tensor *result)
{
    return given->kind == CORTEN_TENSOR && result->kind == CORTEN_TENSOR &&
           given->dtype == result->dtype && given->dtype != CORTEN_STRING &&
           ct_same_shape(given, result);
}

/* Lets go of reusable memory that the result will not fit. */
static void drop_misfits(const struct ct_frame *f, struct ct_tensor *outputs, const bool *reuse)
{
    const struct ct_plan *plan = f->plan;
    for (size_t k = 0; k < plan->graph->n_outputs; k++) {
        const struct ct_slot *slot = &plan->slots[plan->outputs[k].slot];
        if (reuse[k] && (slot->place == CT_PLACE_DYNAMIC || !fits(&outputs[k], &slot->tensor)))
            ct_tensor_clear(&outputs[k]);
    }
}

/* Gives outputs that the caller left open their memory. */
static ct_status bind_outputs(struct ct_frame *f, struct ct_tensor *outputs)
{
    const struct ct_plan *plan = f->plan;
    for (size_t k = 0; k < plan->graph->n_outputs; k++) {
        const struct ct_slot *slot = &plan->slots[plan->outputs[k].slot];
        if (slot->place != CT_PLACE_OUTPUT)
            continue;
        if (outputs[k].data) {
            if (!fits(&outputs[k], &slot->tensor))
                return fail_output(f, k, &slot->tensor, &outputs[k]);
            continue;
        }
        CT_TRY(ct_tensor_alloc(&outputs[k], f->exec.allocator, slot->tensor.dtype,
                               slot->tensor.rank, slot->tensor.dims, f->exec.error));
    }
    for (int i = 0; i < f->n_output_patches; i++) {
        struct ct_patch patch = f->output_patches[i];
        f->tensors[patch.slot].data = outputs[patch.index].data;
    }
    return CORTEN_OK;
}

/* Hands over what was not computed in place: dynamic values, and copies of inputs, constants and
 * other outputs. */
static ct_status deliver(struct ct_frame *f, struct ct_tensor *outputs)
{
    const struct ct_plan *plan = f->plan;
    for (size_t k = 0; k < plan->graph->n_outputs; k++) {
        const struct ct_slot *slot = &plan->slots[plan->outputs[k].slot];
        struct ct_tensor *result = &f->tensors[plan->outputs[k].slot];
        if (slot->place != CT_PLACE_DYNAMIC && !plan->outputs[k].copy)
            continue;
        if (!outputs[k].data) {
            if (slot->place == CT_PLACE_DYNAMIC && result->buffer)
                ct_tensor_share(&outputs[k], result);
            else
                CT_TRY(ct_tensor_clone(&outputs[k], result, f->exec.allocator, f->exec.error));
        } else if (!fits(&outputs[k], result)) {
            return fail_output(f, k, result, &outputs[k]);
        } else {
            memcpy(outputs[k].data, result->data, ct_tensor_bytes(result));
        }
    }
    return CORTEN_OK;
}

static __attribute__((cold)) ct_status fail_step(struct ct_frame *f, int index, ct_status status)
{
    char text[256];
    ct_node_describe(f->steps[index].args.node, text, sizeof text);
    if (f->exec.error && !strstr(f->exec.error->text, text))
        ct_error_prefix(f->exec.error, "%s", text);
    return status;
}

/* The run stops at a step, whatever the step said of the garbage that it met. A subgraph's run has
 * named the node that it reached. */
static __attribute__((cold)) ct_status stop_at(struct ct_frame *f, int index)
{
    ct_status reason = ct_stop_reason(f->exec.stop);
    if (f->exec.error && f->exec.error->status == reason && strstr(f->exec.error->text, ", step "))
        return reason;
    char text[256];
    ct_node_describe(f->steps[index].args.node, text, sizeof text);
    return ct_fail(f->exec.error, reason, "%s at %s, step %d of %d",
                   reason == CORTEN_CANCELLED ? "the run was cancelled" : "the deadline passed",
                   text, index + 1, f->plan->n_steps);
}

static ct_status run_step(struct ct_frame *f, int index)
{
    const struct ct_step *step = &f->steps[index];
    const struct ct_plan_step *planned = &f->plan->steps[index];
    ct_status status = step->run(&step->args);
    if (__builtin_expect(f->exec.stop && ct_stop_due(f->exec.stop), 0))
        return stop_at(f, index);
    if (__builtin_expect(status != CORTEN_OK, 0))
        return fail_step(f, index, status);
    if (__builtin_expect(f->profile != NULL, 0))
        ct_profile_run_note(f->profile, index, &step->args);
    for (int k = 0; k < planned->n_release; k++)
        ct_tensor_clear(&f->tensors[planned->release[k]]);
    return CORTEN_OK;
}

/* The usual run, which neither stops nor is profiled. */
static ct_status run_plain(struct ct_frame *f)
{
    const struct ct_plan *plan = f->plan;
    for (int i = 0; i < plan->n_steps; i++) {
        const struct ct_step *step = &f->steps[i];
        ct_status status = step->run(&step->args);
        if (__builtin_expect(status != CORTEN_OK, 0))
            return fail_step(f, i, status);
        for (int k = 0; k < plan->steps[i].n_release; k++)
            ct_tensor_clear(&f->tensors[plan->steps[i].release[k]]);
    }
    return CORTEN_OK;
}

static ct_status run_steps(struct ct_frame *f)
{
    if (!f->exec.stop && !f->profile)
        return run_plain(f);
    if (f->exec.error)
        f->exec.error->status = CORTEN_OK; /* stop_at looks at it */
    for (int i = 0; i < f->plan->n_steps; i++)
        CT_TRY(run_step(f, i));
    return CORTEN_OK;
}

ct_status ct_frame_run(struct ct_frame *frame, const struct ct_tensor *const *inputs,
                       struct ct_tensor *outputs, const bool *reuse)
{
    const struct ct_plan *plan = frame->plan;
    size_t n_outputs = plan->graph->n_outputs;
    if (reuse)
        drop_misfits(frame, outputs, reuse);
    uint64_t open = 0; /* outputs that get new memory; those past the 64th are told by buffer */
    for (size_t k = 0; k < n_outputs && k < 64; k++)
        open |= (uint64_t)!outputs[k].data << k;
    bind_inputs(frame, inputs);
    ct_status status = bind_outputs(frame, outputs);
    if (status == CORTEN_OK)
        status = run_steps(frame);
    if (status == CORTEN_OK)
        status = deliver(frame, outputs);
    for (int i = 0; i < frame->n_dynamic_slots; i++) /* what a failure left, and outputs */
        ct_tensor_clear(&frame->tensors[frame->dynamic_slots[i]]);
    if (status != CORTEN_OK)
        for (size_t k = 0; k < n_outputs; k++)
            if (k < 64 ? open >> k & 1 : outputs[k].buffer != NULL)
                ct_tensor_clear(&outputs[k]);
    return status;
}
