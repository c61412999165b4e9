/* Copies of strided boxes of elements: what Transpose, Slice, Expand, Concat, Tile and many others
 * come down to. Axes are merged and the loops chosen once, in prepare. */
#ifndef CT_OPS_STRIDED_COPY_H
#define CT_OPS_STRIDED_COPY_H

#include "base/dtype.h"
#include "base/tensor.h"
#include "os/pool.h"

enum { CT_STRIDED_MAX_RANK = 2 * CT_MAX_RANK };

struct ct_strided_copy {
    ct_dtype dtype;
    size_t elem_bytes; /* of what is moved: whole short rows perhaps; 0: packed below a byte */
    int rank;          /* after merging, at least 2; the last two axes make a tile */
    int64_t dims[CT_STRIDED_MAX_RANK];
    int64_t to_stride[CT_STRIDED_MAX_RANK], from_stride[CT_STRIDED_MAX_RANK];
    int64_t tile_rows, tile_cols, tiles_down, tiles_across;
    int64_t n_items; /* tiles in all */
    bool transposes; /* the last two axes change places */
};

/** Box of `dims`; strides in elements, any sign or 0 in `from`; those of `to` descend. The numbers
 *  must describe memory that exists: nothing is checked. rank at most CT_STRIDED_MAX_RANK. */
void ct_strided_copy_init(struct ct_strided_copy *copy, ct_dtype dtype, int rank,
                          const int64_t *dims, const int64_t *to_stride,
                          const int64_t *from_stride);
/** Copies, from element `to_first`, `from_first` on; in parallel when there is enough work. The
 *  memory may be misaligned. */
void ct_strided_copy_run(const struct ct_strided_copy *copy, struct ct_pool *pool, void *to,
                         int64_t to_first, const void *from, int64_t from_first);

/** Row-major strides of a shape, in elements. */
void ct_dense_strides(int rank, const int64_t *dims, int64_t *stride);
/** Writes element `value_first` of `value` to n elements. */
void ct_fill_elems(ct_dtype dtype, void *to, size_t to_first, size_t n, const void *value,
                   size_t value_first);

#endif
