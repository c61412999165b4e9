/* SkipLayerNormalization, SkipSimplifiedLayerNormalization and SimplifiedLayerNormalization:
 * normalised rows of a sum. */
#include "kernels/norm.h"
#include "ops/contrib/contrib.h"
#include "ops/widen.h"

#include <math.h>

/* Which input and which output is what; -1: there is none. */
struct roles {
    int skip, scale, beta, bias;
    int mean, inv_std, sum;
    bool rms;
};
static const struct roles skip_layer = {1, 2, 3, 4, 1, 2, 3, false};
static const struct roles skip_rms = {1, 2, -1, 3, 1, 2, 3, true};
static const struct roles plain_rms = {-1, 1, -1, -1, -1, 1, -1, true};

struct state {
    const struct roles *roles;
    const struct ct_norm_f32_kernel *kernel;
    struct ct_widen widen; /* the vectors */
    size_t rows, n, skip_rows;
    bool buffered; /* rows are converted */
    float epsilon;
    size_t workers_at, row_bytes;
};

/* ------------------------------------------------------------------ infer */

/* The shape of skip is that of the input, or that without its first dimensions. */
static ct_status check_skip(const struct ct_infer *infer, const struct roles *roles)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *skip = ct_infer_in(infer, roles->skip);
    CT_TRY(ct_infer_check_same_dtype(infer, 0, roles->skip));
    if (!skip)
        return ct_infer_fail(infer, "skip is missing");
    if (skip->rank < 0 || x->rank < 0)
        return CORTEN_OK;
    if (skip->rank < 1 || skip->rank > x->rank)
        return ct_infer_fail(infer, "skip has rank %d, the input %d", skip->rank, x->rank);
    bool one = false; /* dimensions of 1 so far, from the left on, broadcast */
    for (int i = skip->rank - 1; i >= 0; i--) {
        ct_dim have = skip->dims[i], want = x->dims[x->rank - skip->rank + i];
        if (ct_dim_known(have) && have == 1 && i < skip->rank - 1) {
            one |= ct_dim_known(want) && want != 1;
            continue;
        }
        if (one && ct_dim_known(have))
            return ct_infer_fail(infer, "skip broadcasts its first dimensions only");
        CT_TRY(ct_contrib_agree(infer, "input and skip", want, have));
    }
    return CORTEN_OK;
}

static ct_status infer_skip(struct ct_infer *infer, const struct roles *roles)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, CT_MAX_RANK));
    CT_TRY(check_skip(infer, roles));
    ct_dim hidden = x->rank > 0 ? x->dims[x->rank - 1] : CT_DIM_UNKNOWN;
    const int vectors[] = {roles->scale, roles->beta, roles->bias};
    for (int i = 0; i < 3; i++) {
        if (vectors[i] < 0)
            continue;
        CT_TRY(ct_infer_check_same_dtype(infer, 0, vectors[i]));
        CT_TRY(ct_contrib_vector(infer, vectors[i], hidden));
    }
    ct_infer_same(infer, 0, 0);
    ct_infer_same(infer, roles->sum, 0);
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < x->rank - 1 ? x->dims[i] : 1;
    ct_infer_set(infer, roles->mean, CORTEN_F32, x->rank, dims);
    ct_infer_set(infer, roles->inv_std, CORTEN_F32, x->rank, dims);
    return CORTEN_OK;
}

static ct_status infer_skip_layer(struct ct_infer *infer)
{
    return infer_skip(infer, &skip_layer);
}

static ct_status infer_skip_rms(struct ct_infer *infer)
{
    return infer_skip(infer, &skip_rms);
}

