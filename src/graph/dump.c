/* A graph as text: one line a node, subgraphs indented below the node that runs them. */
#include "graph/graph.h"
#include "graph/text.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN_ITEMS = 8, SHOWN_CHARS = 60, TYPE_BYTES = 512 };

static void put_type(struct ct_text *text, const struct ct_value *value)
{
    char type[TYPE_BYTES];
    ct_text_put(text, ": %s",
                ct_fact_describe(&value->fact, &value->graph->model->symbols, type, sizeof type));
}

static void put_bytes(struct ct_text *text, corten_string s)
{
    size_t n = s.size_bytes < SHOWN_CHARS ? s.size_bytes : SHOWN_CHARS;
    ct_text_put(text, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c < ' ' || c == 0x7f || c == '"' || c == '\\')
            ct_text_put(text, "\\x%02x", c);
        else
            ct_text_put_bytes(text, &s.data[i], 1);
    }
    ct_text_put(text, n < s.size_bytes ? "…\"" : "\"");
}

/* The first elements of a tensor of numbers or strings. */
static void put_elements(struct ct_text *text, const struct ct_tensor *tensor)
{
    if (tensor->kind != CORTEN_TENSOR || !tensor->data || tensor->layout != CT_LAYOUT_PLAIN ||
        ct_dtype_in(tensor->dtype, CT_COMPLEX))
        return;
    size_t count = ct_count(tensor);
    size_t n = count < SHOWN_ITEMS ? count : SHOWN_ITEMS;
    ct_text_put(text, " {");
    for (size_t i = 0; i < n; i++) {
        if (i)
            ct_text_put(text, ", ");
        if (tensor->dtype == CORTEN_STRING) {
            put_bytes(text, ((const corten_string *)tensor->data)[i]);
        } else if (ct_dtype_is_float(tensor->dtype)) {
            double x;
            ct_load_f64(tensor->dtype, tensor->data, i, 1, &x);
            ct_text_put(text, "%.9g", x);
        } else {
            int64_t x;
            ct_load_i64(tensor->dtype, tensor->data, i, 1, &x);
            ct_text_put(text, "%" PRId64, x);
        }
    }
    ct_text_put(text, n < count ? ", …}" : "}");
}

static void put_tensor(struct ct_text *text, const struct ct_tensor *tensor)
{
    char type[TYPE_BYTES];
    ct_text_put(text, "%s", ct_tensor_describe(tensor, type, sizeof type));
    put_elements(text, tensor);
}

/* ------------------------------------------------------------------ attributes */

static void put_item(struct ct_text *text, const struct ct_graph *graph, const struct ct_attr *attr,
                     int i)
{
    char type[TYPE_BYTES];
    switch (attr->type) {
    case CT_ATTR_FLOAT: ct_text_put(text, "%.9g", (double)attr->f); break;
    case CT_ATTR_INT: ct_text_put(text, "%" PRId64, attr->i); break;
    case CT_ATTR_STRING: put_bytes(text, attr->s); break;
    case CT_ATTR_FLOATS: ct_text_put(text, "%.9g", (double)attr->floats[i]); break;
    case CT_ATTR_INTS: ct_text_put(text, "%" PRId64, attr->ints[i]); break;
    case CT_ATTR_STRINGS: put_bytes(text, attr->strings[i]); break;
    case CT_ATTR_TENSOR:
    case CT_ATTR_TENSORS:
    case CT_ATTR_SPARSE_TENSOR:
    case CT_ATTR_SPARSE_TENSORS: put_tensor(text, &attr->tensors[i]); break;
    case CT_ATTR_GRAPH:
    case CT_ATTR_GRAPHS: ct_text_put(text, "graph %s", attr->graphs[i]->name); break;
    case CT_ATTR_TYPE:
    case CT_ATTR_TYPES:
        ct_text_put(text, "%s",
                    ct_fact_describe(&attr->types[i], &graph->model->symbols, type, sizeof type));
        break;
    case CT_ATTR_NONE: break;
    }
}

