#include "base/tensor.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ buffers */

/* The data follow the header at the next multiple of the alignment. */
enum { HEADER_BYTES = (sizeof(struct ct_buffer) + CT_ALIGN - 1) / CT_ALIGN * CT_ALIGN };

struct ct_buffer *ct_buffer_create(const corten_allocator *allocator, size_t size_bytes)
{
    size_t total_bytes;
    if (!ct_add_size(size_bytes, HEADER_BYTES, &total_bytes))
        return NULL;
    struct ct_buffer *buffer = ct_alloc(allocator, total_bytes);
    if (!buffer)
        return NULL;
    *buffer = (struct ct_buffer){.refs = 1, .size_bytes = size_bytes, .allocator = *allocator};
    return buffer;
}

void *ct_buffer_data(struct ct_buffer *buffer)
{
    return (char *)buffer + HEADER_BYTES;
}

struct ct_buffer *ct_buffer_ref(struct ct_buffer *buffer)
{
    __atomic_add_fetch(&buffer->refs, 1, __ATOMIC_RELAXED);
    return buffer;
}

/* True when that was the last user: the caller then frees it. */
static bool drop_ref(struct ct_buffer *buffer)
{
    return __atomic_sub_fetch(&buffer->refs, 1, __ATOMIC_ACQ_REL) == 0;
}

static void free_buffer(struct ct_buffer *buffer)
{
    corten_allocator allocator = buffer->allocator;
    ct_release(&allocator, buffer, buffer->size_bytes + HEADER_BYTES);
}

void ct_buffer_unref(struct ct_buffer *buffer)
{
    if (buffer && drop_ref(buffer))
        free_buffer(buffer);
}

/* ------------------------------------------------------------------ shapes */

bool ct_shape_count(int rank, const int64_t *dims, size_t *n_elems)
{
    size_t n = 1;
    bool is_empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        is_empty |= dims[i] == 0;
        /* A 0 further on makes any product 0; but the others must still make sense alone. */
        if (dims[i] && !ct_mul_size(n, (size_t)dims[i], &n))
            return false;
    }
    *n_elems = is_empty ? 0 : n;
    return true;
}

size_t ct_tensor_bytes(const struct ct_tensor *t)
{
    size_t n = ct_count(t);
    if (t->layout == CT_LAYOUT_NCXc16 && t->dims[1]) {
        size_t channels = (size_t)t->dims[1];
        n = n / channels * ct_align_up(channels, 16);
    }
    size_t size_bytes = 0;
    ct_dtype_bytes(t->dtype, n, &size_bytes);
    return size_bytes;
}

bool ct_same_shape(const struct ct_tensor *a, const struct ct_tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

const char *ct_tensor_describe(const struct ct_tensor *t, char *text, size_t size_bytes)
{
    static const char *const kinds[] = {[CORTEN_TENSOR] = "",
                                        [CORTEN_SEQUENCE] = "sequence of ",
                                        [CORTEN_OPTIONAL] = "optional ",
                                        [CORTEN_MAP] = "map to ",
                                        [CORTEN_SPARSE] = "sparse "};
    const char *kind = t->kind < sizeof kinds / sizeof kinds[0] ? kinds[t->kind] : "?";
    if (!size_bytes)
        return "";
    int used = snprintf(text, size_bytes, "%s%s", kind, corten_dtype_name(t->dtype));
    if (t->kind != CORTEN_TENSOR && t->kind != CORTEN_SPARSE)
        return text;
    size_t at = used < 0 ? 0 : (size_t)used;
    for (int i = 0; i < t->rank && at < size_bytes; i++) {
        used = snprintf(text + at, size_bytes - at, "%s%lld", i ? "," : "[", (long long)t->dims[i]);
        at += used < 0 ? 0 : (size_t)used;
    }
    if (at < size_bytes)
        snprintf(text + at, size_bytes - at, "%s", t->rank ? "]" : "[]");
    return text;
}

/* ------------------------------------------------------------------ tensors */

ct_status ct_tensor_alloc(struct ct_tensor *t, const corten_allocator *allocator, ct_dtype dtype,
                          int rank, const int64_t *dims, corten_error *error)
{
    size_t n_elems, size_bytes;
    if (rank < 0 || rank > CT_MAX_RANK)
        return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "rank of a tensor is %d; the limit is %d",
                       rank, (int)CT_MAX_RANK);
    if (!ct_dtype_valid(dtype))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "%d is not an element type", (int)dtype);
    struct ct_tensor made = {.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        made.dims[i] = dims[i];
    if (!ct_shape_count(rank, dims, &n_elems) || !ct_dtype_bytes(dtype, n_elems, &size_bytes) ||
        size_bytes > PTRDIFF_MAX) {
        char text[256];
        return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "no tensor can have the shape %s",
                       ct_tensor_describe(&made, text, sizeof text));
    }
    made.buffer = ct_buffer_create(allocator, size_bytes);
    if (!made.buffer) {
        char text[256];
        return ct_fail_memory(error, size_bytes, ct_tensor_describe(&made, text, sizeof text));
    }
    made.data = ct_buffer_data(made.buffer);
    if (dtype == CORTEN_STRING)
        memset(made.data, 0, size_bytes);
    *t = made;
    return CORTEN_OK;
}

