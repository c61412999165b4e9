/* Unique: of elements, or of slices along an axis. Items are sorted by keys: unsigned numbers in
 * the order of the elements (strings are compared themselves). */
#include <stdlib.h>
#include <string.h>

#include "ops/movement/move.h"

static ct_status infer_unique(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const struct ct_attr *attr = ct_node_attr(infer->node, "axis");
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    for (int i = 1; i < 4; i++)
        ct_infer_set(infer, i, CORTEN_I64, 1, NULL);
    if (!attr) {
        ct_infer_set(infer, 0, in->dtype, 1, NULL);
        return CORTEN_OK;
    }
    ct_dim dims[CT_MAX_RANK];
    int axis;
    ct_infer_set(infer, 0, in->dtype, in->rank, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in->rank, &axis));
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    dims[axis] = CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, in->dtype, in->rank, dims);
    return CORTEN_OK;
}

/* The input as items along an axis: item i is made of `outer` runs of `inner` elements. */
struct items {
    const struct ct_tensor *in;
    size_t outer, count, inner;
    size_t n_keys; /* of an item */
    uint64_t *keys;
};

/* Where an item stands, and among which equal ones. */
struct group {
    int64_t first, count, id;
};

/* Signed numbers order as unsigned ones when the sign bit is turned; of negative floats all other
 * bits are, too. Zeros are equal, and NaN is one value behind all others. */
static uint64_t key_of_f64(double x)
{
    uint64_t bits;
    if (x != x)
        return UINT64_MAX;
    x += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static void load_keys(const struct ct_tensor *t, size_t first, size_t n, uint64_t *keys)
{
    if (ct_dtype_in(t->dtype, CT_COMPLEX)) {
        ct_dtype part = t->dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64;
        for (size_t i = 0; i < 2 * n; i++) {
            double x;
            ct_load_f64(part, t->data, 2 * first + i, 1, &x);
            keys[i] = key_of_f64(x);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (ct_dtype_is_float(t->dtype)) {
            double x;
            ct_load_f64(t->dtype, t->data, first + i, 1, &x);
            keys[i] = key_of_f64(x);
        } else {
            int64_t x;
            ct_load_i64(t->dtype, t->data, first + i, 1, &x);
            keys[i] = (uint64_t)x ^ (t->dtype == CORTEN_U64 ? 0 : UINT64_C(1) << 63);
        }
    }
}

static int compare_strings(const corten_string *a, const corten_string *b)
{
    size_t n = a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes;
    int c = n ? memcmp(a->data, b->data, n) : 0;
    return c ? c : (a->size_bytes > b->size_bytes) - (a->size_bytes < b->size_bytes);
}

static int compare_items(const struct items *items, int64_t a, int64_t b)
{
    if (items->keys) {
        const uint64_t *x = items->keys + (size_t)a * items->n_keys;
        const uint64_t *y = items->keys + (size_t)b * items->n_keys;
        for (size_t i = 0; i < items->n_keys; i++)
            if (x[i] != y[i])
                return x[i] < y[i] ? -1 : 1;
        return 0;
    }
    const corten_string *data = items->in->data;
    for (size_t o = 0; o < items->outer; o++)
        for (size_t i = 0; i < items->inner; i++) {
            size_t x = (o * items->count + (size_t)a) * items->inner + i;
            size_t y = (o * items->count + (size_t)b) * items->inner + i;
            int c = compare_strings(&data[x], &data[y]);
            if (c)
                return c;
        }
    return 0;
}

static int compare_indices(const void *a, const void *b, void *items)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    int c = compare_items(items, x, y);
    return c ? c : (x > y) - (x < y);
}

static int compare_firsts(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Copies what the groups say into the outputs; ids are those of the sorted order until here. */
static ct_status write_outputs(const struct ct_run *run, const struct items *items,
                               struct group *groups, size_t n_groups, const int64_t *id_of,
                               int64_t *rank_of, int axis)
{
    const struct ct_tensor *in = items->in;
    int64_t dims[CT_MAX_RANK], n_unique = (int64_t)n_groups, n_items = (int64_t)items->count;
    int rank = axis < 0 ? 1 : in->rank;
    if (!ct_attr_int(run->node, "sorted", 1))
        qsort(groups, n_groups, sizeof *groups, compare_firsts);
    if (axis >= 0)
        memcpy(dims, in->dims, (size_t)rank * sizeof *dims);
    dims[axis < 0 ? 0 : axis] = n_unique;
    CT_TRY(ct_run_output(run, 0, in->dtype, rank, dims));
    CT_TRY(ct_run_output(run, 1, CORTEN_I64, 1, &n_unique));
    CT_TRY(ct_run_output(run, 2, CORTEN_I64, 1, &n_items));
    CT_TRY(ct_run_output(run, 3, CORTEN_I64, 1, &n_unique));
    struct ct_tensor *out[4] = {0};
    for (int i = 0; i < run->n_out && i < 4; i++)
        out[i] = run->out[i];
    for (size_t g = 0; g < n_groups; g++) {
        rank_of[groups[g].id] = (int64_t)g;
        if (out[1])
            CT_DATA(int64_t, out[1])[g] = groups[g].first;
        if (out[3])
            CT_DATA(int64_t, out[3])[g] = groups[g].count;
        for (size_t o = 0; out[0] && o < items->outer; o++)
            ct_copy_elems(in->dtype, out[0]->data, (o * n_groups + g) * items->inner, in->data,
                          (o * items->count + (size_t)groups[g].first) * items->inner,
                          items->inner);
    }
    for (size_t i = 0; out[2] && i < items->count; i++)
        CT_DATA(int64_t, out[2])[i] = rank_of[id_of[i]];
    return CORTEN_OK;
}

static ct_status find_unique(const struct ct_run *run, struct items *items, int axis, void *memory)
{
    size_t n = items->count, n_groups = 0;
    size_t factor = ct_dtype_in(items->in->dtype, CT_COMPLEX) ? 2 : 1;
    struct group *groups = memory;
    int64_t *order = (int64_t *)(groups + n), *id_of = order + n, *rank_of = id_of + n;
    items->keys = NULL;
    if (items->in->dtype != CORTEN_STRING) {
        items->keys = (uint64_t *)(rank_of + n);
        for (size_t i = 0; i < n; i++)
            for (size_t o = 0; o < items->outer; o++)
                load_keys(items->in, (o * n + i) * items->inner, items->inner,
                          items->keys + i * items->n_keys + o * items->inner * factor);
    }
    for (size_t i = 0; i < n; i++)
        order[i] = (int64_t)i;
    qsort_r(order, n, sizeof *order, compare_indices, items);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || compare_items(items, order[i - 1], order[i])) {
            groups[n_groups] = (struct group){.first = order[i], .id = (int64_t)n_groups};
            n_groups++;
        }
        groups[n_groups - 1].count++;
        id_of[order[i]] = groups[n_groups - 1].id;
    }
    return write_outputs(run, items, groups, n_groups, id_of, rank_of, axis);
}

