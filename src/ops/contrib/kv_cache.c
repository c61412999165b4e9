#include "ops/contrib/kv_cache.h"

#include <math.h>

static bool has_two(const struct ct_kv_format *f)
{
    return f->quantised && f->dtype == CORTEN_U8;
}

ct_dim ct_kv_width(const struct ct_kv_format *format, ct_dim size)
{
    return has_two(format) && ct_dim_known(size) ? (size + 1) / 2 : size;
}

ct_status ct_kv_format_read(const struct ct_infer *infer, int past, int scale, const char *mode,
                            int64_t heads, ct_dim size, struct ct_kv_format *format)
{
    const struct ct_fact *cache = ct_infer_in(infer, past);
    int64_t bits = ct_attr_int(infer->node, "kv_cache_bit_width", 8);
    *format = (struct ct_kv_format){.dtype = cache ? cache->dtype : infer->in[0]->dtype};
    if (ct_attr_is(infer->node, mode, "NONE", "NONE")) {
        if (ct_infer_in(infer, scale))
            return ct_infer_fail(infer, "%s is NONE, but there is a scale", mode);
        return ct_infer_check_same_dtype(infer, 0, past);
    }
    format->quantised = true;
    format->per_channel = ct_attr_is(infer->node, mode, "PER_CHANNEL", "NONE");
    if (!format->per_channel && !ct_attr_is(infer->node, mode, "PER_TENSOR", "NONE"))
        return ct_infer_fail(infer, "%s: expected NONE, PER_TENSOR or PER_CHANNEL", mode);
    if (!cache)
        format->dtype = bits == 4 ? CORTEN_U8 : CORTEN_I8;
    if (format->dtype && !ct_dtype_in(format->dtype, CT_BIT(U8) | CT_BIT(I8) | CT_BIT(F8E4M3FN)))
        return ct_infer_fail(infer, "a quantised cache of %s", corten_dtype_name(format->dtype));
    if (format->dtype && bits != (has_two(format) ? 4 : 8))
        return ct_infer_fail(infer, "kv_cache_bit_width is %lld for a cache of %s", (long long)bits,
                             corten_dtype_name(format->dtype));
    if (!ct_infer_in(infer, scale))
        return ct_infer_fail(infer, "a quantised cache needs its scale");
    CT_TRY(ct_infer_check_dtype(infer, scale, CT_BIT(F32)));
    ct_dim wanted = !format->per_channel ? 1 : ct_dim_known(size) ? heads * size : CT_DIM_UNKNOWN;
    return ct_contrib_agree(infer, "elements of a scale of the cache",
                            ct_contrib_count(infer, scale), wanted);
}

static float scale_of(const struct ct_kv_format *f, const float *scales, int64_t i)
{
    return scales[f->per_channel ? i : 0];
}

void ct_kv_load(const struct ct_kv_format *format, const float *scales,
                const struct ct_tensor *cache, int64_t first, int64_t n_rows, int64_t size,
                float *to)
{
    if (!has_two(format))
        ct_load_f32(cache->dtype, cache->data, (size_t)(first * size), (size_t)(n_rows * size), to);
    int64_t width = ct_kv_width(format, size);
    const uint8_t *codes = cache->data;
    for (int64_t r = 0; r < n_rows && format->quantised; r++, to += size)
        for (int64_t i = 0; i < size; i++) {
            if (has_two(format)) {
                unsigned byte = codes[(first + r) * width + i / 2];
                to[i] = (float)((int)(byte >> (i % 2 * 4) & 15) - 8);
            }
            to[i] *= scale_of(format, scales, i);
        }
}

/* The number that the code of x stands for, before the scale. */
static float code_of(const struct ct_kv_format *f, float x, float scale)
{
    float most = has_two(f) ? 7 : 127;
    x = scale != 0 ? x / scale : 0;
    if (f->dtype == CORTEN_F8E4M3FN)
        return ct_narrow_to_f32(f->dtype, ct_f32_to_narrow(f->dtype, x, true));
    return fminf(fmaxf(nearbyintf(x), -most - 1), most);
}

void ct_kv_round(const struct ct_kv_format *format, const float *scales, int64_t size, float *x)
{
    for (int64_t i = 0; i < size && format->quantised; i++) {
        float scale = scale_of(format, scales, i);
        x[i] = code_of(format, x[i], scale) * scale;
    }
}

void ct_kv_store(const struct ct_kv_format *format, const float *scales, struct ct_tensor *cache,
                 int64_t first, int64_t n_rows, int64_t size, const float *from)
{
    if (!format->quantised) {
        ct_store_f32(cache->dtype, cache->data, (size_t)(first * size), (size_t)(n_rows * size),
                     from);
        return;
    }
    int64_t width = ct_kv_width(format, size);
    uint8_t *codes = (uint8_t *)cache->data + first * width;
    for (int64_t r = 0; r < n_rows; r++, from += size, codes += width)
        for (int64_t i = 0; i < size; i++) {
            float code = code_of(format, from[i], scale_of(format, scales, i));
            if (!has_two(format))
                ct_store_f32(cache->dtype, codes, (size_t)i, 1, &code);
            else if (i % 2 == 0)
                codes[i / 2] = (uint8_t)((int)code + 8);
            else
                codes[i / 2] = (uint8_t)(codes[i / 2] | ((int)code + 8) << 4);
        }
}
