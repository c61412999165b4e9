/* com.microsoft.NhwcFusedConv: act(conv(X) + bias + Z) with channels last, for the weights of Conv.
 * The values under the window of some outputs become rows, and the product of those with the
 * weights is their outputs as they lie. */
#include <string.h>

#include "ops/activation.h"
#include "ops/gemm_driver.h"
#include "ops/nn/conv.h"
#include "ops/contrib/contrib.h"
#include "ops/widen.h"

enum { X, W, BIAS, ADDED };
enum { TILE = 256 }; /* outputs of a product */

/* ------------------------------------------------------------------ infer */

/* [N, D1, …, Dn, C] as [N, C, D1, …, Dn]. */
static void channels_first(const ct_dim *from, int rank, ct_dim *to)
{
    to[0] = from[0];
    to[1] = from[rank - 1];
    for (int i = 2; i < rank; i++)
        to[i] = from[i - 1];
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X), *added = ct_infer_in(infer, ADDED);
    struct ct_gemm_post post;
    struct ct_fact plain, result, *outs[] = {&result};
    const struct ct_fact *ins[] = {&plain, ct_infer_in(infer, W), ct_infer_in(infer, BIAS)};
    ct_dim dims[CT_MAX_RANK];
    if (!ct_activation_read(infer->node, &post))
        return ct_infer_fail(infer, "activation: expected one of FusedConv");
    for (int i = W; i <= ADDED; i++)
        CT_TRY(ct_infer_check_same_dtype(infer, X, i));
    CT_TRY(ct_infer_check_rank(infer, X, 3, -1));
    ct_fact_init(&plain);
    ct_fact_init(&result);
    if (x->rank >= 0)
        channels_first(x->dims, x->rank, dims);
    ct_fact_set(&plain, x->dtype, x->rank, x->rank < 0 ? NULL : dims);
    struct ct_infer inner = *infer;
    inner.in = ins;
    inner.n_in = 3;
    inner.out = outs;
    inner.n_out = 1;
    CT_TRY(ct_conv_infer(&inner, X, W, BIAS, x->dtype));
    if (result.rank < 2) {
        ct_infer_set(infer, 0, x->dtype, -1, NULL);
        return CORTEN_OK;
    }
    dims[0] = result.dims[0];
    dims[result.rank - 1] = result.dims[1];
    for (int i = 2; i < result.rank; i++)
        dims[i - 1] = result.dims[i];
    ct_infer_set(infer, 0, x->dtype, result.rank, dims);
    CT_TRY(ct_infer_check_rank(infer, ADDED, result.rank, result.rank));
    for (int i = 0; added && i < added->rank; i++)
        CT_TRY(ct_contrib_agree(infer, "the added input and the output", added->dims[i], dims[i]));
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct state {
    struct ct_conv_shape shape;
    struct ct_widen widen;
    struct ct_gemm_problem problem; /* of a whole tile */
    size_t rows_at, gemm_at;
};

static struct ct_gemm_problem problem_of(const struct state *st, int64_t m)
{
    struct ct_gemm_problem p = st->problem;
    p.m = m;
    return p;
}

