/* One node by itself, and the ct_prepare_… functions. */
#include "ops/eval.h"

#include <string.h>

#include "graph/infer.h"

/* ------------------------------------------------------------------ prepare */

void *ct_prepare_alloc(struct ct_prepare *prepare, size_t size_bytes)
{
    return ct_arena_alloc_zero(prepare->planner->arena, size_bytes);
}

void ct_prepare_in_place(struct ct_prepare *prepare, int out, int in)
{
    if (out < CT_PLANNER_OUTPUTS)
        prepare->planner->in_place[out] = in;
}

void ct_prepare_not_read(struct ct_prepare *prepare, int in)
{
    if (in < 64)
        prepare->planner->not_read |= UINT64_C(1) << in;
}

ct_status ct_prepare_pack(struct ct_prepare *prepare, int in, const char *key, size_t size_bytes,
                          ct_pack_fn fn, void *arg, const void **packed)
{
    CT_TRY(prepare->planner->pack(prepare, in, key, size_bytes, fn, arg, packed));
    ct_prepare_not_read(prepare, in);
    return CORTEN_OK;
}

bool ct_prepare_may_pack(const struct ct_prepare *prepare, int in)
{
    return prepare->in[in]->data && !prepare->planner->keeps_weights;
}

/* ------------------------------------------------------------------ eval */

struct eval {
    const struct ct_node *node;
    const struct ct_tensor *const *in;
    struct ct_tensor *out;
    struct ct_exec *exec;
    struct ct_arena arena;
    struct ct_planner planner;
    const struct ct_fact **in_facts;
    struct ct_fact *facts; /* n_in, then n_out */
    struct ct_fact **out_facts;
    const struct ct_tensor **aligned; /* inputs, copied where they were misaligned */
    struct ct_tensor **out_pointers;
    int n_captures;
};

static ct_status pack_here(struct ct_prepare *prepare, int in, const char *key, size_t size_bytes,
                           ct_pack_fn fn, void *arg, const void **packed)
{
    (void)key;
    void *memory = ct_arena_alloc(prepare->planner->arena, size_bytes);
    if (!memory)
        return ct_fail_memory(prepare->error, size_bytes, "a packed constant");
    CT_TRY(fn(arg, prepare->in[in], memory, NULL, prepare->error));
    *packed = memory;
    return CORTEN_OK;
}

static ct_status allocate(struct eval *e)
{
    size_t n_in = (size_t)(e->node->n_in + e->n_captures), n_out = (size_t)e->node->n_out;
    e->in_facts = ct_arena_array(&e->arena, n_in, sizeof *e->in_facts);
    e->facts = ct_arena_array(&e->arena, n_in + n_out, sizeof *e->facts);
    e->out_facts = ct_arena_array(&e->arena, n_out, sizeof *e->out_facts);
    e->aligned = ct_arena_array(&e->arena, n_in, sizeof *e->aligned);
    e->out_pointers = ct_arena_array(&e->arena, n_out, sizeof *e->out_pointers);
    if (!e->in_facts || !e->facts || !e->out_facts || !e->aligned || !e->out_pointers)
        return ct_fail_memory(e->exec->error, 0, "running a node");
    return CORTEN_OK;
}

/* Weights of the mapped file may lie at any address. */
static ct_status align_inputs(struct eval *e)
{
    for (int i = 0; i < e->node->n_in + e->n_captures; i++) {
        const struct ct_tensor *t = e->in[i];
        e->aligned[i] = t;
        if (!t || t->kind != CORTEN_TENSOR || !t->data || (e->node->op->flags & CT_OP_UNALIGNED))
            continue;
        size_t elem = ct_dtype_elem_bytes(t->dtype);
        if (elem < 2 || ((uintptr_t)t->data & ((elem > 8 ? 8 : elem) - 1)) == 0)
            continue;
        struct ct_tensor *copy = ct_arena_array(&e->arena, 1, sizeof *copy);
        size_t size_bytes = ct_tensor_bytes(t);
        void *data = ct_arena_alloc(&e->arena, size_bytes);
        if (!copy || !data)
            return ct_fail_memory(e->exec->error, size_bytes, "an aligned copy of a constant");
        memcpy(data, t->data, size_bytes);
        *copy = *t;
        copy->data = data;
        copy->buffer = NULL;
        e->aligned[i] = copy;
    }
    return CORTEN_OK;
}

