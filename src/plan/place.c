/* Second half of building a plan: memory, and the preparation of each step. */
#include <string.h>

#include "ops/eval.h"
#include "plan/builder.h"
#include "plan/memory.h"

/* ------------------------------------------------------------------ life times */

static void use_at(struct ct_builder *b, int slot, int step)
{
    if (slot < 0)
        return;
    int root = ct_builder_root(b, slot);
    if (b->last_use[root] < step)
        b->last_use[root] = step;
}

static void find_last_uses(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    for (int s = 0; s < plan->n_slots; s++)
        b->last_use[s] = -1;
    for (int i = 0; i < plan->n_steps; i++) {
        const struct ct_plan_step *step = &plan->steps[i];
        for (int k = 0; k < step->n_args; k++) {
            use_at(b, step->in[k], i);
            if (step->in[k] >= 0)
                b->n_uses[ct_builder_root(b, step->in[k])]++;
        }
        for (int k = 0; k < step->n_out; k++)
            use_at(b, step->out[k], i);
    }
    for (size_t k = 0; k < plan->graph->n_outputs; k++)
        use_at(b, plan->outputs[k].slot, plan->n_steps);
}

/* An output that a step computes is computed into the caller's memory. */
static void place_outputs(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    for (size_t k = 0; k < plan->graph->n_outputs; k++) {
        int slot = plan->outputs[k].slot;
        if (b->dynamic[slot])
            continue;
        struct ct_slot *root = &plan->slots[ct_builder_root(b, slot)];
        plan->outputs[k].copy = root->place != CT_PLACE_ARENA;
        if (root->place == CT_PLACE_ARENA) {
            root->place = CT_PLACE_OUTPUT;
            root->index = (int)k;
        }
    }
}

