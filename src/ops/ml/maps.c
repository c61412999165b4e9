/* CastMap, DictVectorizer, ZipMap. */
#include <stdlib.h>
#include <string.h>

#include "ops/elementwise/cast_string.h"
#include "ops/lookup.h"
#include "ops/ml/ml.h"
#include "ops/sequence/sequence.h"
#include "ops/text/strings.h"

/* Keys and values of an input that is a map; NONE where that is not known. */
static ct_status infer_map(const struct ct_infer *infer, ct_dtype *keys, ct_dtype *values)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    *keys = *values = CORTEN_DTYPE_NONE;
    if (ct_fact_is_unknown(in))
        return CORTEN_OK;
    if (in->kind != CORTEN_MAP || (in->elem && in->elem->kind != CORTEN_TENSOR))
        return ct_infer_fail(infer, "input 0 must be a map to tensors");
    *keys = in->dtype;
    *values = in->elem ? in->elem->dtype : CORTEN_DTYPE_NONE;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ CastMap */

static ct_dtype cast_target(const struct ct_node *node)
{
    if (ct_attr_is(node, "cast_to", "TO_FLOAT", "TO_FLOAT"))
        return CORTEN_F32;
    if (ct_attr_is(node, "cast_to", "TO_INT64", "TO_FLOAT"))
        return CORTEN_I64;
    return ct_attr_is(node, "cast_to", "TO_STRING", "TO_FLOAT") ? CORTEN_STRING : CORTEN_DTYPE_NONE;
}

static bool is_sparse(const struct ct_node *node)
{
    return ct_attr_is(node, "map_form", "SPARSE", "DENSE");
}

static ct_status infer_cast(struct ct_infer *infer)
{
    ct_dtype keys, values, to = cast_target(infer->node);
    int64_t most = ct_attr_int(infer->node, "max_map", 1);
    CT_TRY(infer_map(infer, &keys, &values));
    if ((keys && keys != CORTEN_I64) || (values && values != CORTEN_F32 && values != CORTEN_STRING))
        return ct_infer_fail(infer, "needs a map from int64 to float or string");
    if (!to)
        return ct_infer_fail(infer, "cast_to must be TO_FLOAT, TO_STRING or TO_INT64");
    if (!is_sparse(infer->node) && !ct_attr_is(infer->node, "map_form", "DENSE", "DENSE"))
        return ct_infer_fail(infer, "map_form must be DENSE or SPARSE");
    if (is_sparse(infer->node) && most < 1)
        return ct_infer_fail(infer, "max_map is %lld", (long long)most);
    ct_infer_set(infer, 0, to, 2, (ct_dim[]){1, is_sparse(infer->node) ? most : CT_DIM_UNKNOWN});
    return CORTEN_OK;
}