static void put_attr(struct ct_text *text, const struct ct_graph *graph, const struct ct_attr *attr)
{
    ct_text_put(text, "%s=", attr->name);
    if (attr->ref_name) {
        ct_text_put(text, "@%s", attr->ref_name);
        return;
    }
    bool plural = attr->type == CT_ATTR_FLOATS || attr->type == CT_ATTR_INTS ||
                  attr->type == CT_ATTR_STRINGS || attr->type == CT_ATTR_TENSORS ||
                  attr->type == CT_ATTR_GRAPHS || attr->type == CT_ATTR_SPARSE_TENSORS ||
                  attr->type == CT_ATTR_TYPES;
    ct_text_put(text, plural ? "[" : "");
    for (int i = 0; i < attr->count; i++) {
        if (i == 2 * SHOWN_ITEMS) {
            ct_text_put(text, ", …");
            break;
        }
        ct_text_put(text, i ? ", " : "");
        put_item(text, graph, attr, i);
    }
    ct_text_put(text, plural ? "]" : "");
}

/* ------------------------------------------------------------------ nodes and graphs */

static void put_indent(struct ct_text *text, int depth)
{
    ct_text_put(text, "%*s", 2 * depth, "");
}

static void put_graph(struct ct_text *text, const struct ct_graph *graph, int depth);

static void put_node(struct ct_text *text, const struct ct_node *node, int depth)
{
    put_indent(text, depth);
    for (int i = 0; i < node->n_out; i++) {
        ct_text_put(text, "%s%s", i ? ", " : "", node->out[i] ? node->out[i]->name : "_");
        if (node->out[i])
            put_type(text, node->out[i]);
    }
    ct_text_put(text, "%s%s%s%s(", node->n_out ? " = " : "", node->domain,
                node->domain[0] ? "." : "", node->op_type);
    for (int i = 0; i < node->n_in; i++)
        ct_text_put(text, "%s%s", i ? ", " : "", node->in[i].value ? node->in[i].value->name : "_");
    ct_text_put(text, ")");
    for (int i = 0; i < node->n_attrs; i++) {
        ct_text_put(text, i ? ", " : " [");
        put_attr(text, node->graph, &node->attrs[i]);
    }
    ct_text_put(text, node->n_attrs ? "]" : "");
    if (node->name[0])
        ct_text_put(text, "  # %s", node->name);
    if (node->origin[0])
        ct_text_put(text, "  <- %s", node->origin);
    ct_text_put(text, "\n");
    for (int a = 0; a < node->n_attrs; a++) {
        for (int g = 0; g < ct_attr_graph_count(&node->attrs[a]); g++) {
            put_indent(text, depth + 1);
            ct_text_put(text, "%s: ", node->attrs[a].name);
            put_graph(text, node->attrs[a].graphs[g], depth + 1);
        }
    }
}

static void put_graph(struct ct_text *text, const struct ct_graph *graph, int depth)
{
    ct_text_put(text, "graph %s\n", graph->name);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        put_indent(text, depth + 1);
        ct_text_put(text, "input %s", graph->inputs[i]->name);
        put_type(text, graph->inputs[i]);
        ct_text_put(text, "\n");
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        if (!value->constant || ct_value_unused(value))
            continue;
        put_indent(text, depth + 1);
        ct_text_put(text, "const %s: ", value->name);
        put_tensor(text, value->constant);
        ct_text_put(text, value->overridable ? " (default)\n" : "\n");
    }
    for (const struct ct_node *node = graph->first; node; node = node->next)
        put_node(text, node, depth + 1);
    for (size_t i = 0; i < graph->n_outputs; i++) {
        put_indent(text, depth + 1);
        ct_text_put(text, "output %s", graph->outputs[i]->name);
        put_type(text, graph->outputs[i]);
        ct_text_put(text, "\n");
    }
}

char *ct_graph_dump_text(const struct ct_graph *graph, struct ct_arena *arena)
{
    struct ct_text text;
    ct_text_init(&text, arena);
    if (!graph->parent && graph->model->graph == graph) {
        const struct ct_model *model = graph->model;
        ct_text_put(&text, "model %s, IR version %" PRId64, model->source, model->ir_version);
        for (size_t i = 0; i < model->n_opsets; i++)
            ct_text_put(&text, ", %s %" PRId64,
                        model->opsets[i].domain[0] ? model->opsets[i].domain : "ai.onnx",
                        model->opsets[i].version);
        ct_text_put(&text, "\n");
    }
    put_graph(&text, graph, 0);
    return ct_text_end(&text);
}
