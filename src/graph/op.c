/* The helpers of op.h that operators call. */
#include "graph/op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ infer: reading */

const struct ct_fact *ct_infer_in(const struct ct_infer *infer, int index)
{
    return index < infer->n_in ? infer->in[index] : NULL;
}

ct_status ct_infer_fail(const struct ct_infer *infer, const char *format, ...)
{
    char node[256], text[640];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ct_fail(infer->error, CORTEN_INVALID_MODEL, "%s: %s",
                   ct_node_describe(infer->node, node, sizeof node), text);
}

/* "float32, int64": the names of a set. */
static const char *describe_dtypes(ct_dtypes set, char *text, size_t size_bytes)
{
    size_t at = 0;
    text[0] = 0;
    for (int d = 0; d < 64 && at < size_bytes; d++)
        if (ct_dtype_in((ct_dtype)d, set))
            at += (size_t)snprintf(text + at, size_bytes - at, "%s%s", at ? ", " : "",
                                   corten_dtype_name((ct_dtype)d));
    return text;
}

ct_status ct_infer_check_dtype(const struct ct_infer *infer, int index, ct_dtypes set)
{
    const struct ct_fact *fact = ct_infer_in(infer, index);
    if (!fact || fact->dtype == CORTEN_DTYPE_NONE || ct_dtype_in(fact->dtype, set))
        return CORTEN_OK;
    char names[400], node[256];
    return ct_fail(
        infer->error, CORTEN_UNSUPPORTED, "%s: input %d is %s; the operator at opset %d takes %s",
        ct_node_describe(infer->node, node, sizeof node), index, corten_dtype_name(fact->dtype),
        infer->node->opset, describe_dtypes(set, names, sizeof names));
}

ct_status ct_infer_check_same_dtype(const struct ct_infer *infer, int a, int b)
{
    const struct ct_fact *fa = ct_infer_in(infer, a), *fb = ct_infer_in(infer, b);
    if (!fa || !fb || !fa->dtype || !fb->dtype || fa->dtype == fb->dtype)
        return CORTEN_OK;
    return ct_infer_fail(infer, "inputs %d and %d must have one type, found %s and %s", a, b,
                         corten_dtype_name(fa->dtype), corten_dtype_name(fb->dtype));
}

ct_status ct_infer_check_rank(const struct ct_infer *infer, int index, int min, int max)
{
    const struct ct_fact *fact = ct_infer_in(infer, index);
    if (!fact || fact->rank < 0)
        return CORTEN_OK;
    if (fact->kind != CORTEN_TENSOR)
        return ct_infer_fail(infer, "input %d must be a tensor", index);
    if (fact->rank >= min && (max < 0 || fact->rank <= max))
        return CORTEN_OK;
    if (max == min)
        return ct_infer_fail(infer, "input %d has rank %d, expected %d", index, fact->rank, min);
    if (max < 0)
        return ct_infer_fail(infer, "input %d has rank %d, expected at least %d", index, fact->rank,
                             min);
    return ct_infer_fail(infer, "input %d has rank %d, expected %d to %d", index, fact->rank, min,
                         max);
}

ct_status ct_infer_ints(const struct ct_infer *infer, int index, const int64_t **values, int *count)
{
    *values = NULL;
    *count = 0;
    const struct ct_fact *fact = ct_infer_in(infer, index);
    if (!fact)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_dtype(infer, index, CT_INTS_8_64));
    CT_TRY(ct_infer_check_rank(infer, index, 0, 1));
    if (fact->values) {
        for (int i = 0; i < fact->n_values; i++)
            if (!ct_dim_known(fact->values[i]))
                return CORTEN_OK;
        *values = fact->values;
        *count = fact->n_values;
        return CORTEN_OK;
    }
    if (!fact->constant)
        return CORTEN_OK;
    size_t n = ct_count(fact->constant);
    if (n > INT32_MAX)
        return ct_infer_fail(infer, "input %d has too many elements", index);
    int64_t *copy = ct_arena_array(infer->arena, n, sizeof *copy);
    if (!copy)
        return ct_fail_memory(infer->error, n * sizeof *copy, "values of a constant");
    ct_load_i64(fact->constant->dtype, fact->constant->data, 0, n, copy);
    *values = copy;
    *count = (int)n;
    return CORTEN_OK;
}

