#include "ops/strided_copy.h"

#include <string.h>

/* Elements may lie at any address, and may be of any type. */
#define ANY __attribute__((aligned(1), may_alias))
typedef uint8_t any8 __attribute__((may_alias));
typedef uint16_t any16 ANY;
typedef uint32_t any32 ANY;
typedef uint64_t any64 ANY;
typedef struct {
    uint64_t words[2];
} ANY any128;

enum { LINE = 64 }; /* bytes of a cache line */

typedef uint32_t vec4 __attribute__((vector_size(16)));

static inline vec4 load_4(const any32 *from)
{
    vec4 v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void turn_4x4(any32 *to, int64_t to_stride, const any32 *from, int64_t from_stride)
{
    vec4 a = load_4(from), b = load_4(from + from_stride);
    vec4 c = load_4(from + 2 * from_stride), d = load_4(from + 3 * from_stride);
    vec4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    vec4 ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    vec4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    vec4 cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    vec4 rows[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                    __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                    __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                    __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
    for (int i = 0; i < 4; i++)
        memcpy(to + i * to_stride, &rows[i], sizeof rows[i]);
}

#define T any8
#define FN(name) name##_1
#include "ops/strided_tile.h"
#undef T
#undef FN
#define T any16
#define FN(name) name##_2
#include "ops/strided_tile.h"
#undef T
#undef FN
#define T any32
#define FN(name) name##_4
#define TURN_4X4 turn_4x4
#include "ops/strided_tile.h"
#undef TURN_4X4
#undef T
#undef FN
#define T any64
#define FN(name) name##_8
#include "ops/strided_tile.h"
#undef T
#undef FN
#define T any128
#define FN(name) name##_16
#include "ops/strided_tile.h"

enum {
    TILE_BYTES = 65536, /* of a tile of rows: an item worth handing to another thread */
    TILE_SIDE = 128     /* of a transposed tile: what it touches stays in the second-level cache */
};

void ct_dense_strides(int rank, const int64_t *dims, int64_t *stride)
{
    int64_t next = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = next;
        next *= dims[i];
    }
}

/* ------------------------------------------------------------------ init */

static void drop_axis(struct ct_strided_copy *copy, int axis)
{
    for (int i = axis; i + 1 < copy->rank; i++) {
        copy->dims[i] = copy->dims[i + 1];
        copy->to_stride[i] = copy->to_stride[i + 1];
        copy->from_stride[i] = copy->from_stride[i + 1];
    }
    copy->rank--;
}

static void merge_axes(struct ct_strided_copy *copy)
{
    for (int i = copy->rank - 1; i >= 0; i--)
        if (copy->dims[i] == 1)
            drop_axis(copy, i);
    for (int i = copy->rank - 2; i >= 0; i--) {
        int64_t n = copy->dims[i + 1];
        if (copy->to_stride[i] != copy->to_stride[i + 1] * n ||
            copy->from_stride[i] != copy->from_stride[i + 1] * n)
            continue;
        copy->dims[i + 1] *= copy->dims[i];
        drop_axis(copy, i);
    }
}

/* A short dense last axis becomes one wider element. */
static void widen_elements(struct ct_strided_copy *copy)
{
    int last = copy->rank - 1;
    if (last < 1 || copy->to_stride[last] != 1 || copy->from_stride[last] != 1)
        return;
    int64_t n = copy->dims[last];
    if ((n != 2 && n != 4 && n != 8 && n != 16) || (size_t)n * copy->elem_bytes > 16)
        return;
    for (int i = 0; i < last; i++)
        if (copy->to_stride[i] % n || copy->from_stride[i] % n)
            return;
    for (int i = 0; i < last; i++) {
        copy->to_stride[i] /= n;
        copy->from_stride[i] /= n;
    }
    copy->elem_bytes *= (size_t)n;
    copy->rank--;
}

/* When some axis is dense in `from`, but another in `to`, they become the last two. */
static void find_transpose(struct ct_strided_copy *copy)
{
    int last = copy->rank - 1, axis = last - 1;
    if (copy->to_stride[last] != 1 || copy->from_stride[last] == 1 || !copy->from_stride[last])
        return;
    while (axis >= 0 && copy->from_stride[axis] != 1)
        axis--;
    if (axis < 0)
        return;
    int64_t n = copy->dims[axis], to_stride = copy->to_stride[axis];
    for (int i = axis; i < last - 1; i++) {
        copy->dims[i] = copy->dims[i + 1];
        copy->to_stride[i] = copy->to_stride[i + 1];
        copy->from_stride[i] = copy->from_stride[i + 1];
    }
    copy->dims[last - 1] = n;
    copy->to_stride[last - 1] = to_stride;
    copy->from_stride[last - 1] = 1;
    copy->transposes = true;
}

static int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

void ct_strided_copy_init(struct ct_strided_copy *copy, ct_dtype dtype, int rank,
                          const int64_t *dims, const int64_t *to_stride, const int64_t *from_stride)
{
    *copy = (struct ct_strided_copy){
        .dtype = dtype, .elem_bytes = ct_dtype_elem_bytes(dtype), .rank = rank};
    for (int i = 0; i < rank; i++) {
        if (!dims[i]) /* nothing to copy: n_items stays 0 */
            return;
        copy->dims[i] = dims[i];
        copy->to_stride[i] = to_stride[i];
        copy->from_stride[i] = from_stride[i];
    }
    merge_axes(copy);
    if (copy->elem_bytes)
        widen_elements(copy);
    while (copy->rank < 2) { /* axes of one element in front */
        for (int i = copy->rank; i > 0; i--) {
            copy->dims[i] = copy->dims[i - 1];
            copy->to_stride[i] = copy->to_stride[i - 1];
            copy->from_stride[i] = copy->from_stride[i - 1];
        }
        copy->dims[0] = 1;
        copy->to_stride[0] = copy->from_stride[0] = copy->rank ? 0 : 1;
        copy->rank++;
    }
    find_transpose(copy);
    int64_t rows = copy->dims[copy->rank - 2], cols = copy->dims[copy->rank - 1];
    if (copy->transposes) {
        copy->tile_rows = at_most(rows, TILE_SIDE);
        copy->tile_cols = at_most(cols, TILE_SIDE);
    } else {
        int64_t elems = TILE_BYTES / (int64_t)(copy->elem_bytes ? copy->elem_bytes : 1);
        copy->tile_cols = at_most(cols, elems);
        copy->tile_rows = at_most(rows, elems / copy->tile_cols);
    }
    copy->tiles_down = (rows + copy->tile_rows - 1) / copy->tile_rows;
    copy->tiles_across = (cols + copy->tile_cols - 1) / copy->tile_cols;
    copy->n_items =
        copy->tiles_down * copy->tiles_across * ct_dims_product(copy->dims, 0, copy->rank - 2);
}

/* ------------------------------------------------------------------ run */

typedef void (*tile_fn)(const struct ct_strided_copy *copy, void *to, const void *from,
                        int64_t rows, int64_t cols);

struct job {
    const struct ct_strided_copy *copy;
    tile_fn tile; /* NULL: packed elements */
    void *to;
    const void *from;
    int64_t to_first, from_first;
};

/* Packed elements have no addresses: they are copied one by one, by number. */
static void tile_packed(const struct job *job, int64_t to_at, int64_t from_at, int64_t rows,
                        int64_t cols)
{
    const struct ct_strided_copy *copy = job->copy;
    const int r = copy->rank - 2, c = copy->rank - 1;
    bool dense = copy->to_stride[c] == 1 && copy->from_stride[c] == 1;
    int64_t step = dense ? cols : 1;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j += step)
            ct_copy_elems(
                copy->dtype, job->to,
                (size_t)(job->to_first + to_at + i * copy->to_stride[r] + j * copy->to_stride[c]),
                job->from,
                (size_t)(job->from_first + from_at + i * copy->from_stride[r] +
                         j * copy->from_stride[c]),
                (size_t)step);
}

