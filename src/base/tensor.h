/* The one tensor: what graphs hold as constants and operators read and write.
 * Always dense and row-major, but for `layout`. */
#ifndef CT_BASE_TENSOR_H
#define CT_BASE_TENSOR_H

#include "base/dtype.h"
#include "base/memory.h"

enum { CT_MAX_RANK = CORTEN_MAX_RANK };

/** How the elements of a rank 3 to 5 tensor lie in memory; dims are always the logical ones. */
enum ct_layout {
    CT_LAYOUT_PLAIN = 0,  /* row-major */
    CT_LAYOUT_NCXc16 = 1, /* channels in blocks of 16, the block innermost: N, C/16, spatial, 16 */
    CT_LAYOUT_NXC = 2     /* channels last */
};

/** Memory with a count of its users, for values whose size is known only at run time. */
struct ct_buffer {
    int refs; /* atomic */
    size_t size_bytes;
    corten_allocator allocator; /* a copy: the buffer may outlive whoever made it */
};
/** NULL when there is no memory; one reference. */
struct ct_buffer *ct_buffer_create(const corten_allocator *allocator, size_t size_bytes);
/** Aligned to CT_ALIGN. */
void *ct_buffer_data(struct ct_buffer *buffer);
struct ct_buffer *ct_buffer_ref(struct ct_buffer *buffer);
void ct_buffer_unref(struct ct_buffer *buffer); /* NULL allowed */

/** A tensor; or, by `kind`, another ONNX value, whose `data` is then one of the structs below.
 *  Strings: data is an array of corten_string, and for tensors with a buffer of their own the
 *  bytes lie in that buffer too. */
struct ct_tensor {
    ct_dtype dtype; /* of sequences, optionals: of the innermost tensor, NONE if there is none */
    uint8_t kind;   /* corten_kind */
    uint8_t layout; /* enum ct_layout */
    int32_t rank;
    int64_t dims[CT_MAX_RANK];
    void *data;               /* NULL: shape only */
    struct ct_buffer *buffer; /* NULL: the memory is somebody else's */
};

struct ct_sequence {
    size_t count;
    struct ct_tensor *items; /* each holds a reference of its own */
};
struct ct_optional {
    bool present;
    struct ct_tensor item;
};
struct ct_mapping {
    struct ct_tensor keys, values; /* both rank 1, of one length */
};
struct ct_sparse {
    struct ct_tensor values, indices; /* as in SparseTensorProto: [nnz], and [nnz] or [nnz, rank] */
};

/** Elements of a shape; false when a dimension is negative or the product overflows. */
bool ct_shape_count(int rank, const int64_t *dims, size_t *n_elems);
/** Elements of a tensor whose shape has been checked. */
static inline size_t ct_count(const struct ct_tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= (size_t)t->dims[i];
    return n;
}
/** Bytes of a tensor whose shape has been checked (blocked layouts: channels rounded up). */
size_t ct_tensor_bytes(const struct ct_tensor *t);
/** Product of dims[from..to). */
static inline int64_t ct_dims_product(const int64_t *dims, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++)
        n *= dims[i];
    return n;
}
bool ct_same_shape(const struct ct_tensor *a, const struct ct_tensor *b);
/** Writes "float32[2,3]" and the like; returns `text`. */
const char *ct_tensor_describe(const struct ct_tensor *t, char *text, size_t size_bytes);

/** Sets dtype and shape and allocates a buffer for it (zeroed for strings). `t` must hold
 *  nothing. LIMIT_EXCEEDED for an impossible shape, OUT_OF_MEMORY. */
ct_status ct_tensor_alloc(struct ct_tensor *t, const corten_allocator *allocator, ct_dtype dtype,
                          int rank, const int64_t *dims, corten_error *error);
/** `to` (which must hold nothing) shares what `from` holds; memory without a buffer is borrowed. */
void ct_tensor_share(struct ct_tensor *to, const struct ct_tensor *from);
/** `to` (which must hold nothing) gets a copy of everything, strings and items included. */
ct_status ct_tensor_clone(struct ct_tensor *to, const struct ct_tensor *from,
                          const corten_allocator *allocator, corten_error *error);
/** For a string tensor whose bytes lie elsewhere: moves them into a buffer of its own. */
ct_status ct_tensor_own_strings(struct ct_tensor *t, const corten_allocator *allocator,
                                corten_error *error);
/** Drops what the tensor holds, items included, and clears it. */
void ct_tensor_clear(struct ct_tensor *t);

/* Containers: `t` must hold nothing; items are shared from the arguments. */
ct_status ct_sequence_init(struct ct_tensor *t, const corten_allocator *allocator, ct_dtype dtype,
                           const struct ct_tensor *items, size_t count, corten_error *error);
ct_status ct_optional_init(struct ct_tensor *t, const corten_allocator *allocator, ct_dtype dtype,
                           const struct ct_tensor *item /* or NULL */, corten_error *error);
ct_status ct_mapping_init(struct ct_tensor *t, const corten_allocator *allocator,
                          const struct ct_tensor *keys, const struct ct_tensor *values,
                          corten_error *error);
/** As in SparseTensorProto; `dims` is the dense shape, dtype that of `values`. */
ct_status ct_sparse_init(struct ct_tensor *t, const corten_allocator *allocator, int rank,
                         const int64_t *dims, const struct ct_tensor *values,
                         const struct ct_tensor *indices, corten_error *error);
static inline struct ct_sequence *ct_sequence_of(const struct ct_tensor *t)
{
    return t->data;
}
static inline struct ct_optional *ct_optional_of(const struct ct_tensor *t)
{
    return t->data;
}
static inline struct ct_mapping *ct_mapping_of(const struct ct_tensor *t)
{
    return t->data;
}
static inline struct ct_sparse *ct_sparse_of(const struct ct_tensor *t)
{
    return t->data;
}

/** Typed view of the elements: `const float *x = CT_DATA(const float, t);` */
#define CT_DATA(type, t) ((type *)(t)->data)

#endif
