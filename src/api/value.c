#include <string.h>

#include "api/api.h"

/* ------------------------------------------------------------------ handles */

static ct_status create_handle(corten_value **value, corten_error *error)
{
    corten_value *v = ct_alloc_zero(ct_default_allocator(), sizeof *v);
    if (!v)
        return ct_fail_memory(error, sizeof *v, "a value");
    *value = v;
    return CORTEN_OK;
}

void corten_value_destroy(corten_value *value)
{
    if (!value)
        return;
    ct_tensor_clear(&value->tensor);
    ct_release(ct_default_allocator(), value, sizeof *value);
}

static ct_status check_shape(ct_dtype dtype, int rank, const int64_t *dims, corten_error *error)
{
    size_t n_elems, size_bytes;
    if (!ct_dtype_valid(dtype))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%d is not an element type", (int)dtype);
    if (rank < 0 || rank > CORTEN_MAX_RANK)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "rank is %d, expected 0 to %d", rank,
                       CORTEN_MAX_RANK);
    if (rank > 0 && !dims)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "dims is NULL, the rank is %d", rank);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0)
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "dimension %d is %lld, expected at least 0", i, (long long)dims[i]);
    if (!ct_shape_count(rank, dims, &n_elems) || !ct_dtype_bytes(dtype, n_elems, &size_bytes) ||
        size_bytes > PTRDIFF_MAX)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "the shape has too many elements");
    return CORTEN_OK;
}

corten_status corten_tensor_create(const corten_allocator *allocator, corten_dtype dtype, int rank,
                                   const int64_t *dims, corten_value **tensor, corten_error *error)
{
    CT_REQUIRE(tensor, error);
    CT_TRY(check_shape(dtype, rank, dims, error));
    corten_value *v = NULL;
    CT_TRY(create_handle(&v, error));
    ct_status status = ct_tensor_alloc(&v->tensor, allocator ? allocator : ct_default_allocator(),
                                       dtype, rank, dims, error);
    if (status != CORTEN_OK) {
        corten_value_destroy(v);
        return status;
    }
    memset(v->tensor.data, 0, ct_tensor_bytes(&v->tensor));
    *tensor = v;
    return CORTEN_OK;
}

corten_status corten_tensor_wrap(corten_dtype dtype, int rank, const int64_t *dims, void *data,
                                 size_t size_bytes, corten_value **tensor, corten_error *error)
{
    CT_REQUIRE(tensor, error);
    CT_TRY(check_shape(dtype, rank, dims, error));
    struct ct_tensor t = {.dtype = dtype, .rank = rank, .data = data};
    if (rank)
        memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    size_t needed = ct_tensor_bytes(&t), elem = ct_dtype_elem_bytes(dtype);
    if (size_bytes < needed)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "the memory has %zu bytes, the shape needs %zu", size_bytes, needed);
    if (needed && !data)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "data is NULL, the shape needs %zu bytes",
                       needed);
    if (elem > 8) /* complex and string: aligned like their parts */
        elem = 8;
    if (elem && (uintptr_t)data % elem)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "data is not aligned to %zu bytes", elem);
    CT_TRY(create_handle(tensor, error));
    (*tensor)->tensor = t;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ looking */

corten_kind corten_value_kind(const corten_value *value)
{
    return value ? (corten_kind)value->tensor.kind : CORTEN_TENSOR;
}

corten_dtype corten_value_dtype(const corten_value *value)
{
    return value ? value->tensor.dtype : CORTEN_DTYPE_NONE;
}

int corten_tensor_rank(const corten_value *tensor)
{
    return tensor ? tensor->tensor.rank : 0;
}

const int64_t *corten_tensor_dims(const corten_value *tensor)
{
    return tensor ? tensor->tensor.dims : NULL;
}

static bool is_tensor(const corten_value *value)
{
    return value && value->tensor.kind == CORTEN_TENSOR;
}

size_t corten_tensor_element_count(const corten_value *tensor)
{
    return is_tensor(tensor) ? ct_count(&tensor->tensor) : 0;
}

size_t corten_tensor_size_bytes(const corten_value *tensor)
{
    return is_tensor(tensor) ? ct_tensor_bytes(&tensor->tensor) : 0;
}

