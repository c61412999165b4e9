/* One node made of fuzz bytes, inferred and run by itself, for targets that choose operators.
 *
 * The bytes decide, in this order: how many inputs and outputs, which attributes, and type, shape
 * and elements of each input. Bytes that are missing read as 0, so that any input means something.
 * All memory comes from one meter with a limit. */
#ifndef CT_TESTS_FUZZ_NODE_H
#define CT_TESTS_FUZZ_NODE_H

#include "graph/infer.h"
#include "ops/eval.h"
#include "ops/registry.h"

#include <stdlib.h>
#include <string.h>

enum {
    FUZZ_MAX_INPUTS = 12,
    FUZZ_MAX_OUTPUTS = 8,
    FUZZ_MAX_ELEMENTS = 512,
    FUZZ_MAX_ATTR = 9,
    FUZZ_LIMIT_BYTES = 64 << 20
};

struct fuzz_bytes {
    const uint8_t *next, *end;
};

static uint8_t fuzz_byte(struct fuzz_bytes *bytes)
{
    return bytes->next < bytes->end ? *bytes->next++ : 0;
}

static size_t fuzz_below(struct fuzz_bytes *bytes, size_t n)
{
    size_t value = fuzz_byte(bytes);
    if (n > 256)
        value = value << 8 | fuzz_byte(bytes);
    return value % n;
}

/* Mostly small, sometimes at an edge. */
static int64_t fuzz_number(struct fuzz_bytes *bytes)
{
    static const int64_t edges[] = {INT64_MAX,
                                    INT64_MIN,
                                    INT64_MIN + 1,
                                    INT64_MAX / 2,
                                    INT64_C(1) << 62,
                                    INT64_C(1) << 32,
                                    INT32_MAX,
                                    INT32_MIN,
                                    65536,
                                    -65536,
                                    255,
                                    -128,
                                    1000,
                                    -1000,
                                    100,
                                    64};
    uint8_t b = fuzz_byte(bytes);
    if (b >= 240)
        return edges[b - 240];
    return b < 160 ? b % 10 : -(int64_t)(b % 10);
}

static float fuzz_float(struct fuzz_bytes *bytes)
{
    static const uint32_t edges[] = {0x7f800000, 0xff800000, 0x7fc00000, 0x80000000,
                                     1,          0x7f7fffff, 0xff7fffff, 0x4f000000,
                                     0x5f000000, 0xdf000000, 0x33000000};
    uint8_t b = fuzz_byte(bytes);
    if (b >= 240) {
        float value;
        memcpy(&value, &edges[(b - 240) % 11], sizeof value);
        return value;
    }
    return (float)((int)b - 120) / 8;
}

static corten_string fuzz_string(struct fuzz_bytes *bytes)
{
    static const char *const words[] = {"",
                                        "SAME_UPPER",
                                        "SAME_LOWER",
                                        "VALID",
                                        "linear",
                                        "cubic",
                                        "nearest",
                                        "reflect",
                                        "edge",
                                        "wrap",
                                        "constant",
                                        "reverse",
                                        "bidirectional",
                                        "add",
                                        "mul",
                                        "max",
                                        "min",
                                        "ij,jk->ik",
                                        "...i->...",
                                        "ii->i",
                                        "i...->",
                                        "none",
                                        "Tanh",
                                        "Sigmoid",
                                        "Relu",
                                        "mean",
                                        "sum",
                                        "LEFT",
                                        "RIGHT",
                                        "DCR",
                                        "CRD",
                                        "half_pixel",
                                        "tf_crop_and_resize",
                                        "TF",
                                        "TFIDF",
                                        "BRANCH_LEQ",
                                        "LEAF",
                                        "SOFTMAX",
                                        "PROBIT",
                                        "(a|b)*c+",
                                        "floor",
                                        "ceil",
                                        "LOWER",
                                        "UPPER",
                                        "RBF"};
    size_t b = fuzz_byte(bytes);
    if (b < 192) {
        const char *word = words[b % (sizeof words / sizeof *words)];
        return (corten_string){word, strlen(word)};
    }
    size_t left = (size_t)(bytes->end - bytes->next), size = b - 192 < left ? b - 192 : left;
    corten_string s = {(const char *)bytes->next, size};
    bytes->next += size;
    return s;
}

