/* MaxUnpool: puts each element where MaxPool found it, zeros elsewhere. */
#include "ops/nn/window.h"

#include <string.h>

struct max_unpool {
    int rank;
    int64_t inferred[CT_MAX_RANK]; /* the shape that indices speak of */
    size_t n_inferred;
    bool same; /* it is that of the output */
};

/* (in - 1) * stride + kernel - pads, for each spatial axis. */
static ct_status infer_shape(const struct ct_node *node, const struct ct_infer *infer, int rank,
                             const ct_dim *x, ct_dim *dims, corten_error *error)
{
    struct ct_window w;
    CT_TRY(ct_window_read(node, rank - 2, x + 2, NULL, &w, error));
    dims[0] = x[0];
    dims[1] = x[1];
    for (int i = 0; i < w.n; i++) {
        int64_t more = w.kernel[i] - w.stride[i] - w.pad_begin[i] - w.pad_end[i];
        if (!ct_dim_known(x[2 + i])) {
            dims[2 + i] = infer ? ct_dim_add(infer, ct_dim_mul(infer, x[2 + i], w.stride[i]), more)
                                : CT_DIM_UNKNOWN;
            continue;
        }
        if (x[2 + i] > INT64_C(1) << 30)
            return ct_fail(error, CORTEN_INVALID_MODEL, "MaxUnpool: the input is too large");
        dims[2 + i] = x[2 + i] * w.stride[i] + more;
        if (dims[2 + i] < 0)
            return ct_fail(error, CORTEN_INVALID_MODEL,
                           "MaxUnpool: pads leave nothing of the output");
    }
    return CORTEN_OK;
}

static ct_status infer_unpool(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *indices = ct_infer_in(infer, 1);
    if (!x || !indices)
        return ct_infer_fail(infer, "input and indices must be present");
    CT_TRY(ct_infer_check_rank(infer, 0, 3, -1));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    ct_infer_set(infer, 0, x->dtype, x->rank, NULL);
    if (x->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_rank(infer, 1, x->rank, x->rank));
    for (int i = 0; i < x->rank && indices->rank >= 0; i++)
        if (ct_dim_known(x->dims[i]) && ct_dim_known(indices->dims[i]) &&
            x->dims[i] != indices->dims[i])
            return ct_infer_fail(infer, "the indices must have the shape of the input");
    ct_dim dims[CT_MAX_RANK];
    CT_TRY(infer_shape(infer->node, infer, x->rank, x->dims, dims, infer->error));
    if (ct_infer_in(infer, 2)) {
        const int64_t *shape;
        int count;
        CT_TRY(ct_infer_ints(infer, 2, &shape, &count));
        if (!shape)
            return CORTEN_OK;
        if (count != x->rank)
            return ct_infer_fail(infer, "output_shape has %d numbers, expected %d", count, x->rank);
        for (int i = 0; i < count; i++) {
            if (shape[i] < 0 || (ct_dim_known(dims[i]) && shape[i] < dims[i]))
                return ct_infer_fail(infer, "output_shape: axis %d is too small: %lld", i,
                                     (long long)shape[i]);
            dims[i] = shape[i];
        }
    }
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    return CORTEN_OK;
}

/* The same place in the output, which may be larger. */
static size_t place(const struct max_unpool *s, const int64_t *dims, size_t index)
{
    size_t at = 0, scale = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        at += index % (size_t)s->inferred[i] * scale;
        index /= (size_t)s->inferred[i];
        scale *= (size_t)dims[i];
    }
    return at;
}

static ct_status run_unpool(const struct ct_run *run)
{
    const struct max_unpool *s = run->state;
    const struct ct_tensor *x = run->in[0], *y = run->out[0];
    const int64_t *indices = run->in[1]->data;
    size_t n = ct_count(x), bytes = ct_dtype_elem_bytes(x->dtype);
    memset(y->data, 0, ct_count(y) * bytes);
    for (size_t i = 0; i < n; i++) {
        if (indices[i] < 0 || (uint64_t)indices[i] >= s->n_inferred)
            return ct_run_fail(run, "index %lld is out of range, the output has %zu elements",
                               (long long)indices[i], s->n_inferred);
        size_t at = (size_t)indices[i];
        at = s->same ? at : place(s, y->dims, at);
        memcpy((char *)y->data + at * bytes, (const char *)x->data + i * bytes, bytes);
    }
    return CORTEN_OK;
}

static ct_status prepare_unpool(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct max_unpool *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a pool");
    s->rank = x->rank;
    CT_TRY(infer_shape(prepare->node, NULL, x->rank, x->dims, s->inferred, prepare->error));
    if (!ct_shape_count(x->rank, s->inferred, &s->n_inferred))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "MaxUnpool: the output is too large");
    s->same =
        memcmp(s->inferred, prepare->out[0]->dims, (size_t)x->rank * sizeof *s->inferred) == 0;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_max_unpool = {
    .infer = infer_unpool,
    .prepare = prepare_unpool,
    .run = run_unpool,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
};