void *corten_tensor_data(corten_value *tensor)
{
    return is_tensor(tensor) ? tensor->tensor.data : NULL;
}

const void *corten_tensor_const_data(const corten_value *tensor)
{
    return is_tensor(tensor) ? tensor->tensor.data : NULL;
}

corten_status corten_tensor_set_strings(corten_value *tensor, const corten_string *strings,
                                        size_t count, corten_error *error)
{
    CT_REQUIRE(tensor, error);
    const struct ct_tensor *t = &tensor->tensor;
    if (!is_tensor(tensor) || t->dtype != CORTEN_STRING || !t->buffer)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "the value is not a string tensor with "
                       "memory of its own");
    if (count != ct_count(t))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%zu strings are given, the tensor has %zu",
                       count, ct_count(t));
    if (count)
        CT_REQUIRE(strings, error);
    for (size_t i = 0; i < count; i++)
        if (!strings[i].data && strings[i].size_bytes)
            return ct_fail(error, CORTEN_INVALID_ARGUMENT, "string %zu has no data", i);
    struct ct_tensor borrowed = *t, copy = {0};
    borrowed.data = (void *)strings;
    borrowed.buffer = NULL;
    CT_TRY(ct_tensor_clone(&copy, &borrowed, &t->buffer->allocator, error));
    ct_tensor_clear(&tensor->tensor);
    tensor->tensor = copy;
    return CORTEN_OK;
}

size_t corten_value_item_count(const corten_value *value)
{
    if (!value)
        return 0;
    switch (corten_value_kind(value)) {
    case CORTEN_SEQUENCE: return ct_sequence_of(&value->tensor)->count;
    case CORTEN_OPTIONAL: return ct_optional_of(&value->tensor)->present;
    case CORTEN_MAP:
    case CORTEN_SPARSE: return 2;
    case CORTEN_TENSOR: break;
    }
    return 1;
}

const corten_value *corten_value_item(const corten_value *value, size_t index)
{
    if (!value || index >= corten_value_item_count(value))
        return NULL;
    const struct ct_tensor *t = &value->tensor, *item = t;
    switch (corten_value_kind(value)) {
    case CORTEN_SEQUENCE: item = &ct_sequence_of(t)->items[index]; break;
    case CORTEN_OPTIONAL: item = &ct_optional_of(t)->item; break;
    case CORTEN_MAP: item = index ? &ct_mapping_of(t)->values : &ct_mapping_of(t)->keys; break;
    case CORTEN_SPARSE: item = index ? &ct_sparse_of(t)->indices : &ct_sparse_of(t)->values; break;
    case CORTEN_TENSOR: break;
    }
    return (const corten_value *)item; /* a handle is the tensor itself */
}

/* ------------------------------------------------------------------ containers */

/* Items are copied, so that the container does not depend on the caller's memory. */
static ct_status clone_items(const corten_value *const *items, size_t count,
                             struct ct_tensor **clones, corten_error *error)
{
    const corten_allocator *allocator = ct_default_allocator();
    struct ct_tensor *c = ct_alloc_zero(allocator, count * sizeof *c);
    if (!c)
        return ct_fail_memory(error, count * sizeof *c, "items");
    ct_status status = CORTEN_OK;
    for (size_t i = 0; i < count && status == CORTEN_OK; i++) {
        if (!items[i])
            status = ct_fail(error, CORTEN_INVALID_ARGUMENT, "item %zu is NULL", i);
        else
            status = ct_tensor_clone(&c[i], &items[i]->tensor, allocator, error);
    }
    if (status != CORTEN_OK) {
        for (size_t i = 0; i < count; i++)
            ct_tensor_clear(&c[i]);
        ct_release(allocator, c, count * sizeof *c);
        return status;
    }
    *clones = c;
    return CORTEN_OK;
}

static void free_items(struct ct_tensor *clones, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ct_tensor_clear(&clones[i]);
    ct_release(ct_default_allocator(), clones, count * sizeof *clones);
}

