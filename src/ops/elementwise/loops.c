#include "ops/elementwise/loops.h"

#include <string.h>

enum {
    CHUNK = 512,      /* elements converted at a time: three chunks of doubles are 12 KiB */
    RUN_PIECE = 16384 /* elements of a parallel item */
};

static const ct_dtype class_dtypes[CT_CLASS_COUNT] = {
#define CT_X(name, type) [CT_CLASS_##name] = CORTEN_##name,
    CT_CLASS_MAP(CT_X)
#undef CT_X
};

static const size_t class_bytes[CT_CLASS_COUNT] = {
#define CT_X(name, type) [CT_CLASS_##name] = sizeof(type),
    CT_CLASS_MAP(CT_X)
#undef CT_X
};

enum ct_class ct_class_of(ct_dtype dtype)
{
    switch (dtype) {
    case CORTEN_F64: return CT_CLASS_F64;
    case CORTEN_I32: return CT_CLASS_I32;
    case CORTEN_U8:
    case CORTEN_BOOL: return CT_CLASS_U8;
    default:
        if (!ct_dtype_is_int(dtype))
            return CT_CLASS_F32;
        return ct_dtype_is_signed(dtype) ? CT_CLASS_I64 : CT_CLASS_U64;
    }
}

ct_dtype ct_class_dtype(enum ct_class class_)
{
    return class_dtypes[class_];
}

static bool is_native(enum ct_class class_, ct_dtype dtype)
{
    return dtype == class_dtypes[class_] || (class_ == CT_CLASS_U8 && dtype == CORTEN_BOOL);
}

void ct_params_set(union ct_params *params, enum ct_class class_, int index, double value)
{
    if (class_ == CT_CLASS_F64)
        params->f64[index] = value;
    else
        params->f32[index] = (float)value;
}

void ct_params_load(union ct_params *params, enum ct_class class_, int index,
                    const struct ct_tensor *tensor)
{
    ct_class_load(class_, tensor->dtype, tensor->data, 0, 1,
                  (char *)params + (size_t)index * class_bytes[class_]);
}

void ct_class_load(enum ct_class class_, ct_dtype dtype, const void *base, size_t first, size_t n,
                   void *to)
{
    if (is_native(class_, dtype)) {
        size_t size = class_bytes[class_];
        memcpy(to, (const char *)base + first * size, n * size);
    } else if (class_ == CT_CLASS_F32) {
        ct_load_f32(dtype, base, first, n, to);
    } else if (class_ == CT_CLASS_F64) {
        ct_load_f64(dtype, base, first, n, to);
    } else if (class_ == CT_CLASS_I64 || class_ == CT_CLASS_U64) {
        ct_load_i64(dtype, base, first, n, to);
    } else {
        int64_t values[CHUNK];
        for (size_t i = 0; i < n; i += CHUNK) {
            size_t m = n - i < CHUNK ? n - i : CHUNK;
            ct_load_i64(dtype, base, first + i, m, values);
            ct_store_i64(class_dtypes[class_], to, i, m, values);
        }
    }
}

void ct_class_store(enum ct_class class_, ct_dtype dtype, void *base, size_t first, size_t n,
                    const void *from)
{
    if (is_native(class_, dtype)) {
        size_t size = class_bytes[class_];
        memcpy((char *)base + first * size, from, n * size);
    } else if (class_ == CT_CLASS_F32) {
        ct_store_f32(dtype, base, first, n, from);
    } else if (class_ == CT_CLASS_F64) {
        ct_store_f64(dtype, base, first, n, from);
    } else if (class_ == CT_CLASS_I64 || class_ == CT_CLASS_U64) {
        ct_store_i64(dtype, base, first, n, from);
    } else {
        int64_t values[CHUNK];
        for (size_t i = 0; i < n; i += CHUNK) {
            size_t m = n - i < CHUNK ? n - i : CHUNK;
            ct_load_i64(class_dtypes[class_], from, i, m, values);
            ct_store_i64(dtype, base, first + i, m, values);
        }
    }
}

/* ------------------------------------------------------------------ unary */

void ct_unary_loop_init(struct ct_unary_loop *loop, enum ct_unary op, enum ct_class class_)
{
    *loop = (struct ct_unary_loop){.kernel = ct_elementwise_select(class_), .op = op};
    switch (op) {
    case CT_UNARY_ABS:
    case CT_UNARY_BITWISE_NOT:
    case CT_UNARY_CEIL:
    case CT_UNARY_CLIP:
    case CT_UNARY_FLOOR:
    case CT_UNARY_HARD_SIGMOID:
    case CT_UNARY_HARD_SWISH:
    case CT_UNARY_LEAKY_RELU:
    case CT_UNARY_NEG:
    case CT_UNARY_NOT:
    case CT_UNARY_RELU:
    case CT_UNARY_ROUND:
    case CT_UNARY_SIGN: loop->elem_ns = 0.2; break;
    default: loop->elem_ns = loop->kernel->isa == CT_ISA_REF ? 8 : 0.4; break;
    }
}

