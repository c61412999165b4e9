/* The typed IR: models, graphs, nodes, values, attributes.
 *
 * A graph is in SSA form: every value has one producer (a node output, a graph input or a
 * constant). Nodes form a list in topological order. A node of a subgraph may read values of the
 * graphs around it (captures). Everything lives in the arena of its model and is freed with it.
 * Edit only through the functions below, which keep the lists of uses right. */
#ifndef CT_GRAPH_GRAPH_H
#define CT_GRAPH_GRAPH_H

#include "base/log.h"
#include "base/map.h"
#include "base/tensor.h"
#include "graph/fact.h"

struct ct_graph;
struct ct_model;
struct ct_node;
struct ct_op;

/** Bytes of the model file that this library keeps but does not interpret (protobuf fields of a
 *  message, tags included), so that a saved model loses nothing. */
struct ct_extra {
    corten_string *items;
    size_t count, capacity;
};

/** A key and value of metadata_props. */
struct ct_property {
    const char *key, *value;
};
struct ct_properties {
    struct ct_property *items;
    size_t count, capacity;
};

/** One input of a node, as an entry in the list of uses of its value. */
struct ct_use {
    struct ct_value *value; /* NULL: optional input that is absent */
    struct ct_node *node;
    int index;
    struct ct_use *next, **prev;
};

/** The form in which a sparse initializer was stored. Holds as long as `dense` is the constant. */
struct ct_sparse_init {
    struct ct_tensor tensor; /* kind SPARSE */
    const struct ct_tensor *dense;
    struct ct_extra indices_extra; /* of the TensorProto of the indices */
};

struct ct_value {
    const char *name;         /* unique within its graph; never empty */
    struct ct_graph *graph;   /* that defines it */
    int id;                   /* index into graph->values */
    struct ct_node *producer; /* NULL for inputs and constants */
    int producer_index;
    struct ct_use *uses;              /* in this graph and in subgraphs */
    int n_output_refs;                /* times it stands in graph->outputs */
    bool is_input;                    /* stands in graph->inputs */
    bool overridable;                 /* an initializer that the caller may replace */
    bool declared;                    /* fact comes from the model (input, output or value_info) */
    const struct ct_tensor *constant; /* initializer, or NULL. Its data may be misaligned */
    struct ct_fact fact;              /* what is known before shapes are concrete */
    const char *doc;
    const char *denotations[CT_MAX_RANK]; /* of dims, NULL where none; inputs and outputs only */
    const char *type_denotation;
    struct ct_properties metadata;
    struct ct_extra init_extra;          /* uninterpreted parts of the TensorProto */
    const struct ct_sparse_init *sparse; /* NULL: not a sparse initializer */
    corten_string type_proto;   /* where `fact` cannot say all of it: the TypeProto as stored */
    struct ct_extra info_extra; /* uninterpreted parts of the ValueInfoProto */
    bool kept; /* a constant that nothing used when the model was read: written all the same */
    int hidden_input; /* 1 + place among the stored inputs of a constant that older IR versions list
                         there too; 0: none */
    int mark;         /* scratch for algorithms */
};

enum ct_attr_type { /* the numbers of AttributeProto.AttributeType */
                    CT_ATTR_NONE = 0,
                    CT_ATTR_FLOAT = 1,
                    CT_ATTR_INT = 2,
                    CT_ATTR_STRING = 3,
                    CT_ATTR_TENSOR = 4,
                    CT_ATTR_GRAPH = 5,
                    CT_ATTR_FLOATS = 6,
                    CT_ATTR_INTS = 7,
                    CT_ATTR_STRINGS = 8,
                    CT_ATTR_TENSORS = 9,
                    CT_ATTR_GRAPHS = 10,
                    CT_ATTR_SPARSE_TENSOR = 11,
                    CT_ATTR_SPARSE_TENSORS = 12,
                    CT_ATTR_TYPE = 13,
                    CT_ATTR_TYPES = 14
};

struct ct_attr {
    const char *name;
    enum ct_attr_type type;
    const char *ref_name; /* in a function body: the attribute of the call that it stands for */
    const char *doc;
    int count; /* of the plural types; 1 for the others */
    union {
        float f;
        int64_t i;
        corten_string s;
        const float *floats;
        const int64_t *ints;
        const corten_string *strings;
        const struct ct_tensor *tensors; /* TENSOR(S), SPARSE_TENSOR(S): kind says which */
        struct ct_graph **graphs;        /* GRAPH(S) */
        const struct ct_fact *types;     /* TYPE(S) */
    };
    /* What else was stored; NULL where nothing was. */
    const struct ct_extra *tensor_extras; /* of each tensor (sparse: of values, then indices) */
    const corten_string *type_protos;     /* of each type */
    const struct ct_extra *extra;
};