/* Lists, step by step, the dynamic slots that nobody reads any more. */
static ct_status find_releases(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    int *counts = ct_arena_array(&b->scratch, (size_t)plan->n_steps + 1, sizeof *counts);
    if (!counts)
        return ct_fail_memory(b->error, 0, "a plan");
    for (int s = 0; s < plan->n_slots; s++)
        if (plan->slots[s].place == CT_PLACE_DYNAMIC && b->last_use[s] >= 0)
            counts[b->last_use[s]]++;
    for (int i = 0; i < plan->n_steps; i++) {
        if (!counts[i])
            continue;
        plan->steps[i].release =
            ct_arena_array(&plan->arena, (size_t)counts[i], sizeof *plan->steps[i].release);
        if (!plan->steps[i].release)
            return ct_fail_memory(b->error, 0, "a plan");
    }
    for (int s = 0; s < plan->n_slots; s++) {
        int last = b->last_use[s];
        if (plan->slots[s].place == CT_PLACE_DYNAMIC && last >= 0 && last < plan->n_steps)
            ((int *)plan->steps[last].release)[plan->steps[last].n_release++] = s;
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ preparation */

struct planner {
    struct ct_planner base;
    struct ct_builder *builder;
};

static ct_status pack_shared(struct ct_prepare *prepare, int in, const char *key, size_t size_bytes,
                             ct_pack_fn fn, void *arg, const void **packed)
{
    const struct ct_plan_request *request = ((struct planner *)prepare->planner)->builder->request;
    return ct_weights_get(request->weights, prepare->in[in], key, size_bytes, fn, arg,
                          request->pool, packed, prepare->error);
}

static bool is_misaligned(const struct ct_tensor *t)
{
    size_t elem = ct_dtype_elem_bytes(t->dtype);
    return elem > 1 && ((uintptr_t)t->data & ((elem > 8 ? 8 : elem) - 1)) != 0;
}

/* A weight of the mapped file at an odd address, which the step reads as it is. */
static ct_status align_constants(struct ct_builder *b, const struct ct_plan_step *step,
                                 uint64_t not_read)
{
    if (step->node->op->flags & CT_OP_UNALIGNED)
        return CORTEN_OK;
    for (int i = 0; i < step->n_args; i++) {
        if (step->in[i] < 0 || (i < 64 && (not_read >> i & 1)))
            continue;
        int root = ct_builder_root(b, step->in[i]);
        struct ct_slot *slot = &b->plan->slots[root];
        if (slot->place != CT_PLACE_CONSTANT || slot->tensor.kind != CORTEN_TENSOR ||
            !is_misaligned(&slot->tensor))
            continue;
        const void *data;
        CT_TRY(ct_weights_aligned(b->request->weights, &slot->tensor, &data, b->error));
        slot->tensor.data = (void *)data;
    }
    return CORTEN_OK;
}

/* Lets output `out` take the memory of input `in`, if nobody reads that memory afterwards and the
 * operator reads it through no other input. */
static void share_memory(struct ct_builder *b, const struct ct_plan_step *step, int index, int out,
                         int in)
{
    if (in < 0 || in >= step->n_in || step->in[in] < 0 || step->out[out] < 0)
        return;
    struct ct_plan *plan = b->plan;
    int from = ct_builder_root(b, step->in[in]), to = ct_builder_root(b, step->out[out]);
    if (from == to || plan->slots[from].place != CT_PLACE_ARENA ||
        (plan->slots[to].place != CT_PLACE_ARENA && plan->slots[to].place != CT_PLACE_OUTPUT) ||
        b->last_use[from] != index ||
        ct_tensor_bytes(&plan->slots[from].tensor) != ct_tensor_bytes(&plan->slots[to].tensor))
        return;
    for (int i = 0; i < step->n_in; i++)
        if (i != in && step->in[i] >= 0 && ct_builder_root(b, step->in[i]) == from)
            return;
    b->parent[from] = to;
    b->first_use[to] = b->first_use[from];
}

/* Weights that were packed and that nobody reads as they are need not stay in memory. */
static void drop_weight(struct ct_builder *b, int root)
{
    const struct ct_model *model = b->plan->graph->model;
    const struct ct_slot *slot = &b->plan->slots[root];
    if (model->drop_pages && slot->place == CT_PLACE_CONSTANT && b->spared[root] &&
        !b->read[root] && slot->tensor.kind == CORTEN_TENSOR)
        model->drop_pages(model, slot->tensor.data, ct_tensor_bytes(&slot->tensor));
}

static void note_reads(struct ct_builder *b, const struct ct_plan_step *step, uint64_t not_read)
{
    for (int i = 0; i < step->n_args; i++) {
        if (step->in[i] < 0)
            continue;
        int root = ct_builder_root(b, step->in[i]);
        bool spared = i < 64 && (not_read >> i & 1);
        (spared ? b->spared : b->read)[root] = true;
        if (b->n_uses[root] == 1) /* at once: the peak of memory is while weights are packed */
            drop_weight(b, root);
    }
}

static corten_precision precision_of(corten_precision asked, const struct ct_node *node)
{
    if (asked != CORTEN_PRECISION_AUTO)
        return asked;
    return node->bf16 ? CORTEN_PRECISION_BF16 : CORTEN_PRECISION_F32;
}

static ct_status prepare_step(struct ct_builder *b, int index)
{
    struct ct_plan *plan = b->plan;
    struct ct_plan_step *step = &plan->steps[index];
    if (!step->run) {
        note_reads(b, step, 0);
        return CORTEN_OK;
    }
    size_t n_in = (size_t)step->n_in, n_out = (size_t)step->n_out;
    const struct ct_tensor **in = ct_arena_array(&b->scratch, n_in, sizeof *in);
    const struct ct_tensor **out = ct_arena_array(&b->scratch, n_out, sizeof *out);
    struct ct_tensor *views = ct_arena_array(&b->scratch, n_in, sizeof *views);
    if (!in || !out || !views)
        return ct_fail_memory(b->error, 0, "a plan");
    for (size_t i = 0; i < n_in; i++) {
        if (step->in[i] < 0)
            continue;
        views[i] = plan->slots[step->in[i]].tensor;
        if (plan->slots[step->in[i]].place == CT_PLACE_CONSTANT) /* a view has its root's data */
            views[i].data = plan->slots[ct_builder_root(b, step->in[i])].tensor.data;
        in[i] = &views[i];
    }
    for (size_t i = 0; i < n_out; i++)
        out[i] = step->out[i] < 0 ? NULL : &plan->slots[step->out[i]].tensor;
    struct planner planner = {.base = {.arena = &plan->arena,
                                       .pack = pack_shared,
                                       .keeps_weights = b->request->keeps_weights},
                              .builder = b};
    for (int i = 0; i < CT_PLANNER_OUTPUTS; i++)
        planner.base.in_place[i] = -1;
    struct ct_prepare prepare = {
        .node = step->node,
        .n_in = step->n_in,
        .n_out = step->n_out,
        .in = in,
        .out = out,
        .threads = ct_pool_threads(b->request->pool),
        .precision = precision_of(b->request->precision, step->node),
        .error = b->error,
        .planner = &planner.base,
    };
    CT_TRY(step->provider->prepare(step->provider, &prepare));
    step->run = prepare.run;
    step->state = prepare.state;
    step->kernel = prepare.kernel;
    step->scratch_bytes = prepare.scratch_bytes;
    step->product = prepare.product;
    plan->n_products += prepare.product != CT_PRODUCT_NONE;
    plan->n_bf16 += prepare.product == CT_PRODUCT_BF16;
    note_reads(b, step, planner.base.not_read);
    CT_TRY(align_constants(b, step, planner.base.not_read));
    for (int i = 0; i < CT_PLANNER_OUTPUTS && i < step->n_out; i++)
        share_memory(b, step, index, i, planner.base.in_place[i]);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ the arena */

static ct_status lay_out(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    size_t most = (size_t)plan->n_slots + (size_t)plan->n_steps, count = 0;
    struct ct_block *blocks = ct_arena_array(&b->scratch, most, sizeof *blocks);
    size_t **offsets = ct_arena_array(&b->scratch, most, sizeof *offsets);
    if (!blocks || !offsets)
        return ct_fail_memory(b->error, most * sizeof *blocks, "the memory plan");
    for (int s = 0; s < plan->n_slots; s++) {
        struct ct_slot *slot = &plan->slots[s];
        if (slot->place != CT_PLACE_ARENA || ct_builder_root(b, s) != s)
            continue;
        offsets[count] = &slot->offset;
        blocks[count++] = (struct ct_block){.size_bytes = ct_tensor_bytes(&slot->tensor),
                                            .first = b->first_use[s],
                                            .last = b->last_use[s]};
    }
    for (int i = 0; i < plan->n_steps; i++) {
        if (!plan->steps[i].scratch_bytes)
            continue;
        offsets[count] = &plan->steps[i].scratch_offset;
        blocks[count++] =
            (struct ct_block){.size_bytes = plan->steps[i].scratch_bytes, .first = i, .last = i};
    }
    CT_TRY(ct_memory_plan(blocks, count, &b->scratch, &plan->arena_bytes, b->error));
    for (size_t i = 0; i < count; i++) {
        *offsets[i] = blocks[i].offset;
        for (int k = blocks[i].first; k <= blocks[i].last && k < plan->n_steps; k++)
            plan->steps[k].live_bytes += ct_align_up(blocks[i].size_bytes, CT_ALIGN);
    }
    return CORTEN_OK;
}

/* Every slot learns where the root of its memory lies. */
static void spread_places(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    for (int s = 0; s < plan->n_slots; s++) {
        int root = ct_builder_root(b, s);
        if (root == s)
            continue;
        plan->slots[s].place = plan->slots[root].place;
        plan->slots[s].index = plan->slots[root].index;
        plan->slots[s].offset = plan->slots[root].offset;
        plan->slots[s].tensor.data = plan->slots[root].tensor.data;
    }
}

ct_status ct_builder_place(struct ct_builder *b)
{
    find_last_uses(b);
    place_outputs(b);
    CT_TRY(find_releases(b));
    for (int i = 0; i < b->plan->n_steps; i++) {
        ct_status status = prepare_step(b, i);
        if (status != CORTEN_OK) {
            char text[256];
            ct_node_describe(b->plan->steps[i].node, text, sizeof text);
            if (b->error && !strstr(b->error->text, text))
                ct_error_prefix(b->error, "%s", text);
            return status;
        }
    }
    for (int slot = 0; slot < b->plan->n_slots; slot++)
        drop_weight(b, slot);
    CT_TRY(lay_out(b));
    spread_places(b);
    return CORTEN_OK;
}
