/* First half of building a plan: which nodes run, which are known already, which are views, and
 * which wait for run time. */
#include <string.h>

#include "graph/infer.h"
#include "ops/eval.h"
#include "plan/builder.h"

/* Results up to this size are computed while planning when all inputs are known. Larger ones are
 * the constant-folding pass's business. */
enum { FOLD_BYTES = 64 << 10 };

static ct_status fail_node(struct ct_builder *b, const struct ct_node *node, ct_status status)
{
    char text[256];
    if (b->error && !strstr(b->error->text, ct_node_describe(node, text, sizeof text)))
        ct_error_prefix(b->error, "%s", text);
    return status;
}

/* ------------------------------------------------------------------ steps */

static void fill_captures(const struct ct_builder *b, const struct ct_node *node, int *slots)
{
    for (int i = 0; i < node->n_attrs; i++)
        for (int j = 0; j < ct_attr_graph_count(&node->attrs[i]); j++) {
            const struct ct_graph *graph = node->attrs[i].graphs[j];
            for (size_t k = 0; k < graph->n_captures; k++)
                *slots++ = ct_builder_slot(b, graph->captures[k]);
        }
}

static ct_status add_step(struct ct_builder *b, const struct ct_node *node, bool dynamic)
{
    struct ct_plan *plan = b->plan;
    const struct ct_provider *provider = ct_provider_for(b->request->providers, node);
    if (!provider) {
        char text[256];
        return ct_fail(b->error, CORTEN_UNSUPPORTED, "no provider runs %s (domain '%s', opset %d)",
                       ct_node_describe(node, text, sizeof text),
                       *node->domain ? node->domain : "ai.onnx", node->opset);
    }
    int n_args =
        node->n_in +
        ((node->op->flags & CT_OP_SUBGRAPHS) ? (int)ct_node_captures_before(node, NULL) : 0);
    int *in = ct_arena_array(&plan->arena, (size_t)n_args, sizeof *in);
    int *out = ct_arena_array(&plan->arena, (size_t)node->n_out, sizeof *out);
    if (!in || !out ||
        !CT_ARENA_PUSH(&b->scratch, plan->steps, (size_t)plan->n_steps, b->steps_capacity))
        return ct_fail_memory(b->error, 0, "a plan");
    for (int i = 0; i < node->n_in; i++)
        in[i] = ct_builder_slot(b, node->in[i].value);
    if (n_args > node->n_in)
        fill_captures(b, node, in + node->n_in);
    for (int i = 0; i < node->n_out; i++) {
        out[i] = ct_builder_slot(b, node->out[i]);
        if (out[i] < 0)
            continue;
        struct ct_slot *slot = &plan->slots[out[i]];
        slot->place = dynamic ? CT_PLACE_DYNAMIC : CT_PLACE_ARENA;
        b->dynamic[out[i]] = dynamic;
        b->first_use[out[i]] = plan->n_steps;
    }
    plan->steps[plan->n_steps++] = (struct ct_plan_step){
        .node = node,
        .run = dynamic ? NULL : node->op->run,
        .provider = provider,
        .n_in = node->n_in,
        .n_out = node->n_out,
        .n_args = n_args,
        .in = in,
        .out = out,
    };
    plan->n_args += (size_t)(n_args + node->n_out);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ what is known already */

static ct_status set_constant(struct ct_builder *b, int slot, const struct ct_tensor *tensor)
{
    b->plan->slots[slot].place = CT_PLACE_CONSTANT;
    b->plan->slots[slot].tensor = *tensor;
    return ct_fact_of_tensor(&b->facts[slot], &b->plan->slots[slot].tensor, &b->scratch, b->error);
}

/* A shape whose every element inference has found. */
static ct_status constant_of_values(struct ct_builder *b, int slot, bool *done)
{
    struct ct_fact *fact = &b->facts[slot];
    *done = false;
    if (!fact->values || !ct_fact_is_concrete(fact) || !ct_dtype_in(fact->dtype, CT_INTS_8_64))
        return CORTEN_OK;
    for (int i = 0; i < fact->n_values; i++)
        if (!ct_dim_known(fact->values[i]))
            return CORTEN_OK;
    struct ct_tensor t = {.dtype = fact->dtype, .rank = fact->rank};
    memcpy(t.dims, fact->dims, sizeof t.dims);
    if (ct_count(&t) != (size_t)fact->n_values)
        return CORTEN_OK;
    t.data = ct_arena_alloc_zero(&b->plan->arena, ct_tensor_bytes(&t));
    if (!t.data)
        return ct_fail_memory(b->error, ct_tensor_bytes(&t), "a constant of the plan");
    ct_store_i64(t.dtype, t.data, 0, (size_t)fact->n_values, fact->values);
    *done = true;
    return set_constant(b, slot, &t);
}

static bool can_fold(const struct ct_builder *b, const struct ct_node *node)
{
    if (node->op->flags & (CT_OP_IMPURE | CT_OP_SUBGRAPHS))
        return false;
    for (int i = 0; i < node->n_in; i++) {
        int slot = ct_builder_slot(b, node->in[i].value);
        if (slot >= 0 && (b->plan->slots[slot].place != CT_PLACE_CONSTANT ||
                          b->plan->slots[slot].tensor.kind != CORTEN_TENSOR))
            return false;
    }
    if (node->op->flags & CT_OP_ALLOCATES) {
        /* Its outputs are bounded by its inputs well enough to try. */
        for (int i = 0; i < node->n_in; i++) {
            int slot = ct_builder_slot(b, node->in[i].value);
            if (slot >= 0 && ct_tensor_bytes(&b->plan->slots[slot].tensor) > FOLD_BYTES)
                return false;
        }
        return true;
    }
    for (int i = 0; i < node->n_out; i++) {
        int slot = ct_builder_slot(b, node->out[i]);
        if (slot < 0)
            continue;
        struct ct_tensor t = {.dtype = b->facts[slot].dtype, .rank = b->facts[slot].rank};
        size_t n_elems, size_bytes;
        if (!ct_fact_is_concrete(&b->facts[slot]))
            return false;
        memcpy(t.dims, b->facts[slot].dims, sizeof t.dims);
        if (!ct_shape_count(t.rank, t.dims, &n_elems) ||
            !ct_dtype_bytes(t.dtype, n_elems, &size_bytes) || size_bytes > FOLD_BYTES)
            return false;
    }
    return true;
}

static ct_status fold(struct ct_builder *b, const struct ct_node *node, bool *done)
{
    const struct ct_tensor **in = ct_arena_array(&b->scratch, (size_t)node->n_in, sizeof *in);
    struct ct_tensor *out = ct_arena_array(&b->scratch, (size_t)node->n_out, sizeof *out);
    if (!in || !out)
        return ct_fail_memory(b->error, 0, "folding constants");
    for (int i = 0; i < node->n_in; i++) {
        int slot = ct_builder_slot(b, node->in[i].value);
        in[i] = slot < 0 ? NULL : &b->plan->slots[slot].tensor;
    }
    struct ct_exec exec = {.allocator = b->request->allocator, .error = b->error};
    CT_TRY(ct_eval_node(node, in, out, &exec));
    *done = true;
    for (int i = 0; i < node->n_out; i++)
        *done &= out[i].kind == CORTEN_TENSOR;
    ct_status status = CORTEN_OK;
    for (int i = 0; i < node->n_out; i++) {
        int slot = ct_builder_slot(b, node->out[i]);
        if (!*done || slot < 0 || status != CORTEN_OK)
            ct_tensor_clear(&out[i]);
        else
            status = set_constant(b, slot, &out[i]); /* the plan owns the buffer now */
    }
    return status;
}

/* ------------------------------------------------------------------ one node */

static ct_status infer(struct ct_builder *b, const struct ct_node *node, bool *concrete)
{
    const struct ct_fact **in = ct_arena_array(&b->scratch, (size_t)node->n_in, sizeof *in);
    struct ct_fact **out = ct_arena_array(&b->scratch, (size_t)node->n_out, sizeof *out);
    if (!in || !out)
        return ct_fail_memory(b->error, 0, "shape inference");
    for (int i = 0; i < node->n_in; i++) {
        int slot = ct_builder_slot(b, node->in[i].value);
        in[i] = slot < 0 ? NULL : &b->facts[slot];
    }
    for (int i = 0; i < node->n_out; i++) {
        int slot = ct_builder_slot(b, node->out[i]);
        out[i] = slot < 0 ? NULL : &b->facts[slot];
    }
    CT_TRY(ct_infer_node(node, in, out, NULL, &b->scratch, b->error));
    *concrete = true;
    for (int i = 0; i < node->n_out; i++) {
        int slot = ct_builder_slot(b, node->out[i]);
        if (slot < 0)
            continue;
        const struct ct_fact *fact = &b->facts[slot];
        size_t n_elems, size_bytes;
        if (!ct_fact_is_concrete(fact) || fact->dtype == CORTEN_DTYPE_NONE ||
            fact->dtype == CORTEN_STRING) {
            *concrete = false;
            continue;
        }
        bool fits = ct_shape_count(fact->rank, fact->dims, &n_elems) &&
                    ct_dtype_bytes(fact->dtype, n_elems, &size_bytes);
        if (fits && fact->layout == CT_LAYOUT_NCXc16) /* one channel takes the memory of 16 */
            fits = size_bytes <= SIZE_MAX / 16;
        if (!fits) {
            char text[256];
            return ct_fail(b->error, CORTEN_LIMIT_EXCEEDED, "output %d is too large: %s", i,
                           ct_fact_describe(fact, NULL, text, sizeof text));
        }
        struct ct_tensor *t = &b->plan->slots[slot].tensor;
        *t = (struct ct_tensor){.dtype = fact->dtype, .layout = fact->layout, .rank = fact->rank};
        memcpy(t->dims, fact->dims, sizeof t->dims);
    }
    return CORTEN_OK;
}

static bool any_output_wanted(const struct ct_node *node)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i])
            return true;
    return false;
}

