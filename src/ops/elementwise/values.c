#include "ops/elementwise/values.h"

#include <string.h>

/* Whether a dimension is one that cannot be negative: no difference stands in its expression. */
static bool is_size(const struct ct_infer *infer, ct_dim dim)
{
    const char *name = infer->symbols ? ct_symbol_name(infer->symbols, dim) : NULL;
    return name && *name && !strstr(name, " - ");
}

/* 1, 0, or UNKNOWN. Exporters compare shapes with -1, which no size is. */
static ct_dim equal(const struct ct_infer *infer, ct_dim a, ct_dim b)
{
    if (ct_dim_known(a) && ct_dim_known(b))
        return a == b;
    if (a == b && a != CT_DIM_UNKNOWN)
        return 1;
    if ((ct_dim_known(b) && b < 0 && is_size(infer, a)) ||
        (ct_dim_known(a) && a < 0 && is_size(infer, b)))
        return 0;
    return CT_DIM_UNKNOWN;
}

static ct_dim combine(const struct ct_infer *infer, enum ct_binary op, ct_dim a, ct_dim b)
{
    bool known = ct_dim_known(a) && ct_dim_known(b);
    switch (op) {
    case CT_BINARY_EQUAL: return equal(infer, a, b);
    case CT_BINARY_ADD: return ct_dim_add(infer, a, b);
    case CT_BINARY_SUB: return ct_dim_sub(infer, a, b);
    case CT_BINARY_MUL: return ct_dim_mul(infer, a, b);
    case CT_BINARY_DIV:
        if (!known) /* a dimension is never negative, so that truncating is rounding down */
            return ct_dim_known(b) && b > 0 ? ct_dim_div(infer, a, b) : CT_DIM_UNKNOWN;
        break;
    case CT_BINARY_MOD:
    case CT_BINARY_FMOD:
    case CT_BINARY_MIN:
    case CT_BINARY_MAX: break;
    default: return CT_DIM_UNKNOWN;
    }
    if (!known)
        return a == b && (op == CT_BINARY_MIN || op == CT_BINARY_MAX) ? a : CT_DIM_UNKNOWN;
    int64_t result;
    ct_binary_i64_ref(op, &result, &a, 1, &b, 1, 1, NULL);
    return result;
}

ct_status ct_infer_binary_values(const struct ct_infer *infer, enum ct_binary op,
                                 const struct ct_fact *a, const struct ct_fact *b)
{
    if (!a || !b || !a->values || !b->values)
        return CORTEN_OK;
    int n = a->n_values == 1 ? b->n_values : a->n_values;
    if ((a->n_values != 1 && a->n_values != n) || (b->n_values != 1 && b->n_values != n) ||
        n > CT_FACT_MAX_VALUES)
        return CORTEN_OK;
    ct_dim values[CT_FACT_MAX_VALUES];
    for (int i = 0; i < n; i++) {
        values[i] = combine(infer, op, a->values[a->n_values == 1 ? 0 : i],
                            b->values[b->n_values == 1 ? 0 : i]);
    }
    return ct_infer_set_values(infer, 0, values, n);
}
