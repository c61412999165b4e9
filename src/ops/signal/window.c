/* HannWindow, HammingWindow and BlackmanWindow: sums of cosines. */
#include "graph/op.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

enum { BLOCK = 512 };

struct window {
    int64_t n;
    double period, a0, a1, a2; /* a0 - a1 cos(x) + a2 cos(2x) */
};

static ct_status infer_window(struct ct_infer *infer)
{
    const int64_t *size;
    int count;
    int64_t dtype = ct_attr_int(infer->node, "output_datatype", CORTEN_F32);
    if (!ct_dtype_valid(dtype) || !ct_dtype_in((ct_dtype)dtype, CT_NUMBERS))
        return ct_infer_fail(infer, "output_datatype: %lld is no number type", (long long)dtype);
    CT_TRY(ct_infer_ints(infer, 0, &size, &count));
    ct_dim dim = CT_DIM_UNKNOWN;
    if (size && (count != 1 || size[0] < 0))
        return ct_infer_fail(infer, "size must be one number, 0 or more");
    if (size)
        dim = size[0];
    ct_infer_set(infer, 0, (ct_dtype)dtype, 1, &dim);
    return CORTEN_OK;
}

static void run_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct window *w = run->state;
    (void)worker;
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * BLOCK, n = w->n - first < BLOCK ? w->n - first : BLOCK;
        double v[BLOCK];
        for (int64_t i = 0; i < n; i++) {
            double x = w->period > 0 ? 2 * pi * (double)(first + i) / w->period : 0;
            v[i] = w->a0 - w->a1 * cos(x) + w->a2 * cos(2 * x);
        }
        ct_store_f64(run->out[0]->dtype, run->out[0]->data, (size_t)first, (size_t)n, v);
    }
}

static ct_status run_window(const struct ct_run *run)
{
    const struct window *w = run->state;
    ct_run_parallel(run, (w->n + BLOCK - 1) / BLOCK, BLOCK * 30, run_blocks,
                    (void *)(uintptr_t)run);
    return CORTEN_OK;
}

static ct_status prepare_window(struct ct_prepare *prepare, double a0, double a1, double a2)
{
    struct window *w = ct_prepare_alloc(prepare, sizeof *w);
    if (!w)
        return ct_fail_memory(prepare->error, sizeof *w, "a window");
    w->n = prepare->out[0]->dims[0];
    w->period = (double)(ct_attr_int(prepare->node, "periodic", 1) ? w->n : w->n - 1);
    w->a0 = a0;
    w->a1 = a1;
    w->a2 = a2;
    prepare->state = w;
    return CORTEN_OK;
}

static ct_status prepare_hann(struct ct_prepare *prepare)
{
    return prepare_window(prepare, 0.5, 0.5, 0);
}

static ct_status prepare_hamming(struct ct_prepare *prepare)
{
    return prepare_window(prepare, 25.0 / 46, 21.0 / 46, 0);
}

static ct_status prepare_blackman(struct ct_prepare *prepare)
{
    return prepare_window(prepare, 0.42, 0.5, 0.08);
}

const struct ct_op ct_op_hann_window = {
    .infer = infer_window,
    .prepare = prepare_hann,
    .run = run_window,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_hamming_window = {
    .infer = infer_window,
    .prepare = prepare_hamming,
    .run = run_window,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_blackman_window = {
    .infer = infer_window,
    .prepare = prepare_blackman,
    .run = run_window,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
