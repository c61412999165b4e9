/* DynamicQuantizeLinear, in two passes over the data: its range, then the bytes. */
#include "ops/quant/dynamic_quantize.h"

#include "kernels/quant.h"
#include "kernels/reduce.h"
#include "ops/quant/byte_product.h"
#include "ops/quant/round.h"

enum { BLOCK = 8192 };

struct call {
    const float *x;
    uint8_t *y;
    float *ranges; /* least and greatest of each block */
    int64_t n;
    float scale;
    uint8_t zero_point;
};

static int64_t blocks_of(int64_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

static size_t block_len(const struct call *c, int64_t block)
{
    int64_t left = c->n - block * BLOCK;
    return (size_t)(left < BLOCK ? left : BLOCK);
}

static void find_ranges(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_reduce_f32_kernel *kernel = ct_reduce_f32_select(ct_cpu_features());
    const struct call *c = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const float *x = c->x + i * BLOCK;
        c->ranges[2 * i] = (float)kernel->fn->row(CT_REDUCE_MIN, x, block_len(c, i));
        c->ranges[2 * i + 1] = (float)kernel->fn->row(CT_REDUCE_MAX, x, block_len(c, i));
    }
}

static void quantize_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_quant_kernel *kernel = ct_quant_select(ct_cpu_features());
    const struct call *c = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        struct ct_quant_row row = {block_len(c, i), c->scale, c->zero_point, 0};
        kernel->fn->quantize(&row, c->x + i * BLOCK, c->y + i * BLOCK);
    }
}

ct_status ct_dynamic_quantize_prepare(struct ct_prepare *prepare, int64_t n,
                                      struct ct_dynamic_quantize *dynamic)
{
    dynamic->n = n;
    return ct_byte_scratch(prepare, (size_t)blocks_of(n) * 2 * sizeof(float), &dynamic->ranges_at);
}

void ct_dynamic_quantize_run(const struct ct_dynamic_quantize *dynamic, const struct ct_run *run,
                             const float *x, uint8_t *y, float *scale, uint8_t *zero_point)
{
    struct call c = {.x = x, .y = y, .n = dynamic->n};
    int64_t blocks = blocks_of(c.n);
    float low = 0, high = 0;
    c.ranges = (float *)(void *)((char *)run->scratch + dynamic->ranges_at);
    ct_run_parallel(run, blocks, BLOCK * 0.1, find_ranges, &c);
    for (int64_t i = 0; i < blocks; i++) {
        low = fminf(low, c.ranges[2 * i]);
        high = fmaxf(high, c.ranges[2 * i + 1]);
    }
    c.scale = high > low ? (high - low) / 255 : 1;
    c.zero_point = (uint8_t)ct_quantize_f32(-low / c.scale, 0, 0, 255);
    if (y)
        ct_run_parallel(run, blocks, BLOCK * 0.15, quantize_blocks, &c);
    *scale = c.scale;
    *zero_point = c.zero_point;
}

/* ------------------------------------------------------------------ the operator */

static ct_status infer_dynamic(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    if (!x)
        return ct_infer_fail(infer, "input must be present");
    ct_infer_set(infer, 0, CORTEN_U8, x->rank, x->rank < 0 ? NULL : x->dims);
    ct_infer_set(infer, 1, CORTEN_F32, 0, NULL);
    ct_infer_set(infer, 2, CORTEN_U8, 0, NULL);
    return CORTEN_OK;
}

static ct_status prepare_dynamic(struct ct_prepare *prepare)
{
    struct ct_dynamic_quantize *d = ct_prepare_alloc(prepare, sizeof *d);
    if (!d)
        return ct_fail_memory(prepare->error, sizeof *d, "quantisation");
    prepare->state = d;
    prepare->kernel = ct_quant_select(ct_cpu_features())->name;
    return ct_dynamic_quantize_prepare(prepare, (int64_t)ct_count(prepare->in[0]), d);
}

static ct_status run_dynamic(const struct ct_run *run)
{
    uint8_t zero_point, *y = run->out[0] ? run->out[0]->data : NULL;
    float scale;
    ct_dynamic_quantize_run(run->state, run, run->in[0]->data, y, &scale, &zero_point);
    if (run->n_out > 1 && run->out[1])
        *CT_DATA(float, run->out[1]) = scale;
    if (run->n_out > 2 && run->out[2])
        *CT_DATA(uint8_t, run->out[2]) = zero_point;
    return CORTEN_OK;
}

const struct ct_op ct_op_dynamic_quantize_linear = {
    .infer = infer_dynamic,
    .prepare = prepare_dynamic,
    .run = run_dynamic,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 3,
};