ct_status ct_infer_axis(const struct ct_infer *infer, int64_t axis, int rank, int *result)
{
    if (axis < -rank || axis >= rank)
        return ct_infer_fail(infer, "axis %lld is outside [-%d, %d)", (long long)axis, rank, rank);
    *result = (int)(axis < 0 ? axis + rank : axis);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ infer: writing */

void ct_infer_set(const struct ct_infer *infer, int out, ct_dtype dtype, int rank,
                  const ct_dim *dims)
{
    if (out < infer->n_out && infer->out[out])
        ct_fact_set(infer->out[out], dtype, rank, dims);
}

void ct_infer_same(const struct ct_infer *infer, int out, int in)
{
    const struct ct_fact *fact = ct_infer_in(infer, in);
    if (!fact || out >= infer->n_out || !infer->out[out])
        return;
    struct ct_fact *to = infer->out[out];
    *to = *fact;
    to->constant = NULL;
    to->values = NULL;
    to->n_values = 0;
}

ct_status ct_infer_set_values(const struct ct_infer *infer, int out, const ct_dim *values,
                              int count)
{
    if (out >= infer->n_out || !infer->out[out] || count > CT_FACT_MAX_VALUES || count < 0)
        return CORTEN_OK;
    ct_dim *copy = ct_arena_array(infer->arena, (size_t)count, sizeof *copy);
    if (!copy)
        return ct_fail_memory(infer->error, (size_t)count * sizeof *copy, "values of a shape");
    if (count)
        memcpy(copy, values, (size_t)count * sizeof *copy);
    infer->out[out]->values = copy;
    infer->out[out]->n_values = count;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ broadcasting */

/* Whether `b` is min(a, n) with n > 1. Such dimensions broadcast only if they are equal. */
static bool is_min_of(const struct ct_infer *infer, ct_dim a, ct_dim b)
{
    if (!infer->symbols || ct_dim_known(a) || ct_dim_known(b))
        return false;
    const char *x = ct_symbol_name(infer->symbols, a), *y = ct_symbol_name(infer->symbols, b);
    size_t n = strlen(x);
    return n && !strncmp(y, "min(", 4) && !strncmp(y + 4, x, n) && !strncmp(y + 4 + n, ", ", 2) &&
           strcmp(y + 4 + n, ", 1)") && strcmp(y + 4 + n, ", 0)");
}

ct_status ct_infer_broadcast_dims(const struct ct_infer *infer, int rank_a, const ct_dim *a,
                                  int rank_b, const ct_dim *b, int *rank, ct_dim *dims)
{
    if (rank_a < 0 || rank_b < 0) {
        *rank = -1;
        return CORTEN_OK;
    }
    int r = rank_a > rank_b ? rank_a : rank_b;
    ct_dim out[CT_MAX_RANK];
    for (int i = 0; i < r; i++) {
        ct_dim x = i < r - rank_a ? 1 : a[i - (r - rank_a)];
        ct_dim y = i < r - rank_b ? 1 : b[i - (r - rank_b)];
        if (x == y || y == 1)
            out[i] = x;
        else if (x == 1)
            out[i] = y;
        else if (ct_dim_known(x) && ct_dim_known(y))
            return ct_infer_fail(infer, "shapes do not broadcast: dimension %d is %lld and %lld", i,
                                 (long long)x, (long long)y);
        else if (ct_dim_known(x) || ct_dim_known(y))
            out[i] = ct_dim_known(x) ? x : y; /* the unknown one must be equal to it, or 1 */
        else if (is_min_of(infer, x, y) || is_min_of(infer, y, x))
            out[i] = is_min_of(infer, x, y) ? x : y;
        else
            out[i] = CT_DIM_UNKNOWN;
    }
    memcpy(dims, out, (size_t)r * sizeof *out);
    *rank = r;
    return CORTEN_OK;
}

ct_status ct_infer_broadcast(const struct ct_infer *infer, int first, int count, int *rank,
                             ct_dim *dims)
{
    *rank = 0;
    for (int i = first; i < first + count; i++) {
        const struct ct_fact *fact = ct_infer_in(infer, i);
        if (!fact)
            continue;
        if (fact->rank > CT_MAX_RANK)
            return ct_infer_fail(infer, "input %d has rank %d, at most %d is possible", i,
                                 fact->rank, CT_MAX_RANK);
        CT_TRY(ct_infer_broadcast_dims(infer, *rank, dims, fact->rank, fact->dims, rank, dims));
    }
    return CORTEN_OK;
}

ct_status ct_infer_unary(struct ct_infer *infer)
{
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

ct_status ct_run_fail(const struct ct_run *run, const char *format, ...)
{
    char node[256], text[640];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ct_fail(run->exec->error, CORTEN_RUN_FAILED, "%s: %s",
                   ct_node_describe(run->node, node, sizeof node), text);
}

ct_status ct_run_output(const struct ct_run *run, int index, ct_dtype dtype, int rank,
                        const int64_t *dims)
{
    if (index >= run->n_out || !run->out[index])
        return CORTEN_OK;
    ct_status status =
        ct_tensor_alloc(run->out[index], run->exec->allocator, dtype, rank, dims, run->exec->error);
    if (status != CORTEN_OK) {
        char node[256];
        ct_error_prefix(run->exec->error, "%s, output %d",
                        ct_node_describe(run->node, node, sizeof node), index);
    }
    return status;
}

ct_status ct_run_subgraph(const struct ct_run *run, struct ct_graph *graph,
                          const struct ct_tensor *const *inputs, size_t n_inputs,
                          struct ct_tensor *outputs, size_t n_outputs)
{
    if (!run->exec->subgraph)
        return ct_run_fail(run, "subgraphs cannot be run here");
    return run->exec->subgraph(run, graph, inputs, n_inputs, outputs, n_outputs);
}