struct fuzz_node {
    struct fuzz_bytes bytes;
    struct ct_meter meter;
    corten_allocator allocator;
    struct ct_model *model;
    struct ct_node *node;
    ct_dtypes dtypes; /* that the row allows */
    ct_dtype dtype;   /* the one that was taken */
    bool prefer_text; /* strings where the row allows them */
    struct ct_tensor in[FUZZ_MAX_INPUTS];
    bool present[FUZZ_MAX_INPUTS];
    corten_error error;
};

static void *fuzz_array(struct fuzz_node *f, size_t n, size_t size_bytes)
{
    void *memory = ct_arena_array(&f->model->arena, n ? n : 1, size_bytes);
    if (!memory)
        abort(); /* what a target itself takes is far below the limit */
    return memory;
}

/* One of the row's for most inputs and the same for all of a node, else an index or anything. */
static ct_dtype fuzz_dtype(struct fuzz_node *f)
{
    ct_dtype dtype = (ct_dtype)(1 + fuzz_below(&f->bytes, 26)), first = dtype;
    uint8_t b = fuzz_byte(&f->bytes);
    if (b >= 250)
        return dtype;
    if (b >= 150)
        return b >= 220 ? CORTEN_F32 : b >= 200 ? CORTEN_I32 : CORTEN_I64;
    if (f->dtype == CORTEN_DTYPE_NONE && f->prefer_text && (b & 3))
        f->dtype = CORTEN_STRING;
    if (f->dtype != CORTEN_DTYPE_NONE)
        return f->dtype;
    do
        dtype = (ct_dtype)(dtype % 26 + 1);
    while (!ct_dtype_in(dtype, f->dtypes) && dtype != first);
    return f->dtype = dtype;
}

static void fuzz_dims(struct fuzz_node *f, struct ct_tensor *t)
{
    static const uint8_t sizes[] = {1, 2, 3, 4, 5, 8, 17, 0};
    size_t count = 1;
    uint8_t b = fuzz_byte(&f->bytes);
    t->rank = b < 240 ? b % 6 : b - 240;
    for (int i = 0; i < t->rank; i++) {
        size_t size = sizes[fuzz_byte(&f->bytes) % 8];
        t->dims[i] = count * size > FUZZ_MAX_ELEMENTS ? 1 : (int64_t)size;
        count *= (size_t)t->dims[i];
    }
}

static void fuzz_element(struct fuzz_node *f, ct_dtype dtype, uint8_t *at, size_t size_bytes)
{
    if (dtype == CORTEN_F32) {
        float value = fuzz_float(&f->bytes);
        memcpy(at, &value, sizeof value);
    } else if (dtype == CORTEN_F64) {
        double value = fuzz_float(&f->bytes);
        memcpy(at, &value, sizeof value);
    } else if (dtype == CORTEN_BOOL) {
        *at = fuzz_byte(&f->bytes) & 1;
    } else {
        int64_t value[2] = {fuzz_number(&f->bytes), 0};
        memcpy(at, value, size_bytes);
    }
}

static void fuzz_tensor(struct fuzz_node *f, struct ct_tensor *t)
{
    *t = (struct ct_tensor){.dtype = fuzz_dtype(f)};
    fuzz_dims(f, t);
    size_t count = ct_count(t);
    if (t->dtype == CORTEN_STRING) {
        corten_string *strings = fuzz_array(f, count, sizeof *strings);
        for (size_t i = 0; i < count; i++)
            strings[i] = fuzz_string(&f->bytes);
        t->data = strings;
        return;
    }
    size_t elem = corten_dtype_bits(t->dtype) < 8 ? 1 : corten_dtype_bits(t->dtype) / 8;
    uint8_t *data = fuzz_array(f, count, elem);
    for (size_t i = 0; i < count && f->bytes.next < f->bytes.end; i++)
        fuzz_element(f, t->dtype, data + i * elem, elem);
    t->data = data;
}

static void fuzz_input(struct fuzz_node *f, struct ct_tensor *t, bool containers)
{
    fuzz_tensor(f, t);
    uint8_t b = containers ? fuzz_byte(&f->bytes) : 0;
    if (b < 128)
        return;
    struct ct_tensor items[4] = {*t}, made = {0};
    size_t count = 1;
    ct_status status = CORTEN_OK;
    if (b < 200) {
        for (; count < 1 + b % 4u; count++)
            fuzz_tensor(f, &items[count]);
        for (size_t i = 1; i < count; i++)
            if (items[i].dtype != items[0].dtype)
                items[i] = items[0];
        status = ct_sequence_init(&made, &f->allocator, t->dtype, items, count - (b & 1), NULL);
    } else if (b < 230) {
        status = ct_optional_init(&made, &f->allocator, t->dtype, b & 1 ? t : NULL, NULL);
    } else if (t->rank == 1) {
        fuzz_tensor(f, &items[1]);
        if (items[1].rank != 1 || items[1].dims[0] != t->dims[0])
            items[1] = *t;
        status = ct_mapping_init(&made, &f->allocator, t, &items[1], NULL);
    }
    if (status == CORTEN_OK && made.data)
        *t = made;
}

