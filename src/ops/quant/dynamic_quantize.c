/* DynamicQuantizeLinear: scale and zero point from the range of the data, which is made to hold 0. */
#include "graph/op.h"
#include "kernels/reduce.h"
#include "ops/quant/round.h"

enum { BLOCK = 4096 };

struct call {
    const float *x;
    uint8_t *y;
    int64_t n;
    float scale, zero_point;
};

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

static void run_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    int64_t stop = end * BLOCK < c->n ? end * BLOCK : c->n;
    (void)worker;
    for (int64_t i = begin * BLOCK; i < stop; i++)
        c->y[i] = (uint8_t)ct_quantize_f32(c->x[i] / c->scale, c->zero_point, 0, 255);
}

static ct_status run_dynamic(const struct ct_run *run)
{
    const struct ct_reduce_f32_kernel *kernel = ct_reduce_f32_select(ct_cpu_features());
    struct call c = {.x = run->in[0]->data, .n = (int64_t)ct_count(run->in[0])};
    float low = 0, high = 0;
    if (c.n) {
        low = fminf(low, (float)kernel->fn->row(CT_REDUCE_MIN, c.x, (size_t)c.n));
        high = fmaxf(high, (float)kernel->fn->row(CT_REDUCE_MAX, c.x, (size_t)c.n));
    }
    c.scale = high > low ? (high - low) / 255 : 1;
    c.zero_point = (float)ct_quantize_f32(-low / c.scale, 0, 0, 255);
    if (run->out[1])
        *CT_DATA(float, run->out[1]) = c.scale;
    if (run->out[2])
        *CT_DATA(uint8_t, run->out[2]) = (uint8_t)c.zero_point;
    if (!run->out[0])
        return CORTEN_OK;
    c.y = run->out[0]->data;
    ct_run_parallel(run, (c.n + BLOCK - 1) / BLOCK, BLOCK * 0.5, run_blocks, &c);
    return CORTEN_OK;
}

const struct ct_op ct_op_dynamic_quantize_linear = {
    .infer = infer_dynamic,
    .run = run_dynamic,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 3,
};
