#include <string.h>

#include "api/api.h"

/* ------------------------------------------------------------------ opening */

static const char **type_texts(struct ct_arena *arena, struct ct_value *const *values, size_t count)
{
    const char **texts = ct_arena_array(arena, count, sizeof *texts);
    for (size_t i = 0; texts && i < count; i++)
        texts[i] = ct_type_text(&values[i]->fact, arena);
    return texts;
}

static ct_status open(const struct ct_source *source, const corten_options *options,
                      corten_session **session, corten_error *error)
{
    struct ct_options defaults;
    ct_options_default(&defaults);
    const struct ct_options *o = options ? &options->options : &defaults;
    corten_session *s = ct_alloc_zero(&o->allocator, sizeof *s);
    if (!s)
        return ct_fail_memory(error, sizeof *s, "a session");
    ct_arena_init(&s->arena, ct_default_allocator());
    ct_status status = ct_session_open(source, o, &s->session, error);
    if (status == CORTEN_OK) {
        const struct ct_graph *graph = ct_session_model(s->session)->graph;
        s->input_types = type_texts(&s->arena, graph->inputs, graph->n_inputs);
        s->output_types = type_texts(&s->arena, graph->outputs, graph->n_outputs);
        if (!s->input_types || !s->output_types)
            status = ct_fail_memory(error, 0, "a session");
    }
    if (status != CORTEN_OK) {
        ct_session_close(s->session);
        ct_arena_deinit(&s->arena);
        ct_release(&o->allocator, s, sizeof *s);
        return status;
    }
    *session = s;
    return CORTEN_OK;
}

corten_status corten_session_open(const char *path, const corten_options *options,
                                  corten_session **session, corten_error *error)
{
    CT_REQUIRE(path, error);
    CT_REQUIRE(session, error);
    struct ct_source source = {.path = path};
    return open(&source, options, session, error);
}

corten_status corten_session_open_memory(const void *bytes, size_t size_bytes, const char *folder,
                                         const corten_options *options, corten_session **session,
                                         corten_error *error)
{
    CT_REQUIRE(bytes, error);
    CT_REQUIRE(session, error);
    struct ct_source source = {.bytes = bytes, .size_bytes = size_bytes, .folder = folder};
    return open(&source, options, session, error);
}

void corten_session_close(corten_session *session)
{
    if (!session)
        return;
    corten_allocator allocator = ct_session_base_allocator(session->session);
    ct_session_close(session->session);
    ct_arena_deinit(&session->arena);
    ct_release(&allocator, session, sizeof *session);
}

/* ------------------------------------------------------------------ looking */

size_t corten_session_input_count(const corten_session *session)
{
    return session ? ct_session_model(session->session)->graph->n_inputs : 0;
}

size_t corten_session_output_count(const corten_session *session)
{
    return session ? ct_session_model(session->session)->graph->n_outputs : 0;
}

int corten_session_threads(const corten_session *session)
{
    return session ? ct_session_threads(session->session) : 0;
}

static ct_status value_info(const corten_session *session, const char *what,
                            struct ct_value *const *values, const char *const *types, size_t count,
                            size_t index, corten_value_info *info, corten_error *error)
{
    if (index >= count)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%s %zu does not exist; there are %zu", what,
                       index, count);
    ct_fill_info(info, values[index]->name, &values[index]->fact,
                 &ct_session_model(session->session)->symbols, types[index]);
    info->has_default = values[index]->overridable;
    return CORTEN_OK;
}

corten_status corten_session_input_info(const corten_session *session, size_t index,
                                        corten_value_info *info, corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(info, error);
    const struct ct_graph *graph = ct_session_model(session->session)->graph;
    return value_info(session, "input", graph->inputs, session->input_types, graph->n_inputs, index,
                      info, error);
}

corten_status corten_session_output_info(const corten_session *session, size_t index,
                                         corten_value_info *info, corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(info, error);
    const struct ct_graph *graph = ct_session_model(session->session)->graph;
    return value_info(session, "output", graph->outputs, session->output_types, graph->n_outputs,
                      index, info, error);
}

/* ------------------------------------------------------------------ running */

static ct_status check_run(const char *const *input_names, const corten_value *const *inputs,
                           size_t input_count, const char *const *output_names,
                           corten_value **outputs, size_t output_count, corten_error *error)
{
    if (input_count) {
        CT_REQUIRE(input_names, error);
        CT_REQUIRE(inputs, error);
    }
    if (output_count) {
        CT_REQUIRE(output_names, error);
        CT_REQUIRE(outputs, error);
    }
    for (size_t i = 0; i < input_count; i++)
        if (!input_names[i] || !inputs[i])
            return ct_fail(error, CORTEN_INVALID_ARGUMENT, "the name or value of input %zu is NULL",
                           i);
    for (size_t i = 0; i < output_count; i++)
        if (!output_names[i])
            return ct_fail(error, CORTEN_INVALID_ARGUMENT, "the name of output %zu is NULL", i);
    return CORTEN_OK;
}

/* Handles for the outputs that the caller left open, made before the run so that it cannot fail
 * after it. */