static ct_status infer_rms(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *scale = ct_infer_in(infer, 1);
    ct_dim dims[CT_MAX_RANK], n = 1;
    int axis;
    int64_t stash = ct_attr_int(infer->node, "stash_type", 1);
    if (!ct_dtype_valid(stash) || !ct_dtype_in((ct_dtype)stash, CT_FLOATS))
        return ct_infer_fail(infer, "stash_type %lld is no float type", (long long)stash);
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_FLOATS));
    CT_TRY(ct_infer_check_rank(infer, 0, 1, CT_MAX_RANK));
    ct_infer_set(infer, 0, scale->dtype, x->rank, x->rank < 0 ? NULL : x->dims);
    if (x->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -1), x->rank, &axis));
    for (int i = 0; i < x->rank; i++) {
        dims[i] = i < axis ? x->dims[i] : 1;
        if (i >= axis)
            n = ct_dim_known(n) && ct_dim_known(x->dims[i]) ? ct_dim_mul(infer, n, x->dims[i])
                                                            : CT_DIM_UNKNOWN;
    }
    CT_TRY(
        ct_contrib_agree(infer, "elements of a row and of scale", n, ct_contrib_count(infer, 1)));
    ct_infer_set(infer, 1, (ct_dtype)stash, x->rank, dims);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

static ct_status prepare_norm(struct ct_prepare *prepare, const struct roles *roles, int axis)
{
    const struct ct_tensor *x = prepare->in[0], *skip = ct_contrib_in(prepare, roles->skip);
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of a normalisation");
    s->roles = roles;
    s->kernel = ct_norm_f32_select(ct_cpu_features());
    s->rows = (size_t)ct_dims_product(x->dims, 0, axis);
    s->n = (size_t)ct_dims_product(x->dims, axis, x->rank);
    s->skip_rows = skip && s->n ? ct_count(skip) / s->n : 0;
    s->epsilon = ct_attr_float(prepare->node, "epsilon", roles == &plain_rms ? 1e-5f : 1e-12f);
    s->buffered = x->dtype != CORTEN_F32 || prepare->out[0]->dtype != CORTEN_F32;
    unsigned vectors = 1u << roles->scale;
    if (roles->beta >= 0)
        vectors |= 1u << roles->beta;
    if (roles->bias >= 0)
        vectors |= 1u << roles->bias;
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F32, vectors, 0));
    s->row_bytes = ct_align_up(s->n * sizeof(float), CT_ALIGN);
    CT_TRY(ct_contrib_reserve(prepare, s->buffered ? 2 * (size_t)prepare->threads : 0, s->row_bytes,
                              &s->workers_at));
    prepare->state = s;
    prepare->kernel = s->kernel->name;
    if (x->dtype == prepare->out[0]->dtype &&
        !ct_contrib_out(prepare, roles->sum < 0 ? 99 : roles->sum))
        ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_skip_layer(struct ct_prepare *prepare)
{
    return prepare_norm(prepare, &skip_layer, prepare->in[0]->rank - 1);
}

static ct_status prepare_skip_rms(struct ct_prepare *prepare)
{
    return prepare_norm(prepare, &skip_rms, prepare->in[0]->rank - 1);
}

/* ------------------------------------------------------------------ run */

struct job {
    const struct state *s;
    const struct ct_run *run;
    const float *scale, *beta, *bias;
};

static void store_one(const struct ct_run *run, int out, size_t row, float value)
{
    struct ct_tensor *t = out < 0 ? NULL : ct_contrib_run_out(run, out);
    if (t)
        ct_store_f32(t->dtype, t->data, row, 1, &value);
}

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    const struct roles *roles = s->roles;
    const struct ct_tensor *x = job->run->in[0], *y = job->run->out[0];
    const struct ct_tensor *skip = ct_contrib_run_in(job->run, roles->skip);
    const struct ct_tensor *sum = roles->sum < 0 ? NULL : ct_contrib_run_out(job->run, roles->sum);
    float *buffer =
        (float *)ct_contrib_scratch(job->run, s->workers_at + 2 * s->row_bytes * (size_t)worker);
    float *second = buffer + s->row_bytes / sizeof(float);
    for (int64_t item = begin; item < end; item++) {
        size_t row = (size_t)item, first = row * s->n;
        size_t skip_first = s->skip_rows ? row % s->skip_rows * s->n : 0;
        struct ct_norm_f32_row args = {.n = s->n,
                                       .scale = job->scale,
                                       .bias = job->beta,
                                       .add_bias = job->bias,
                                       .epsilon = s->epsilon};
        if (s->buffered) {
            ct_load_f32(x->dtype, x->data, first, s->n, buffer);
            if (skip)
                ct_load_f32(skip->dtype, skip->data, skip_first, s->n, second);
            args.x = args.y = buffer;
            args.add = skip ? second : NULL;
            args.sum = sum ? second : NULL;
        } else {
            args.x = CT_DATA(const float, x) + first;
            args.y = CT_DATA(float, y) + first;
            args.add = skip ? CT_DATA(const float, skip) + skip_first : NULL;
            args.sum = sum ? CT_DATA(float, sum) + first : NULL;
        }
        if (roles->rms)
            s->kernel->fn->rms(&args);
        else
            s->kernel->fn->layer(&args);
        if (s->buffered) {
            ct_store_f32(y->dtype, y->data, first, s->n, buffer);
            if (sum)
                ct_store_f32(sum->dtype, sum->data, first, s->n, second);
        }
        store_one(job->run, roles->mean, row, roles->rms ? 0 : args.mean);
        store_one(job->run, roles->inv_std, row, args.inv_std);
    }
}