struct entry {
    int64_t key;
    size_t at;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Converts `from` to the type of `to`; both have memory, strings may point into `text`. */
static ct_status convert(const struct ct_run *run, struct ct_tensor *from, struct ct_tensor *to,
                         void *text)
{
    struct ct_tensor *in[] = {from}, *out[] = {to};
    struct ct_run sub = *run;
    sub.in = in;
    sub.out = out;
    sub.scratch = text;
    sub.n_in = sub.n_out = 1;
    if (to->dtype == from->dtype)
        ct_copy_elems(to->dtype, to->data, 0, from->data, 0, ct_count(from));
    else if (to->dtype == CORTEN_STRING)
        return ct_run_cast_to_string(&sub);
    else if (from->dtype == CORTEN_STRING)
        return ct_run_cast_from_string(&sub);
    else
        ct_convert(to->dtype, to->data, from->dtype, from->data, ct_count(from), true);
    return CORTEN_OK;
}

static ct_status place_entries(const struct ct_run *run, const struct ct_mapping *map,
                               const struct entry *order, const struct ct_tensor *cast)
{
    size_t n = (size_t)map->keys.dims[0];
    int64_t length = is_sparse(run->node) ? ct_attr_int(run->node, "max_map", 1) : (int64_t)n;
    CT_TRY(ct_run_output(run, 0, cast->dtype, 2, (int64_t[]){1, length}));
    struct ct_tensor *out = run->out[0];
    if (!out)
        return CORTEN_OK;
    memset(out->data, 0, ct_tensor_bytes(out));
    for (size_t i = 0; i < n; i++) {
        int64_t to = is_sparse(run->node) ? order[i].key : (int64_t)i;
        if (to < 0 || to >= length)
            return ct_run_fail(run, "key %lld is outside [0, %lld)", (long long)to,
                               (long long)length);
        ct_copy_elems(cast->dtype, out->data, (size_t)to, cast->data, order[i].at, 1);
    }
    if (out->dtype == CORTEN_STRING) /* their text goes with this call */
        return ct_tensor_own_strings(out, run->exec->allocator, run->exec->error);
    return CORTEN_OK;
}

static ct_status run_cast(const struct ct_run *run)
{
    struct ct_mapping *map = ct_mapping_of(run->in[0]);
    size_t n = (size_t)map->keys.dims[0];
    struct ct_arena arena;
    ct_arena_init(&arena, run->exec->allocator);
    struct entry *order = ct_arena_array(&arena, n, sizeof *order);
    void *text = ct_arena_array(&arena, n, CT_CAST_TEXT_BYTES);
    struct ct_tensor cast = {0};
    ct_status status =
        order && text ? CORTEN_OK : ct_fail_memory(run->exec->error, n * sizeof *order, "a map");
    if (status == CORTEN_OK)
        status = ct_tensor_alloc(&cast, run->exec->allocator, cast_target(run->node), 1,
                                 map->keys.dims, run->exec->error);
    if (status == CORTEN_OK)
        status = convert(run, &map->values, &cast, text);
    for (size_t i = 0; i < n && status == CORTEN_OK; i++)
        order[i] = (struct entry){CT_DATA(int64_t, &map->keys)[i], i};
    if (status == CORTEN_OK) {
        if (n)
            qsort(order, n, sizeof *order, compare_entries);
        status = place_entries(run, map, order, &cast);
    }
    ct_tensor_clear(&cast);
    ct_arena_deinit(&arena);
    return status;
}

/* ------------------------------------------------------------------ DictVectorizer */

static int vocabulary(const struct ct_node *node, const corten_string **strings,
                      const int64_t **ints)
{
    int n_strings = ct_attr_strings(node, "string_vocabulary", strings);
    int n_ints = ct_attr_ints(node, "int64_vocabulary", ints);
    if ((n_strings > 0) == (n_ints > 0))
        return -1;
    return n_strings > 0 ? n_strings : n_ints;
}

static ct_status infer_vectorize(struct ct_infer *infer)
{
    ct_dtype keys, values;
    const corten_string *strings;
    const int64_t *ints;
    int n = vocabulary(infer->node, &strings, &ints);
    CT_TRY(infer_map(infer, &keys, &values));
    if (n < 0)
        return ct_infer_fail(infer, "needs one of string_vocabulary and int64_vocabulary");
    ct_dtype expected = ct_attr_strings(infer->node, "string_vocabulary", &strings) > 0
                            ? CORTEN_STRING
                            : CORTEN_I64;
    if (keys && keys != expected)
        return ct_infer_fail(infer, "the vocabulary is %s, the keys are %s",
                             corten_dtype_name(expected), corten_dtype_name(keys));
    if (values && !ct_dtype_in(values, infer->node->op_dtypes))
        return ct_infer_fail(infer, "values cannot be %s", corten_dtype_name(values));
    ct_infer_set(infer, 0, values, 2, (ct_dim[]){1, n});
    return CORTEN_OK;
}

static ct_status prepare_vectorize(struct ct_prepare *prepare)
{
    const corten_string *strings;
    const int64_t *ints;
    size_t n = (size_t)vocabulary(prepare->node, &strings, &ints);
    struct ct_lookup *lookup = ct_prepare_alloc(prepare, sizeof *lookup);
    if (!lookup)
        return ct_fail_memory(prepare->error, sizeof *lookup, "a vocabulary");
    prepare->state = lookup;
    if (ct_attr_strings(prepare->node, "string_vocabulary", &strings) > 0)
        return ct_lookup_strings(lookup, prepare, strings, n);
    return ct_lookup_numbers(lookup, prepare, (const uint64_t *)ints, n);
}

static ct_status run_vectorize(const struct ct_run *run)
{
    const struct ct_mapping *map = ct_mapping_of(run->in[0]);
    const corten_string *strings;
    const int64_t *ints;
    int64_t dims[] = {1, vocabulary(run->node, &strings, &ints)};
    CT_TRY(ct_run_output(run, 0, map->values.dtype, 2, dims));
    if (!run->out[0])
        return CORTEN_OK;
    memset(run->out[0]->data, 0, ct_tensor_bytes(run->out[0]));
    for (int64_t i = 0; i < map->keys.dims[0]; i++) {
        int64_t at = map->keys.dtype == CORTEN_STRING
                         ? ct_lookup_string(run->state, CT_DATA(corten_string, &map->keys)[i])
                         : ct_lookup_number(run->state, CT_DATA(uint64_t, &map->keys)[i]);
        if (at >= 0) /* keys that are not in the vocabulary have no place */
            ct_copy_elems(map->values.dtype, run->out[0]->data, (size_t)at, map->values.data,
                          (size_t)i, 1);
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ ZipMap */

static ct_status infer_zip(struct ct_infer *infer)
{
    struct ct_ml_labels labels;
    ct_dim rows, columns;
    CT_TRY(ct_ml_infer_matrix(infer, 0, &rows, &columns));
    CT_TRY(ct_ml_infer_labels(infer, "classlabels_int64s", &labels));
    if (!labels.count || (ct_dim_known(columns) && columns != labels.count))
        return ct_infer_fail(infer, "has %d labels for %lld columns", labels.count,
                             (long long)columns);
    struct ct_fact *values = ct_arena_alloc_zero(infer->arena, sizeof *values), map;
    if (!values)
        return ct_fail_memory(infer->error, sizeof *values, "the type of a map");
    ct_fact_set(values, CORTEN_F32, -1, NULL);
    ct_fact_set(&map, ct_ml_labels_dtype(&labels), -1, NULL);
    map.kind = CORTEN_MAP;
    map.elem = values;
    return ct_infer_container(infer, 0, CORTEN_SEQUENCE, &map);
}

/* maps: cleared, one for each row. */
static ct_status zip_rows(const struct ct_run *run, const struct ct_tensor *keys,
                          struct ct_tensor *maps, int64_t rows, int64_t columns)
{
    struct ct_exec *exec = run->exec;
    for (int64_t r = 0; r < rows; r++) {
        struct ct_tensor values = {0};
        CT_TRY(ct_tensor_alloc(&values, exec->allocator, CORTEN_F32, 1, &columns, exec->error));
        memcpy(values.data, CT_DATA(const float, run->in[0]) + r * columns,
               (size_t)columns * sizeof(float));
        ct_status status = ct_mapping_init(&maps[r], exec->allocator, keys, &values, exec->error);
        ct_tensor_clear(&values); /* the map shares it */
        CT_TRY(status);
    }
    return ct_sequence_init(run->out[0], exec->allocator, CORTEN_F32, maps, (size_t)rows,
                            exec->error);
}

static ct_status run_zip(const struct ct_run *run)
{
    struct ct_exec *exec = run->exec;
    struct ct_ml_labels labels;
    int64_t rows, columns;
    size_t size_bytes;
    ct_ml_labels(run->node, "classlabels_int64s", &labels);
    ct_ml_matrix(run->in[0], &rows, &columns);
    if (!run->out[0])
        return CORTEN_OK;
    struct ct_tensor *maps = NULL, keys = {0};
    struct ct_tensor borrowed = {.dtype = ct_ml_labels_dtype(&labels), .rank = 1};
    borrowed.dims[0] = columns;
    borrowed.data = labels.strings ? (void *)labels.strings : (void *)labels.ints;
    CT_TRY(ct_tensor_clone(&keys, &borrowed, exec->allocator, exec->error));
    if (ct_mul_size((size_t)rows, sizeof *maps, &size_bytes))
        maps = ct_alloc_zero(exec->allocator, size_bytes);
    ct_status status = maps ? zip_rows(run, &keys, maps, rows, columns)
                            : ct_fail_memory(exec->error, (size_t)rows * sizeof *maps, "maps");
    for (int64_t r = 0; maps && r < rows; r++)
        ct_tensor_clear(&maps[r]);
    if (maps)
        ct_release(exec->allocator, maps, size_bytes);
    ct_tensor_clear(&keys);
    return status;
}

const struct ct_op ct_op_cast_map = {
    .infer = infer_cast,
    .run = run_cast,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_dict_vectorizer = {
    .infer = infer_vectorize,
    .prepare = prepare_vectorize,
    .run = run_vectorize,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_zip_map = {
    .infer = infer_zip,
    .run = run_zip,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
