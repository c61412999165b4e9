/* Caches of keys and values that com.microsoft operators keep, as floats or as codes under a scale. */
#ifndef CT_OPS_CONTRIB_KV_CACHE_H
#define CT_OPS_CONTRIB_KV_CACHE_H

#include "ops/contrib/contrib.h"

struct ct_kv_format {
    ct_dtype dtype;   /* of the tensor; NONE: that of the query */
    bool quantised;   /* codes: int8, float8e4m3fn, or uint8 with two of 4 bits, each plus 8 */
    bool per_channel; /* a scale for each element of each head, else one for all */
};

/** Reads how input `past` (may be absent) is kept, from the attribute `mode` (k_quant_type or
 *  v_quant_type), kv_cache_bit_width and the types; checks the scale, input `scale`. Of size and
 *  heads, those that are known. */
ct_status ct_kv_format_read(const struct ct_infer *infer, int past, int scale, const char *mode,
                            int64_t heads, ct_dim size, struct ct_kv_format *format);
/** Elements of the tensor's last axis for heads of `size`. */
ct_dim ct_kv_width(const struct ct_kv_format *format, ct_dim size);
/** `n_rows` rows of `size` numbers from row `first` of a cache. `scales`: of this head (one for all
 *  when not per_channel); may be NULL when not quantised. */
void ct_kv_load(const struct ct_kv_format *format, const float *scales,
                const struct ct_tensor *cache, int64_t first, int64_t n_rows, int64_t size,
                float *to);
/** Makes of x what a cache would give back. */
void ct_kv_round(const struct ct_kv_format *format, const float *scales, int64_t size, float *x);
/** The reverse of _load. */
void ct_kv_store(const struct ct_kv_format *format, const float *scales, struct ct_tensor *cache,
                 int64_t first, int64_t n_rows, int64_t size, const float *from);

#endif