static ct_status infer(struct eval *e)
{
    const struct ct_node *node = e->node;
    for (int i = 0; i < node->n_in; i++) {
        if (!e->in[i])
            continue;
        CT_TRY(ct_fact_of_tensor(&e->facts[i], e->aligned[i], &e->arena, e->exec->error));
        e->in_facts[i] = &e->facts[i];
    }
    for (int i = 0; i < node->n_out; i++)
        e->out_facts[i] = &e->facts[node->n_in + e->n_captures + i];
    return ct_infer_node(node, e->in_facts, e->out_facts, NULL, &e->arena, e->exec->error);
}

/* Blocked layouts take the memory of a tensor with their channels rounded up. */
static ct_status alloc_output(const struct eval *e, const struct ct_fact *fact,
                              struct ct_tensor *out)
{
    int64_t dims[CT_MAX_RANK];
    memcpy(dims, fact->dims, sizeof dims);
    if (fact->layout == CT_LAYOUT_NCXc16 && fact->rank > 1 && dims[1] <= INT64_MAX - 15)
        dims[1] = (dims[1] + 15) / 16 * 16;
    CT_TRY(ct_tensor_alloc(out, e->exec->allocator, fact->dtype, fact->rank, dims, e->exec->error));
    memcpy(out->dims, fact->dims, sizeof dims);
    out->layout = fact->layout;
    return CORTEN_OK;
}

static ct_status allocate_outputs(struct eval *e)
{
    char text[256];
    for (int i = 0; i < e->node->n_out; i++) {
        e->out_pointers[i] = &e->out[i];
        if (e->node->op->flags & CT_OP_ALLOCATES)
            continue;
        const struct ct_fact *fact = e->out_facts[i];
        if (!ct_fact_is_concrete(fact) || fact->dtype == CORTEN_DTYPE_NONE)
            return ct_fail(e->exec->error, CORTEN_INTERNAL,
                           "%s: the shape of output %d is not known although all inputs are",
                           ct_node_describe(e->node, text, sizeof text), i);
        ct_status status = alloc_output(e, fact, &e->out[i]);
        if (status != CORTEN_OK) {
            ct_error_prefix(e->exec->error, "%s, output %d",
                            ct_node_describe(e->node, text, sizeof text), i);
            return status;
        }
    }
    return CORTEN_OK;
}

/* Results may point into memory that does not last as long as they do: strings into other tensors,
 * items of containers into the arena of a run. They get memory of their own. */
static bool owns_strings(const struct ct_tensor *t)
{
    if (!t->buffer)
        return false;
    uintptr_t begin = (uintptr_t)ct_buffer_data(t->buffer), end = begin + t->buffer->size_bytes;
    const corten_string *strings = t->data;
    for (size_t i = 0, n = ct_count(t); i < n; i++) {
        uintptr_t at = (uintptr_t)strings[i].data;
        if (strings[i].size_bytes && (at < begin || at >= end))
            return false;
    }
    return true;
}

static ct_status own(struct ct_tensor *t, struct ct_exec *exec)
{
    if (t->kind == CORTEN_TENSOR && t->dtype == CORTEN_STRING && owns_strings(t))
        return CORTEN_OK;
    if (t->kind == CORTEN_TENSOR && t->dtype == CORTEN_STRING)
        return ct_tensor_own_strings(t, exec->allocator, exec->error);
    if (t->data && !t->buffer) { /* of a container: all that it holds */
        struct ct_tensor borrowed = *t;
        *t = (struct ct_tensor){0};
        return ct_tensor_clone(t, &borrowed, exec->allocator, exec->error);
    }
    if (t->kind == CORTEN_SEQUENCE)
        for (size_t i = 0; i < ct_sequence_of(t)->count; i++)
            CT_TRY(own(&ct_sequence_of(t)->items[i], exec));
    if (t->kind == CORTEN_OPTIONAL && ct_optional_of(t)->present)
        return own(&ct_optional_of(t)->item, exec);
    if (t->kind == CORTEN_MAP) {
        CT_TRY(own(&ct_mapping_of(t)->keys, exec));
        return own(&ct_mapping_of(t)->values, exec);
    }
    return CORTEN_OK;
}

