/* LabelEncoder and CategoryMapper: values looked up by keys, both from attributes. */
#include "ops/lookup.h"
#include "ops/ml/ml.h"
#include "ops/text/strings.h"

/* A column of an attribute: keys or values. */
struct column {
    ct_dtype dtype; /* NONE: absent */
    size_t count;
    const void *data;
};

struct encoder {
    struct column keys, values;
    bool keys_are_places;  /* key i is the number i */
    struct column missing; /* one value, for keys that are not there */
};

static struct column column_of(const struct ct_node *node, const char *strings, const char *ints,
                               const char *floats, const char *tensor)
{
    const corten_string *s;
    const int64_t *i;
    const float *f;
    int n;
    if (strings && (n = ct_attr_strings(node, strings, &s)) > 0)
        return (struct column){CORTEN_STRING, (size_t)n, s};
    if (ints && (n = ct_attr_ints(node, ints, &i)) > 0)
        return (struct column){CORTEN_I64, (size_t)n, i};
    if (floats && (n = ct_attr_floats(node, floats, &f)) > 0)
        return (struct column){CORTEN_F32, (size_t)n, f};
    const struct ct_tensor *t = tensor ? ct_attr_tensor(node, tensor) : NULL;
    if (t && t->data && t->kind == CORTEN_TENSOR)
        return (struct column){t->dtype, ct_count(t), t->data};
    return (struct column){0};
}

/* Holds one default while the node is prepared. */
union value {
    corten_string s;
    int64_t i;
    double d;
    float f;
    int32_t i32;
    int16_t i16;
};

static struct column missing_value(const struct ct_node *node, ct_dtype dtype, union value *value)
{
    static const corten_string unused = {"_Unused", 7};
    const struct ct_tensor *t = ct_attr_tensor(node, "default_tensor");
    if (t && t->data && t->kind == CORTEN_TENSOR && t->dtype == dtype && ct_count(t) == 1)
        return (struct column){dtype, 1, t->data};
    if (dtype == CORTEN_STRING) {
        value->s = ct_attr_string(node, "default_string");
        if (!value->s.data)
            value->s = unused;
    } else if (ct_dtype_is_float(dtype)) {
        double x = (double)ct_attr_float(node, "default_float", -0.0F);
        ct_store_f64(dtype, value, 0, 1, &x);
    } else {
        int64_t x = ct_attr_int(node, "default_int64", -1);
        ct_store_i64(dtype, value, 0, 1, &x);
    }
    return (struct column){dtype, 1, value};
}

/* ------------------------------------------------------------------ what each version reads */

typedef struct encoder (*read_fn)(const struct ct_node *node, ct_dtype in, union value *value);

static struct encoder read_keys_values(const struct ct_node *node, ct_dtype in, union value *value)
{
    (void)in;
    struct encoder e = {
        .keys = column_of(node, "keys_strings", "keys_int64s", "keys_floats", "keys_tensor"),
        .values =
            column_of(node, "values_strings", "values_int64s", "values_floats", "values_tensor"),
    };
    e.missing = missing_value(node, e.values.dtype ? e.values.dtype : CORTEN_I64, value);
    return e;
}

/* Strings become numbers, numbers become strings. */
static struct encoder read_two_way(const struct ct_node *node, ct_dtype in, union value *value,
                                   const char *strings, const char *ints)
{
    struct column s = column_of(node, strings, NULL, NULL, NULL);
    struct column i = column_of(node, NULL, ints, NULL, NULL);
    bool from_strings = in == CORTEN_STRING;
    struct encoder e = {.keys = from_strings ? s : i, .values = from_strings ? i : s};
    if (!ints) {
        e.keys_are_places = !from_strings;
        struct column places = {CORTEN_I64, s.count, NULL};
        *(from_strings ? &e.values : &e.keys) = places;
    }
    e.missing = missing_value(node, from_strings ? CORTEN_I64 : CORTEN_STRING, value);
    return e;
}

static struct encoder read_classes(const struct ct_node *node, ct_dtype in, union value *value)
{
    return read_two_way(node, in, value, "classes_strings", NULL);
}

static struct encoder read_categories(const struct ct_node *node, ct_dtype in, union value *value)
{
    return read_two_way(node, in, value, "cats_strings", "cats_int64s");
}

/* ------------------------------------------------------------------ infer, prepare, run */

