/* From a file to a graph that is ready to be optimised and planned. */
#include <string.h>

#include "exec/session.h"
#include "graph/infer.h"
#include "model/reader.h"
#include "ops/registry.h"

enum { NEWEST_IR_VERSION = 14 }; /* of onnx 1.23 */

static ct_status check_versions(const struct ct_model *model, corten_error *error)
{
    size_t count;
    const struct ct_known_opset *known = ct_known_opsets(&count);
    return ct_model_check_versions(model, NEWEST_IR_VERSION, known, count, error);
}

/* Every dimension of an input that has the denotation becomes the number. */
static ct_status override_denotation(struct ct_model *model, const struct ct_dim_override *o,
                                     corten_error *error)
{
    bool found = false;
    for (size_t v = 0; v < model->graph->n_inputs; v++) {
        struct ct_value *input = model->graph->inputs[v];
        for (int i = 0; i < input->fact.rank; i++) {
            if (!input->denotations[i] || strcmp(input->denotations[i], o->name))
                continue;
            input->fact.dims[i] = o->value;
            found = true;
        }
    }
    return found ? CORTEN_OK
                 : ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "%s: no dimension of an input has the denotation '%s'", model->source,
                           o->name);
}

/* Every dimension of an input that carries the symbol becomes the number. */
static ct_status override_dims(struct ct_model *model, const struct ct_options *options,
                               corten_error *error)
{
    struct ct_graph *graph = model->graph;
    for (size_t k = 0; k < options->n_dims; k++) {
        if (options->dims[k].denotation) {
            CT_TRY(override_denotation(model, &options->dims[k], error));
            continue;
        }
        ct_dim symbol = ct_symbol(&model->symbols, options->dims[k].name);
        bool found = false;
        for (size_t v = 0; v < graph->n_values; v++) {
            struct ct_fact *fact = &graph->values[v]->fact;
            for (int i = 0; i < fact->rank; i++)
                if (fact->dims[i] == symbol) {
                    fact->dims[i] = options->dims[k].value;
                    found |= graph->values[v]->is_input;
                }
        }
        if (!found)
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "%s: no input has a dimension named '%s'", model->source,
                           options->dims[k].name);
    }
    return CORTEN_OK;
}

/* Constants of the caller's take the place of the model's, or of inputs. */
static ct_status override_initializers(struct ct_model *model, const struct ct_options *options,
                                       corten_error *error)
{
    for (size_t k = 0; k < options->n_initializers; k++) {
        const struct ct_initializer_override *o = &options->initializers[k];
        struct ct_value *value = ct_graph_find(model->graph, o->name);
        struct ct_fact found, merged;
        if (!value || value->producer || (!value->constant && !value->is_input))
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "%s: there is no initializer or input named '%s'", model->source,
                           o->name);
        CT_TRY(ct_fact_of_tensor(&found, o->tensor, &model->arena, error));
        if (value->constant)
            ct_fact_set(&merged, value->constant->dtype, value->constant->rank,
                        value->constant->dims);
        else
            merged = value->fact;
        if (o->tensor->kind != CORTEN_TENSOR || !ct_fact_merge(&merged, &found)) {
            char a[256], b[256];
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "%s: initializer '%s' is %s, the model has %s", model->source, o->name,
                           ct_tensor_describe(o->tensor, a, sizeof a),
                           ct_fact_describe(&merged, &model->symbols, b, sizeof b));
        }
        value->constant = o->tensor;
        value->sparse = NULL;
        value->overridable = false;
        value->fact = found;
        struct ct_graph *graph = model->graph;
        for (size_t i = 0, n = 0; value->is_input && i < graph->n_inputs; i++)
            if (graph->inputs[i] != value)
                graph->inputs[n++] = graph->inputs[i];
        graph->n_inputs -= value->is_input;
        value->is_input = false;
    }
    return CORTEN_OK;
}

ct_status ct_model_load(const struct ct_source *source, const struct ct_options *options,
                        const corten_allocator *allocator, struct ct_model **model,
                        corten_error *error)
{
    struct ct_model *m;
    if (source->path)
        CT_TRY(ct_model_read_file(source->path, &options->files, allocator, &m, error));
    else
        CT_TRY(ct_model_read_memory(source->bytes, source->size_bytes, source->folder,
                                    &options->files, "<memory>", allocator, &m, error));
    ct_status status;
    CT_TRY_GOTO(status, check_versions(m, error), failed);
    CT_TRY_GOTO(status, override_dims(m, options, error), failed);
    CT_TRY_GOTO(status, override_initializers(m, options, error), failed);
    CT_TRY_GOTO(status, ct_model_inline_functions(m, error), failed);
    CT_TRY_GOTO(status, ct_ops_resolve(m, error), failed);
    CT_TRY_GOTO(status, ct_graph_verify(m->graph, error), failed);
    CT_TRY_GOTO(status, ct_graph_infer(m->graph, error), failed);
    *model = m;
    return CORTEN_OK;
failed:
    if (error && !strstr(error->text, m->source))
        ct_error_prefix(error, "%s", m->source);
    ct_model_destroy(m);
    return status;
}
