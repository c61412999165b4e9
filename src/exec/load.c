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

/* Every dimension of an input that carries the symbol becomes the number. */
static ct_status override_dims(struct ct_model *model, const struct ct_options *options,
                               corten_error *error)
{
    struct ct_graph *graph = model->graph;
    for (size_t k = 0; k < options->n_dims; k++) {
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

ct_status ct_model_load(const struct ct_source *source, const struct ct_options *options,
                        const corten_allocator *allocator, struct ct_model **model,
                        corten_error *error)
{
    struct ct_model *m;
    if (source->path)
        CT_TRY(ct_model_read_file(source->path, allocator, &m, error));
    else
        CT_TRY(ct_model_read_memory(source->bytes, source->size_bytes, source->folder, "<memory>",
                                    allocator, &m, error));
    ct_status status;
    CT_TRY_GOTO(status, check_versions(m, error), failed);
    CT_TRY_GOTO(status, override_dims(m, options, error), failed);
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
