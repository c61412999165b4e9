/* Plans: creation (see lower.c and place.c for the two halves) and comparison. */
#include "plan/plan.h"

#include <string.h>

#include "plan/builder.h"

int ct_builder_root(struct ct_builder *b, int slot)
{
    int root = slot;
    while (b->parent[root] != root)
        root = b->parent[root];
    while (b->parent[slot] != root) { /* shorten the way for the next one */
        int next = b->parent[slot];
        b->parent[slot] = root;
        slot = next;
    }
    return root;
}

int ct_builder_slot(const struct ct_builder *b, const struct ct_value *value)
{
    if (!value)
        return -1;
    const struct ct_graph *graph = b->plan->graph;
    if (value->graph == graph)
        return value->id;
    for (size_t i = 0; i < graph->n_captures; i++)
        if (graph->captures[i] == value)
            return (int)(graph->n_values + i);
    return -1;
}

static ct_status allocate(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    const struct ct_graph *graph = plan->graph;
    size_t n_slots = graph->n_values + graph->n_captures;
    if (n_slots > INT32_MAX / 2)
        return ct_fail(b->error, CORTEN_LIMIT_EXCEEDED, "the graph has too many values");
    plan->n_slots = (int)n_slots;
    plan->n_inputs = graph->n_inputs + graph->n_captures;
    plan->slots = ct_arena_array(&plan->arena, n_slots, sizeof *plan->slots);
    plan->outputs = ct_arena_array(&plan->arena, graph->n_outputs, sizeof *plan->outputs);
    plan->inputs = ct_arena_array(&plan->arena, plan->n_inputs, sizeof *plan->inputs);
    int *input_slots = ct_arena_array(&plan->arena, plan->n_inputs, sizeof *input_slots);
    b->facts = ct_arena_array(&b->scratch, n_slots, sizeof *b->facts);
    b->dynamic = ct_arena_array(&b->scratch, n_slots, sizeof *b->dynamic);
    b->parent = ct_arena_array(&b->scratch, n_slots, sizeof *b->parent);
    b->first_use = ct_arena_array(&b->scratch, n_slots, sizeof *b->first_use);
    b->last_use = ct_arena_array(&b->scratch, n_slots, sizeof *b->last_use);
    b->n_uses = ct_arena_array(&b->scratch, n_slots, sizeof *b->n_uses);
    b->read = ct_arena_array(&b->scratch, n_slots, sizeof *b->read);
    b->spared = ct_arena_array(&b->scratch, n_slots, sizeof *b->spared);
    if (!plan->slots || !plan->outputs || !plan->inputs || !input_slots || !b->facts ||
        !b->dynamic || !b->parent || !b->first_use || !b->last_use || !b->n_uses || !b->read ||
        !b->spared)
        return ct_fail_memory(b->error, n_slots * sizeof *plan->slots, "a plan");
    plan->input_slots = input_slots;
    for (int s = 0; s < plan->n_slots; s++) {
        ct_fact_init(&b->facts[s]);
        b->parent[s] = s;
    }
    for (size_t i = 0; i < plan->n_inputs; i++)
        input_slots[i] = i < graph->n_inputs ? graph->inputs[i]->id
                                             : (int)(graph->n_values + i - graph->n_inputs);
    for (size_t k = 0; k < graph->n_outputs; k++) {
        plan->outputs[k].slot = ct_builder_slot(b, graph->outputs[k]);
        if (plan->outputs[k].slot < 0)
            return ct_fail(b->error, CORTEN_INTERNAL, "output '%s' is not of the graph",
                           graph->outputs[k]->name);
    }
    return CORTEN_OK;
}

static ct_status bind_inputs(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    for (size_t i = 0; i < plan->n_inputs; i++) {
        const struct ct_tensor *given = b->request->inputs[i];
        struct ct_tensor shape = *given;
        shape.data = NULL;
        shape.buffer = NULL;
        plan->inputs[i] = shape;
        struct ct_slot *slot = &plan->slots[plan->input_slots[i]];
        slot->tensor = shape;
        slot->place = CT_PLACE_INPUT;
        slot->index = (int)i;
        b->dynamic[plan->input_slots[i]] = given->kind != CORTEN_TENSOR;
        CT_TRY(ct_fact_of_tensor(&b->facts[plan->input_slots[i]], &shape, &b->scratch, b->error));
    }
    const struct ct_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct ct_value *value = graph->values[i];
        const struct ct_tensor *constant = value->constant;
        if (!constant || plan->slots[value->id].place == CT_PLACE_INPUT)
            continue;
        plan->slots[value->id].place = CT_PLACE_CONSTANT;
        plan->slots[value->id].tensor = *constant;
        plan->slots[value->id].tensor.buffer = NULL; /* the model's */
        CT_TRY(ct_fact_of_tensor(&b->facts[value->id], constant, &b->scratch, b->error));
    }
    return CORTEN_OK;
}

/* Steps grew in memory that does not last. */
static ct_status keep_steps(struct ct_builder *b)
{
    struct ct_plan *plan = b->plan;
    size_t n = (size_t)plan->n_steps;
    struct ct_plan_step *steps = ct_arena_array(&plan->arena, n, sizeof *steps);
    if (!steps)
        return ct_fail_memory(b->error, n * sizeof *steps, "a plan");
    if (n)
        memcpy(steps, plan->steps, n * sizeof *steps);
    plan->steps = steps;
    return CORTEN_OK;
}

ct_status ct_plan_create(const struct ct_plan_request *request, struct ct_plan **plan,
                         corten_error *error)
{
    struct ct_plan *p = ct_alloc_zero(request->allocator, sizeof *p);
    if (!p)
        return ct_fail_memory(error, sizeof *p, "a plan");
    ct_arena_init(&p->arena, request->allocator);
    p->graph = request->graph;
    struct ct_builder b = {.request = request, .plan = p, .error = error};
    ct_arena_init(&b.scratch, request->allocator);
    ct_status status;
    CT_TRY_GOTO(status, allocate(&b), done);
    CT_TRY_GOTO(status, bind_inputs(&b), done);
    CT_TRY_GOTO(status, ct_builder_lower(&b), done);
    CT_TRY_GOTO(status, keep_steps(&b), done);
    CT_TRY_GOTO(status, ct_builder_place(&b), done);
    *plan = p;
done:
    ct_arena_deinit(&b.scratch);
    if (status != CORTEN_OK)
        ct_plan_destroy(p);
    return status;
}

void ct_plan_destroy(struct ct_plan *plan)
{
    if (!plan)
        return;
    for (int s = 0; plan->slots && s < plan->n_slots; s++)
        if (plan->slots[s].place == CT_PLACE_CONSTANT && plan->slots[s].tensor.buffer)
            ct_tensor_clear(&plan->slots[s].tensor);
    const corten_allocator *allocator = plan->arena.allocator;
    ct_arena_deinit(&plan->arena);
    ct_release(allocator, plan, sizeof *plan);
}

bool ct_plan_fits(const struct ct_plan *plan, const struct ct_tensor *const *inputs)
{
    for (size_t i = 0; i < plan->n_inputs; i++) {
        const struct ct_tensor *a = &plan->inputs[i], *b = inputs[i];
        if (a->kind != b->kind || a->dtype != b->dtype)
            return false;
        if (a->kind == CORTEN_TENSOR &&
            (a->rank != b->rank || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims)))
            return false;
    }
    return true;
}