void ct_unary_row(const struct ct_unary_loop *loop, ct_dtype dtype, void *to, const void *from,
                  size_t first, size_t n)
{
    enum ct_class class_ = loop->kernel->class_;
    if (is_native(class_, dtype)) {
        size_t at = first * class_bytes[class_];
        loop->kernel->unary(loop->op, (char *)to + at, (const char *)from + at, n, &loop->params);
        return;
    }
    double chunk[CHUNK]; /* of any class */
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t m = n - i < CHUNK ? n - i : CHUNK;
        ct_class_load(class_, dtype, from, first + i, m, chunk);
        loop->kernel->unary(loop->op, chunk, chunk, m, &loop->params);
        ct_class_store(class_, dtype, to, first + i, m, chunk);
    }
}

struct unary_job {
    const struct ct_unary_loop *loop;
    ct_dtype dtype;
    void *to;
    const void *from;
    int64_t n;
};

static void run_unary_pieces(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct unary_job *job = arg;
    int64_t first = begin * RUN_PIECE, last = end * RUN_PIECE;
    last = last < job->n ? last : job->n;
    ct_unary_row(job->loop, job->dtype, job->to, job->from, (size_t)first, (size_t)(last - first));
}

void ct_unary_run(const struct ct_unary_loop *loop, struct ct_pool *pool, struct ct_tensor *to,
                  const struct ct_tensor *from)
{
    size_t elem = ct_dtype_elem_bytes(to->dtype);
    size_t n = elem ? ct_tensor_bytes(to) / elem : ct_count(to);
    struct unary_job job = {loop, to->dtype, to->data, from->data, (int64_t)n};
    ct_parallel_for(pool, (job.n + RUN_PIECE - 1) / RUN_PIECE, ct_grain(loop->elem_ns * RUN_PIECE),
                    run_unary_pieces, &job);
}

/* ------------------------------------------------------------------ binary */

void ct_binary_loop_init(struct ct_binary_loop *loop, enum ct_binary op, enum ct_class class_)
{
    *loop = (struct ct_binary_loop){.kernel = ct_elementwise_select(class_), .op = op};
    bool slow = op == CT_BINARY_POW || op == CT_BINARY_MOD || op == CT_BINARY_FMOD ||
                op == CT_BINARY_SWIGLU;
    loop->elem_ns = slow ? 8 : 0.3;
}

/* The first period, then copies of it up to n elements. */
static void repeat(const struct ct_source *source, enum ct_class class_, size_t n, char *chunk)
{
    size_t size = class_bytes[class_], period = source->period;
    ct_class_load(class_, source->dtype, source->base, source->first, period, chunk);
    for (size_t i = period; i < n; i += period)
        memcpy(chunk + i * size, chunk, (n - i < period ? n - i : period) * size);
}

/* Where the elements of a chunk are: in place, or converted into `chunk`. */
static const void *source_chunk(const struct ct_source *source, enum ct_class class_, size_t i,
                                size_t m, void *chunk)
{
    if (source->period) {
        if (i == 0)
            repeat(source, class_, m, chunk);
        return chunk;
    }
    if (is_native(class_, source->dtype))
        return (const char *)source->base +
               (source->first + i * source->step) * class_bytes[class_];
    if (source->step || i == 0)
        ct_class_load(class_, source->dtype, source->base, source->first + i * source->step,
                      source->step ? m : 1, chunk);
    return chunk;
}

void ct_binary_row(const struct ct_binary_loop *loop, ct_dtype dtype, void *to, size_t first,
                   const struct ct_source *a, const struct ct_source *b, size_t n)
{
    enum ct_class class_ = loop->kernel->class_;
    bool gives_bool = ct_binary_gives_bool(loop->op);
    bool direct = gives_bool || is_native(class_, dtype);
    size_t out_bytes = gives_bool ? 1 : class_bytes[class_];
    bool native = direct && is_native(class_, a->dtype) && is_native(class_, b->dtype);
    double chunks[3][CHUNK];
    size_t period = a->period ? a->period : b->period;
    size_t step = period ? CHUNK - CHUNK % period : native ? n : CHUNK;
    for (size_t i = 0; i < n; i += step) {
        size_t m = n - i < step ? n - i : step;
        const void *x = source_chunk(a, class_, i, m, chunks[0]);
        const void *y = source_chunk(b, class_, i, m, chunks[1]);
        void *z = direct ? (char *)to + (first + i) * out_bytes : (void *)chunks[2];
        loop->kernel->binary(loop->op, z, x, a->step, y, b->step, m, &loop->params);
        if (!direct)
            ct_class_store(class_, dtype, to, first + i, m, z);
    }
}
