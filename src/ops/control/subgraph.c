#include "ops/control/subgraph.h"

#include <string.h>

void ct_control_give(const struct ct_run *run, int index, struct ct_tensor *from)
{
    if (index < run->n_out && run->out[index])
        *run->out[index] = *from;
    else
        ct_tensor_clear(from);
    *from = (struct ct_tensor){0};
}

struct ct_tensor *ct_control_tensors(const struct ct_run *run, size_t count)
{
    struct ct_tensor *tensors = ct_alloc_zero(run->exec->allocator, count * sizeof *tensors);
    if (!tensors)
        ct_fail_memory(run->exec->error, count * sizeof *tensors, "values of a subgraph");
    return tensors;
}

void ct_control_free(const struct ct_run *run, struct ct_tensor *tensors, size_t count)
{
    if (!tensors)
        return;
    for (size_t i = 0; i < count; i++)
        ct_tensor_clear(&tensors[i]);
    ct_release(run->exec->allocator, tensors, count * sizeof *tensors);
}

ct_status ct_collected_add(const struct ct_run *run, struct ct_collected *c, struct ct_tensor *item)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 8;
        struct ct_tensor *items = ct_alloc(run->exec->allocator, capacity * sizeof *items);
        if (!items) {
            ct_tensor_clear(item);
            return ct_fail_memory(run->exec->error, capacity * sizeof *items, "scan outputs");
        }
        if (c->count)
            memcpy(items, c->items, c->count * sizeof *items);
        ct_release(run->exec->allocator, c->items, c->capacity * sizeof *items);
        c->items = items;
        c->capacity = capacity;
    }
    c->items[c->count++] = *item;
    *item = (struct ct_tensor){0};
    return CORTEN_OK;
}

void ct_collected_clear(const struct ct_run *run, struct ct_collected *c)
{
    for (size_t i = 0; i < c->count; i++)
        ct_tensor_clear(&c->items[i]);
    ct_release(run->exec->allocator, c->items, c->capacity * sizeof *c->items);
    *c = (struct ct_collected){0};
}

/* dims with `n` put in at `axis`. */
static void insert_axis(int rank, const int64_t *dims, int axis, int64_t n, int64_t *result)
{
    for (int i = 0; i <= rank; i++)
        result[i] = i == axis ? n : dims[i < axis ? i : i - 1];
}

static ct_status stack_nothing(const struct ct_run *run, const struct ct_fact *fact, int64_t axis,
                               int index)
{
    int64_t dims[CT_MAX_RANK] = {0}, result[CT_MAX_RANK];
    int rank = fact->rank < 0 ? 0 : fact->rank;
    if (axis < 0)
        axis += rank + 1;
    if (rank >= CT_MAX_RANK || axis < 0 || axis > rank)
        return ct_run_fail(run, "output %d has no place for axis %lld", index, (long long)axis);
    for (int i = 0; i < rank; i++)
        dims[i] = ct_dim_known(fact->dims[i]) ? fact->dims[i] : 0;
    insert_axis(rank, dims, (int)axis, 0, result);
    return ct_run_output(run, index, fact->dtype ? fact->dtype : CORTEN_F32, rank + 1, result);
}

ct_status ct_collected_stack(const struct ct_run *run, const struct ct_collected *c,
                             const struct ct_fact *fact, int64_t axis, bool reverse, int index)
{
    if (index >= run->n_out || !run->out[index])
        return CORTEN_OK;
    if (!c->count)
        return stack_nothing(run, fact, axis, index);
    const struct ct_tensor *first = &c->items[0];
    if (axis < 0)
        axis += first->rank + 1;
    if (first->kind != CORTEN_TENSOR || first->rank >= CT_MAX_RANK || axis < 0 ||
        axis > first->rank)
        return ct_run_fail(run, "output %d cannot be stacked along axis %lld", index,
                           (long long)axis);
    for (size_t i = 1; i < c->count; i++)
        if (c->items[i].kind != CORTEN_TENSOR || c->items[i].dtype != first->dtype ||
            !ct_same_shape(&c->items[i], first)) {
            char found[128], expected[128];
            return ct_run_fail(run, "output %d is %s in iteration %zu, and was %s before", index,
                               ct_tensor_describe(&c->items[i], found, sizeof found), i,
                               ct_tensor_describe(first, expected, sizeof expected));
        }
    int64_t dims[CT_MAX_RANK];
    insert_axis(first->rank, first->dims, (int)axis, (int64_t)c->count, dims);
    CT_TRY(ct_run_output(run, index, first->dtype, first->rank + 1, dims));
    struct ct_tensor *out = run->out[index];
    size_t outer = (size_t)ct_dims_product(first->dims, 0, (int)axis);
    size_t inner = (size_t)ct_dims_product(first->dims, (int)axis, first->rank);
    for (size_t i = 0; i < c->count; i++) {
        size_t place = reverse ? c->count - 1 - i : i;
        for (size_t o = 0; o < outer; o++)
            ct_copy_elems(first->dtype, out->data, (o * c->count + place) * inner, c->items[i].data,
                          o * inner, inner);
    }
    if (first->dtype == CORTEN_STRING) /* their bytes go with the items */
        return ct_tensor_own_strings(out, run->exec->allocator, run->exec->error);
    return CORTEN_OK;
}

ct_status ct_control_slice(const struct ct_run *run, const struct ct_tensor *from, int axis,
                           int64_t position, struct ct_tensor *to)
{
    int64_t dims[CT_MAX_RANK];
    for (int i = 0; i < from->rank - 1; i++)
        dims[i] = from->dims[i < axis ? i : i + 1];
    CT_TRY(ct_tensor_alloc(to, run->exec->allocator, from->dtype, from->rank - 1, dims,
                           run->exec->error));
    size_t outer = (size_t)ct_dims_product(from->dims, 0, axis);
    size_t inner = (size_t)ct_dims_product(from->dims, axis + 1, from->rank);
    size_t length = (size_t)from->dims[axis];
    for (size_t o = 0; o < outer; o++)
        ct_copy_elems(from->dtype, to->data, o * inner, from->data,
                      (o * length + (size_t)position) * inner, inner);
    return CORTEN_OK;
}

struct ct_tensor ct_control_scalar(const struct ct_value *input, ct_dtype dtype, void *data)
{
    struct ct_tensor t = {.dtype = dtype, .data = data};
    if (input->fact.rank == 1) {
        t.rank = 1;
        t.dims[0] = 1;
    }
    return t;
}