static ct_status lower_node(struct ct_builder *b, const struct ct_node *node)
{
    if (!node->op)
        return ct_fail(b->error, CORTEN_INTERNAL, "the node is not resolved");
    if (!any_output_wanted(node))
        return CORTEN_OK; /* operators may count on an output, and none has another effect */
    for (int i = 0; i < node->n_in; i++) {
        int slot = ct_builder_slot(b, node->in[i].value);
        if (slot >= 0 && b->dynamic[slot])
            return add_step(b, node, true);
    }
    bool concrete, done = false;
    if (node->op->flags & CT_OP_ALLOCATES)
        concrete = false;
    else if (node->op->flags & CT_OP_SUBGRAPHS)
        return add_step(b, node, true);
    else
        CT_TRY(infer(b, node, &concrete));
    if (can_fold(b, node)) {
        CT_TRY(fold(b, node, &done));
        if (done)
            return CORTEN_OK;
    }
    if (!concrete)
        return add_step(b, node, true);
    int n_known = 0, n_wanted = 0;
    for (int i = 0; i < node->n_out && !(node->op->flags & CT_OP_IMPURE); i++) {
        int slot = ct_builder_slot(b, node->out[i]);
        if (slot < 0)
            continue;
        n_wanted++;
        CT_TRY(constant_of_values(b, slot, &done));
        n_known += done;
    }
    if (n_wanted && n_known == n_wanted)
        return CORTEN_OK;
    if (node->op->flags & CT_OP_VIEW) {
        int from = ct_builder_slot(b, node->in[0].value);
        int to = ct_builder_slot(b, node->out[0]);
        if (to < 0)
            return CORTEN_OK;
        if (!ct_provider_for(b->request->providers, node))
            return add_step(b, node, false); /* says what is wrong */
        b->parent[to] = ct_builder_root(b, from);
        b->plan->slots[to].place = b->plan->slots[from].place;
        return CORTEN_OK;
    }
    return add_step(b, node, false);
}

ct_status ct_builder_lower(struct ct_builder *b)
{
    for (const struct ct_node *node = b->plan->graph->first; node; node = node->next) {
        ct_status status = lower_node(b, node);
        if (status != CORTEN_OK)
            return fail_node(b, node, status);
    }
    return CORTEN_OK;
}