static ct_status run_norm(const struct ct_run *run)
{
    const struct state *s = run->state;
    const struct roles *roles = s->roles;
    struct job job = {.s = s, .run = run, .scale = ct_widen_in(&s->widen, run, roles->scale)};
    if (s->rows == 0 || s->n == 0)
        return CORTEN_OK;
    if (ct_contrib_run_in(run, roles->beta))
        job.beta = ct_widen_in(&s->widen, run, roles->beta);
    if (ct_contrib_run_in(run, roles->bias))
        job.bias = ct_widen_in(&s->widen, run, roles->bias);
    ct_run_parallel(run, (int64_t)s->rows, 20 + 0.4 * (double)s->n, run_rows, &job);
    return CORTEN_OK;
}

/* Double has rows of its own; only the plain form has it. */
static void rows_f64(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_tensor *x = job->run->in[0], *scale = job->run->in[1], *y = job->run->out[0];
    struct ct_tensor *inv = ct_contrib_run_out(job->run, 1);
    size_t n = job->s->n;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        double squares = 0, value, factor;
        for (size_t i = 0; i < n; i++) {
            ct_load_f64(x->dtype, x->data, (size_t)row * n + i, 1, &value);
            squares += value * value;
        }
        double inv_std = 1 / sqrt(squares / (double)n + (double)job->s->epsilon);
        for (size_t i = 0; i < n; i++) {
            ct_load_f64(x->dtype, x->data, (size_t)row * n + i, 1, &value);
            ct_load_f64(scale->dtype, scale->data, i, 1, &factor);
            value *= inv_std * factor;
            ct_store_f64(y->dtype, y->data, (size_t)row * n + i, 1, &value);
        }
        if (inv)
            ct_store_f64(inv->dtype, inv->data, (size_t)row, 1, &inv_std);
    }
}

static ct_status run_f64(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {.s = s, .run = run};
    if (s->n)
        ct_run_parallel(run, (int64_t)s->rows, 20 + 8 * (double)s->n, rows_f64, &job);
    return CORTEN_OK;
}

static ct_status prepare_rms(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    int64_t axis = ct_attr_int(prepare->node, "axis", -1);
    CT_TRY(prepare_norm(prepare, &plain_rms, (int)(axis < 0 ? axis + x->rank : axis)));
    if (x->dtype == CORTEN_F64 || prepare->in[1]->dtype == CORTEN_F64)
        prepare->run = run_f64;
    return CORTEN_OK;
}

const struct ct_op ct_op_skip_layer_norm = {.infer = infer_skip_layer,
                                            .prepare = prepare_skip_layer,
                                            .run = run_norm,
                                            .min_in = 3,
                                            .max_in = 5,
                                            .min_out = 1,
                                            .max_out = 4};
const struct ct_op ct_op_skip_simplified_layer_norm = {.infer = infer_skip_rms,
                                                       .prepare = prepare_skip_rms,
                                                       .run = run_norm,
                                                       .min_in = 3,
                                                       .max_in = 4,
                                                       .min_out = 1,
                                                       .max_out = 4};
const struct ct_op ct_op_simplified_layer_norm = {.infer = infer_rms,
                                                  .prepare = prepare_rms,
                                                  .run = run_norm,
                                                  .min_in = 2,
                                                  .max_in = 2,
                                                  .min_out = 1,
                                                  .max_out = 2};
