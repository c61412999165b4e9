#include "graph/fact.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ symbols */

/* Symbol i is CT_DIM_UNKNOWN + 1 + i. */
enum { FIRST_SYMBOL = 1 };

void ct_symbols_init(struct ct_symbols *symbols, struct ct_arena *arena)
{
    *symbols = (struct ct_symbols){.arena = arena};
    ct_map_init(&symbols->ids, arena);
}

ct_dim ct_symbol(struct ct_symbols *symbols, const char *name)
{
    if (!name[0])
        return CT_DIM_UNKNOWN;
    /* The map holds the address of the name in `names` + index + 1, as a number. */
    uintptr_t known = (uintptr_t)ct_map_get(&symbols->ids, name);
    if (known)
        return CT_DIM_UNKNOWN + (ct_dim)known;
    size_t index = symbols->count;
    if (index >= UINT32_MAX)
        return CT_DIM_UNKNOWN;
    const char *copy = ct_arena_strdup(symbols->arena, name);
    if (!copy || !CT_ARENA_PUSH(symbols->arena, symbols->names, index, symbols->capacity) ||
        !ct_map_put(&symbols->ids, copy, (void *)(uintptr_t)(index + FIRST_SYMBOL)))
        return CT_DIM_UNKNOWN;
    symbols->names[index] = copy;
    symbols->count++;
    return CT_DIM_UNKNOWN + FIRST_SYMBOL + (ct_dim)index;
}

const char *ct_symbol_name(const struct ct_symbols *symbols, ct_dim dim)
{
    if (ct_dim_known(dim))
        return NULL;
    if (dim == CT_DIM_UNKNOWN || !symbols)
        return "";
    /* Unsigned: the difference from INT64_MIN always fits. */
    uint64_t index = (uint64_t)dim - (uint64_t)CT_DIM_UNKNOWN - FIRST_SYMBOL;
    return index < symbols->count ? symbols->names[index] : "";
}

/* ------------------------------------------------------------------ making facts */

void ct_fact_init(struct ct_fact *fact)
{
    memset(fact, 0, sizeof *fact);
    fact->rank = -1;
    for (int i = 0; i < CT_MAX_RANK; i++)
        fact->dims[i] = CT_DIM_UNKNOWN;
}

void ct_fact_set(struct ct_fact *fact, ct_dtype dtype, int rank, const ct_dim *dims)
{
    /* `dims` may be those of this very fact. */
    ct_dim copy[CT_MAX_RANK];
    int n = rank > 0 && dims ? rank : 0;
    for (int i = 0; i < n; i++)
        copy[i] = dims[i];
    ct_fact_init(fact);
    fact->dtype = dtype;
    fact->rank = rank;
    for (int i = 0; i < n; i++)
        fact->dims[i] = copy[i];
}

static bool keeps_values(const struct ct_tensor *tensor)
{
    return ct_dtype_in(tensor->dtype, CT_INTS_8_64 | CT_BIT(BOOL)) && tensor->rank <= 1 &&
           ct_count(tensor) <= CT_FACT_MAX_VALUES;
}

static ct_status set_values(struct ct_fact *fact, const struct ct_tensor *tensor,
                            struct ct_arena *arena, corten_error *error)
{
    size_t n = ct_count(tensor);
    ct_dim *values = ct_arena_array(arena, n ? n : 1, sizeof *values);
    if (!values)
        return ct_fail_memory(error, n * sizeof *values, "values of a constant");
    if (n)
        ct_load_i64(tensor->dtype, tensor->data, 0, n, values);
    for (size_t i = 0; i < n; i++) {
        /* A number that would read as a symbol: the elements stay with the constant only. */
        if (!ct_dim_known(values[i]))
            return CORTEN_OK;
    }
    fact->values = values;
    fact->n_values = (int32_t)n;
    return CORTEN_OK;
}

/* One fact that holds for all items. */
static ct_status set_elem(struct ct_fact *fact, const struct ct_tensor *items, size_t count,
                          struct ct_arena *arena, corten_error *error)
{
    if (!count)
        return CORTEN_OK;
    struct ct_fact *elem = ct_arena_alloc_zero(arena, sizeof *elem);
    if (!elem)
        return ct_fail_memory(error, sizeof *elem, "the type of a sequence");
    for (size_t i = 0; i < count; i++) {
        struct ct_fact item;
        CT_TRY(ct_fact_of_tensor(&item, &items[i], arena, error));
        item.constant = NULL;
        item.values = NULL;
        item.n_values = 0;
        if (i == 0)
            *elem = item;
        else
            ct_fact_join(elem, &item);
    }
    fact->elem = elem;
    return CORTEN_OK;
}

