/* QuantizeLinear and DequantizeLinear. */
#include "kernels/quant.h"
#include "ops/quant/granularity.h"
#include "ops/quant/round.h"

enum {
    BLOCK = 512,      /* elements converted at a time; even, since packed types share bytes */
    SHORTEST_RUN = 16 /* of one scale, that is worth a kernel's call */
};

struct quantize {
    struct ct_granularity granularity;
    ct_dtype precision; /* of the division */
    bool saturate;
    bool by_kernel; /* between float32 and bytes, in runs under one scale */
};

struct call {
    const struct quantize *state;
    const struct ct_run *run;
    const struct ct_quant_kernel *kernel;
    int64_t n;
    float scales[BLOCK], zero_points[BLOCK]; /* filled when there is only one */
};

static const struct ct_tensor *zero_point_of(const struct ct_run *run)
{
    return run->n_in > 2 ? run->in[2] : NULL;
}

/* ------------------------------------------------------------------ quantise */

/* Rounds to f16 or bf16 when the division is to be of that precision. */
static void round_quotients(ct_dtype precision, float *x, size_t n)
{
    if (precision == CORTEN_F16)
        for (size_t i = 0; i < n; i++)
            x[i] = ct_f16_to_f32(ct_f32_to_f16(x[i]));
    else if (precision == CORTEN_BF16)
        for (size_t i = 0; i < n; i++)
            x[i] = ct_bf16_to_f32(ct_f32_to_bf16(x[i]));
}

static void store_ints(const struct ct_tensor *y, size_t first, size_t n, const float *x,
                       const float *zero_points)
{
    float low, high;
    ct_int_range(y->dtype, &low, &high);
    if (y->dtype == CORTEN_U8 || y->dtype == CORTEN_I8) {
        uint8_t *to = (uint8_t *)y->data + first;
        for (size_t i = 0; i < n; i++)
            to[i] = (uint8_t)ct_quantize_f32(x[i], zero_points[i], low, high);
        return;
    }
    int64_t q[BLOCK];
    for (size_t i = 0; i < n; i++)
        q[i] = ct_quantize_f32(x[i], zero_points[i], low, high);
    ct_store_i64(y->dtype, y->data, first, n, q);
}

static void quantize_block(const struct call *c, const float *scales, const float *zero_points,
                           size_t first, size_t n)
{
    const struct ct_tensor *x = c->run->in[0], *y = c->run->out[0];
    float v[BLOCK];
    ct_load_f32(x->dtype, x->data, first, n, v);
    for (size_t i = 0; i < n; i++)
        v[i] /= scales[i];
    round_quotients(c->state->precision, v, n);
    if (ct_dtype_is_int(y->dtype)) {
        store_ints(y, first, n, v, zero_points);
        return;
    }
    for (size_t i = 0; i < n; i++)
        v[i] += zero_points[i];
    if (c->state->saturate)
        ct_store_f32(y->dtype, y->data, first, n, v);
    else
        ct_convert(y->dtype, (uint8_t *)y->data + first, CORTEN_F32, v, n, false);
}

/* ------------------------------------------------------------------ dequantise */

static void dequantize_block(const struct call *c, const float *scales, const float *zero_points,
                             size_t first, size_t n)
{
    const struct ct_tensor *x = c->run->in[0], *y = c->run->out[0];
    float v[BLOCK];
    ct_load_f32(x->dtype, x->data, first, n, v);
    for (size_t i = 0; i < n; i++)
        v[i] = (v[i] - zero_points[i]) * scales[i];
    ct_store_f32(y->dtype, y->data, first, n, v);
}

/* ------------------------------------------------------------------ run */

static struct ct_quant_row kernel_row(ct_dtype bytes, size_t n, float scale, float zero_point)
{
    int offset = bytes == CORTEN_I8 ? 128 : 0;
    return (struct ct_quant_row){n, scale, (int32_t)zero_point + offset, (uint8_t)offset};
}