static ct_status prepare_and_run(struct eval *e)
{
    const struct ct_node *node = e->node;
    const struct ct_op *op = node->op;
    struct ct_prepare prepare = {
        .node = node,
        .n_in = node->n_in,
        .n_out = node->n_out,
        .in = e->aligned,
        .out = (const struct ct_tensor *const *)e->out_pointers,
        .threads = e->exec->pool ? ct_pool_threads(e->exec->pool) : 1,
        .precision = e->exec->precision,
        .error = e->exec->error,
        .run = op->run,
        .planner = &e->planner,
    };
    if (op->prepare)
        CT_TRY(op->prepare(&prepare));
    void *scratch = ct_alloc(e->exec->allocator, prepare.scratch_bytes);
    if (!scratch)
        return ct_fail_memory(e->exec->error, prepare.scratch_bytes, "scratch of a node");
    struct ct_run run = {
        .in = (struct ct_tensor *const *)e->aligned,
        .out = e->out_pointers,
        .state = prepare.state,
        .scratch = scratch,
        .exec = e->exec,
        .node = node,
        .n_in = node->n_in,
        .n_out = node->n_out,
    };
    ct_status status = prepare.run(&run);
    for (int i = 0; i < node->n_out && status == CORTEN_OK; i++)
        status = own(&e->out[i], e->exec);
    ct_release(e->exec->allocator, scratch, prepare.scratch_bytes);
    return status;
}

/* A view of memory that has no counted buffer would outlive it: it is copied instead. */
static ct_status run_view(struct eval *e)
{
    const struct ct_tensor *in = e->in[0];
    struct ct_tensor *out = &e->out[0];
    const struct ct_fact *fact = e->out_facts[0];
    if (in->buffer)
        ct_tensor_share(out, in);
    else
        CT_TRY(ct_tensor_clone(out, in, e->exec->allocator, e->exec->error));
    if (in->kind == CORTEN_TENSOR) {
        if (!ct_fact_is_concrete(fact))
            return ct_fail(e->exec->error, CORTEN_INTERNAL, "the shape of a view is not known");
        out->rank = fact->rank;
        memcpy(out->dims, fact->dims, sizeof out->dims);
    }
    return CORTEN_OK;
}

ct_status ct_eval_node(const struct ct_node *node, const struct ct_tensor *const *in,
                       struct ct_tensor *out, struct ct_exec *exec)
{
    struct eval e = {.node = node, .in = in, .out = out, .exec = exec};
    if (node->op->flags & CT_OP_SUBGRAPHS)
        e.n_captures = (int)ct_node_captures_before(node, NULL);
    ct_arena_init(&e.arena, exec->allocator);
    e.planner = (struct ct_planner){.arena = &e.arena, .pack = pack_here};
    ct_status status;
    CT_TRY_GOTO(status, allocate(&e), done);
    CT_TRY_GOTO(status, align_inputs(&e), done);
    CT_TRY_GOTO(status, infer(&e), done);
    if (node->op->flags & CT_OP_VIEW) {
        status = run_view(&e);
        goto done;
    }
    CT_TRY_GOTO(status, allocate_outputs(&e), done);
    status = prepare_and_run(&e);
done:
    ct_arena_deinit(&e.arena);
    if (status != CORTEN_OK)
        for (int i = 0; i < node->n_out; i++)
            ct_tensor_clear(&out[i]);
    return status;
}
