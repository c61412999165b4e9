/* Constant, ConstantOfShape, EyeLike, Range: values out of nothing. */
#include <math.h>
#include <string.h>

#include "ops/movement/move.h"

/* ------------------------------------------------------------------ Constant */

/* The attribute that holds the value. */
static const struct ct_attr *value_attr(const struct ct_node *node)
{
    static const char *const names[] = {"value",        "sparse_value", "value_float",
                                        "value_floats", "value_int",    "value_ints",
                                        "value_string", "value_strings"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct ct_attr *attr = ct_node_attr(node, names[i]);
        if (attr)
            return attr;
    }
    return NULL;
}

/* A tensor over the memory of the attribute; false for other kinds of attributes. */
static bool view_attr(const struct ct_attr *attr, struct ct_tensor *t)
{
    memset(t, 0, sizeof *t);
    t->dims[0] = attr->count;
    t->rank =
        attr->type == CT_ATTR_FLOATS || attr->type == CT_ATTR_INTS || attr->type == CT_ATTR_STRINGS;
    switch (attr->type) {
    case CT_ATTR_TENSOR:
    case CT_ATTR_SPARSE_TENSOR: *t = attr->tensors[0]; return true;
    case CT_ATTR_FLOAT:
    case CT_ATTR_FLOATS:
        t->dtype = CORTEN_F32;
        t->data = t->rank ? (void *)(uintptr_t)attr->floats : (void *)(uintptr_t)&attr->f;
        return true;
    case CT_ATTR_INT:
    case CT_ATTR_INTS:
        t->dtype = CORTEN_I64;
        t->data = t->rank ? (void *)(uintptr_t)attr->ints : (void *)(uintptr_t)&attr->i;
        return true;
    case CT_ATTR_STRING:
    case CT_ATTR_STRINGS:
        t->dtype = CORTEN_STRING;
        t->data = t->rank ? (void *)(uintptr_t)attr->strings : (void *)(uintptr_t)&attr->s;
        return true;
    default: return false;
    }
}

static ct_status infer_constant(struct ct_infer *infer)
{
    const struct ct_attr *attr = value_attr(infer->node);
    struct ct_tensor t;
    if (!attr || !view_attr(attr, &t))
        return ct_infer_fail(infer, "no attribute holds a value");
    ct_infer_set(infer, 0, t.dtype, t.rank, t.dims);
    if (infer->out[0] && attr->type == CT_ATTR_TENSOR && t.data)
        infer->out[0]->constant = attr->tensors;
    if (t.kind == CORTEN_TENSOR && (t.dtype == CORTEN_I64 || t.dtype == CORTEN_I32) &&
        t.rank <= 1 && ct_count(&t) <= CT_FACT_MAX_VALUES) {
        ct_dim values[CT_FACT_MAX_VALUES];
        size_t n = ct_count(&t);
        if (n)
            ct_load_i64(t.dtype, t.data, 0, n, values);
        for (size_t i = 0; i < n; i++)
            if (!ct_dim_known(values[i]))
                return CORTEN_OK;
        return ct_infer_set_values(infer, 0, values, (int)n);
    }
    return CORTEN_OK;
}

/* Places of the values in a dense tensor: their number, or their index along each axis. */
static ct_status scatter_sparse(const struct ct_run *run, const struct ct_tensor *sparse)
{
    const struct ct_sparse *parts = ct_sparse_of(sparse);
    struct ct_tensor *out = run->out[0];
    size_t n = ct_count(&parts->values), total = ct_count(out);
    size_t size = ct_dtype_elem_bytes(out->dtype);
    bool linear = parts->indices.rank == 1;
    if (size && total)
        memset(out->data, 0, total * size);
    for (size_t i = 0; i < n; i++) {
        int64_t at = 0;
        if (linear) {
            at = CT_DATA(const int64_t, &parts->indices)[i];
        } else {
            const int64_t *index = CT_DATA(const int64_t, &parts->indices) + i * (size_t)out->rank;
            for (int d = 0; d < out->rank; d++) {
                if (index[d] < 0 || index[d] >= out->dims[d])
                    return ct_run_fail(run, "index %zu of the sparse tensor is out of range", i);
                at = at * out->dims[d] + index[d];
            }
        }
        if (at < 0 || (size_t)at >= total)
            return ct_run_fail(run, "index %zu of the sparse tensor is out of range", i);
        ct_copy_elems(out->dtype, out->data, (size_t)at, parts->values.data, i, 1);
    }
    return CORTEN_OK;
}