/* Elements [first, first + n), which have one scale and zero point. */
static void by_kernel(const struct call *c, size_t first, size_t n, float scale, float zero_point)
{
    const struct ct_tensor *x = c->run->in[0], *y = c->run->out[0];
    bool to_bytes = x->dtype == CORTEN_F32;
    struct ct_quant_row row = kernel_row(to_bytes ? y->dtype : x->dtype, n, scale, zero_point);
    if (to_bytes)
        c->kernel->fn->quantize(&row, (const float *)x->data + first, (uint8_t *)y->data + first);
    else
        c->kernel->fn->dequantize(&row, (const uint8_t *)x->data + first, (float *)y->data + first);
}

/* Blocks [begin, end): all of one scale, or runs of it along the axes behind. */
static void run_by_kernel(const struct call *c, int64_t begin, int64_t end)
{
    const struct ct_granularity *g = &c->state->granularity;
    int64_t first = begin * BLOCK, last = end * BLOCK < c->n ? end * BLOCK : c->n;
    if (g->single) {
        by_kernel(c, (size_t)first, (size_t)(last - first), c->scales[0], c->zero_points[0]);
        return;
    }
    for (int64_t i = first, next; i < last; i = next) {
        float scale, zero_point;
        next = (i / g->inner + 1) * g->inner;
        next = next < last ? next : last;
        ct_granularity_load(g, c->run->in[1], zero_point_of(c->run), i, 1, &scale, &zero_point);
        by_kernel(c, (size_t)i, (size_t)(next - i), scale, zero_point);
    }
}

typedef void (*block_fn)(const struct call *c, const float *scales, const float *zero_points,
                         size_t first, size_t n);

static void run_blocks(const struct call *c, int64_t begin, int64_t end, block_fn fn)
{
    float scales[BLOCK], zero_points[BLOCK];
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * BLOCK, n = c->n - first < BLOCK ? c->n - first : BLOCK;
        if (c->state->granularity.single) {
            fn(c, c->scales, c->zero_points, (size_t)first, (size_t)n);
            continue;
        }
        ct_granularity_load(&c->state->granularity, c->run->in[1], zero_point_of(c->run), first, n,
                            scales, zero_points);
        fn(c, scales, zero_points, (size_t)first, (size_t)n);
    }
}

static void quantize_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    (void)worker;
    if (c->state->by_kernel)
        run_by_kernel(c, begin, end);
    else
        run_blocks(c, begin, end, quantize_block);
}

static void dequantize_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    (void)worker;
    if (c->state->by_kernel)
        run_by_kernel(c, begin, end);
    else
        run_blocks(c, begin, end, dequantize_block);
}

static ct_status run_all(const struct ct_run *run, ct_loop_fn fn)
{
    const struct quantize *s = run->state;
    struct call call = {.state = s,
                        .run = run,
                        .kernel = ct_quant_select(ct_cpu_features()),
                        .n = (int64_t)ct_count(run->in[0])};
    if (s->granularity.single)
        ct_granularity_load(&s->granularity, run->in[1], zero_point_of(run), 0, BLOCK, call.scales,
                            call.zero_points);
    ct_run_parallel(run, (call.n + BLOCK - 1) / BLOCK, BLOCK * (s->by_kernel ? 0.1 : 0.6), fn,
                    &call);
    return CORTEN_OK;
}

static ct_status run_quantize(const struct ct_run *run)
{
    return run_all(run, quantize_blocks);
}

static ct_status run_dequantize(const struct ct_run *run)
{
    return run_all(run, dequantize_blocks);
}

