/* ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer, OneHotEncoder, Scaler. */
#include <math.h>
#include <string.h>

#include "ops/lookup.h"
#include "ops/ml/ml.h"
#include "ops/text/strings.h"

enum { CHUNK = 256 }; /* elements converted at a time */

/* ------------------------------------------------------------------ ArrayFeatureExtractor */

static ct_status infer_extract(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *which = ct_infer_in(infer, 1);
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, CT_MAX_RANK));
    ct_infer_set(infer, 0, in->dtype, -1, NULL);
    if (in->rank < 0 || which->rank < 0)
        return CORTEN_OK;
    ct_dim dims[CT_MAX_RANK] = {1}, count = 1;
    int rank = in->rank < 2 ? 2 : in->rank;
    if (in->rank >= 2)
        memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < which->rank; i++)
        count = ct_dim_mul(infer, count, which->dims[i]);
    dims[rank - 1] = count;
    ct_infer_set(infer, 0, in->dtype, rank, dims);
    return CORTEN_OK;
}

static ct_status run_extract(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    const int64_t *which = run->in[1]->data;
    size_t n = ct_count(run->in[1]), length = (size_t)in->dims[in->rank - 1];
    size_t rows = (size_t)ct_dims_product(in->dims, 0, in->rank - 1);
    for (size_t k = 0; k < n; k++)
        if (which[k] < 0 || (uint64_t)which[k] >= length)
            return ct_run_fail(run, "index %lld is outside [0, %zu)", (long long)which[k], length);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < n; k++)
            ct_copy_elems(in->dtype, run->out[0]->data, r * n + k, in->data,
                          r * length + (size_t)which[k], 1);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Binarizer */

static void binarize(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct ct_tensor *in = run->in[0];
    double threshold = (double)ct_attr_float(run->node, "threshold", 0), x[CHUNK];
    (void)worker;
    for (int64_t at = begin; at < end; at += CHUNK) {
        size_t n = (size_t)(end - at < CHUNK ? end - at : CHUNK);
        ct_load_f64(in->dtype, in->data, (size_t)at, n, x);
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] > threshold ? 1 : 0;
        ct_store_f64(in->dtype, run->out[0]->data, (size_t)at, n, x);
    }
}

