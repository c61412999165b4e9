/* STFT: Fourier transforms of overlapping frames of a signal. */
#include "ops/signal/fft.h"

#include <string.h>

struct stft {
    struct ct_fft fft;
    int64_t batch, length, frames, bins, step, n;
    size_t parts; /* of a sample: 1 real, 2 complex */
    size_t worker_elems;
};

struct call {
    const struct stft *state;
    const struct ct_run *run;
};

/* A scalar input. *known false: its value is not known. */
static ct_status scalar(const struct ct_infer *infer, int i, bool *known, int64_t *value)
{
    const int64_t *values = NULL;
    int count = 0;
    *known = true;
    if (!ct_infer_in(infer, i))
        return CORTEN_OK;
    CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_ints(infer, i, &values, &count));
    *known = values != NULL;
    if (values && (count != 1 || values[0] < 1))
        return ct_infer_fail(infer, "input %d must be one number, 1 or more", i);
    if (values)
        *value = values[0];
    return CORTEN_OK;
}

/* Length of a frame: given, or that of the window, or of the signal. */
static ct_status frame_length(const struct ct_infer *infer, const struct ct_fact *x, ct_dim *n)
{
    const struct ct_fact *window = ct_infer_in(infer, 2);
    int64_t value = 0;
    bool known;
    CT_TRY(ct_infer_check_rank(infer, 2, 1, 1));
    CT_TRY(scalar(infer, 3, &known, &value));
    ct_dim window_len = window && window->rank == 1 ? window->dims[0] : CT_DIM_UNKNOWN;
    if (ct_infer_in(infer, 3))
        *n = known ? value : CT_DIM_UNKNOWN;
    else
        *n = window ? window_len : x->dims[1];
    if (window && ct_dim_known(*n) && ct_dim_known(window_len) && window_len != *n)
        return ct_infer_fail(infer, "the window has %lld elements, but frames %lld",
                             (long long)window_len, (long long)*n);
    if (ct_dim_known(*n) && *n < 1)
        return ct_infer_fail(infer, "frames are empty");
    return CORTEN_OK;
}

static ct_status infer_stft(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    bool onesided = ct_attr_int(infer->node, "onesided", 1) != 0, step_known;
    int64_t step = 0;
    if (!x || !ct_infer_in(infer, 1))
        return ct_infer_fail(infer, "signal and frame_step must be present");
    CT_TRY(ct_infer_check_rank(infer, 0, 2, 3));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    CT_TRY(scalar(infer, 1, &step_known, &step));
    ct_infer_set(infer, 0, x->dtype, 4, NULL);
    if (x->rank < 0)
        return CORTEN_OK;
    if (x->rank == 3 && ct_dim_known(x->dims[2]) && x->dims[2] != 1 && x->dims[2] != 2)
        return ct_infer_fail(infer, "the last axis has %lld elements, expected 1 or 2",
                             (long long)x->dims[2]);
    ct_dim n;
    CT_TRY(frame_length(infer, x, &n));
    ct_dim dims[4] = {x->dims[0], CT_DIM_UNKNOWN, CT_DIM_UNKNOWN, 2};
    dims[2] = onesided ? ct_dim_add(infer, ct_dim_div(infer, n, 2), 1) : n;
    if (ct_dim_known(n) && step_known) {
        if (ct_dim_known(x->dims[1]) && x->dims[1] < n)
            return ct_infer_fail(infer, "frames of %lld do not fit into a signal of %lld",
                                 (long long)n, (long long)x->dims[1]);
        ct_dim rest = ct_dim_sub(infer, x->dims[1], n);
        dims[1] = ct_dim_add(infer, ct_dim_div(infer, rest, step), 1);
    }
    ct_infer_set(infer, 0, x->dtype, 4, dims);
    return CORTEN_OK;
}

static void run_frames(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct stft *s = c->state;
    const struct ct_tensor *x = c->run->in[0], *y = c->run->out[0];
    const struct ct_tensor *window = c->run->n_in > 2 ? c->run->in[2] : NULL;
    double *frame = (double *)c->run->scratch + (size_t)worker * s->worker_elems;
    double *raw = frame + 2 * s->n;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i / s->frames * s->length + i % s->frames * s->step;
        ct_load_f64(x->dtype, x->data, (size_t)first * s->parts, (size_t)s->n * s->parts, raw);
        for (int64_t j = 0; j < s->n; j++) {
            frame[2 * j] = raw[(size_t)j * s->parts];
            frame[2 * j + 1] = s->parts == 2 ? raw[(size_t)j * s->parts + 1] : 0;
        }
        if (window) {
            ct_load_f64(window->dtype, window->data, 0, (size_t)s->n, raw);
            for (int64_t j = 0; j < 2 * s->n; j++)
                frame[j] *= raw[j / 2];
        }
        ct_fft_run(&s->fft, false, frame, raw);
        ct_store_f64(y->dtype, y->data, (size_t)(i * s->bins * 2), (size_t)s->bins * 2, frame);
    }
}

static ct_status run_stft(const struct ct_run *run)
{
    const struct stft *s = run->state;
    struct call call = {s, run};
    ct_run_parallel(run, s->batch * s->frames, (double)s->n * 30, run_frames, &call);
    return CORTEN_OK;
}

static ct_status prepare_stft(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0], *y = prepare->out[0];
    struct stft *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a Fourier transform");
    s->batch = x->dims[0];
    s->length = x->dims[1];
    s->parts = x->rank == 3 ? (size_t)x->dims[2] : 1;
    s->frames = y->dims[1];
    s->bins = y->dims[2];
    ct_load_i64(prepare->in[1]->dtype, prepare->in[1]->data, 0, 1, &s->step);
    const struct ct_tensor *window = prepare->n_in > 2 ? prepare->in[2] : NULL;
    const struct ct_tensor *length = prepare->n_in > 3 ? prepare->in[3] : NULL;
    s->n = window ? window->dims[0] : s->length;
    if (length)
        ct_load_i64(length->dtype, length->data, 0, 1, &s->n);
    CT_TRY(ct_fft_init(&s->fft, prepare, s->n, false));
    s->worker_elems = ct_align_up(2 * (size_t)s->n + ct_fft_scratch(&s->fft), 8);
    size_t bytes;
    if (!ct_mul_size(s->worker_elems, sizeof(double) * (size_t)prepare->threads, &bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    prepare->scratch_bytes = bytes;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_stft = {
    .infer = infer_stft,
    .prepare = prepare_stft,
    .run = run_stft,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
};