static ct_status prepare_quantize(struct ct_prepare *prepare)
{
    struct quantize *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "quantisation");
    ct_granularity_init(&s->granularity, prepare->node, prepare->in[0], prepare->in[1]);
    int64_t precision = ct_attr_int(prepare->node, "precision", 0);
    s->precision = precision ? (ct_dtype)precision : prepare->in[1]->dtype;
    s->saturate = ct_attr_int(prepare->node, "saturate", 1) != 0 ||
                  !ct_dtype_in(prepare->out[0]->dtype, CT_F8S);
    ct_dtype x = prepare->in[0]->dtype, y = prepare->out[0]->dtype;
    const ct_dtypes bytes = CT_BIT(U8) | CT_BIT(I8);
    const struct ct_granularity *g = &s->granularity;
    bool runs = g->single || (!g->block && g->inner >= SHORTEST_RUN);
    s->by_kernel =
        runs && s->precision == CORTEN_F32 &&
        ((x == CORTEN_F32 && ct_dtype_in(y, bytes)) || (ct_dtype_in(x, bytes) && y == CORTEN_F32));
    prepare->kernel = s->by_kernel ? ct_quant_select(ct_cpu_features())->name : NULL;
    prepare->state = s;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ infer */

#define QUANTIZED                                                                                  \
    (CT_BIT(U8) | CT_BIT(I8) | CT_BIT(U16) | CT_BIT(I16) | CT_INTS_NARROW |                        \
     (CT_FLOATS_NARROW & ~CT_BIT(F8E8M0)))
#define SCALES (CT_BIT(F32) | CT_BIT(F16) | CT_BIT(BF16) | CT_BIT(F8E8M0) | CT_BIT(I32))

static ct_status infer_quantize(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *zero = ct_infer_in(infer, 2);
    int64_t wanted = ct_attr_int(infer->node, "output_dtype", 0);
    int64_t precision = ct_attr_int(infer->node, "precision", 0);
    CT_TRY(ct_granularity_check(infer));
    CT_TRY(ct_infer_check_dtype(infer, 1, SCALES));
    ct_dtype dtype = zero ? zero->dtype : wanted ? (ct_dtype)wanted : CORTEN_U8;
    if (wanted && zero && zero->dtype && (int64_t)zero->dtype != wanted)
        return ct_infer_fail(infer, "output_dtype is %lld, but the zero point has %s",
                             (long long)wanted, corten_dtype_name(zero->dtype));
    if (dtype && (!ct_dtype_valid((int64_t)dtype) || !ct_dtype_in(dtype, QUANTIZED)))
        return ct_infer_fail(infer, "cannot quantise to type %d", (int)dtype);
    if (precision && precision != CORTEN_F32 && precision != CORTEN_F16 && precision != CORTEN_BF16)
        return ct_infer_fail(infer, "precision: expected float32, float16 or bfloat16");
    ct_infer_set(infer, 0, dtype, x->rank, x->rank < 0 ? NULL : x->dims);
    return CORTEN_OK;
}

static ct_status infer_dequantize(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *scale = ct_infer_in(infer, 1);
    int64_t wanted = ct_attr_int(infer->node, "output_dtype", 0);
    CT_TRY(ct_granularity_check(infer));
    CT_TRY(ct_infer_check_dtype(infer, 1, SCALES & ~CT_BIT(I32)));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    if (wanted && wanted != CORTEN_F32 && wanted != CORTEN_F16 && wanted != CORTEN_BF16)
        return ct_infer_fail(infer, "output_dtype: expected float32, float16 or bfloat16");
    if (!wanted && scale->dtype == CORTEN_F8E8M0)
        wanted = CORTEN_F32;
    ct_infer_set(infer, 0, wanted ? (ct_dtype)wanted : scale->dtype, x->rank,
                 x->rank < 0 ? NULL : x->dims);
    return CORTEN_OK;
}

const struct ct_op ct_op_quantize_linear = {
    .infer = infer_quantize,
    .prepare = prepare_quantize,
    .run = run_quantize,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
};

const struct ct_op ct_op_dequantize_linear = {
    .infer = infer_dequantize,
    .prepare = prepare_quantize,
    .run = run_dequantize,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
};