void ct_tensor_share(struct ct_tensor *to, const struct ct_tensor *from)
{
    *to = *from;
    if (to->buffer)
        ct_buffer_ref(to->buffer);
}

static void clear_items(struct ct_tensor *t)
{
    switch (t->kind) {
    case CORTEN_SEQUENCE:
        for (size_t i = 0; i < ct_sequence_of(t)->count; i++)
            ct_tensor_clear(&ct_sequence_of(t)->items[i]);
        break;
    case CORTEN_OPTIONAL: ct_tensor_clear(&ct_optional_of(t)->item); break;
    case CORTEN_MAP:
        ct_tensor_clear(&ct_mapping_of(t)->keys);
        ct_tensor_clear(&ct_mapping_of(t)->values);
        break;
    case CORTEN_SPARSE:
        ct_tensor_clear(&ct_sparse_of(t)->values);
        ct_tensor_clear(&ct_sparse_of(t)->indices);
        break;
    default: break;
    }
}

void ct_tensor_clear(struct ct_tensor *t)
{
    /* Items belong to the buffer of their container: they go when its last user does. */
    if (t->buffer && drop_ref(t->buffer)) {
        if (t->data)
            clear_items(t);
        free_buffer(t->buffer);
    }
    *t = (struct ct_tensor){0};
}

/* A copy of the strings, elements first and then their bytes, in one buffer. */
static ct_status copy_strings(struct ct_tensor *to, const struct ct_tensor *from,
                              const corten_allocator *allocator, corten_error *error)
{
    const corten_string *strings = from->data;
    size_t n_elems = ct_count(from), size_bytes;
    bool fits = ct_mul_size(n_elems, sizeof *strings, &size_bytes);
    for (size_t i = 0; fits && i < n_elems; i++)
        fits = ct_add_size(size_bytes, strings[i].size_bytes, &size_bytes);
    if (!fits)
        return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "strings of a tensor are too long");
    struct ct_buffer *buffer = ct_buffer_create(allocator, size_bytes);
    if (!buffer)
        return ct_fail_memory(error, size_bytes, "strings of a tensor");
    corten_string *copies = ct_buffer_data(buffer);
    char *bytes = (char *)(copies + n_elems);
    for (size_t i = 0; i < n_elems; i++) {
        copies[i] = (corten_string){bytes, strings[i].size_bytes};
        if (strings[i].size_bytes)
            memcpy(bytes, strings[i].data, strings[i].size_bytes);
        bytes += strings[i].size_bytes;
    }
    struct ct_tensor made = *from;
    made.data = copies;
    made.buffer = buffer;
    *to = made;
    return CORTEN_OK;
}

ct_status ct_tensor_own_strings(struct ct_tensor *t, const corten_allocator *allocator,
                                corten_error *error)
{
    struct ct_tensor copy;
    CT_TRY(copy_strings(&copy, t, allocator, error));
    ct_tensor_clear(t);
    *t = copy;
    return CORTEN_OK;
}