/* Types of attributes by the letters of attributes.def. */
static enum ct_attr_type fuzz_attr_type(char letter)
{
    switch (letter) {
    case 'i': return CT_ATTR_INT;
    case 'f': return CT_ATTR_FLOAT;
    case 's': return CT_ATTR_STRING;
    case 'F': return CT_ATTR_FLOATS;
    case 'S': return CT_ATTR_STRINGS;
    case 'T': return CT_ATTR_TENSOR;
    default: return CT_ATTR_INTS;
    }
}

static void fuzz_attr_list(struct fuzz_node *f, struct ct_attr *attr)
{
    int64_t *ints = fuzz_array(f, FUZZ_MAX_ATTR, sizeof *ints);
    float *floats = fuzz_array(f, FUZZ_MAX_ATTR, sizeof *floats);
    corten_string *strings = fuzz_array(f, FUZZ_MAX_ATTR, sizeof *strings);
    attr->count = (int)fuzz_below(&f->bytes, FUZZ_MAX_ATTR);
    for (int i = 0; i < attr->count; i++) {
        if (attr->type == CT_ATTR_FLOATS)
            floats[i] = fuzz_float(&f->bytes);
        else if (attr->type == CT_ATTR_STRINGS)
            strings[i] = fuzz_string(&f->bytes);
        else
            ints[i] = fuzz_number(&f->bytes);
    }
    if (attr->type == CT_ATTR_FLOATS)
        attr->floats = floats;
    else if (attr->type == CT_ATTR_STRINGS)
        attr->strings = strings;
    else
        attr->ints = ints;
}

static void fuzz_attr(struct fuzz_node *f, const char *name, char letter)
{
    struct ct_attr attr = {.name = name, .type = fuzz_attr_type(letter), .count = 1};
    struct ct_tensor *tensor;
    if (fuzz_byte(&f->bytes) >= 252)
        attr.type = CT_ATTR_INTS;
    switch (attr.type) {
    case CT_ATTR_INT: attr.i = fuzz_number(&f->bytes); break;
    case CT_ATTR_FLOAT: attr.f = fuzz_float(&f->bytes); break;
    case CT_ATTR_STRING: attr.s = fuzz_string(&f->bytes); break;
    case CT_ATTR_TENSOR:
        tensor = fuzz_array(f, 1, sizeof *tensor);
        fuzz_tensor(f, tensor);
        attr.tensors = tensor;
        break;
    default: fuzz_attr_list(f, &attr);
    }
    if (!ct_node_set_attr(f->node, &attr))
        abort();
}

/* Each attribute that the operator may have, or not. */
static void fuzz_attrs(struct fuzz_node *f, const char *op_type)
{
    static const struct {
        const char *name, *attributes;
    } ops[] = {
#define FUZZ_OP(name, attributes) {name, attributes},
#include "attributes.def"
#undef FUZZ_OP
    };
    const char *at = "";
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, op_type) == 0)
            at = ops[i].attributes;
    while (*at) {
        size_t size = strcspn(at, ":");
        if (fuzz_byte(&f->bytes) & 1) {
            char *name = fuzz_array(f, size + 1, 1);
            memcpy(name, at, size);
            fuzz_attr(f, name, at[size + 1]);
        }
        at += size + 3;
    }
}

static void fuzz_node_init(struct fuzz_node *f, const uint8_t *data, size_t size_bytes)
{
    memset(f, 0, sizeof *f);
    f->bytes = (struct fuzz_bytes){data, data + size_bytes};
    f->meter = (struct ct_meter){.base = *ct_default_allocator(), .limit_bytes = FUZZ_LIMIT_BYTES};
    f->allocator = ct_meter_allocator(&f->meter);
    if (ct_model_create(&f->allocator, "fuzz", &f->model, NULL) != CORTEN_OK)
        abort();
}

