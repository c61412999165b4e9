/* A graph for Graphviz: a box for each node, coloured by family; what flows along an edge on it. */
#include "graph/graph.h"
#include "graph/text.h"

#include <stdio.h>
#include <string.h>

enum { TYPE_BYTES = 256, SHOWN_BYTES = 80 };

struct family {
    const char *colour;
    const char *ops[24]; /* names, or the start of a name before '*' */
};

static const struct family families[] = {
    {"#f4c7c3", /* matrix products and convolutions */
     {"Conv*", "MatMul*", "Gemm", "FusedConv*", "FusedMatMul*", "QLinear*", "LSTM", "GRU", "RNN",
      "Einsum", "Attention", "MultiHeadAttention", "GroupQueryAttention", "DeformConv", "QGemm",
      "FusedGemm"}},
    {"#cfe2f3", /* elementwise */
     {"Add",     "Sub",   "Mul",   "Div",      "Pow",    "Sqrt",  "Relu", "Gelu",
      "Sigmoid", "Tanh",  "Erf",   "Exp",      "Log",    "Neg",   "Abs",  "Clip",
      "Where",   "Equal", "Less*", "Greater*", "HardS*", "Cast*", "Sum",  "And"}},
    {"#d9ead3", /* reductions, normalisation, pooling */
     {"Reduce*", "Softmax*", "LogSoftmax", "LayerNormalization", "Skip*", "Simplified*",
      "BatchNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization",
      "GlobalAveragePool", "ArgM*", "MaxPool", "AveragePool", "LpPool", "CumSum", "TopK", "LRN"}},
    {"#fff2cc", /* data movement */
     {"Reshape", "Transpose",    "Concat*",      "Split*", "Slice", "Gather*",   "Scatter*",
      "Squeeze", "Unsqueeze",    "Flatten",      "Expand", "Tile",  "Pad",       "Identity",
      "Resize",  "DepthToSpace", "SpaceToDepth", "Shape",  "Size",  "Constant*", "Range"}},
    {"#d9d2e9", /* quantisation */
     {"QuantizeLinear", "DequantizeLinear", "DynamicQuantize*"}},
    {"#ead1dc", /* control flow and containers */
     {"If", "Loop", "Scan", "Sequence*", "Optional*"}},
};

