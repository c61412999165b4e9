/* DFT. */
#include "ops/signal/fft.h"

#include <string.h>

struct dft {
    struct ct_fft fft;
    bool inverse, onesided;
    int64_t outer, in, out, inner, n; /* along the axis: elements of X, of Y; the length */
    int in_parts, out_parts;          /* 1: real, 2: complex */
    size_t worker_elems;              /* doubles of scratch for each worker */
};

struct call {
    const struct dft *state;
    const struct ct_run *run;
};

/* ------------------------------------------------------------------ infer */

static ct_status scalar(const struct ct_infer *infer, int i, bool *known, int64_t *value)
{
    const struct ct_fact *f = i < 0 ? NULL : ct_infer_in(infer, i);
    const int64_t *values = NULL;
    int count = 0;
    *known = true;
    if (!f)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_ints(infer, i, &values, &count));
    *known = values != NULL;
    if (values && count != 1)
        return ct_infer_fail(infer, "input %d has %d elements, expected 1", i, count);
    if (values)
        *value = values[0];
    return CORTEN_OK;
}

static ct_status infer_dft(struct ct_infer *infer, int64_t axis, bool axis_known)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    bool inverse = ct_attr_int(infer->node, "inverse", 0) != 0;
    bool onesided = ct_attr_int(infer->node, "onesided", 0) != 0;
    int64_t length = -1;
    bool length_known;
    int at;
    CT_TRY(ct_infer_check_rank(infer, 0, 2, -1));
    CT_TRY(scalar(infer, 1, &length_known, &length));
    if (ct_infer_in(infer, 1) && length_known && length < 1)
        return ct_infer_fail(infer, "dft_length: found %lld, expected 1 or more",
                             (long long)length);
    ct_infer_set(infer, 0, x->dtype, x->rank, NULL);
    if (x->rank < 0 || !axis_known)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, axis, x->rank, &at));
    ct_dim parts = x->dims[x->rank - 1], in = x->dims[at];
    if (at == x->rank - 1)
        return ct_infer_fail(infer, "axis: the last one holds real and imaginary parts");
    if (ct_dim_known(parts) && parts != 1 && parts != 2)
        return ct_infer_fail(infer, "the last axis has %lld elements, expected 1 or 2",
                             (long long)parts);
    ct_dim dims[CT_MAX_RANK], n = in;
    memcpy(dims, x->dims, sizeof dims);
    if (ct_infer_in(infer, 1))
        n = length_known ? length : CT_DIM_UNKNOWN;
    else if (inverse && onesided)
        n = ct_dim_mul(infer, ct_dim_add(infer, in, -1), 2);
    if (ct_dim_known(n) && n < 1)
        return ct_infer_fail(infer, "the axis has %lld elements: too few", (long long)in);
    dims[at] = onesided && !inverse ? ct_dim_add(infer, ct_dim_div(infer, n, 2), 1) : n;
    dims[x->rank - 1] = inverse && onesided ? 1 : 2;
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    return CORTEN_OK;
}

static ct_status infer_17(struct ct_infer *infer)
{
    return infer_dft(infer, ct_attr_int(infer->node, "axis", 1), true);
}

static ct_status infer_20(struct ct_infer *infer)
{
    int64_t axis = -2;
    bool known;
    CT_TRY(scalar(infer, 2, &known, &axis));
    return infer_dft(infer, axis, known);
}

/* ------------------------------------------------------------------ run */

/* Elements of a line: together when it is contiguous, else one by one. */
static void load_line(const struct dft *s, const struct ct_tensor *x, size_t first, int64_t count,
                      double *to, double *raw)
{
    size_t parts = (size_t)s->in_parts;
    if (s->inner == 1)
        ct_load_f64(x->dtype, x->data, first * parts, (size_t)count * parts, raw);
    for (int64_t i = 0; i < count; i++) {
        double *v = raw + (size_t)i * parts;
        if (s->inner != 1)
            ct_load_f64(x->dtype, x->data, (first + (size_t)(i * s->inner)) * parts, parts, v);
    }
    for (int64_t i = 0; i < count; i++) {
        to[2 * i] = raw[(size_t)i * parts];
        to[2 * i + 1] = parts == 2 ? raw[(size_t)i * parts + 1] : 0;
    }
}