static const struct ct_fact *any_tensor_of(ct_dtype dtype);

ct_status ct_fact_of_tensor(struct ct_fact *fact, const struct ct_tensor *tensor,
                            struct ct_arena *arena, corten_error *error)
{
    ct_fact_init(fact);
    fact->kind = tensor->kind;
    fact->layout = tensor->layout;
    switch ((corten_kind)tensor->kind) {
    case CORTEN_TENSOR:
    case CORTEN_SPARSE:
        fact->dtype = tensor->dtype;
        fact->rank = tensor->rank;
        for (int i = 0; i < tensor->rank; i++)
            fact->dims[i] = tensor->dims[i];
        break;
    case CORTEN_SEQUENCE:
        fact->elem = any_tensor_of(tensor->dtype);
        if (tensor->data)
            CT_TRY(set_elem(fact, ct_sequence_of(tensor)->items, ct_sequence_of(tensor)->count,
                            arena, error));
        break;
    case CORTEN_OPTIONAL:
        fact->elem = any_tensor_of(tensor->dtype);
        if (tensor->data && ct_optional_of(tensor)->present)
            CT_TRY(set_elem(fact, &ct_optional_of(tensor)->item, 1, arena, error));
        break;
    case CORTEN_MAP:
        if (tensor->data) {
            fact->dtype = ct_mapping_of(tensor)->keys.dtype;
            fact->elem = any_tensor_of(ct_mapping_of(tensor)->values.dtype);
        }
        break;
    }
    if (!tensor->data)
        return CORTEN_OK;
    fact->constant = tensor;
    if (tensor->kind == CORTEN_TENSOR && tensor->layout == CT_LAYOUT_PLAIN && keeps_values(tensor))
        return set_values(fact, tensor, arena, error);
    return CORTEN_OK;
}

bool ct_fact_is_concrete(const struct ct_fact *fact)
{
    if (fact->kind != CORTEN_TENSOR || fact->dtype == CORTEN_DTYPE_NONE || fact->rank < 0)
        return false;
    for (int i = 0; i < fact->rank; i++) {
        if (!ct_dim_known(fact->dims[i]))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ combining facts */

static bool is_unknown(const struct ct_fact *fact)
{
    return fact->kind == CORTEN_TENSOR && fact->dtype == CORTEN_DTYPE_NONE && fact->rank < 0 &&
           !fact->constant;
}

/* Numbers win over symbols and symbols over nothing; false when two numbers differ. */
static bool merge_dim(ct_dim *into, ct_dim other)
{
    if (!ct_dim_known(other)) {
        if (*into == CT_DIM_UNKNOWN)
            *into = other;
        return true;
    }
    if (ct_dim_known(*into))
        return *into == other;
    *into = other;
    return true;
}

static bool merge_elem(struct ct_fact *into, const struct ct_fact *other)
{
    if (!other->elem || into->elem == other->elem)
        return true;
    if (!into->elem || is_unknown(into->elem)) {
        into->elem = other->elem;
        return true;
    }
    struct ct_fact both = *into->elem;
    if (!ct_fact_merge(&both, other->elem))
        return false;
    /* There is no memory here for a third fact: of the two, the one that knows the rank. */
    if (into->elem->kind == CORTEN_TENSOR && into->elem->rank < 0)
        into->elem = other->elem;
    return true;
}

static bool merge_known(struct ct_fact *into, const struct ct_fact *other)
{
    if (into->kind != other->kind)
        return false;
    if (into->dtype == CORTEN_DTYPE_NONE)
        into->dtype = other->dtype;
    else if (other->dtype != CORTEN_DTYPE_NONE && other->dtype != into->dtype)
        return false;
    if (other->rank >= 0) {
        if (into->rank < 0) {
            into->rank = other->rank;
            memcpy(into->dims, other->dims, sizeof into->dims);
        } else if (into->rank != other->rank) {
            return false;
        }
        for (int i = 0; i < into->rank; i++) {
            if (!merge_dim(&into->dims[i], other->dims[i]))
                return false;
        }
    }
    if (!into->constant)
        into->constant = other->constant;
    if (!into->values || (into->constant && into->constant == other->constant)) {
        into->values = other->values;
        into->n_values = other->n_values;
    }
    return merge_elem(into, other);
}

bool ct_fact_merge(struct ct_fact *into, const struct ct_fact *other)
{
    if (is_unknown(other))
        return true;
    if (is_unknown(into)) {
        *into = *other;
        return true;
    }
    struct ct_fact merged = *into;
    if (!merge_known(&merged, other))
        return false;
    *into = merged;
    return true;
}

static bool same_type(const struct ct_fact *a, const struct ct_fact *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->kind != b->kind || a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i])
            return false;
    }
    return same_type(a->elem, b->elem);
}