static ct_status run_binarizer(const struct ct_run *run)
{
    ct_run_parallel(run, (int64_t)ct_count(run->in[0]), 1, binarize, (void *)run);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ FeatureVectorizer */

/* Places in a row of the output that input i has. */
static int64_t width(const struct ct_node *node, int i)
{
    const int64_t *widths;
    int n = ct_attr_ints(node, "inputdimensions", &widths);
    return i < n ? widths[i] : -1;
}

static ct_status infer_vectorize(struct ct_infer *infer)
{
    ct_dim rows = CT_DIM_UNKNOWN, total = 0;
    for (int i = 0; i < infer->n_in; i++) {
        ct_dim n, columns;
        int64_t w = width(infer->node, i);
        CT_TRY(ct_infer_check_dtype(infer, i, infer->node->op_dtypes));
        CT_TRY(ct_ml_infer_matrix(infer, i, &n, &columns));
        if (!infer->in[i])
            return ct_infer_fail(infer, "input %d is missing", i);
        if (w < 0)
            return ct_infer_fail(infer, "inputdimensions has no size of input %d", i);
        if (ct_dim_known(rows) && ct_dim_known(n) && n != rows)
            return ct_infer_fail(infer, "input %d has %lld rows, expected %lld", i, (long long)n,
                                 (long long)rows);
        rows = ct_dim_known(rows) ? rows : n;
        total = ct_dim_add(infer, total, w);
    }
    ct_infer_set(infer, 0, CORTEN_F32, 2, (ct_dim[]){rows, total});
    return CORTEN_OK;
}

static ct_status run_vectorize(const struct ct_run *run)
{
    int64_t rows, total, columns, at = 0;
    ct_ml_matrix(run->out[0], &rows, &total);
    float *out = run->out[0]->data;
    for (int i = 0; i < run->n_in; i++) {
        const struct ct_tensor *in = run->in[i];
        int64_t w = width(run->node, i), n;
        ct_ml_matrix(in, &n, &columns);
        n = columns < w ? columns : w;
        for (int64_t r = 0; r < rows; r++) {
            float *to = out + r * total + at;
            ct_load_f32(in->dtype, in->data, (size_t)(r * columns), (size_t)n, to);
            memset(to + n, 0, (size_t)(w - n) * sizeof *to);
        }
        at += w;
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Imputer */

static ct_status infer_imputer(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const float *floats;
    const int64_t *ints;
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    ct_infer_same(infer, 0, 0);
    if (!in->dtype)
        return CORTEN_OK;
    int n = ct_dtype_is_float(in->dtype)
                ? ct_attr_floats(infer->node, "imputed_value_floats", &floats)
                : ct_attr_ints(infer->node, "imputed_value_int64s", &ints);
    if (n < 1)
        return ct_infer_fail(infer, "has no imputed values for an input of %s",
                             corten_dtype_name(in->dtype));
    ct_dim last = in->rank < 1 ? CT_DIM_UNKNOWN : in->dims[in->rank - 1];
    if (n > 1 && ct_dim_known(last) && n != last)
        return ct_infer_fail(infer, "%d imputed values for %lld features", n, (long long)last);
    return CORTEN_OK;
}

static void impute_floats(const struct ct_run *run, size_t n, size_t features)
{
    const struct ct_tensor *in = run->in[0];
    const float *values;
    size_t count = (size_t)ct_attr_floats(run->node, "imputed_value_floats", &values);
    double wanted = (double)ct_attr_float(run->node, "replaced_value_float", 0), x[CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        ct_load_f64(in->dtype, in->data, at, m, x);
        for (size_t i = 0; i < m; i++)
            if (x[i] == wanted || (isnan(wanted) && isnan(x[i])))
                x[i] = (double)values[count == 1 ? 0 : (at + i) % features];
        ct_store_f64(in->dtype, run->out[0]->data, at, m, x);
    }
}

static void impute_ints(const struct ct_run *run, size_t n, size_t features)
{
    const struct ct_tensor *in = run->in[0];
    const int64_t *values;
    size_t count = (size_t)ct_attr_ints(run->node, "imputed_value_int64s", &values);
    int64_t wanted = ct_attr_int(run->node, "replaced_value_int64", 0), x[CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        ct_load_i64(in->dtype, in->data, at, m, x);
        for (size_t i = 0; i < m; i++)
            if (x[i] == wanted)
                x[i] = values[count == 1 ? 0 : (at + i) % features];
        ct_store_i64(in->dtype, run->out[0]->data, at, m, x);
    }
}

static ct_status run_imputer(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    size_t n = ct_count(in), features = (size_t)in->dims[in->rank - 1];
    if (ct_dtype_is_float(in->dtype))
        impute_floats(run, n, features);
    else
        impute_ints(run, n, features);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Normalizer */

static ct_status infer_normalizer(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 1, 2));
    if (!ct_attr_is(infer->node, "norm", "MAX", "MAX") &&
        !ct_attr_is(infer->node, "norm", "L1", "MAX") &&
        !ct_attr_is(infer->node, "norm", "L2", "MAX"))
        return ct_infer_fail(infer, "norm must be MAX, L1 or L2");
    ct_infer_set(infer, 0, CORTEN_F32, in->rank, in->dims);
    return CORTEN_OK;
}

static void normalize_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct ct_tensor *in = run->in[0];
    bool l1 = ct_attr_is(run->node, "norm", "L1", "MAX");
    bool l2 = ct_attr_is(run->node, "norm", "L2", "MAX");
    int64_t rows, columns;
    (void)worker;
    ct_ml_matrix(in, &rows, &columns);
    for (int64_t r = begin; r < end; r++) {
        float *row = CT_DATA(float, run->out[0]) + r * columns;
        ct_load_f32(in->dtype, in->data, (size_t)(r * columns), (size_t)columns, row);
        double sum = 0;
        float max = -INFINITY;
        for (int64_t i = 0; i < columns; i++) {
            double x = (double)row[i];
            sum += l2 ? x * x : fabs(x);
            max = row[i] > max ? row[i] : max;
        }
        double by = l1 ? sum : l2 ? sqrt(sum) : (double)max;
        for (int64_t i = 0; by != 0 && i < columns; i++)
            row[i] = (float)((double)row[i] / by);
    }
}

static ct_status run_normalizer(const struct ct_run *run)
{
    int64_t rows, columns;
    ct_ml_matrix(run->in[0], &rows, &columns);
    ct_run_parallel(run, rows, 3 * (double)columns, normalize_rows, (void *)run);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Scaler */

static ct_status infer_scaler(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const float *values;
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    ct_dim last = in->rank < 1 ? CT_DIM_UNKNOWN : in->dims[in->rank - 1];
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "offset" : "scale";
        int n = ct_attr_floats(infer->node, name, &values);
        if (n > 1 && ct_dim_known(last) && n != last)
            return ct_infer_fail(infer, "%s has %d entries for %lld features", name, n,
                                 (long long)last);
    }
    ct_infer_set(infer, 0, CORTEN_F32, in->rank, in->dims);
    return CORTEN_OK;
}

static void scale_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct ct_tensor *in = run->in[0];
    const float *scale, *offset;
    int n_scale = ct_attr_floats(run->node, "scale", &scale);
    int n_offset = ct_attr_floats(run->node, "offset", &offset);
    int64_t columns = in->dims[in->rank - 1];
    double x[CHUNK];
    (void)worker;
    for (int64_t r = begin; r < end; r++)
        for (int64_t at = 0; at < columns; at += CHUNK) {
            int64_t n = columns - at < CHUNK ? columns - at : CHUNK;
            float *to = CT_DATA(float, run->out[0]) + r * columns + at;
            ct_load_f64(in->dtype, in->data, (size_t)(r * columns + at), (size_t)n, x);
            for (int64_t i = 0; i < n; i++) {
                double o = n_offset < 1 ? 0 : (double)offset[n_offset == 1 ? 0 : at + i];
                double s = n_scale < 1 ? 1 : (double)scale[n_scale == 1 ? 0 : at + i];
                to[i] = (float)((x[i] - o) * s);
            }
        }
}