struct ct_node {
    const char *name;   /* may be "" */
    const char *domain; /* "" for ai.onnx */
    const char *op_type;
    const char *overload;   /* of a function call, "" otherwise */
    int opset;              /* version of its domain that it follows */
    const struct ct_op *op; /* NULL until resolved (ops/registry.h) */
    ct_dtypes op_dtypes;    /* what op's typed input may be */
    struct ct_graph *graph;
    struct ct_node *prev, *next;
    int n_in, n_out;
    struct ct_use *in;     /* n_in entries; in[i].value may be NULL */
    struct ct_value **out; /* n_out entries; NULL: output not wanted */
    struct ct_attr *attrs;
    int n_attrs;
    const char *doc;
    const char *origin; /* names of the nodes it was made of, "" for one of the model's own */
    struct ct_properties metadata;
    struct ct_extra extra;
    bool bf16; /* with precision auto: its products may be of bfloat16 */
    int mark;  /* scratch for algorithms */
};

struct ct_graph {
    const char *name, *doc;
    struct ct_model *model;
    struct ct_graph *parent; /* NULL for the main graph and function bodies */
    struct ct_node *owner;   /* the node whose attribute it is */
    struct ct_node *first, *last;
    size_t n_nodes;
    struct ct_value **values; /* every value by id; may hold values nobody uses any more */
    size_t n_values, values_capacity;
    struct ct_value **inputs, **outputs;
    size_t n_inputs, inputs_capacity, n_outputs, outputs_capacity;
    struct ct_value **captures; /* outer values that it or its subgraphs read; see
                                   ct_graph_find_captures */
    size_t n_captures, captures_capacity;
    struct ct_map names; /* value by name, this graph only */
    struct ct_properties metadata;
    struct ct_extra extra;
    void *program; /* what exec keeps for it */
};

struct ct_opset {
    const char *domain; /* "" for ai.onnx */
    int64_t version;
};

/** The newest version of an operator set that is known. */
struct ct_known_opset {
    const char *domain;
    int64_t version;
};

/** A model-local function; its body's values have no constants from outside. */
struct ct_function {
    const char *name, *domain, *overload, *doc;
    struct ct_graph *body;   /* inputs and outputs are the function's */
    const char **attributes; /* names of attributes without default */
    size_t n_attributes;
    struct ct_attr *defaults;
    size_t n_defaults;
    struct ct_opset *opsets;
    size_t n_opsets;
    struct ct_properties metadata;
    struct ct_extra extra;
};

struct ct_model {
    struct ct_arena arena;             /* holds all of this */
    const corten_allocator *allocator; /* borrowed */
    const char *source;                /* path, or "<memory>"; for error texts */
    int64_t ir_version;
    const char *producer_name, *producer_version, *domain, *doc;
    int64_t model_version;
    struct ct_opset *opsets;
    size_t n_opsets, opsets_capacity;
    struct ct_properties metadata;
    struct ct_function **functions;
    size_t n_functions, functions_capacity;
    struct ct_graph *graph;
    struct ct_symbols symbols;
    struct ct_extra extra;
    struct ct_model_maps *maps;                 /* the mapped files; owned (model/reader.c) */
    void (*close_maps)(struct ct_model *model); /* NULL when there are none */
    /** Gives back the memory of a weight's mapped pages (reading them again reads the file); does
     *  nothing for memory that is no map. NULL when there are no maps. */
    void (*drop_pages)(const struct ct_model *model, const void *data, size_t size_bytes);
    int next_name;            /* for ct_graph_fresh_name */
    struct ct_map used_names; /* of values, anywhere in the model */
};

/* ------------------------------------------------------------------ life */

/** An empty model with an empty main graph. The allocator is borrowed. */
ct_status ct_model_create(const corten_allocator *allocator, const char *source,
                          struct ct_model **model, corten_error *error);
void ct_model_destroy(struct ct_model *model); /* NULL allowed; unmaps files */
/** Version of an imported operator set, -1 if it is not imported. */
int64_t ct_model_opset(const struct ct_model *model, const char *domain);
/** Imports a set if it is not there yet. */
ct_status ct_model_import(struct ct_model *model, const char *domain, int64_t version,
                          corten_error *error);

/* ------------------------------------------------------------------ building and editing */
/* NULL or false: no memory. Names and arrays passed in are borrowed: allocate them in the model's
 * arena or pass constants. */

struct ct_graph *ct_graph_create(struct ct_model *model, struct ct_graph *parent, const char *name);
/** A value with a unique name (NULL: one is made) and an unknown fact. */
struct ct_value *ct_graph_add_value(struct ct_graph *graph, const char *name);
/** A constant; `tensor` is borrowed. */
struct ct_value *ct_graph_add_constant(struct ct_graph *graph, const char *name,
                                       const struct ct_tensor *tensor);
/** A small constant with memory in the arena, copied from `data`. */
struct ct_value *ct_graph_add_small_constant(struct ct_graph *graph, ct_dtype dtype, int rank,
                                             const int64_t *dims, const void *data);
bool ct_graph_add_input(struct ct_graph *graph, struct ct_value *value);
bool ct_graph_add_output(struct ct_graph *graph, struct ct_value *value);
/** A value of this graph or one around it, by name; NULL if there is none. */
struct ct_value *ct_graph_find(const struct ct_graph *graph, const char *name);
/** A name that no value of the model has, made from `stem`. */
const char *ct_graph_fresh_name(struct ct_graph *graph, const char *stem);