static ct_status copy_plain(struct ct_tensor *to, const struct ct_tensor *from,
                            const corten_allocator *allocator, corten_error *error)
{
    size_t size_bytes = ct_tensor_bytes(from);
    struct ct_tensor made = *from;
    made.buffer = ct_buffer_create(allocator, size_bytes);
    if (!made.buffer) {
        char text[256];
        return ct_fail_memory(error, size_bytes, ct_tensor_describe(from, text, sizeof text));
    }
    made.data = ct_buffer_data(made.buffer);
    if (size_bytes)
        memcpy(made.data, from->data, size_bytes);
    *to = made;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ containers */

/* Sets up a container with zeroed data of that size in a buffer of its own. */
static ct_status init_container(struct ct_tensor *t, const corten_allocator *allocator,
                                corten_kind kind, ct_dtype dtype, size_t size_bytes,
                                const char *what, corten_error *error)
{
    struct ct_buffer *buffer = ct_buffer_create(allocator, size_bytes);
    if (!buffer)
        return ct_fail_memory(error, size_bytes, what);
    *t = (struct ct_tensor){.dtype = dtype, .kind = (uint8_t)kind, .buffer = buffer};
    t->data = ct_buffer_data(buffer);
    memset(t->data, 0, size_bytes);
    return CORTEN_OK;
}

static ct_status init_empty_sequence(struct ct_tensor *t, const corten_allocator *allocator,
                                     ct_dtype dtype, size_t count, corten_error *error)
{
    size_t size_bytes;
    if (!ct_mul_size(count, sizeof(struct ct_tensor), &size_bytes) ||
        !ct_add_size(size_bytes, sizeof(struct ct_sequence), &size_bytes))
        return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "a sequence of %zu items is too long", count);
    CT_TRY(init_container(t, allocator, CORTEN_SEQUENCE, dtype, size_bytes, "a sequence", error));
    struct ct_sequence *sequence = ct_sequence_of(t);
    *sequence = (struct ct_sequence){count, (struct ct_tensor *)(sequence + 1)};
    return CORTEN_OK;
}

ct_status ct_sequence_init(struct ct_tensor *t, const corten_allocator *allocator, ct_dtype dtype,
                           const struct ct_tensor *items, size_t count, corten_error *error)
{
    struct ct_tensor made;
    CT_TRY(init_empty_sequence(&made, allocator, dtype, count, error));
    for (size_t i = 0; i < count; i++)
        ct_tensor_share(&ct_sequence_of(&made)->items[i], &items[i]);
    *t = made;
    return CORTEN_OK;
}

ct_status ct_optional_init(struct ct_tensor *t, const corten_allocator *allocator, ct_dtype dtype,
                           const struct ct_tensor *item, corten_error *error)
{
    struct ct_tensor made;
    CT_TRY(init_container(&made, allocator, CORTEN_OPTIONAL, dtype, sizeof(struct ct_optional),
                          "an optional", error));
    if (item) {
        ct_optional_of(&made)->present = true;
        ct_tensor_share(&ct_optional_of(&made)->item, item);
    }
    *t = made;
    return CORTEN_OK;
}

ct_status ct_mapping_init(struct ct_tensor *t, const corten_allocator *allocator,
                          const struct ct_tensor *keys, const struct ct_tensor *values,
                          corten_error *error)
{
    if (keys->rank != 1 || values->rank != 1 || keys->dims[0] != values->dims[0]) {
        char keys_text[256], values_text[256];
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "a map has keys %s and values %s; expected two of rank 1 and one length",
                       ct_tensor_describe(keys, keys_text, sizeof keys_text),
                       ct_tensor_describe(values, values_text, sizeof values_text));
    }
    struct ct_tensor made;
    CT_TRY(init_container(&made, allocator, CORTEN_MAP, values->dtype, sizeof(struct ct_mapping),
                          "a map", error));
    ct_tensor_share(&ct_mapping_of(&made)->keys, keys);
    ct_tensor_share(&ct_mapping_of(&made)->values, values);
    *t = made;
    return CORTEN_OK;
}