static ct_status run_scaler(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    int64_t columns = in->dims[in->rank - 1];
    ct_run_parallel(run, ct_dims_product(in->dims, 0, in->rank - 1), 2 * (double)columns,
                    scale_rows, (void *)run);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ OneHotEncoder */

static int categories(const struct ct_node *node, const corten_string **strings,
                      const int64_t **ints)
{
    int n_strings = ct_attr_strings(node, "cats_strings", strings);
    int n_ints = ct_attr_ints(node, "cats_int64s", ints);
    if ((n_strings > 0) == (n_ints > 0))
        return -1;
    return n_strings > 0 ? n_strings : n_ints;
}

static ct_status infer_one_hot(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const corten_string *strings;
    const int64_t *ints;
    int n = categories(infer->node, &strings, &ints);
    if (n < 0)
        return ct_infer_fail(infer, "needs one of cats_strings and cats_int64s");
    if (in->dtype && (in->dtype == CORTEN_STRING) !=
                         (ct_attr_strings(infer->node, "cats_strings", &strings) > 0))
        return ct_infer_fail(infer, "the categories are not of the input's type");
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK - 1));
    ct_infer_set(infer, 0, CORTEN_F32, -1, NULL);
    if (in->rank < 0)
        return CORTEN_OK;
    ct_dim dims[CT_MAX_RANK];
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    dims[in->rank] = n;
    ct_infer_set(infer, 0, CORTEN_F32, in->rank + 1, dims);
    return CORTEN_OK;
}

static ct_status prepare_one_hot(struct ct_prepare *prepare)
{
    const corten_string *strings;
    const int64_t *ints;
    int n = categories(prepare->node, &strings, &ints);
    struct ct_lookup *lookup = ct_prepare_alloc(prepare, sizeof *lookup);
    if (!lookup)
        return ct_fail_memory(prepare->error, sizeof *lookup, "categories");
    prepare->state = lookup;
    if (prepare->in[0]->dtype == CORTEN_STRING)
        return ct_lookup_strings(lookup, prepare, strings, (size_t)n);
    return ct_lookup_numbers(lookup, prepare, (const uint64_t *)ints, (size_t)n);
}

static ct_status run_one_hot(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    size_t n = ct_count(in), count = (size_t)run->out[0]->dims[in->rank];
    float *out = run->out[0]->data;
    bool unknown_is_zero = ct_attr_int(run->node, "zeros", 1) != 0;
    memset(out, 0, n * count * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        int64_t at, key;
        if (in->dtype == CORTEN_STRING) {
            at = ct_lookup_string(run->state, CT_DATA(corten_string, in)[i]);
        } else {
            ct_load_i64(in->dtype, in->data, i, 1, &key);
            at = ct_lookup_number(run->state, (uint64_t)key);
        }
        if (at >= 0)
            out[i * count + (size_t)at] = 1;
        else if (!unknown_is_zero)
            return ct_run_fail(run, "element %zu is of no known category", i);
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ descriptors */

const struct ct_op ct_op_array_feature_extractor = {
    .infer = infer_extract,
    .run = run_extract,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
};

const struct ct_op ct_op_binarizer = {
    .infer = ct_infer_unary,
    .run = run_binarizer,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_feature_vectorizer = {
    .infer = infer_vectorize,
    .run = run_vectorize,
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
};

const struct ct_op ct_op_imputer = {
    .infer = infer_imputer,
    .run = run_imputer,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_normalizer = {
    .infer = infer_normalizer,
    .run = run_normalizer,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_one_hot_encoder = {
    .infer = infer_one_hot,
    .prepare = prepare_one_hot,
    .run = run_one_hot,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_scaler = {
    .infer = infer_scaler,
    .run = run_scaler,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