static ct_status read_shape(struct ct_prepare *prepare, struct ct_conv_shape *s)
{
    const struct ct_tensor *x = prepare->in[X], *w = prepare->in[W];
    ct_dim dims[CT_MAX_RANK];
    channels_first(x->dims, x->rank, dims);
    s->groups = ct_attr_int(prepare->node, "group", 1);
    s->batch = dims[0];
    s->ic = w->dims[1];
    s->oc = w->dims[0] / s->groups;
    CT_TRY(ct_window_read(prepare->node, x->rank - 2, dims + 2, w->dims + 2, &s->window,
                          prepare->error));
    CT_TRY(ct_window_resolve(prepare->node, NULL, &s->window, prepare->error));
    s->in_plane = ct_dims_product(s->window.in, 0, s->window.n);
    s->out_plane = ct_dims_product(s->window.out, 0, s->window.n);
    s->kernel_volume = ct_dims_product(s->window.kernel, 0, s->window.n);
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    size_t count;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    struct ct_conv_shape *s = &st->shape;
    CT_TRY(read_shape(prepare, s));
    CT_TRY(ct_widen_init(&st->widen, prepare, CORTEN_F32, 15, 1));
    if (!ct_shape_count(3, (int64_t[]){TILE, s->ic, s->kernel_volume}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the window is too large");
    int64_t k = s->ic * s->kernel_volume;
    ct_gemm_problem_init(&st->problem, TILE, s->oc, k);
    st->problem.b_transposed = true;
    st->problem.ldb = k;
    st->problem.ldc = s->groups * s->oc;
    ct_activation_read(prepare->node, &st->problem.post);
    st->problem.post.beta = 1;
    prepare->state = st;
    size_t gemm = 0;
    for (int64_t m = 1; m <= TILE; m++) {
        struct ct_gemm_problem p = problem_of(st, m);
        size_t some = ct_gemm_f32_scratch_bytes(&p, prepare->threads);
        gemm = some > gemm ? some : gemm;
    }
    CT_TRY(ct_contrib_reserve(prepare, count, sizeof(float), &st->rows_at));
    return ct_contrib_reserve(prepare, gemm, 1, &st->gemm_at);
}

/* ------------------------------------------------------------------ run */

struct job {
    const struct state *st;
    const float *x; /* of an image, from the group's first channel on */
    float *rows;
    int64_t first; /* output of the first row */
};

/* Where the window of an output reads position `k` of the kernel; -1: in the padding. */
static int64_t place_of(const struct ct_window *w, int64_t output, int64_t k)
{
    int64_t place = 0, scale = 1;
    for (int i = w->n - 1; i >= 0; i--) {
        int64_t at =
            output % w->out[i] * w->stride[i] - w->pad_begin[i] + k % w->kernel[i] * w->dilation[i];
        if (at < 0 || at >= w->in[i])
            return -1;
        place += at * scale;
        scale *= w->in[i];
        output /= w->out[i];
        k /= w->kernel[i];
    }
    return place;
}

static void fill_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_conv_shape *s = &job->st->shape;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        float *to = job->rows + r * s->ic * s->kernel_volume;
        for (int64_t k = 0; k < s->kernel_volume; k++) {
            int64_t place = place_of(&s->window, job->first + r, k);
            const float *from = place < 0 ? NULL : job->x + place * s->groups * s->ic;
            for (int64_t c = 0; c < s->ic; c++)
                to[c * s->kernel_volume + k] = from ? from[c] : 0;
        }
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    const struct ct_conv_shape *s = &st->shape;
    const float *x = ct_widen_in(&st->widen, run, X), *w = ct_widen_in(&st->widen, run, W);
    const float *bias = ct_widen_in(&st->widen, run, BIAS);
    const float *added = ct_widen_in(&st->widen, run, ADDED);
    float *y = ct_widen_out(&st->widen, run, 0), *rows = ct_contrib_scratch(run, st->rows_at);
    int64_t k = s->ic * s->kernel_volume, channels = s->groups * s->oc;
    for (int64_t image = 0; image < s->batch; image++)
        for (int64_t g = 0; g < s->groups; g++)
            for (int64_t first = 0; first < s->out_plane; first += TILE) {
                int64_t m = s->out_plane - first < TILE ? s->out_plane - first : TILE;
                int64_t at = (image * s->out_plane + first) * channels + g * s->oc;
                struct job job = {st, x + image * s->in_plane * s->groups * s->ic + g * s->ic, rows,
                                  first};
                struct ct_gemm_problem p = problem_of(st, m);
                ct_run_parallel(run, m, (double)k, fill_rows, &job);
                if (bias)
                    p.post.bias = (struct ct_gemm_term){bias + g * s->oc, 0, 1};
                if (added)
                    p.post.residual = (struct ct_gemm_term){added + at, channels, 1};
                ct_gemm_f32_run(run->exec->pool, &p, rows, w + g * s->oc * k, y + at,
                                ct_contrib_scratch(run, st->gemm_at));
            }
    ct_widen_done(&st->widen, run, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_nhwc_fused_conv = {.infer = infer,
                                            .prepare = prepare,
                                            .run = run,
                                            .cost = ct_conv_cost,
                                            .min_in = 2,
                                            .max_in = 4,
                                            .min_out = 1};
