#include <string.h>

#include "api/api.h"

struct output {
    bool bound, allocated; /* allocated: the library does, and `own` holds it */
    corten_value *given;   /* the caller's */
    corten_value own;
};

/* Arrays are in the order of the graph's inputs and outputs, so that a run hands them over as they
 * are. */
struct corten_binding {
    corten_session *session;
    struct ct_arena arena; /* of the arrays */
    const struct ct_tensor **inputs;
    struct output *outputs;
    struct ct_tensor *results; /* of a run */
    bool *reuse;
    size_t *order; /* bound outputs */
    size_t n_inputs, n_outputs, n_bound;
};

/* ------------------------------------------------------------------ life */

corten_status corten_binding_create(corten_session *session, corten_binding **binding,
                                    corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(binding, error);
    const struct ct_graph *graph = ct_session_model(session->session)->graph;
    corten_binding *b = ct_alloc_zero(ct_default_allocator(), sizeof *b);
    if (!b)
        return ct_fail_memory(error, sizeof *b, "a binding");
    ct_arena_init(&b->arena, ct_default_allocator());
    b->session = session;
    b->n_inputs = graph->n_inputs;
    b->n_outputs = graph->n_outputs;
    b->inputs = ct_arena_array(&b->arena, b->n_inputs, sizeof *b->inputs);
    b->outputs = ct_arena_array(&b->arena, b->n_outputs, sizeof *b->outputs);
    b->results = ct_arena_array(&b->arena, b->n_outputs, sizeof *b->results);
    b->reuse = ct_arena_array(&b->arena, b->n_outputs, sizeof *b->reuse);
    b->order = ct_arena_array(&b->arena, b->n_outputs, sizeof *b->order);
    if (!b->inputs || !b->outputs || !b->results || !b->reuse || !b->order) {
        corten_binding_destroy(b);
        return ct_fail_memory(error, b->n_outputs * sizeof *b->outputs, "a binding");
    }
    for (size_t i = 0; i < b->n_inputs; i++)
        b->inputs[i] = graph->inputs[i]->constant; /* the default, NULL for most */
    *binding = b;
    return CORTEN_OK;
}

void corten_binding_destroy(corten_binding *binding)
{
    if (!binding)
        return;
    for (size_t i = 0; binding->outputs && i < binding->n_outputs; i++)
        ct_tensor_clear(&binding->outputs[i].own.tensor);
    ct_arena_deinit(&binding->arena);
    ct_release(ct_default_allocator(), binding, sizeof *binding);
}

/* ------------------------------------------------------------------ binding */

corten_status corten_binding_bind_input(corten_binding *binding, const char *name,
                                        const corten_value *value, corten_error *error)
{
    CT_REQUIRE(binding, error);
    CT_REQUIRE(name, error);
    const struct ct_session *session = binding->session->session;
    size_t at;
    CT_TRY(ct_session_find(session, false, name, &at, error));
    if (value)
        CT_TRY(ct_session_check_input(session, at, &value->tensor, error));
    binding->inputs[at] =
        value ? &value->tensor : ct_session_model(session)->graph->inputs[at]->constant;
    return CORTEN_OK;
}

corten_status corten_binding_bind_output(corten_binding *binding, const char *name,
                                         corten_value *value, corten_error *error)
{
    CT_REQUIRE(binding, error);
    CT_REQUIRE(name, error);
    size_t at;
    CT_TRY(ct_session_find(binding->session->session, true, name, &at, error));
    struct output *output = &binding->outputs[at];
    if (!output->bound)
        binding->order[binding->n_bound++] = at;
    ct_tensor_clear(&output->own.tensor);
    output->bound = true;
    output->given = value;
    output->allocated = value == NULL;
    return CORTEN_OK;
}

void corten_binding_clear_inputs(corten_binding *binding)
{
    if (!binding)
        return;
    const struct ct_graph *graph = ct_session_model(binding->session->session)->graph;
    for (size_t i = 0; i < binding->n_inputs; i++)
        binding->inputs[i] = graph->inputs[i]->constant;
}

void corten_binding_clear_outputs(corten_binding *binding)
{
    if (!binding)
        return;
    for (size_t i = 0; i < binding->n_outputs; i++) {
        ct_tensor_clear(&binding->outputs[i].own.tensor);
        binding->outputs[i] = (struct output){0};
    }
    binding->n_bound = 0;
}

/* ------------------------------------------------------------------ results */

size_t corten_binding_output_count(const corten_binding *binding)
{
    return binding ? binding->n_bound : 0;
}

const char *corten_binding_output_name(const corten_binding *binding, size_t index)
{
    if (!binding || index >= binding->n_bound)
        return NULL;
    return ct_session_model(binding->session->session)->graph->outputs[binding->order[index]]->name;
}

static bool holds_value(const struct output *output)
{
    return output->own.tensor.data || output->own.tensor.buffer;
}

corten_value *corten_binding_output(const corten_binding *binding, size_t index)
{
    if (!binding || index >= binding->n_bound)
        return NULL;
    struct output *output = &binding->outputs[binding->order[index]];
    if (output->given)
        return output->given;
    return holds_value(output) ? &output->own : NULL;
}

corten_status corten_binding_take_output(corten_binding *binding, size_t index,
                                         corten_value **value, corten_error *error)
{
    CT_REQUIRE(binding, error);
    CT_REQUIRE(value, error);
    struct output *output =
        index < binding->n_bound ? &binding->outputs[binding->order[index]] : NULL;
    if (!output || !output->allocated || !holds_value(output))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "bound output %zu has no value that the library allocated", index);
    corten_value *taken = ct_alloc_zero(ct_default_allocator(), sizeof *taken);
    if (!taken)
        return ct_fail_memory(error, sizeof *taken, "an output");
    *taken = output->own;
    output->own = (corten_value){0};
    *value = taken;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ running */

static ct_status fail_missing(const corten_binding *b, size_t index, corten_error *error)
{
    const struct ct_model *model = ct_session_model(b->session->session);
    return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s: input '%s' is not bound", model->source,
                   model->graph->inputs[index]->name);
}

corten_status corten_binding_run(corten_binding *binding, const corten_run_options *run_options,
                                 corten_error *error)
{
    CT_REQUIRE(binding, error);
    corten_binding *b = binding;
    for (size_t i = 0; i < b->n_inputs; i++)
        if (!b->inputs[i])
            return fail_missing(b, i, error);
    for (size_t i = 0; i < b->n_outputs; i++) {
        struct output *output = &b->outputs[i];
        b->reuse[i] = !output->given;
        b->results[i] = output->given ? output->given->tensor : output->own.tensor;
        if (output->given)
            b->results[i].buffer = NULL; /* the handle keeps its own */
    }
    struct ct_stop watched;
    struct ct_call call = {.stop = ct_run_options_start(run_options, &watched), .reuse = b->reuse};
    ct_status status =
        ct_session_run_bound(b->session->session, b->inputs, b->results, &call, error);
    for (size_t i = 0; i < b->n_outputs; i++) {
        struct output *output = &b->outputs[i];
        if (output->given)
            ct_tensor_clear(&b->results[i]); /* of an empty tensor that came without data */
        else
            output->own.tensor =
                b->results[i]; /* outputs that nobody bound too, for the next run */
    }
    return status;
}