static ct_status infer_with(struct ct_infer *infer, read_fn read)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    union value value;
    ct_infer_set(infer, 0, CORTEN_DTYPE_NONE, in->rank, in->dims);
    if (!in->dtype)
        return CORTEN_OK;
    struct encoder e = read(infer->node, in->dtype, &value);
    if (!e.keys.dtype || !e.values.dtype || e.keys.count != e.values.count)
        return ct_infer_fail(infer, "has %zu keys and %zu values", e.keys.count, e.values.count);
    if (e.keys.dtype != in->dtype)
        return ct_infer_fail(infer, "the keys are %s, the input is %s",
                             corten_dtype_name(e.keys.dtype), corten_dtype_name(in->dtype));
    if (!ct_dtype_in(e.values.dtype, infer->node->op_dtypes))
        return ct_infer_fail(infer, "values cannot be %s", corten_dtype_name(e.values.dtype));
    ct_infer_set(infer, 0, e.values.dtype, in->rank, in->dims);
    return CORTEN_OK;
}

struct state {
    struct ct_lookup lookup;
    struct encoder encoder;
    union value value;
};

/* The number by which a key is looked up. */
static uint64_t number_of(ct_dtype dtype, const void *data, size_t i)
{
    if (ct_dtype_is_float(dtype)) {
        double x;
        ct_load_f64(dtype, data, i, 1, &x);
        return ct_lookup_float(x);
    }
    int64_t x;
    ct_load_i64(dtype, data, i, 1, &x);
    return (uint64_t)x;
}

static ct_status prepare_with(struct ct_prepare *prepare, read_fn read)
{
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "a label encoder");
    prepare->state = state;
    state->encoder = read(prepare->node, prepare->in[0]->dtype, &state->value);
    const struct column *keys = &state->encoder.keys;
    if (state->encoder.keys_are_places)
        return CORTEN_OK;
    if (keys->dtype == CORTEN_STRING)
        return ct_lookup_strings(&state->lookup, prepare, keys->data, keys->count);
    uint64_t *numbers = ct_prepare_alloc(prepare, keys->count * sizeof *numbers);
    if (!numbers)
        return ct_fail_memory(prepare->error, keys->count * sizeof *numbers, "keys");
    for (size_t i = 0; i < keys->count; i++)
        numbers[i] = number_of(keys->dtype, keys->data, i);
    return ct_lookup_numbers(&state->lookup, prepare, numbers, keys->count);
}

static int64_t find(const struct state *state, const struct ct_tensor *in, size_t i)
{
    if (in->dtype == CORTEN_STRING)
        return ct_lookup_string(&state->lookup, CT_DATA(corten_string, in)[i]);
    uint64_t number = number_of(in->dtype, in->data, i);
    if (state->encoder.keys_are_places)
        return number < state->encoder.keys.count ? (int64_t)number : -1;
    return ct_lookup_number(&state->lookup, number);
}

static void encode(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct state *state = run->state;
    const struct column *values = &state->encoder.values;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = find(state, run->in[0], (size_t)i);
        if (at >= 0 && !values->data)
            CT_DATA(int64_t, run->out[0])[i] = at;
        else
            ct_copy_elems(values->dtype, run->out[0]->data, (size_t)i,
                          at < 0 ? state->encoder.missing.data : values->data,
                          at < 0 ? 0 : (size_t)at, 1);
    }
}

static ct_status run(const struct ct_run *run)
{
    ct_run_parallel(run, (int64_t)ct_count(run->in[0]), 20, encode, (void *)run);
    return CORTEN_OK;
}

static ct_status infer_keys_values(struct ct_infer *infer)
{
    return infer_with(infer, read_keys_values);
}

static ct_status prepare_keys_values(struct ct_prepare *prepare)
{
    return prepare_with(prepare, read_keys_values);
}

static ct_status infer_classes(struct ct_infer *infer)
{
    return infer_with(infer, read_classes);
}

static ct_status prepare_classes(struct ct_prepare *prepare)
{
    return prepare_with(prepare, read_classes);
}

static ct_status infer_categories(struct ct_infer *infer)
{
    return infer_with(infer, read_categories);
}

static ct_status prepare_categories(struct ct_prepare *prepare)
{
    return prepare_with(prepare, read_categories);
}

const struct ct_op ct_op_label_encoder = {
    .infer = infer_keys_values,
    .prepare = prepare_keys_values,
    .run = run,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_label_encoder_1 = {
    .infer = infer_classes,
    .prepare = prepare_classes,
    .run = run,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_category_mapper = {
    .infer = infer_categories,
    .prepare = prepare_categories,
    .run = run,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
