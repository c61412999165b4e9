#include "ops/broadcast.h"

#include <string.h>

/* Elements of a piece: small enough that two inputs and an output stay in the second-level cache. */
enum { PIECE = 16384 };

int ct_memory_dims(const struct ct_tensor *t, int64_t *dims)
{
    int rank = t->rank;
    memcpy(dims, t->dims, (size_t)rank * sizeof *dims);
    if (t->layout == CT_LAYOUT_PLAIN || rank < 2)
        return rank;
    if (t->layout == CT_LAYOUT_NXC) {
        memmove(dims + 1, dims + 2, (size_t)(rank - 2) * sizeof *dims);
        dims[rank - 1] = t->dims[1];
        return rank;
    }
    dims[1] = (t->dims[1] + 15) / 16;
    dims[rank] = 16;
    return rank + 1;
}

/* Strides of an input along the axes of the output in memory, aligned to the right. */
static void set_strides(int64_t *stride, int rank, const struct ct_tensor *in)
{
    int64_t dims[CT_MAX_RANK + 1];
    int in_rank = ct_memory_dims(in, dims);
    bool single = ct_dims_product(in->dims, 0, in->rank) == 1;
    int64_t next = 1;
    for (int i = rank - 1; i >= 0; i--) {
        int k = i - (rank - in_rank);
        stride[i] = k < 0 || dims[k] == 1 || single ? 0 : next;
        if (k >= 0)
            next *= dims[k];
    }
}

static bool can_merge(const struct ct_broadcast *b, const int64_t outer[CT_BROADCAST_MAX], int at)
{
    for (int k = 0; k < b->n_in; k++)
        if (outer[k] != b->stride[k][at] * b->dims[at])
            return false;
    return true;
}

static void cut_rows(struct ct_broadcast *b, int64_t piece)
{
    int64_t row = b->dims[b->rank - 1];
    b->n_rows = ct_dims_product(b->dims, 0, b->rank - 1);
    b->piece = row < piece ? row : piece;
    b->pieces = row ? (row + b->piece - 1) / b->piece : 0;
}

void ct_broadcast_init(struct ct_broadcast *b, const struct ct_tensor *out, int n_in,
                       const struct ct_tensor *const *in)
{
    int64_t dims[CT_MAX_RANK + 1], stride[CT_BROADCAST_MAX][CT_MAX_RANK + 1];
    int rank = ct_memory_dims(out, dims);
    *b = (struct ct_broadcast){.n_in = n_in};
    for (int k = 0; k < n_in; k++)
        set_strides(stride[k], rank, in[k]);

    /* From the innermost axis outwards into the end of the arrays, then moved to the front. */
    int at = CT_MAX_RANK;
    for (int i = rank - 1; i >= 0; i--) {
        int64_t outer[CT_BROADCAST_MAX] = {0};
        for (int k = 0; k < n_in; k++)
            outer[k] = stride[k][i];
        if (dims[i] == 1)
            continue;
        if (at < CT_MAX_RANK && can_merge(b, outer, at)) {
            b->dims[at] *= dims[i];
            continue;
        }
        b->dims[--at] = dims[i];
        for (int k = 0; k < n_in; k++)
            b->stride[k][at] = outer[k];
    }
    if (at == CT_MAX_RANK)
        b->dims[--at] = 1;
    b->rank = CT_MAX_RANK - at;
    memmove(b->dims, b->dims + at, (size_t)b->rank * sizeof *b->dims);
    for (int k = 0; k < n_in; k++) {
        memmove(b->stride[k], b->stride[k] + at, (size_t)b->rank * sizeof *b->stride[k]);
        b->step[k] = b->stride[k][b->rank - 1] != 0;
    }
    cut_rows(b, PIECE);
}

void ct_broadcast_merge_short(struct ct_broadcast *b)
{
    int last = b->rank - 1;
    int64_t row = b->dims[last];
    bool any = false, periodic[CT_BROADCAST_MAX] = {false};
    if (last < 1 || row < 2 || row > CT_BROADCAST_MAX_PERIOD || !b->dims[last - 1])
        return;
    for (int k = 0; k < b->n_in; k++) {
        int64_t outer = b->stride[k][last - 1], inner = b->stride[k][last];
        periodic[k] = outer == 0 && inner == 1;
        any |= periodic[k];
        if (!periodic[k] && outer != inner * row)
            return;
    }
    if (!any)
        return;
    b->rank--;
    b->dims[last - 1] *= row;
    b->period = row;
    for (int k = 0; k < b->n_in; k++) {
        b->is_periodic[k] = periodic[k];
        b->stride[k][last - 1] = b->stride[k][last];
    }
    cut_rows(b, PIECE / row * row);
}

struct walk {
    const struct ct_broadcast *broadcast;
    ct_row_fn fn;
    void *arg;
};

static void walk_pieces(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct walk *walk = arg;
    const struct ct_broadcast *b = walk->broadcast;
    int last = b->rank - 1;
    int64_t row = begin / b->pieces, piece = begin % b->pieces, index[CT_MAX_RANK];
    int64_t at[CT_BROADCAST_MAX] = {0};
    int64_t rest = row;
    for (int i = last - 1; i >= 0; i--) {
        index[i] = rest % b->dims[i];
        rest /= b->dims[i];
        for (int k = 0; k < b->n_in; k++)
            at[k] += index[i] * b->stride[k][i];
    }
    for (int64_t item = begin; item < end; item++) {
        int64_t first = piece * b->piece, n = b->dims[last] - first;
        int64_t in_first[CT_BROADCAST_MAX];
        for (int k = 0; k < b->n_in; k++)
            in_first[k] = at[k] + (b->step[k] && !b->is_periodic[k] ? first : 0);
        walk->fn(walk->arg, row * b->dims[last] + first, in_first, n < b->piece ? n : b->piece);
        if (++piece < b->pieces)
            continue;
        piece = 0;
        row++;
        for (int i = last - 1; i >= 0; i--) {
            for (int k = 0; k < b->n_in; k++)
                at[k] += b->stride[k][i];
            if (++index[i] < b->dims[i])
                break;
            for (int k = 0; k < b->n_in; k++)
                at[k] -= b->dims[i] * b->stride[k][i];
            index[i] = 0;
        }
    }
}

void ct_broadcast_run(const struct ct_broadcast *b, struct ct_pool *pool, double elem_ns,
                      ct_row_fn fn, void *arg)
{
    struct walk walk = {.broadcast = b, .fn = fn, .arg = arg};
    double item_ns = (double)b->piece * elem_ns + 5;
    ct_parallel_for(pool, b->n_rows * b->pieces, ct_grain(item_ns), walk_pieces, &walk);
}