/** A new node before `before` (NULL: at the end), with all inputs and outputs NULL. The opset is
 *  that of the model's import of `domain` (0 if not imported); op is NULL. */
struct ct_node *ct_graph_add_node(struct ct_graph *graph, struct ct_node *before,
                                  const char *domain, const char *op_type, int n_in, int n_out);
/** Sets (or with NULL takes away) an input and keeps the uses right. */
void ct_node_set_input(struct ct_node *node, int index, struct ct_value *value);
/** Makes `value` (which has no producer, or had this node) the node's output. NULL takes away. */
void ct_node_set_output(struct ct_node *node, int index, struct ct_value *value);
/** Changes the number of inputs; new ones are NULL, dropped ones lose their use. */
bool ct_node_resize_inputs(struct ct_node *node, int n_in);
/** Adds an attribute, or replaces the one of that name. */
bool ct_node_set_attr(struct ct_node *node, const struct ct_attr *attr);
bool ct_node_set_int(struct ct_node *node, const char *name, int64_t value);
bool ct_node_set_float(struct ct_node *node, const char *name, float value);
bool ct_node_set_ints(struct ct_node *node, const char *name, const int64_t *values, int count);
bool ct_node_set_string(struct ct_node *node, const char *name, const char *value);
void ct_node_drop_attr(struct ct_node *node, const char *name);
/** Takes the node out of its graph; its outputs must have no uses left. */
void ct_node_remove(struct ct_node *node);
/** All uses of `from`, graph outputs too, become uses of `to`. When `from` is a graph output and
 *  `to` is produced by a node of the same graph, `to` takes over its name (names of outputs must
 *  stay); when it cannot (an input, a constant, or an output itself) returns false and changes
 *  nothing: keep the node. */
bool ct_value_replace(struct ct_value *from, struct ct_value *to);
static inline bool ct_value_unused(const struct ct_value *value)
{
    return !value->uses && !value->n_output_refs;
}
/** The only use, when there is just one and it is no graph output; else NULL. */
struct ct_use *ct_value_single_use(const struct ct_value *value);
/** Known at load and not replaceable by the caller. */
static inline const struct ct_tensor *ct_value_const(const struct ct_value *value)
{
    return value && !value->overridable ? value->constant : NULL;
}

/** Sorts the nodes topologically (stable); INVALID_MODEL names a node of a cycle. */
ct_status ct_graph_sort(struct ct_graph *graph, corten_error *error);
/** Fills graph->captures of the graph and all subgraphs. Call after the last edit. */
ct_status ct_graph_find_captures(struct ct_graph *graph, corten_error *error);
/** Captures of the node's subgraphs that come before those of `graph`, in the order of its
 *  attributes; NULL: all of them. */
size_t ct_node_captures_before(const struct ct_node *node, const struct ct_graph *graph);
/** Replaces calls of model-local functions by their bodies, everywhere in the model. Bounded:
 *  recursion is INVALID_MODEL, more than 1,000,000 nodes LIMIT_EXCEEDED. */
ct_status ct_model_inline_functions(struct ct_model *model, corten_error *error);
/** SSA, topological order, uses and producers agree, dtypes of constants, names unique, inputs
 *  and outputs present: INVALID_MODEL names what is wrong. */
ct_status ct_graph_verify(const struct ct_graph *graph, corten_error *error);

/* ------------------------------------------------------------------ reading attributes */

const struct ct_attr *ct_node_attr(const struct ct_node *node, const char *name); /* or NULL */
int64_t ct_attr_int(const struct ct_node *node, const char *name, int64_t fallback);
float ct_attr_float(const struct ct_node *node, const char *name, float fallback);
/** Number of ints, -1 when absent; *values points into the graph. */
int ct_attr_ints(const struct ct_node *node, const char *name, const int64_t **values);
int ct_attr_floats(const struct ct_node *node, const char *name, const float **values);
/** data NULL when absent. Not NUL-terminated. */
corten_string ct_attr_string(const struct ct_node *node, const char *name);
/** Whether a string attribute equals `text`; `fallback` stands for an absent one. */
bool ct_attr_is(const struct ct_node *node, const char *name, const char *text,
                const char *fallback);
struct ct_graph *ct_attr_graph(const struct ct_node *node, const char *name);         /* or NULL */
const struct ct_tensor *ct_attr_tensor(const struct ct_node *node, const char *name); /* or NULL */

/** Number of graphs that the attribute holds, in attr->graphs. */
static inline int ct_attr_graph_count(const struct ct_attr *attr)
{
    return attr->type == CT_ATTR_GRAPH || attr->type == CT_ATTR_GRAPHS ? attr->count : 0;
}

/** "node 'encoder/add_3' (Add)" for error texts; returns `text`. */
const char *ct_node_describe(const struct ct_node *node, char *text, size_t size_bytes);

/* ------------------------------------------------------------------ dumps */

/** Text: one line a node with types; Graphviz. NULL: no memory; the text is in `arena`. */
char *ct_graph_dump_text(const struct ct_graph *graph, struct ct_arena *arena);
char *ct_graph_dump_dot(const struct ct_graph *graph, struct ct_arena *arena);

#endif