/* Counts an index of the outer axes up, and the two offsets with it. */
static void next_outer(const struct ct_strided_copy *copy, int64_t *index, int64_t *to_at,
                       int64_t *from_at)
{
    for (int i = copy->rank - 3; i >= 0; i--) {
        *to_at += copy->to_stride[i];
        *from_at += copy->from_stride[i];
        if (++index[i] < copy->dims[i])
            return;
        *to_at -= copy->dims[i] * copy->to_stride[i];
        *from_at -= copy->dims[i] * copy->from_stride[i];
        index[i] = 0;
    }
}

static void copy_items(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct job *job = arg;
    const struct ct_strided_copy *copy = job->copy;
    const int r = copy->rank - 2, c = copy->rank - 1;
    int64_t tiles = copy->tiles_down * copy->tiles_across;
    int64_t tile = begin % tiles, outer = begin / tiles, to_at = 0, from_at = 0;
    int64_t index[CT_STRIDED_MAX_RANK];
    for (int i = copy->rank - 3; i >= 0; i--) {
        index[i] = outer % copy->dims[i];
        outer /= copy->dims[i];
        to_at += index[i] * copy->to_stride[i];
        from_at += index[i] * copy->from_stride[i];
    }
    for (int64_t item = begin; item < end; item++) {
        int64_t row = 0, col = 0;
        if (tiles > 1) {
            row = tile / copy->tiles_across * copy->tile_rows;
            col = tile % copy->tiles_across * copy->tile_cols;
        }
        int64_t rows = at_most(copy->dims[r] - row, copy->tile_rows);
        int64_t cols = at_most(copy->dims[c] - col, copy->tile_cols);
        int64_t to = to_at + row * copy->to_stride[r] + col * copy->to_stride[c];
        int64_t from = from_at + row * copy->from_stride[r] + col * copy->from_stride[c];
        if (job->tile)
            job->tile(copy, (char *)job->to + to * (int64_t)copy->elem_bytes,
                      (const char *)job->from + from * (int64_t)copy->elem_bytes, rows, cols);
        else
            tile_packed(job, to, from, rows, cols);
        if (++tile == tiles) {
            tile = 0;
            next_outer(copy, index, &to_at, &from_at);
        }
    }
}

