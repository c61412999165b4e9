/* LayerNormalization and RMSNormalization: each row, the axes from `axis` on, by itself. */
#include "graph/op.h"
#include "kernels/norm.h"

#include <math.h>

/* Scale or bias, broadcast to the input. */
struct factor {
    bool present, direct; /* direct: the tensor's own memory is what a row needs */
    bool per_row;         /* differs between rows */
    int64_t strides[CT_MAX_RANK];
};

struct state {
    const struct ct_norm_f32_kernel *kernel;
    bool rms, wide, buffered; /* wide: f64; buffered: rows are converted */
    int axis, rank;
    int64_t dims[CT_MAX_RANK];
    size_t outer, n;
    float epsilon;
    struct factor factors[2];
    size_t row_bytes;  /* of n numbers, aligned */
    size_t workers_at; /* in scratch, after two expanded factors: three rows a worker */
};

static ct_status check_factor(struct ct_infer *infer, int index, int rank, const ct_dim *dims)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    if (!f || f->rank < 0)
        return CORTEN_OK;
    if (f->rank > rank)
        return ct_infer_fail(infer, "input %d has rank %d, more than the input's %d", index,
                             f->rank, rank);
    for (int i = 0; i < f->rank; i++) {
        ct_dim have = f->dims[i], want = dims[rank - f->rank + i];
        if (ct_dim_known(have) && ct_dim_known(want) && have != 1 && have != want)
            return ct_infer_fail(infer, "input %d has dimension %lld where 1 or %lld is expected",
                                 index, (long long)have, (long long)want);
    }
    return CORTEN_OK;
}

static ct_status infer_norm(struct ct_infer *infer, ct_dtype out_dtype)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int64_t stash = ct_attr_int(infer->node, "stash_type", 1);
    ct_dim dims[CT_MAX_RANK];
    int axis;
    if (!ct_dtype_valid(stash) || !ct_dtype_in((ct_dtype)stash, CT_FLOATS))
        return ct_infer_fail(infer, "stash_type %lld is no float type", (long long)stash);
    if (x->rank < 0) {
        ct_infer_set(infer, 0, out_dtype, -1, NULL);
        return CORTEN_OK;
    }
    if (x->rank == 0)
        return ct_infer_fail(infer, "the input has no axis to normalise");
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -1), x->rank, &axis));
    CT_TRY(check_factor(infer, 1, x->rank, x->dims));
    CT_TRY(check_factor(infer, 2, x->rank, x->dims));
    ct_infer_set(infer, 0, out_dtype, x->rank, x->dims);
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : 1;
    for (int out = 1; out < infer->n_out; out++)
        ct_infer_set(infer, out, (ct_dtype)stash, x->rank, dims);
    return CORTEN_OK;
}

static ct_status infer_layer(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_FLOATS));
    CT_TRY(ct_infer_check_dtype(infer, 2, CT_FLOATS));
    return infer_norm(infer, ct_infer_in(infer, 0)->dtype);
}

static ct_status infer_rms(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_FLOATS));
    return infer_norm(infer, ct_infer_in(infer, 1)->dtype);
}

static void prepare_factor(const struct state *state, const struct ct_tensor *t, ct_dtype wide,
                           struct factor *factor)
{
    if (!t)
        return;
    factor->present = true;
    int64_t stride = 1;
    for (int i = state->rank - 1; i >= 0; i--) {
        int k = i - (state->rank - t->rank);
        if (k < 0 || t->dims[k] == 1)
            continue;
        factor->strides[i] = stride;
        stride *= t->dims[k];
        if (i < state->axis)
            factor->per_row = true;
    }
    factor->direct = !factor->per_row && t->dtype == wide && ct_count(t) == state->n;
}