static void fuzz_node_deinit(struct fuzz_node *f)
{
    for (int i = 0; i < FUZZ_MAX_INPUTS; i++)
        ct_tensor_clear(&f->in[i]);
    ct_model_destroy(f->model);
    if (f->meter.live_bytes)
        abort(); /* leaked */
}

/* A node of that row, with attributes and inputs from the bytes; false if it is refused. */
static bool fuzz_node_build(struct fuzz_node *f, const struct ct_op_row *row)
{
    const struct ct_op *op = row->op;
    int max_in = op->max_in < 0 || op->max_in > FUZZ_MAX_INPUTS ? FUZZ_MAX_INPUTS : op->max_in;
    int max_out = op->max_out == 0 ? 1 : op->max_out;
    if (max_out < 0 || max_out > FUZZ_MAX_OUTPUTS)
        max_out = FUZZ_MAX_OUTPUTS;
    if (op->min_in > max_in || op->min_out > max_out)
        return false;
    int n_in = op->min_in + (int)fuzz_below(&f->bytes, (size_t)(max_in - op->min_in) + 1);
    int min_out = op->min_out > 0 ? op->min_out : 1;
    int n_out = min_out + (int)fuzz_below(&f->bytes, (size_t)(max_out - min_out) + 1);
    f->dtypes = row->dtypes;
    if (ct_model_import(f->model, row->domain, row->since, NULL) != CORTEN_OK)
        abort();
    f->node = ct_graph_add_node(f->model->graph, NULL, row->domain, row->name, n_in, n_out);
    if (!f->node)
        abort();
    f->node->name = "node";
    for (int i = 0; i < n_out; i++)
        ct_node_set_output(f->node, i, ct_graph_add_value(f->model->graph, NULL));
    fuzz_attrs(f, row->name);
    for (int i = 0; i < n_in; i++) {
        if (i >= op->min_in && fuzz_byte(&f->bytes) >= 200)
            continue;
        fuzz_input(f, &f->in[i], op->flags & CT_OP_CONTAINERS);
        f->present[i] = true;
        ct_node_set_input(f->node, i, ct_graph_add_value(f->model->graph, NULL));
    }
    return ct_op_resolve(f->node, &f->error) == CORTEN_OK;
}

/* Infers from hostile shapes without data. */
static inline void fuzz_node_infer(struct fuzz_node *f)
{
    struct ct_fact facts[FUZZ_MAX_INPUTS], out_facts[FUZZ_MAX_OUTPUTS];
    const struct ct_fact *in[FUZZ_MAX_INPUTS] = {NULL};
    struct ct_fact *out[FUZZ_MAX_OUTPUTS];
    struct ct_arena *arena = &f->model->arena;
    for (int i = 0; i < f->node->n_in; i++) {
        if (!f->present[i])
            continue;
        uint8_t b = fuzz_byte(&f->bytes);
        if (ct_fact_of_tensor(&facts[i], &f->in[i], arena, NULL) != CORTEN_OK)
            abort();
        in[i] = &facts[i];
        if (b < 64 || f->in[i].kind != CORTEN_TENSOR)
            continue;
        facts[i].constant = NULL;
        for (int d = 0; d < facts[i].rank; d++) {
            int64_t size = fuzz_number(&f->bytes);
            facts[i].dims[d] = size == INT64_MIN + 1 ? ct_symbol(&f->model->symbols, "n")
                               : size < 0            ? CT_DIM_UNKNOWN
                                                     : size;
        }
        if (b >= 240)
            facts[i].rank = -1;
        if (b >= 128 || facts[i].rank != 1 || facts[i].dims[0] != facts[i].n_values) {
            facts[i].values = NULL;
            facts[i].n_values = 0;
        }
    }
    for (int i = 0; i < f->node->n_out; i++)
        out[i] = &out_facts[i];
    (void)ct_infer_node(f->node, in, out, &f->model->symbols, arena, &f->error);
}

static inline void fuzz_node_run(struct fuzz_node *f)
{
    const struct ct_tensor *in[FUZZ_MAX_INPUTS] = {NULL};
    struct ct_tensor out[FUZZ_MAX_OUTPUTS] = {{0}};
    struct ct_exec exec = {.allocator = &f->allocator, .error = &f->error};
    for (int i = 0; i < f->node->n_in; i++)
        in[i] = f->present[i] ? &f->in[i] : NULL;
    (void)ct_eval_node(f->node, in, out, &exec);
    for (int i = 0; i < f->node->n_out; i++)
        ct_tensor_clear(&out[i]);
}

#endif