void ct_strided_copy_run(const struct ct_strided_copy *copy, struct ct_pool *pool, void *to,
                         int64_t to_first, const void *from, int64_t from_first)
{
    struct job job = {.copy = copy, .to = to, .from = from};
    if (copy->n_items == 0)
        return;
    if (!copy->elem_bytes) {
        job.to_first = to_first;
        job.from_first = from_first;
        copy_items(&job, 0, copy->n_items, 0); /* neighbours share bytes: one thread */
        return;
    }
    int64_t size = (int64_t)ct_dtype_elem_bytes(copy->dtype);
    job.to = (char *)to + to_first * size;
    job.from = (const char *)from + from_first * size;
    job.tile = copy->elem_bytes == 1   ? tile_1
               : copy->elem_bytes == 2 ? tile_2
               : copy->elem_bytes == 4 ? tile_4
               : copy->elem_bytes == 8 ? tile_8
                                       : tile_16;
    double elems = (double)(copy->tile_rows * copy->tile_cols);
    bool dense = copy->from_stride[copy->rank - 1] == 1;
    double item_ns = 10 + (dense ? 0.15 * (double)copy->elem_bytes : 1) * elems;
    ct_parallel_for(pool, copy->n_items, ct_grain(item_ns), copy_items, &job);
}

/* ------------------------------------------------------------------ fill */

void ct_fill_elems(ct_dtype dtype, void *to, size_t to_first, size_t n, const void *value,
                   size_t value_first)
{
    size_t size = ct_dtype_elem_bytes(dtype);
    if (!size) {
        for (size_t i = 0; i < n; i++)
            ct_copy_elems(dtype, to, to_first + i, value, value_first, 1);
        return;
    }
    char *at = (char *)to + to_first * size;
    const char *from = (const char *)value + value_first * size;
    switch (size) {
    case 1: fill_1(at, n, from); break;
    case 2: fill_2(at, n, from); break;
    case 4: fill_4(at, n, from); break;
    case 8: fill_8(at, n, from); break;
    default: fill_16(at, n, from); break;
    }
}