static ct_status prepare_norm(struct ct_prepare *prepare, bool rms)
{
    const struct ct_tensor *x = prepare->in[0], *y = prepare->out[0];
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of a normalisation");
    state->kernel = ct_norm_f32_select(ct_cpu_features());
    state->rms = rms;
    state->wide = x->dtype == CORTEN_F64;
    ct_dtype wide = state->wide ? CORTEN_F64 : CORTEN_F32;
    state->buffered = x->dtype != wide || y->dtype != wide;
    int64_t axis = ct_attr_int(prepare->node, "axis", -1);
    state->rank = x->rank;
    state->axis = (int)(axis < 0 ? axis + x->rank : axis);
    for (int i = 0; i < x->rank; i++)
        state->dims[i] = x->dims[i];
    state->outer = (size_t)ct_dims_product(x->dims, 0, state->axis);
    state->n = (size_t)ct_dims_product(x->dims, state->axis, x->rank);
    state->epsilon = ct_attr_float(prepare->node, "epsilon", 1e-5f);
    for (int i = 0; i < 2; i++)
        if (i + 1 < prepare->n_in)
            prepare_factor(state, prepare->in[i + 1], wide, &state->factors[i]);

    size_t rows = 2 + 3 * (size_t)prepare->threads;
    if (!ct_mul_size(state->n, state->wide ? 8 : 4, &state->row_bytes) ||
        !ct_add_size(state->row_bytes, CT_ALIGN, &state->row_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the rows are too long");
    state->row_bytes &= ~(size_t)(CT_ALIGN - 1);
    state->row_bytes += CT_ALIGN;
    bool plain = !state->buffered;
    for (int i = 0; i < 2; i++)
        plain &= !state->factors[i].present || state->factors[i].direct;
    if (!plain && !ct_mul_size(state->row_bytes, rows, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the rows are too long");
    state->workers_at = 2 * state->row_bytes;
    prepare->state = state;
    prepare->kernel = state->wide ? NULL : state->kernel->name;
    if (x->dtype == y->dtype)
        ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_layer(struct ct_prepare *prepare)
{
    return prepare_norm(prepare, false);
}

static ct_status prepare_rms(struct ct_prepare *prepare)
{
    return prepare_norm(prepare, true);
}

/* Element i of n of the row's factor, which starts at `base`. */
static void expand(const struct state *state, const struct factor *factor,
                   const struct ct_tensor *t, size_t base, void *to)
{
    int64_t index[CT_MAX_RANK] = {0};
    size_t at = base;
    for (size_t i = 0; i < state->n; i++) {
        if (state->wide)
            ct_load_f64(t->dtype, t->data, at, 1, (double *)to + i);
        else
            ct_load_f32(t->dtype, t->data, at, 1, (float *)to + i);
        for (int d = state->rank - 1; d >= state->axis; d--) {
            at += (size_t)factor->strides[d];
            if (++index[d] < state->dims[d])
                break;
            at -= (size_t)(factor->strides[d] * state->dims[d]);
            index[d] = 0;
        }
    }
}

static size_t row_base(const struct state *state, const struct factor *factor, size_t row)
{
    size_t at = 0;
    for (int d = state->axis - 1; d >= 0; d--) {
        at += (row % (size_t)state->dims[d]) * (size_t)factor->strides[d];
        row /= (size_t)state->dims[d];
    }
    return at;
}

struct job {
    const struct state *state;
    const struct ct_run *run;
    const void *factors[2]; /* shared ones */
};

static void row_f64(const struct state *state, const double *x, double *y, const double *scale,
                    const double *bias, double *mean_out, double *inv_std)
{
    size_t n = state->n;
    double mean = 0, squares = 0;
    if (!state->rms) {
        for (size_t i = 0; i < n; i++)
            mean += x[i];
        mean /= (double)n;
    }
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    *mean_out = mean;
    *inv_std = 1 / sqrt(squares / (double)n + (double)state->epsilon);
    for (size_t i = 0; i < n; i++) {
        double a = (x[i] - mean) * *inv_std;
        if (scale)
            a *= scale[i];
        y[i] = bias ? a + bias[i] : a;
    }
}

static void store_result(const struct ct_run *run, int out, size_t row, double value)
{
    if (out < run->n_out && run->out[out])
        ct_store_f64(run->out[out]->dtype, run->out[out]->data, row, 1, &value);
}

static void rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->state;
    const struct ct_tensor *x = job->run->in[0];
    struct ct_tensor *y = job->run->out[0];
    char *memory = (char *)job->run->scratch + s->workers_at + 3 * s->row_bytes * (size_t)worker;
    size_t elem = s->wide ? 8 : 4;
    for (int64_t item = begin; item < end; item++) {
        size_t row = (size_t)item, first = row * s->n;
        const void *factors[2] = {job->factors[0], job->factors[1]};
        for (int i = 0; i < 2; i++) {
            if (!s->factors[i].per_row)
                continue;
            void *to = memory + (size_t)(i + 1) * s->row_bytes;
            expand(s, &s->factors[i], job->run->in[i + 1], row_base(s, &s->factors[i], row), to);
            factors[i] = to;
        }
        const void *from = (const char *)x->data + first * elem;
        void *to = (char *)y->data + first * elem;
        if (s->buffered) {
            if (s->wide)
                ct_load_f64(x->dtype, x->data, first, s->n, (double *)(void *)memory);
            else
                ct_load_f32(x->dtype, x->data, first, s->n, (float *)(void *)memory);
            from = to = memory;
        }
        double mean, inv_std;
        if (s->wide) {
            row_f64(s, from, to, factors[0], factors[1], &mean, &inv_std);
        } else {
            struct ct_norm_f32_row args = {.n = s->n,
                                           .x = from,
                                           .y = to,
                                           .scale = factors[0],
                                           .bias = factors[1],
                                           .epsilon = s->epsilon};
            if (s->rms)
                s->kernel->fn->rms(&args);
            else
                s->kernel->fn->layer(&args);
            mean = (double)args.mean;
            inv_std = (double)args.inv_std;
        }
        if (s->buffered && s->wide)
            ct_store_f64(y->dtype, y->data, first, s->n, to);
        else if (s->buffered)
            ct_store_f32(y->dtype, y->data, first, s->n, to);
        store_result(job->run, 1, row, mean);
        store_result(job->run, 2, row, inv_std);
    }
}

static ct_status run_norm(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {s, run, {NULL, NULL}};
    if (s->outer == 0 || s->n == 0)
        return CORTEN_OK;
    for (int i = 0; i < 2; i++) {
        const struct factor *factor = &s->factors[i];
        if (!factor->present || factor->per_row)
            continue;
        if (factor->direct) {
            job.factors[i] = run->in[i + 1]->data;
            continue;
        }
        void *to = (char *)run->scratch + (size_t)i * s->row_bytes;
        expand(s, factor, run->in[i + 1], 0, to);
        job.factors[i] = to;
    }
    ct_run_parallel(run, (int64_t)s->outer, 20 + 0.3 * (double)s->n, rows, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_layer_norm = {.infer = infer_layer,
                                       .prepare = prepare_layer,
                                       .run = run_norm,
                                       .min_in = 2,
                                       .max_in = 3,
                                       .min_out = 1,
                                       .max_out = 3};
const struct ct_op ct_op_rms_norm = {.infer = infer_rms,
                                     .prepare = prepare_rms,
                                     .run = run_norm,
                                     .min_in = 2,
                                     .max_in = 2,
                                     .min_out = 1};