static void store_line(const struct dft *s, const struct ct_tensor *y, size_t first,
                       const double *from, double *raw)
{
    size_t parts = (size_t)s->out_parts;
    double scale = s->inverse ? 1 / (double)s->n : 1;
    for (int64_t i = 0; i < s->out; i++)
        for (size_t p = 0; p < parts; p++)
            raw[(size_t)i * parts + p] = from[2 * i + (int64_t)p] * scale;
    if (s->inner == 1) {
        ct_store_f64(y->dtype, y->data, first * parts, (size_t)s->out * parts, raw);
        return;
    }
    for (int64_t i = 0; i < s->out; i++)
        ct_store_f64(y->dtype, y->data, (first + (size_t)(i * s->inner)) * parts, parts,
                     raw + (size_t)i * parts);
}

/* The other half of the spectrum of a real signal. */
static void mirror(double *x, int64_t n)
{
    x[1] = 0;
    if (n % 2 == 0)
        x[n + 1] = 0;
    for (int64_t k = 1; k < (n + 1) / 2; k++) {
        x[2 * (n - k)] = x[2 * k];
        x[2 * (n - k) + 1] = -x[2 * k + 1];
    }
}

static void run_lines(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct dft *s = c->state;
    double *x = (double *)c->run->scratch + (size_t)worker * s->worker_elems;
    double *scratch = x + 2 * s->n;
    bool halved = s->inverse && s->onesided;
    int64_t used = halved ? s->n / 2 + 1 : s->n;
    used = used < s->in ? used : s->in;
    for (int64_t i = begin; i < end; i++) {
        int64_t outer = i / s->inner, inner = i % s->inner;
        memset(x, 0, (size_t)s->n * 2 * sizeof *x);
        load_line(s, c->run->in[0], (size_t)(outer * s->in * s->inner + inner), used, x, scratch);
        if (halved)
            mirror(x, s->n);
        ct_fft_run(&s->fft, s->inverse, x, scratch);
        store_line(s, c->run->out[0], (size_t)(outer * s->out * s->inner + inner), x, scratch);
    }
}

static ct_status run_dft(const struct ct_run *run)
{
    const struct dft *s = run->state;
    struct call call = {s, run};
    ct_run_parallel(run, s->outer * s->inner, (double)s->n * 30, run_lines, &call);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

static int64_t read_scalar(const struct ct_prepare *prepare, int i, int64_t fallback)
{
    const struct ct_tensor *t = i < prepare->n_in ? prepare->in[i] : NULL;
    int64_t value = fallback;
    if (t && t->data)
        ct_load_i64(t->dtype, t->data, 0, 1, &value);
    return value;
}

static ct_status prepare_dft(struct ct_prepare *prepare, int64_t axis)
{
    const struct ct_tensor *x = prepare->in[0], *y = prepare->out[0];
    struct dft *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a Fourier transform");
    int at = (int)(axis < 0 ? axis + x->rank : axis), last = x->rank - 1;
    s->inverse = ct_attr_int(prepare->node, "inverse", 0) != 0;
    s->onesided = ct_attr_int(prepare->node, "onesided", 0) != 0;
    s->outer = ct_dims_product(x->dims, 0, at);
    s->inner = ct_dims_product(x->dims, at + 1, last);
    s->in = x->dims[at];
    s->out = y->dims[at];
    s->in_parts = (int)x->dims[last];
    s->out_parts = (int)y->dims[last];
    s->n = s->out;
    if (s->onesided && !s->inverse)
        s->n = read_scalar(prepare, 1, s->in);
    /* Forward in double. The conformance cases of the inverse hold the rounding errors of single
     * precision where exact results would be zero. */
    bool single = s->inverse && x->dtype != CORTEN_F64;
    CT_TRY(ct_fft_init(&s->fft, prepare, s->n, single));
    s->worker_elems = ct_align_up(2 * (size_t)s->n + ct_fft_scratch(&s->fft) + 2, 8);
    size_t bytes;
    if (!ct_mul_size(s->worker_elems, sizeof(double) * (size_t)prepare->threads, &bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    prepare->scratch_bytes = bytes;
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_17(struct ct_prepare *prepare)
{
    return prepare_dft(prepare, ct_attr_int(prepare->node, "axis", 1));
}

static ct_status prepare_20(struct ct_prepare *prepare)
{
    return prepare_dft(prepare, read_scalar(prepare, 2, -2));
}

const struct ct_op ct_op_dft_17 = {
    .infer = infer_17,
    .prepare = prepare_17,
    .run = run_dft,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
};

const struct ct_op ct_op_dft_20 = {
    .infer = infer_20,
    .prepare = prepare_20,
    .run = run_dft,
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
};
