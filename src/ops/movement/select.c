/* NonZero and Compress: how much comes out depends on the data. */
#include <string.h>

#include "ops/movement/move.h"

/* ------------------------------------------------------------------ NonZero */

static ct_status infer_nonzero(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    ct_dim dims[2] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN};
    if (in->rank >= 0)
        dims[0] = in->rank ? in->rank : 1; /* a scalar counts as one element of one axis */
    ct_infer_set(infer, 0, CORTEN_I64, 2, dims);
    return CORTEN_OK;
}

enum { CHUNK = 512 };

/* Which of n elements are not zero; strings: not empty. */
static void find_nonzero(const struct ct_tensor *t, size_t first, size_t n, bool *found)
{
    if (t->dtype == CORTEN_STRING)
        for (size_t i = 0; i < n; i++)
            found[i] = CT_DATA(const corten_string, t)[first + i].size_bytes > 0;
    else
        ct_convert(CORTEN_BOOL, found, t->dtype,
                   (const char *)t->data + first * ct_dtype_elem_bytes(t->dtype), n, true);
}

static ct_status run_nonzero(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    size_t n = ct_count(in), total = 0, at = 0;
    bool found[CHUNK];
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t m = n - i < CHUNK ? n - i : CHUNK;
        find_nonzero(in, i, m, found);
        for (size_t j = 0; j < m; j++)
            total += found[j];
    }
    int rank = in->rank ? in->rank : 1;
    int64_t dims[2] = {rank, (int64_t)total};
    CT_TRY(ct_run_output(run, 0, CORTEN_I64, 2, dims));
    int64_t *to = run->out[0] ? run->out[0]->data : NULL;
    for (size_t i = 0; i < n && to; i += CHUNK) {
        size_t m = n - i < CHUNK ? n - i : CHUNK;
        find_nonzero(in, i, m, found);
        for (size_t j = 0; j < m; j++) {
            if (!found[j])
                continue;
            int64_t rest = (int64_t)(i + j);
            for (int d = rank - 1; d >= 0; d--) {
                int64_t dim = in->rank ? in->dims[d] : 1;
                to[(size_t)d * total + at] = rest % dim;
                rest /= dim;
            }
            at++;
        }
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Compress */

static ct_status infer_compress(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    if (!ct_infer_in(infer, 1))
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 1, 1, 1));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(BOOL)));
    if (!ct_node_attr(infer->node, "axis")) {
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

static ct_status run_compress(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0], *condition = run->in[1];
    const bool *chosen = condition->data;
    bool flat = !ct_node_attr(run->node, "axis");
    int64_t axis = ct_attr_int(run->node, "axis", 0), outer = 1, inner = 1, dims[CT_MAX_RANK];
    int64_t dim = (int64_t)ct_count(in), taken = 0;
    int rank = flat ? 1 : in->rank;
    if (!flat) {
        if (axis < -rank || axis >= rank)
            return ct_run_fail(run, "axis %lld is out of range", (long long)axis);
        axis += axis < 0 ? rank : 0;
        memcpy(dims, in->dims, (size_t)rank * sizeof *dims);
        dim = in->dims[axis];
        outer = ct_dims_product(in->dims, 0, (int)axis);
        inner = ct_dims_product(in->dims, (int)axis + 1, rank);
    }
    int64_t n = condition->dims[0] < dim ? condition->dims[0] : dim;
    for (int64_t i = 0; i < n; i++)
        taken += chosen[i];
    dims[flat ? 0 : axis] = taken;
    CT_TRY(ct_run_output(run, 0, in->dtype, rank, dims));
    if (!run->out[0])
        return CORTEN_OK;
    size_t to = 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++) {
            if (!chosen[i])
                continue;
            ct_copy_elems(in->dtype, run->out[0]->data, to, in->data,
                          (size_t)((o * dim + i) * inner), (size_t)inner);
            to += (size_t)inner;
        }
    return CORTEN_OK;
}

const struct ct_op ct_op_nonzero = {
    .infer = infer_nonzero,
    .run = run_nonzero,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_compress = {
    .infer = infer_compress,
    .run = run_compress,
    .flags = CT_OP_ALLOCATES,
    .min_in = 2,
    .max_in = 2,
};
