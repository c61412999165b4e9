/* Nodes that compute the same from the same become one, and so do equal small constants. */
#include <string.h>

#include "graph/op.h"
#include "passes/rewrite.h"

enum { LARGEST_CONSTANT_BYTES = 4 << 10 }; /* more is not compared: reading it takes time */

struct entry {
    struct ct_node *node;
    struct ct_value *constant;
    uint64_t hash;
    struct entry *next;
};

struct table {
    struct ct_arena arena;
    struct entry **buckets;
    size_t mask;
};

static ct_status table_init(struct table *table, struct ct_pass_context *context, size_t n)
{
    size_t buckets = 64;
    while (buckets < n)
        buckets *= 2;
    ct_arena_init(&table->arena, context->model->allocator);
    table->buckets = ct_arena_alloc_zero(&table->arena, buckets * sizeof(struct entry *));
    table->mask = buckets - 1;
    return table->buckets ? CORTEN_OK : ct_fail_memory(context->error, buckets, "a table");
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size_bytes; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}
static const uint64_t hash_start = UINT64_C(14695981039346656037);

static ct_status insert(struct table *table, struct ct_pass_context *context, struct entry entry)
{
    struct entry *copy = ct_arena_alloc(&table->arena, sizeof *copy);
    if (!copy)
        return ct_fail_memory(context->error, sizeof *copy, "a table");
    *copy = entry;
    copy->next = table->buckets[entry.hash & table->mask];
    table->buckets[entry.hash & table->mask] = copy;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ constants */

static bool can_merge_constant(const struct ct_value *value)
{
    const struct ct_tensor *t = ct_value_const(value);
    return t && t->kind == CORTEN_TENSOR && t->dtype != CORTEN_STRING && t->data &&
           !value->is_input && value->uses && !value->n_output_refs &&
           ct_tensor_bytes(t) <= LARGEST_CONSTANT_BYTES;
}

static bool same_constant(const struct ct_tensor *a, const struct ct_tensor *b)
{
    return a->dtype == b->dtype && ct_same_shape(a, b) &&
           !memcmp(a->data, b->data, ct_tensor_bytes(a));
}

static ct_status merge_constants(struct ct_pass_context *context, struct ct_graph *graph)
{
    struct table table;
    ct_status status = table_init(&table, context, graph->n_values);
    for (size_t i = 0; status == CORTEN_OK && i < graph->n_values; i++) {
        struct ct_value *value = graph->values[i];
        if (!can_merge_constant(value))
            continue;
        const struct ct_tensor *t = value->constant;
        struct entry entry = {.constant = value,
                              .hash = mix(hash_start, t->data, ct_tensor_bytes(t))};
        struct entry *found = table.buckets[entry.hash & table.mask];
        while (found && (found->hash != entry.hash || !same_constant(found->constant->constant, t)))
            found = found->next;
        if (!found)
            status = insert(&table, context, entry);
        else if (ct_value_replace(value, found->constant))
            context->stats->changes++;
    }
    ct_arena_deinit(&table.arena);
    return status;
}

/* ------------------------------------------------------------------ nodes */

static bool can_merge(const struct ct_node *node)
{
    if (!node->op || (node->op->flags & (CT_OP_IMPURE | CT_OP_SUBGRAPHS)))
        return false;
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] && node->out[i]->n_output_refs)
            return false;
    for (int i = 0; i < node->n_attrs; i++)
        if (node->attrs[i].type > CT_ATTR_STRINGS || node->attrs[i].type == CT_ATTR_GRAPH)
            return false;
    return node->n_out > 0;
}

static bool same_string(corten_string a, corten_string b)
{
    return a.size_bytes == b.size_bytes && (!a.size_bytes || !memcmp(a.data, b.data, a.size_bytes));
}

static bool same_bytes(const void *a, const void *b, size_t n, size_t size_bytes)
{
    return !n || !memcmp(a, b, n * size_bytes);
}

static bool same_attr(const struct ct_attr *a, const struct ct_attr *b)
{
    size_t n = (size_t)a->count;
    if (a->type != b->type || a->count != b->count)
        return false;
    switch (a->type) {
    case CT_ATTR_FLOAT: return same_bytes(&a->f, &b->f, 1, sizeof a->f);
    case CT_ATTR_INT: return a->i == b->i;
    case CT_ATTR_STRING: return same_string(a->s, b->s);
    case CT_ATTR_FLOATS: return same_bytes(a->floats, b->floats, n, sizeof *a->floats);
    case CT_ATTR_INTS: return same_bytes(a->ints, b->ints, n, sizeof *a->ints);
    case CT_ATTR_TENSOR:
        return a->tensors->kind == CORTEN_TENSOR && b->tensors->kind == CORTEN_TENSOR &&
               a->tensors->dtype != CORTEN_STRING &&
               ct_tensor_bytes(a->tensors) <= LARGEST_CONSTANT_BYTES &&
               same_constant(a->tensors, b->tensors);
    case CT_ATTR_STRINGS:
        for (size_t i = 0; i < n; i++)
            if (!same_string(a->strings[i], b->strings[i]))
                return false;
        return true;
    default: return false;
    }
}

static bool same_node(const struct ct_node *a, const struct ct_node *b)
{
    if (a->op != b->op || a->n_in != b->n_in || a->n_out != b->n_out || a->n_attrs != b->n_attrs ||
        strcmp(a->op_type, b->op_type) || strcmp(a->domain, b->domain))
        return false;
    for (int i = 0; i < a->n_in; i++)
        if (a->in[i].value != b->in[i].value)
            return false;
    for (int i = 0; i < a->n_attrs; i++) {
        const struct ct_attr *other = ct_node_attr(b, a->attrs[i].name);
        if (!other || !same_attr(&a->attrs[i], other))
            return false;
    }
    return true;
}

static uint64_t hash_node(const struct ct_node *node)
{
    uint64_t hash = mix(hash_start, node->op_type, strlen(node->op_type));
    for (int i = 0; i < node->n_in; i++)
        hash = mix(hash, &node->in[i].value, sizeof node->in[i].value);
    return hash;
}

/* Readers of `node` read `kept`. */
static void replace_node(struct ct_pass_context *context, struct ct_node *node,
                         struct ct_node *kept)
{
    for (int i = 0; i < node->n_out; i++) {
        struct ct_value *out = node->out[i];
        if (!out)
            continue;
        if (kept->out[i]) {
            ct_value_replace(out, kept->out[i]);
        } else {
            ct_node_set_output(node, i, NULL);
            ct_node_set_output(kept, i, out);
        }
    }
    ct_node_remove(node);
    context->stats->changes++;
}

static ct_status merge_nodes(struct ct_pass_context *context, struct ct_graph *graph)
{
    struct table table;
    ct_status status = table_init(&table, context, graph->n_nodes);
    for (struct ct_node *node = graph->first, *next; status == CORTEN_OK && node; node = next) {
        next = node->next;
        if (!can_merge(node))
            continue;
        struct entry entry = {.node = node, .hash = hash_node(node)};
        struct entry *found = table.buckets[entry.hash & table.mask];
        while (found && (found->hash != entry.hash || !same_node(found->node, node)))
            found = found->next;
        if (found)
            replace_node(context, node, found->node);
        else
            status = insert(&table, context, entry);
    }
    ct_arena_deinit(&table.arena);
    return status;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    CT_TRY(merge_constants(context, graph));
    return merge_nodes(context, graph);
}

const struct ct_pass ct_pass_merge_duplicates = {
    .name = "merge-duplicates",
    .summary = "computes once what several nodes compute alike, and keeps equal constants once",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
