#include "passes/rewrite.h"

#include <string.h>

#include "ops/registry.h"

/* ------------------------------------------------------------------ looking */

bool ct_is_op(const struct ct_node *node, const char *domain, const char *op_type)
{
    return node && !strcmp(node->op_type, op_type) && !strcmp(node->domain, domain);
}

struct ct_node *ct_made_by(const struct ct_value *value, const char *op_type)
{
    struct ct_node *node = value && !value->producer_index ? value->producer : NULL;
    return ct_is_op(node, "", op_type) ? node : NULL;
}

struct ct_value *ct_input(const struct ct_node *node, int index)
{
    return index < node->n_in ? node->in[index].value : NULL;
}

bool ct_same_dims(const struct ct_fact *a, const struct ct_fact *b)
{
    if (a->rank < 0 || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i] || a->dims[i] == CT_DIM_UNKNOWN)
            return false;
    return true;
}

bool ct_same_type(const struct ct_fact *a, const struct ct_fact *b)
{
    return a->kind == CORTEN_TENSOR && b->kind == CORTEN_TENSOR && a->dtype == b->dtype &&
           a->dtype != CORTEN_DTYPE_NONE && a->layout == b->layout && ct_same_dims(a, b);
}

int ct_const_ints(const struct ct_node *node, int index, const int64_t **values)
{
    const struct ct_value *value = ct_input(node, index);
    if (!ct_value_const(value) || !value->fact.values)
        return -1;
    *values = value->fact.values;
    return value->fact.n_values;
}

bool ct_transpose_perm(const struct ct_node *node, int rank, int64_t *perm)
{
    const int64_t *given;
    int n = ct_attr_ints(node, "perm", &given);
    uint32_t seen = 0;
    if (rank < 0 || (n >= 0 && n != rank))
        return false;
    for (int i = 0; i < rank; i++) {
        perm[i] = n < 0 ? rank - 1 - i : given[i];
        if (perm[i] < 0 || perm[i] >= rank || (seen >> perm[i] & 1))
            return false;
        seen |= UINT32_C(1) << perm[i];
    }
    return true;
}

bool ct_is_perm(const struct ct_node *node, int rank, const int64_t *perm)
{
    int64_t own[CT_MAX_RANK];
    return node->out[0] && node->out[0]->fact.rank == rank && ct_transpose_perm(node, rank, own) &&
           !memcmp(own, perm, (size_t)rank * sizeof *perm);
}

const struct ct_tensor *ct_const_f32(const struct ct_value *value)
{
    const struct ct_tensor *t = ct_value_const(value);
    return t && t->kind == CORTEN_TENSOR && t->dtype == CORTEN_F32 && t->data ? t : NULL;
}

/* ------------------------------------------------------------------ nodes */

bool ct_pass_bypass(struct ct_pass_context *context, struct ct_node *node, struct ct_value *value)
{
    if (!ct_value_replace(node->out[0], value))
        return false;
    ct_node_remove(node);
    context->stats->changes++;
    return true;
}

struct ct_node *ct_pass_add_node(struct ct_pass_context *context, struct ct_node *before,
                                 const char *domain, const char *op_type,
                                 struct ct_value *const *inputs, int n_in)
{
    struct ct_graph *graph = before->graph;
    if (*domain && ct_model_import(context->model, domain, 1, context->error) != CORTEN_OK)
        return NULL;
    struct ct_node *node = ct_graph_add_node(graph, before, domain, op_type, n_in, 1);
    if (!node) {
        ct_fail_memory(context->error, sizeof *node, "a node");
        return NULL;
    }
    for (int i = 0; i < n_in; i++)
        ct_node_set_input(node, i, inputs[i]);
    return node;
}

ct_status ct_pass_add_output(struct ct_pass_context *context, struct ct_node *node,
                             const struct ct_fact *fact, struct ct_value **value)
{
    *value = ct_graph_add_value(node->graph, NULL);
    if (!*value)
        return ct_fail_memory(context->error, sizeof **value, "a value");
    (*value)->fact = *fact;
    (*value)->fact.constant = NULL;
    (*value)->fact.values = NULL;
    (*value)->fact.n_values = 0;
    ct_node_set_output(node, 0, *value);
    return ct_op_resolve(node, context->error);
}

ct_status ct_pass_take_output(struct ct_pass_context *context, struct ct_node *to,
                              struct ct_node *from)
{
    struct ct_value *output = from->out[0];
    ct_node_set_output(from, 0, NULL);
    ct_node_set_output(to, 0, output);
    to->name = from->name;
    if (!to->origin || !*to->origin)
        to->origin = from->origin && *from->origin ? from->origin : from->name;
    return ct_op_resolve(to, context->error);
}