static ct_status create_handles(corten_value *const *outputs, corten_value **made, size_t count,
                                corten_error *error)
{
    for (size_t i = 0; i < count; i++) {
        made[i] = outputs[i] ? NULL : ct_alloc_zero(ct_default_allocator(), sizeof *made[i]);
        if (outputs[i] || made[i])
            continue;
        while (i-- > 0)
            corten_value_destroy(made[i]);
        return ct_fail_memory(error, sizeof *made[0], "outputs");
    }
    return CORTEN_OK;
}

static ct_status run(corten_session *session, const char *const *input_names,
                     const corten_value *const *inputs, size_t input_count,
                     const char *const *output_names, corten_value **outputs, size_t output_count,
                     struct ct_tensor *results, corten_value **made, struct ct_stop *stop,
                     corten_error *error)
{
    CT_TRY(create_handles(outputs, made, output_count, error));
    for (size_t i = 0; i < output_count; i++) {
        results[i] = outputs[i] ? outputs[i]->tensor : (struct ct_tensor){0};
        results[i].buffer = NULL; /* the handle keeps its own */
    }
    /* A handle is the tensor itself. */
    ct_status status = ct_session_run(
        session->session, input_names, (const struct ct_tensor *const *)(const void *)inputs,
        input_count, output_names, results, output_count, stop, error);
    for (size_t i = 0; i < output_count; i++) {
        if (status != CORTEN_OK) {
            corten_value_destroy(made[i]);
        } else if (made[i]) {
            made[i]->tensor = results[i];
            outputs[i] = made[i];
        } else {
            ct_tensor_clear(&results[i]); /* of an empty tensor that came without data */
        }
    }
    return status;
}

/* Arguments have been checked, but for what the lists hold. */
static inline ct_status run_checked(corten_session *session, const corten_run_options *run_options,
                                    const char *const *input_names,
                                    const corten_value *const *inputs, size_t input_count,
                                    const char *const *output_names, corten_value **outputs,
                                    size_t output_count, corten_error *error)
{
    CT_TRY(check_run(input_names, inputs, input_count, output_names, outputs, output_count, error));
    struct ct_stop watched, *stop = ct_run_options_start(run_options, &watched);
    enum { FEW = 32 };
    struct ct_tensor few_results[FEW];
    corten_value *few_made[FEW];
    if (output_count <= FEW)
        return run(session, input_names, inputs, input_count, output_names, outputs, output_count,
                   few_results, few_made, stop, error);
    size_t results_bytes = output_count * sizeof(struct ct_tensor);
    size_t size_bytes = results_bytes + output_count * sizeof(corten_value *);
    char *memory = ct_alloc(ct_default_allocator(), size_bytes);
    if (!memory)
        return ct_fail_memory(error, size_bytes, "outputs");
    ct_status status = run(session, input_names, inputs, input_count, output_names, outputs,
                           output_count, (struct ct_tensor *)(void *)memory,
                           (corten_value **)(void *)(memory + results_bytes), stop, error);
    ct_release(ct_default_allocator(), memory, size_bytes);
    return status;
}

corten_status corten_session_run(corten_session *session, const char *const *input_names,
                                 const corten_value *const *inputs, size_t input_count,
                                 const char *const *output_names, corten_value **outputs,
                                 size_t output_count, corten_error *error)
{
    CT_REQUIRE(session, error);
    return run_checked(session, NULL, input_names, inputs, input_count, output_names, outputs,
                       output_count, error);
}

corten_status corten_session_run_with(corten_session *session,
                                      const corten_run_options *run_options,
                                      const char *const *input_names,
                                      const corten_value *const *inputs, size_t input_count,
                                      const char *const *output_names, corten_value **outputs,
                                      size_t output_count, corten_error *error)
{
    CT_REQUIRE(session, error);
    return run_checked(session, run_options, input_names, inputs, input_count, output_names,
                       outputs, output_count, error);
}

/* ------------------------------------------------------------------ precision */

corten_status corten_session_calibrate(corten_session *session, const char *const *input_names,
                                       const corten_value *const *inputs, size_t input_count,
                                       double bound, corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_TRY(check_run(input_names, inputs, input_count, NULL, NULL, 0, error));
    if (!(bound >= 0))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "the bound is %g, expected 0 or more",
                       bound);
    return ct_session_calibrate(session->session, input_names,
                                (const struct ct_tensor *const *)(const void *)inputs, input_count,
                                bound, error);
}

corten_status corten_session_calibration(const corten_session *session,
                                         corten_calibration_info *info, corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(info, error);
    const struct ct_calibration *found = ct_session_calibration(session->session);
    *info = (corten_calibration_info){found->n_products, found->n_bf16, found->error,
                                      (size_t)found->runs};
    return CORTEN_OK;
}

corten_status corten_session_product_info(const corten_session *session, size_t index,
                                          corten_product_info *info, corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(info, error);
    const struct ct_calibration *found = ct_session_calibration(session->session);
    if (index >= found->n_products)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "product %zu does not exist; there are %zu",
                       index, found->n_products);
    const struct ct_node *node = found->products[index];
    *info = (corten_product_info){node->name, node->op_type,
                                  node->bf16 ? CORTEN_PRECISION_BF16 : CORTEN_PRECISION_F32};
    return CORTEN_OK;
}