static ct_status create_container(corten_kind kind, ct_dtype dtype,
                                  const corten_value *const *items, size_t count,
                                  corten_value **value, corten_error *error)
{
    const corten_allocator *allocator = ct_default_allocator();
    struct ct_tensor *clones = NULL;
    corten_value *v = NULL;
    CT_TRY(clone_items(items, count, &clones, error));
    ct_status status = create_handle(&v, error);
    if (status == CORTEN_OK) {
        if (kind == CORTEN_SEQUENCE)
            status = ct_sequence_init(&v->tensor, allocator, dtype, clones, count, error);
        else if (kind == CORTEN_OPTIONAL)
            status = ct_optional_init(&v->tensor, allocator, dtype, count ? clones : NULL, error);
        else
            status = ct_mapping_init(&v->tensor, allocator, &clones[0], &clones[1], error);
        if (status == CORTEN_OK)
            *value = v;
        else
            corten_value_destroy(v);
    }
    free_items(clones, count);
    return status;
}

corten_status corten_sequence_create(corten_dtype dtype, const corten_value *const *items,
                                     size_t count, corten_value **sequence, corten_error *error)
{
    CT_REQUIRE(sequence, error);
    if (count)
        CT_REQUIRE(items, error);
    for (size_t i = 0; i < count; i++)
        if (items[i] && dtype && items[i]->tensor.dtype != dtype)
            return ct_fail(error, CORTEN_INVALID_ARGUMENT, "item %zu is %s, the sequence is of %s",
                           i, corten_dtype_name(items[i]->tensor.dtype), corten_dtype_name(dtype));
    if (!dtype && count && items[0])
        dtype = items[0]->tensor.dtype;
    return create_container(CORTEN_SEQUENCE, dtype, items, count, sequence, error);
}

corten_status corten_optional_create(const corten_value *item, corten_value **optional,
                                     corten_error *error)
{
    CT_REQUIRE(optional, error);
    return create_container(CORTEN_OPTIONAL, item ? item->tensor.dtype : CORTEN_DTYPE_NONE, &item,
                            item != NULL, optional, error);
}

static ct_status check_indices(int rank, const int64_t *dims, const struct ct_tensor *indices,
                               corten_error *error)
{
    size_t count = 0;
    if (indices->kind != CORTEN_TENSOR || indices->dtype != CORTEN_I64 ||
        !ct_shape_count(rank, dims, &count))
        return CORTEN_OK; /* refused elsewhere, with a text of its own */
    const int64_t *index = indices->data;
    const bool linear = indices->rank == 1;
    for (size_t i = 0; i < ct_count(indices); i++) {
        int64_t bound = linear || rank == 0 ? (int64_t)count : dims[i % (size_t)rank];
        if (index[i] < 0 || index[i] >= bound)
            return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                           "index %lld of a sparse tensor is not below %lld", (long long)index[i],
                           (long long)bound);
    }
    return CORTEN_OK;
}

corten_status corten_sparse_create(int rank, const int64_t *dims, const corten_value *values,
                                   const corten_value *indices, corten_value **sparse,
                                   corten_error *error)
{
    CT_REQUIRE(sparse, error);
    CT_REQUIRE(values, error);
    CT_REQUIRE(indices, error);
    if (rank > 0)
        CT_REQUIRE(dims, error);
    CT_TRY(check_shape(values->tensor.dtype, rank, dims, error));
    CT_TRY(check_indices(rank, dims, &indices->tensor, error));
    const corten_value *items[] = {values, indices};
    struct ct_tensor *clones = NULL;
    corten_value *v = NULL;
    CT_TRY(clone_items(items, 2, &clones, error));
    ct_status status = create_handle(&v, error);
    if (status == CORTEN_OK)
        status = ct_sparse_init(&v->tensor, ct_default_allocator(), rank, dims, &clones[0],
                                &clones[1], error);
    free_items(clones, 2);
    if (status != CORTEN_OK) {
        corten_value_destroy(v);
        return status;
    }
    *sparse = v;
    return CORTEN_OK;
}

corten_status corten_map_create(const corten_value *keys, const corten_value *values,
                                corten_value **map, corten_error *error)
{
    CT_REQUIRE(map, error);
    CT_REQUIRE(keys, error);
    CT_REQUIRE(values, error);
    const corten_value *items[] = {keys, values};
    return create_container(CORTEN_MAP, values->tensor.dtype, items, 2, map, error);
}