ct_status ct_pass_replace_node(struct ct_pass_context *context, struct ct_node *from,
                               struct ct_node *to)
{
    CT_TRY(ct_pass_take_output(context, to, from));
    ct_node_remove(from);
    context->stats->changes++;
    return CORTEN_OK;
}

ct_status ct_pass_check(struct ct_pass_context *context, bool ok)
{
    return ok ? CORTEN_OK : ct_fail_memory(context->error, 0, "an attribute");
}

/* ------------------------------------------------------------------ constants */

ct_status ct_pass_constant(struct ct_pass_context *context, struct ct_graph *graph, ct_dtype dtype,
                           int rank, const int64_t *dims, struct ct_value **value, void **data)
{
    struct ct_arena *arena = &context->model->arena;
    struct ct_tensor *t = ct_arena_alloc_zero(arena, sizeof *t);
    size_t n_elems, size_bytes = 0;
    if (!ct_shape_count(rank, dims, &n_elems) || !ct_dtype_bytes(dtype, n_elems, &size_bytes))
        return ct_fail(context->error, CORTEN_LIMIT_EXCEEDED, "a constant is too large");
    *data = ct_arena_alloc_zero(arena, size_bytes ? size_bytes : 1);
    if (!t || !*data)
        return ct_fail_memory(context->error, size_bytes, "a constant");
    t->dtype = dtype;
    t->rank = rank;
    if (rank)
        memcpy(t->dims, dims, (size_t)rank * sizeof *dims);
    t->data = *data;
    *value = ct_graph_add_constant(graph, NULL, t);
    return *value ? CORTEN_OK : ct_fail_memory(context->error, size_bytes, "a constant");
}

ct_status ct_pass_constant_done(struct ct_pass_context *context, struct ct_value *value)
{
    return ct_fact_of_tensor(&value->fact, value->constant, &context->model->arena, context->error);
}

ct_status ct_pass_ints(struct ct_pass_context *context, struct ct_graph *graph, int count,
                       const int64_t *values, struct ct_value **value)
{
    void *data;
    CT_TRY(ct_pass_constant(context, graph, CORTEN_I64, 1, (int64_t[]){count}, value, &data));
    if (count)
        memcpy(data, values, (size_t)count * sizeof *values);
    return ct_pass_constant_done(context, *value);
}

/* ------------------------------------------------------------------ reshapes */

ct_status ct_pass_reshape_shape(struct ct_pass_context *context, struct ct_graph *graph,
                                const struct ct_fact *from, int rank, const ct_dim *dims,
                                struct ct_value **shape)
{
    int64_t values[CT_MAX_RANK];
    int n_open = 0;
    *shape = NULL;
    if (rank < 0 || from->rank < 0)
        return CORTEN_OK;
    for (int i = 0; i < rank; i++) {
        if (ct_dim_known(dims[i]) && dims[i] > 0) {
            values[i] = dims[i];
        } else if (dims[i] != CT_DIM_UNKNOWN && i < from->rank && from->dims[i] == dims[i]) {
            values[i] = 0;
        } else if (dims[i] != 0 && !n_open) {
            values[i] = -1;
            n_open++;
        } else {
            return CORTEN_OK;
        }
    }
    /* With elements that may be none at all, -1 has no meaning; symbols are taken to be sizes. */
    for (int i = 0; n_open && i < rank; i++)
        if (dims[i] == 0)
            return CORTEN_OK;
    return ct_pass_ints(context, graph, rank, values, shape);
}

ct_status ct_pass_reshape(struct ct_pass_context *context, struct ct_node *before,
                          struct ct_value *value, int rank, const ct_dim *dims,
                          struct ct_value **made)
{
    struct ct_value *inputs[2] = {value, NULL};
    struct ct_fact fact;
    *made = NULL;
    if (ct_model_opset(context->model, "") < 5)
        return CORTEN_OK;
    CT_TRY(ct_pass_reshape_shape(context, before->graph, &value->fact, rank, dims, &inputs[1]));
    if (!inputs[1])
        return CORTEN_OK;
    struct ct_node *node = ct_pass_add_node(context, before, "", "Reshape", inputs, 2);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    ct_fact_set(&fact, value->fact.dtype, rank, dims);
    return ct_pass_add_output(context, node, &fact, made);
}