static const struct ct_fact *any_tensor_of(ct_dtype dtype)
{
#define UNKNOWN_4 CT_DIM_UNKNOWN, CT_DIM_UNKNOWN, CT_DIM_UNKNOWN, CT_DIM_UNKNOWN
#define CT_X(name, number, bits, text)                                                             \
    [number] = {                                                                                   \
        .dtype = CORTEN_##name, .rank = -1, .dims = {UNKNOWN_4, UNKNOWN_4, UNKNOWN_4, UNKNOWN_4}},
    static const struct ct_fact any[] = {CORTEN_DTYPE_MAP(CT_X)};
#undef CT_X
#undef UNKNOWN_4
    return ct_dtype_valid(dtype) ? &any[dtype] : NULL;
}

static const struct ct_fact *join_elem(const struct ct_fact *a, const struct ct_fact *b)
{
    if (!a || !b || a == b)
        return a == b ? a : NULL;
    struct ct_fact both = *a;
    ct_fact_join(&both, b);
    if (same_type(&both, a))
        return a;
    if (same_type(&both, b))
        return b;
    return both.kind == CORTEN_TENSOR ? any_tensor_of(both.dtype) : NULL;
}

static bool same_values(const struct ct_fact *a, const struct ct_fact *b)
{
    return a->values && b->values && a->n_values == b->n_values &&
           memcmp(a->values, b->values, (size_t)a->n_values * sizeof *a->values) == 0;
}

void ct_fact_join(struct ct_fact *into, const struct ct_fact *other)
{
    if (into->kind != other->kind) {
        ct_fact_init(into);
        return;
    }
    if (into->dtype != other->dtype)
        into->dtype = CORTEN_DTYPE_NONE;
    if (into->rank != other->rank) {
        into->rank = -1;
        for (int i = 0; i < CT_MAX_RANK; i++)
            into->dims[i] = CT_DIM_UNKNOWN;
    }
    for (int i = 0; i < into->rank; i++) {
        if (into->dims[i] != other->dims[i])
            into->dims[i] = CT_DIM_UNKNOWN;
    }
    if (into->constant != other->constant)
        into->constant = NULL;
    if (!same_values(into, other)) {
        into->values = NULL;
        into->n_values = 0;
    }
    into->elem = join_elem(into->elem, other->elem);
}

/* ------------------------------------------------------------------ text */

struct text {
    char *at;
    size_t left; /* with the NUL */
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t used = (size_t)n < text->left ? (size_t)n : text->left - 1;
    text->at += used;
    text->left -= used;
}

static void put_fact(struct text *text, const struct ct_fact *fact,
                     const struct ct_symbols *symbols);

static void put_tensor(struct text *text, const struct ct_fact *fact,
                       const struct ct_symbols *symbols)
{
    put(text, "%s", fact->dtype == CORTEN_DTYPE_NONE ? "?" : corten_dtype_name(fact->dtype));
    if (fact->rank < 0)
        return;
    put(text, "[");
    for (int i = 0; i < fact->rank; i++) {
        const char *name = ct_symbol_name(symbols, fact->dims[i]);
        const char *comma = i ? "," : "";
        if (!name)
            put(text, "%s%" PRId64, comma, fact->dims[i]);
        else
            put(text, "%s%s", comma, name[0] ? name : "?");
    }
    put(text, "]");
}

static void put_elem(struct text *text, const struct ct_fact *elem,
                     const struct ct_symbols *symbols)
{
    if (elem)
        put_fact(text, elem, symbols);
    else
        put(text, "?");
}

static void put_fact(struct text *text, const struct ct_fact *fact,
                     const struct ct_symbols *symbols)
{
    switch ((corten_kind)fact->kind) {
    case CORTEN_TENSOR: put_tensor(text, fact, symbols); return;
    case CORTEN_SPARSE:
        put(text, "sparse(");
        put_tensor(text, fact, symbols);
        break;
    case CORTEN_SEQUENCE:
        put(text, "sequence(");
        put_elem(text, fact->elem, symbols);
        break;
    case CORTEN_OPTIONAL:
        put(text, "optional(");
        put_elem(text, fact->elem, symbols);
        break;
    case CORTEN_MAP:
        put(text, "map(%s,", corten_dtype_name(fact->dtype));
        put_elem(text, fact->elem, symbols);
        break;
    }
    put(text, ")");
}

const char *ct_fact_describe(const struct ct_fact *fact, const struct ct_symbols *symbols,
                             char *text, size_t size_bytes)
{
    if (!size_bytes)
        return text;
    struct text out = {text, size_bytes};
    text[0] = '\0';
    put_fact(&out, fact, symbols);
    return text;
}