ct_status ct_sparse_init(struct ct_tensor *t, const corten_allocator *allocator, int rank,
                         const int64_t *dims, const struct ct_tensor *values,
                         const struct ct_tensor *indices, corten_error *error)
{
    if (rank < 0 || rank > CT_MAX_RANK)
        return ct_fail(error, CORTEN_LIMIT_EXCEEDED, "rank of a tensor is %d; the limit is %d",
                       rank, (int)CT_MAX_RANK);
    bool is_linear = indices->rank == 1;
    bool is_coordinates = indices->rank == 2 && indices->dims[1] == rank;
    if (values->rank != 1 || indices->dtype != CORTEN_I64 || !(is_linear || is_coordinates) ||
        indices->dims[0] != values->dims[0]) {
        char values_text[256], indices_text[256];
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "a sparse tensor of rank %d has values %s and indices %s; expected [n], and "
                       "int64 [n] or [n,%d]",
                       rank, ct_tensor_describe(values, values_text, sizeof values_text),
                       ct_tensor_describe(indices, indices_text, sizeof indices_text), rank);
    }
    struct ct_tensor made;
    CT_TRY(init_container(&made, allocator, CORTEN_SPARSE, values->dtype, sizeof(struct ct_sparse),
                          "a sparse tensor", error));
    made.rank = rank;
    for (int i = 0; i < rank; i++)
        made.dims[i] = dims[i];
    ct_tensor_share(&ct_sparse_of(&made)->values, values);
    ct_tensor_share(&ct_sparse_of(&made)->indices, indices);
    *t = made;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ clone */

/* Each makes an empty container first, so that clearing it undoes whatever was done. */
static ct_status clone_container(struct ct_tensor *to, const struct ct_tensor *from,
                                 const corten_allocator *allocator, corten_error *error)
{
    switch (from->kind) {
    case CORTEN_SEQUENCE: {
        const struct ct_sequence *sequence = ct_sequence_of(from);
        CT_TRY(init_empty_sequence(to, allocator, from->dtype, sequence->count, error));
        for (size_t i = 0; i < sequence->count; i++)
            CT_TRY(ct_tensor_clone(&ct_sequence_of(to)->items[i], &sequence->items[i], allocator,
                                   error));
        return CORTEN_OK;
    }
    case CORTEN_OPTIONAL: {
        const struct ct_optional *optional = ct_optional_of(from);
        CT_TRY(ct_optional_init(to, allocator, from->dtype, NULL, error));
        if (!optional->present)
            return CORTEN_OK;
        ct_optional_of(to)->present = true;
        return ct_tensor_clone(&ct_optional_of(to)->item, &optional->item, allocator, error);
    }
    case CORTEN_MAP: {
        const struct ct_mapping *mapping = ct_mapping_of(from);
        CT_TRY(init_container(to, allocator, CORTEN_MAP, from->dtype, sizeof *mapping, "a map",
                              error));
        CT_TRY(ct_tensor_clone(&ct_mapping_of(to)->keys, &mapping->keys, allocator, error));
        return ct_tensor_clone(&ct_mapping_of(to)->values, &mapping->values, allocator, error);
    }
    default: {
        const struct ct_sparse *sparse = ct_sparse_of(from);
        CT_TRY(init_container(to, allocator, CORTEN_SPARSE, from->dtype, sizeof *sparse,
                              "a sparse tensor", error));
        to->rank = from->rank;
        memcpy(to->dims, from->dims, sizeof to->dims);
        CT_TRY(ct_tensor_clone(&ct_sparse_of(to)->values, &sparse->values, allocator, error));
        return ct_tensor_clone(&ct_sparse_of(to)->indices, &sparse->indices, allocator, error);
    }
    }
}

ct_status ct_tensor_clone(struct ct_tensor *to, const struct ct_tensor *from,
                          const corten_allocator *allocator, corten_error *error)
{
    if (!from->data) {
        *to = *from;
        return CORTEN_OK;
    }
    if (from->kind == CORTEN_TENSOR)
        return from->dtype == CORTEN_STRING ? copy_strings(to, from, allocator, error)
                                            : copy_plain(to, from, allocator, error);
    struct ct_tensor made = {0};
    ct_status status = clone_container(&made, from, allocator, error);
    if (status != CORTEN_OK)
        ct_tensor_clear(&made);
    else
        *to = made;
    return status;
}
