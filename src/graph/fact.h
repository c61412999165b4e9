/* Facts: what is known of a value before it exists: its type, its shape (numbers, symbols or
 * nothing) and, for small integer tensors such as shapes and axes, its elements. */
#ifndef CT_GRAPH_FACT_H
#define CT_GRAPH_FACT_H

#include "base/map.h"
#include "base/tensor.h"

/** A dimension or an element of a shape tensor: a number, or one of the lowest int64 values, which
 *  stand for "unknown" and for symbols. */
typedef int64_t ct_dim;
#define CT_DIM_UNKNOWN INT64_MIN
#define CT_DIM_SYMBOL_LAST (INT64_MIN + (INT64_C(1) << 32))
static inline bool ct_dim_known(ct_dim dim)
{
    return dim > CT_DIM_SYMBOL_LAST;
}

/** The symbols of a model: dim_params, and expressions over them such as "seq + 1", each text
 *  one symbol. */
struct ct_symbols {
    struct ct_arena *arena; /* borrowed */
    struct ct_map ids;
    const char **names;
    size_t count, capacity;
};
void ct_symbols_init(struct ct_symbols *symbols, struct ct_arena *arena);
/** The dimension that stands for `name`; UNKNOWN for "" or when there is no memory. */
ct_dim ct_symbol(struct ct_symbols *symbols, const char *name);
/** Text of a symbol, "" for an unknown dimension, NULL for a number. */
const char *ct_symbol_name(const struct ct_symbols *symbols, ct_dim dim);

struct ct_fact {
    uint8_t kind;   /* corten_kind */
    uint8_t layout; /* enum ct_layout */
    ct_dtype dtype; /* elements of a tensor; keys of a map; NONE: unknown or a container */
    int32_t rank;   /* -1: unknown */
    ct_dim dims[CT_MAX_RANK];
    const struct ct_fact *elem;       /* sequence, optional: its item; map: its values */
    const struct ct_tensor *constant; /* the whole value, if known */
    const ct_dim *values;             /* elements of an integer tensor of rank 0 or 1, numbers or
                                          symbols; NULL: not known. Set also for small constants */
    int32_t n_values;
};

/** Everything unknown. */
void ct_fact_init(struct ct_fact *fact);
/** Tensor of known type; dims NULL: all unknown; rank -1: unknown. */
void ct_fact_set(struct ct_fact *fact, ct_dtype dtype, int rank, const ct_dim *dims);
/** Fact of a value that exists. `constant` is set to it when its data is there, and `values` (in
 *  `arena`) for integer tensors of rank 0 or 1 with at most CT_FACT_MAX_VALUES elements.
 *  For kinds other than tensor, elem is set as far as the items tell. */
enum { CT_FACT_MAX_VALUES = 256 };
ct_status ct_fact_of_tensor(struct ct_fact *fact, const struct ct_tensor *tensor,
                            struct ct_arena *arena, corten_error *error);
/** Rank and every dimension are numbers, and kind is tensor. */
bool ct_fact_is_concrete(const struct ct_fact *fact);
/** Sets `into` to what both allow: known wins over unknown. False on contradiction. */
bool ct_fact_merge(struct ct_fact *into, const struct ct_fact *other);
/** Sets `into` to what holds in either case (branches of If, iterations of Loop). */
void ct_fact_join(struct ct_fact *into, const struct ct_fact *other);
/** "float32[batch,3,?]" and the like; returns `text`. */
const char *ct_fact_describe(const struct ct_fact *fact, const struct ct_symbols *symbols,
                             char *text, size_t size_bytes);

#endif
