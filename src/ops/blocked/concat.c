/* BlockedConcat and BlockedUpsample: whole blocks and pixels are copied. */
#include <string.h>

#include "ops/blocked/blocked.h"

/* ------------------------------------------------------------------ concat */

enum { PIECE = 16384 }; /* elements of an item */

struct concat {
    int64_t images, image_elems; /* of the output */
    int64_t pieces;              /* of an image */
};

static ct_status infer_concat(struct ct_infer *infer)
{
    ct_dim dims[4] = {CT_DIM_UNKNOWN, 0, CT_DIM_UNKNOWN, CT_DIM_UNKNOWN};
    for (int k = 0; k < infer->n_in; k++) {
        const struct ct_fact *x = ct_infer_in(infer, k);
        if (!x)
            return ct_infer_fail(infer, "input %d must be present", k);
        CT_TRY(ct_blocked_check(infer, k, CT_LAYOUT_NCXc16));
        for (int i = 0; i < 4 && x->rank == 4; i++) {
            if (i == 1)
                continue;
            if (ct_dim_known(dims[i]) && ct_dim_known(x->dims[i]) && dims[i] != x->dims[i])
                return ct_infer_fail(infer, "axis %d of input %d differs from the others", i, k);
            if (!ct_dim_known(dims[i]))
                dims[i] =
                    dims[i] == CT_DIM_UNKNOWN || ct_dim_known(x->dims[i]) ? x->dims[i] : dims[i];
        }
        ct_dim channels = x->rank == 4 ? x->dims[1] : CT_DIM_UNKNOWN;
        if (k < infer->n_in - 1 && ct_dim_known(channels) && channels % CT_CONV_BLOCK)
            return ct_infer_fail(infer, "input %d has %lld channels, expected a multiple of 16", k,
                                 (long long)channels);
        dims[1] = ct_dim_add(infer, dims[1], channels);
    }
    ct_infer_set(infer, 0, CORTEN_F32, 4, dims);
    ct_blocked_set_layout(infer);
    return CORTEN_OK;
}

struct concat_call {
    const struct concat *state;
    const struct ct_run *run;
};

static int64_t image_elems(const struct ct_tensor *t)
{
    return ct_blocks(t->dims[1]) * CT_CONV_BLOCK * t->dims[2] * t->dims[3];
}

/* The part of an image of the output from `first` to `end`. */
static void copy_piece(const struct ct_run *run, int64_t image, int64_t first, int64_t end,
                       float *to)
{
    for (int k = 0; k < run->n_in && first < end; k++) {
        int64_t n = image_elems(run->in[k]);
        if (first < n) {
            int64_t stop = end < n ? end : n;
            memcpy(to, CT_DATA(const float, run->in[k]) + image * n + first,
                   (size_t)(stop - first) * sizeof *to);
            to += stop - first;
            first = stop;
        }
        first -= n;
        end -= n;
    }
}

static void run_pieces(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct concat_call *call = arg;
    const struct concat *s = call->state;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / s->pieces, first = i % s->pieces * PIECE;
        int64_t last = first + PIECE < s->image_elems ? first + PIECE : s->image_elems;
        copy_piece(call->run, image, first, last,
                   CT_DATA(float, call->run->out[0]) + image * s->image_elems + first);
    }
}

static ct_status run_concat(const struct ct_run *run)
{
    const struct concat *s = run->state;
    struct concat_call call = {s, run};
    ct_run_parallel(run, s->images * s->pieces, 0.2 * PIECE, run_pieces, &call);
    return CORTEN_OK;
}

static ct_status prepare_concat(struct ct_prepare *prepare)
{
    struct concat *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    s->images = prepare->out[0]->dims[0];
    s->image_elems = image_elems(prepare->out[0]);
    s->pieces = (s->image_elems + PIECE - 1) / PIECE;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_blocked_concat = {
    .infer = infer_concat,
    .prepare = prepare_concat,
    .run = run_concat,
    .flags = CT_OP_LAYOUTS,
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
};

/* ------------------------------------------------------------------ upsample */

enum { MAX_SCALE = 64 };

static ct_status read_scales(const struct ct_infer *infer, const struct ct_node *node,
                             int64_t scales[2])
{
    const int64_t *values;
    if (ct_attr_ints(node, "scales", &values) != 2)
        return infer ? ct_infer_fail(infer, "scales: expected two numbers") : CORTEN_INTERNAL;
    for (int i = 0; i < 2; i++) {
        if (infer && (values[i] < 1 || values[i] > MAX_SCALE))
            return ct_infer_fail(infer, "scales: expected 1 to %d", MAX_SCALE);
        scales[i] = values[i];
    }
    return CORTEN_OK;
}

static ct_status infer_upsample(struct ct_infer *infer)
{
    int64_t scales[2];
    CT_TRY(ct_blocked_check(infer, 0, CT_LAYOUT_NCXc16));
    CT_TRY(read_scales(infer, infer->node, scales));
    const struct ct_fact *x = ct_infer_in(infer, 0);
    ct_dim dims[4];
    for (int i = 0; i < 4; i++) {
        dims[i] = x->rank == 4 ? x->dims[i] : CT_DIM_UNKNOWN;
        if (i >= 2)
            dims[i] = ct_dim_mul(infer, dims[i], scales[i - 2]);
    }
    ct_infer_set(infer, 0, CORTEN_F32, 4, dims);
    ct_blocked_set_layout(infer);
    return CORTEN_OK;
}

struct upsample {
    int64_t scales[2], rows, cols; /* of the input, over all blocks */
};

struct upsample_call {
    const struct upsample *state;
    const float *x;
    float *y;
};

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct upsample_call *call = arg;
    const struct upsample *s = call->state;
    const size_t pixel_bytes = CT_CONV_BLOCK * sizeof(float);
    int64_t row_elems = s->cols * s->scales[1] * CT_CONV_BLOCK;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        const float *x = call->x + r * s->cols * CT_CONV_BLOCK;
        float *first = call->y + r * s->scales[0] * row_elems, *y = first;
        for (int64_t c = 0; c < s->cols; c++)
            for (int64_t k = 0; k < s->scales[1]; k++, y += CT_CONV_BLOCK)
                memcpy(y, x + c * CT_CONV_BLOCK, pixel_bytes);
        for (int64_t k = 1; k < s->scales[0]; k++)
            memcpy(first + k * row_elems, first, (size_t)row_elems * sizeof *first);
    }
}

static ct_status run_upsample(const struct ct_run *run)
{
    const struct upsample *s = run->state;
    struct upsample_call call = {s, run->in[0]->data, run->out[0]->data};
    double row_ns = 3.0 * (double)(s->cols * s->scales[0] * s->scales[1]);
    ct_run_parallel(run, s->rows, row_ns, run_rows, &call);
    return CORTEN_OK;
}

static ct_status prepare_upsample(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct upsample *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    CT_TRY(read_scales(NULL, prepare->node, s->scales));
    s->rows = x->dims[0] * ct_blocks(x->dims[1]) * x->dims[2];
    s->cols = x->dims[3];
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_blocked_upsample = {
    .infer = infer_upsample,
    .prepare = prepare_upsample,
    .run = run_upsample,
    .flags = CT_OP_LAYOUTS,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