static ct_status run_constant(const struct ct_run *run)
{
    struct ct_tensor t, *out = run->out[0];
    view_attr(value_attr(run->node), &t);
    if (t.kind == CORTEN_SPARSE)
        return scatter_sparse(run, &t);
    size_t size_bytes = ct_tensor_bytes(out);
    if (size_bytes)
        memcpy(out->data, t.data, size_bytes);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ ConstantOfShape */

static ct_status infer_of_shape(struct ct_infer *infer)
{
    const struct ct_fact *shape = ct_infer_in(infer, 0);
    const struct ct_tensor *value = ct_attr_tensor(infer->node, "value");
    CT_TRY(ct_infer_check_rank(infer, 0, 1, 1));
    if (value && (value->kind != CORTEN_TENSOR || ct_count(value) != 1))
        return ct_infer_fail(infer, "attribute 'value' must have one element");
    ct_dtype dtype = value ? value->dtype : CORTEN_F32;
    if (!shape->values) {
        bool known = shape->rank == 1 && ct_dim_known(shape->dims[0]);
        if (known && shape->dims[0] > CT_MAX_RANK)
            return ct_infer_fail(infer, "rank %lld is above %d", (long long)shape->dims[0],
                                 CT_MAX_RANK);
        ct_infer_set(infer, 0, dtype, known ? (int)shape->dims[0] : -1, NULL);
        return CORTEN_OK;
    }
    if (shape->n_values > CT_MAX_RANK)
        return ct_infer_fail(infer, "rank %d is above %d", shape->n_values, CT_MAX_RANK);
    for (int i = 0; i < shape->n_values; i++)
        if (ct_dim_known(shape->values[i]) && shape->values[i] < 0)
            return ct_infer_fail(infer, "dimension %d is %lld", i, (long long)shape->values[i]);
    ct_infer_set(infer, 0, dtype, shape->n_values, shape->values);
    if (shape->n_values <= 1 && (dtype == CORTEN_I64 || dtype == CORTEN_I32)) {
        ct_dim values[CT_FACT_MAX_VALUES], n = shape->n_values ? shape->values[0] : 1;
        if (!ct_dim_known(n) || n > CT_FACT_MAX_VALUES)
            return CORTEN_OK;
        ct_load_i64(dtype, value->data, 0, 1, values);
        for (int i = 1; i < n; i++)
            values[i] = values[0];
        return ct_infer_set_values(infer, 0, values, (int)n);
    }
    return CORTEN_OK;
}

static ct_status run_of_shape(const struct ct_run *run)
{
    static const uint64_t zero[2];
    const struct ct_tensor *value = ct_attr_tensor(run->node, "value");
    struct ct_tensor *out = run->out[0];
    ct_fill_elems(out->dtype, out->data, 0, ct_count(out), value ? value->data : zero, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ EyeLike */

static ct_status infer_eye(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    int64_t dtype = ct_attr_int(infer->node, "dtype", in->dtype);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, 2));
    if (dtype && (!ct_dtype_valid(dtype) || !ct_dtype_in((ct_dtype)dtype, infer->node->op_dtypes)))
        return ct_infer_fail(infer, "attribute 'dtype' is %lld", (long long)dtype);
    ct_infer_set(infer, 0, (ct_dtype)dtype, 2, in->rank < 0 ? NULL : in->dims);
    return CORTEN_OK;
}

static ct_status run_eye(const struct ct_run *run)
{
    struct ct_tensor *out = run->out[0];
    int64_t k = ct_attr_int(run->node, "k", 0), rows = out->dims[0], cols = out->dims[1];
    static const int64_t zero, one = 1;
    uint64_t values[2];
    ct_convert(out->dtype, &values[0], CORTEN_I64, &zero, 1, true);
    ct_convert(out->dtype, &values[1], CORTEN_I64, &one, 1, true);
    ct_fill_elems(out->dtype, out->data, 0, ct_count(out), &values[0], 0);
    for (int64_t i = 0; i < rows && k < cols && k > -rows; i++)
        if (i + k >= 0 && i + k < cols)
            ct_copy_elems(out->dtype, out->data, (size_t)(i * cols + i + k), &values[1], 0, 1);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Range */

static ct_status range_count_int(struct ct_infer *infer, const int64_t v[3], ct_dim *count)
{
    /* As unsigned distances, which always exist. */
    if (v[2] == 0)
        return ct_infer_fail(infer, "the step is 0");
    bool any = v[2] > 0 ? v[0] < v[1] : v[0] > v[1];
    uint64_t span = v[2] > 0 ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t step = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    uint64_t n = any ? (span - 1) / step + 1 : 0;
    if (n > INT64_MAX)
        return ct_infer_fail(infer, "the range has too many elements");
    *count = (ct_dim)n;
    return CORTEN_OK;
}

static ct_status range_count_float(struct ct_infer *infer, const double v[3], ct_dim *count)
{
    double n = ceil((v[1] - v[0]) / v[2]);
    if (isnan(n) || n > 0x1p52)
        return ct_infer_fail(infer, "the range from %g to %g by %g has no length", v[0], v[1],
                             v[2]);
    *count = n > 0 ? (ct_dim)n : 0;
    return CORTEN_OK;
}

static ct_status infer_range_values(struct ct_infer *infer, const int64_t v[3], ct_dim count)
{
    ct_dim values[CT_FACT_MAX_VALUES];
    if (count > CT_FACT_MAX_VALUES)
        return CORTEN_OK;
    for (int i = 0; i < count; i++)
        values[i] = (int64_t)((uint64_t)v[0] + (uint64_t)i * (uint64_t)v[2]);
    return ct_infer_set_values(infer, 0, values, (int)count);
}

static ct_status infer_range(struct ct_infer *infer)
{
    ct_dtype dtype = ct_infer_in(infer, 0)->dtype;
    const struct ct_tensor *t[3];
    ct_dim count = CT_DIM_UNKNOWN;
    bool known = true;
    for (int i = 0; i < 3; i++) {
        const struct ct_fact *in = ct_infer_in(infer, i);
        if (!in)
            return ct_infer_fail(infer, "input %d is missing", i);
        CT_TRY(ct_infer_check_same_dtype(infer, 0, i));
        CT_TRY(ct_infer_check_rank(infer, i, 0, 1));
        t[i] = in->constant;
        known &= in->constant || (in->values && in->n_values == 1);
        if (t[i] && ct_count(t[i]) != 1)
            return ct_infer_fail(infer, "input %d must be a scalar", i);
    }
    if (known && ct_dtype_is_int(dtype)) {
        int64_t v[3];
        for (int i = 0; i < 3; i++) {
            if (t[i])
                ct_load_i64(dtype, t[i]->data, 0, 1, &v[i]);
            else
                v[i] = infer->in[i]->values[0];
            known &= ct_dim_known(v[i]) || t[i];
        }
        if (known) {
            CT_TRY(range_count_int(infer, v, &count));
            ct_infer_set(infer, 0, dtype, 1, &count);
            return infer_range_values(infer, v, count);
        }
        if (v[0] == 0 && v[2] == 1) /* up to a symbol */
            count = v[1];
    } else if (known) {
        double v[3];
        for (int i = 0; i < 3; i++)
            ct_load_f64(dtype, t[i]->data, 0, 1, &v[i]);
        CT_TRY(range_count_float(infer, v, &count));
    }
    ct_infer_set(infer, 0, dtype, 1, &count);
    return CORTEN_OK;
}

/* start + i * step; the narrow floats in float. */
static ct_status run_range(const struct ct_run *run)
{
    struct ct_tensor *out = run->out[0];
    size_t n = ct_count(out);
    if (ct_dtype_is_int(out->dtype)) {
        int64_t start, step;
        ct_load_i64(out->dtype, run->in[0]->data, 0, 1, &start);
        ct_load_i64(out->dtype, run->in[2]->data, 0, 1, &step);
        for (size_t i = 0; i < n; i++) {
            int64_t x = (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)step);
            ct_store_i64(out->dtype, out->data, i, 1, &x);
        }
        return CORTEN_OK;
    }
    double start, step;
    ct_load_f64(out->dtype, run->in[0]->data, 0, 1, &start);
    ct_load_f64(out->dtype, run->in[2]->data, 0, 1, &step);
    for (size_t i = 0; i < n; i++) {
        double x = start + (double)i * step;
        if (out->dtype != CORTEN_F64)
            x = (float)start + (float)i * (float)step;
        ct_store_f64(out->dtype, out->data, i, 1, &x);
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_constant = {
    .infer = infer_constant,
    .run = run_constant,
    .max_in = 0,
    .typed_input = -1,
};

const struct ct_op ct_op_constant_of_shape = {
    .infer = infer_of_shape,
    .run = run_of_shape,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_eye_like = {
    .infer = infer_eye,
    .run = run_eye,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_range = {
    .infer = infer_range,
    .run = run_range,
    .min_in = 3,
    .max_in = 3,
};