static bool matches(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*')
        return strncmp(pattern, name, n - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static const char *colour_of(const char *op_type)
{
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        for (size_t i = 0; i < 24 && families[f].ops[i]; i++) {
            if (matches(families[f].ops[i], op_type))
                return families[f].colour;
        }
    }
    return "#eeeeee";
}

/* Names come from the file: quotes, backslashes and control characters would end the label, and
 * Graphviz wants UTF-8, so that bytes above ASCII are not handed on. */
static void put_escaped(struct ct_text *text, const char *s)
{
    for (size_t i = 0; s[i]; i++) {
        if (i == SHOWN_BYTES) {
            ct_text_put(text, "...");
            return;
        }
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\')
            ct_text_put(text, "\\%c", c);
        else
            ct_text_put(text, "%c", c < ' ' || c > '~' ? '?' : c);
    }
}

static void put_value_type(struct ct_text *text, const struct ct_value *value)
{
    char type[TYPE_BYTES];
    put_escaped(text,
                ct_fact_describe(&value->fact, &value->graph->model->symbols, type, sizeof type));
}

static bool draws(const struct ct_value *value)
{
    return value->producer || value->is_input || !value->constant;
}

/* Where an edge starts. Pointers are unique but differ from run to run; ids of values and graphs
 * do not. */
static void put_value_id(struct ct_text *text, const struct ct_value *value, const char *graph_id)
{
    if (value->producer)
        ct_text_put(text, "n%s_%d", graph_id, value->producer->mark);
    else
        ct_text_put(text, "v%s_%d", graph_id, value->id);
}

struct frame {
    const struct ct_graph *graph;
    char id[24]; /* number of the graph */
    const struct frame *outer;
};

struct dot {
    struct ct_text text;
    int n_graphs;
};

static const char *id_of_graph(const struct frame *frame, const struct ct_graph *graph)
{
    while (frame && frame->graph != graph)
        frame = frame->outer;
    return frame ? frame->id : "";
}

static void put_edge(struct dot *dot, const struct frame *frame, const struct ct_value *value,
                     const char *to_kind, int to)
{
    struct ct_text *text = &dot->text;
    if (!value || !draws(value))
        return;
    const char *from_id = id_of_graph(frame, value->graph);
    if (!from_id[0])
        return; /* a value of a graph that is not drawn */
    ct_text_put(text, "  ");
    put_value_id(text, value, from_id);
    ct_text_put(text, " -> %s%s_%d [label=\"", to_kind, frame->id, to);
    put_value_type(text, value);
    ct_text_put(text, "\"];\n");
}

static void put_graph(struct dot *dot, const struct ct_graph *graph, const struct frame *outer,
                      const char *label);

static void put_node(struct dot *dot, const struct frame *frame, const struct ct_node *node)
{
    struct ct_text *text = &dot->text;
    ct_text_put(text, "  n%s_%d [label=\"", frame->id, node->mark);
    put_escaped(text, node->op_type);
    for (int i = 0; i < node->n_in; i++) {
        const struct ct_value *value = node->in[i].value;
        if (!value || draws(value))
            continue;
        ct_text_put(text, "\\n");
        put_value_type(text, value);
    }
    ct_text_put(text, "\", tooltip=\"");
    put_escaped(text, node->name);
    ct_text_put(text, "\", fillcolor=\"%s\"];\n", colour_of(node->op_type));
    for (int i = 0; i < node->n_in; i++)
        put_edge(dot, frame, node->in[i].value, "n", node->mark);
    for (int a = 0; a < node->n_attrs; a++) {
        for (int g = 0; g < ct_attr_graph_count(&node->attrs[a]); g++)
            put_graph(dot, node->attrs[a].graphs[g], frame, node->attrs[a].name);
    }
}

static void put_terminal(struct dot *dot, const char *kind, const char *graph_id, int id,
                         const struct ct_value *value, const char *colour)
{
    struct ct_text *text = &dot->text;
    ct_text_put(text, "  %s%s_%d [label=\"", kind, graph_id, id);
    put_escaped(text, value->name);
    ct_text_put(text, "\", shape=ellipse, fillcolor=\"%s\"];\n", colour);
}

static void put_graph(struct dot *dot, const struct ct_graph *graph, const struct frame *outer,
                      const char *label)
{
    struct frame frame = {.graph = graph, .outer = outer};
    struct ct_text *text = &dot->text;
    snprintf(frame.id, sizeof frame.id, "%d", dot->n_graphs++);
    ct_text_put(text, "  subgraph cluster_%s {\n  label=\"", frame.id);
    put_escaped(text, label);
    ct_text_put(text, "\";\n");
    int mark = 0;
    for (struct ct_node *node = graph->first; node; node = node->next)
        node->mark = mark++;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        if (value->is_input || (!value->producer && draws(value) && !ct_value_unused(value)))
            put_terminal(dot, "v", frame.id, value->id, value, "#ffffff");
    }
    for (const struct ct_node *node = graph->first; node; node = node->next)
        put_node(dot, &frame, node);
    for (size_t i = 0; i < graph->n_outputs; i++) {
        put_terminal(dot, "o", frame.id, (int)i, graph->outputs[i], "#bbbbbb");
        put_edge(dot, &frame, graph->outputs[i], "o", (int)i);
    }
    ct_text_put(text, "  }\n");
}

char *ct_graph_dump_dot(const struct ct_graph *graph, struct ct_arena *arena)
{
    struct dot dot = {.n_graphs = 0};
    ct_text_init(&dot.text, arena);
    ct_text_put(&dot.text, "digraph corten {\n"
                           "  rankdir=TB;\n"
                           "  node [shape=box, style=filled, fontname=\"sans-serif\"];\n"
                           "  edge [fontname=\"sans-serif\", fontsize=10];\n");
    put_graph(&dot, graph, NULL, graph->name);
    ct_text_put(&dot.text, "}\n");
    return ct_text_end(&dot.text);
}