static ct_status run_unique(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    struct items items = {.in = in, .outer = 1, .count = ct_count(in), .inner = 1};
    int axis = -1;
    if (ct_node_attr(run->node, "axis")) {
        int64_t at = ct_attr_int(run->node, "axis", 0);
        if (at < -in->rank || at >= in->rank)
            return ct_run_fail(run, "axis %lld is out of range", (long long)at);
        axis = (int)(at < 0 ? at + in->rank : at);
        items.outer = (size_t)ct_dims_product(in->dims, 0, axis);
        items.count = (size_t)in->dims[axis];
        items.inner = (size_t)ct_dims_product(in->dims, axis + 1, in->rank);
    }
    size_t elems = items.outer * items.inner, size_bytes, key_bytes;
    items.n_keys = elems * (ct_dtype_in(in->dtype, CT_COMPLEX) ? 2 : 1);
    if (!ct_mul_size(items.count, sizeof(struct group) + 3 * sizeof(int64_t), &size_bytes) ||
        !ct_mul_size(items.count * items.n_keys, sizeof(uint64_t), &key_bytes) ||
        !ct_add_size(size_bytes, key_bytes, &size_bytes))
        return ct_run_fail(run, "too many elements");
    void *memory = ct_alloc(run->exec->allocator, size_bytes);
    if (!memory)
        return ct_fail_memory(run->exec->error, size_bytes, "Unique");
    ct_status status = find_unique(run, &items, axis, memory);
    ct_release(run->exec->allocator, memory, size_bytes);
    return status;
}

const struct ct_op ct_op_unique = {
    .infer = infer_unique,
    .run = run_unique,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .max_out = 4,
};
