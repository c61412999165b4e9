/* ConvInteger and QLinearConv, by plain loops over widened operands with their zero points taken
 * away, so that padding is zero. */
#include "ops/nn/conv.h"
#include "ops/quant/round.h"

#define T uint32_t
#define FN convolve
#include "ops/nn/conv_direct_tmpl.h"

/* Where the inputs are; -1: there is no such input. */
struct places {
    int x, x_zero, w, w_zero, x_scale, w_scale, y_scale, y_zero, bias;
};
static const struct places integer_places = {0, 2, 1, 3, -1, -1, -1, -1, -1};
static const struct places qlinear_places = {0, 2, 3, 5, 1, 4, 6, 7, 8};

struct conv_integer {
    const struct places *at;
    struct ct_conv_shape shape;
    size_t x_at, w_at, y_at; /* widened; y: one plane for each worker */
};

struct call {
    const struct conv_integer *state;
    const struct ct_run *run;
    const uint32_t *x, *w;
    const uint32_t *bias;
};

static const struct ct_tensor *input(const struct ct_run *run, int i)
{
    return i < 0 || i >= run->n_in ? NULL : run->in[i];
}

/* A parameter that is one number, or one for each filter. */
static double parameter(const struct ct_tensor *t, int64_t filter)
{
    double x = 0;
    if (t)
        ct_load_f64(t->dtype, t->data, ct_count(t) == 1 ? 0 : (size_t)filter, 1, &x);
    return x;
}

static void widen(const struct ct_tensor *t, int64_t first, int64_t n, double zero, uint32_t *to)
{
    enum { BLOCK = 256 };
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t v[BLOCK], count = n - i < BLOCK ? n - i : BLOCK;
        ct_load_i64(t->dtype, t->data, (size_t)(first + i), (size_t)count, v);
        for (int64_t j = 0; j < count; j++)
            to[i + j] = (uint32_t)(v[j] - (int64_t)zero);
    }
}

static void widen_x(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    int64_t plane = c->state->shape.in_plane;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        widen(c->run->in[c->state->at->x], i * plane, plane,
              parameter(input(c->run, c->state->at->x_zero), 0),
              (uint32_t *)(uintptr_t)c->x + i * plane);
}

static void widen_w(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    int64_t k = c->state->shape.ic * c->state->shape.kernel_volume;
    (void)worker;
    for (int64_t f = begin; f < end; f++)
        widen(c->run->in[c->state->at->w], f * k, k,
              parameter(input(c->run, c->state->at->w_zero), f),
              (uint32_t *)(uintptr_t)c->w + f * k);
}

static void requantize(const struct call *c, int64_t filter, const uint32_t *sums, size_t first)
{
    const struct places *at = c->state->at;
    const struct ct_tensor *y = c->run->out[0];
    float low, high;
    ct_int_range(y->dtype, &low, &high);
    float scale = (float)parameter(c->run->in[at->x_scale], 0) *
                  (float)parameter(c->run->in[at->w_scale], filter) /
                  (float)parameter(c->run->in[at->y_scale], 0);
    double zero = parameter(input(c->run, at->y_zero), 0);
    uint8_t *to = (uint8_t *)y->data + first;
    for (int64_t i = 0; i < c->state->shape.out_plane; i++) {
        double v = rint((double)(int32_t)sums[i] * (double)scale) + zero;
        v = v > (double)low ? v < (double)high ? v : (double)high : (double)low;
        to[i] = (uint8_t)(int)v;
    }
}

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct conv_integer *s = c->state;
    int64_t filters = s->shape.groups * s->shape.oc, plane = s->shape.out_plane;
    uint32_t *sums =
        (uint32_t *)(void *)((char *)c->run->scratch + s->y_at) + worker * plane;
    bool direct = s->at->y_scale < 0;
    for (int64_t i = begin; i < end; i++) {
        uint32_t *to = direct ? CT_DATA(uint32_t, c->run->out[0]) + i * plane : sums;
        convolve(&s->shape, c->x, c->w, c->bias, i / filters, i % filters, to);
        if (!direct)
            requantize(c, i % filters, sums, (size_t)(i * plane));
    }
}

static ct_status run_conv(const struct ct_run *run)
{
    const struct conv_integer *s = run->state;
    const struct ct_conv_shape *shape = &s->shape;
    const struct ct_tensor *bias = input(run, s->at->bias);
    struct call call = {.state = s, .run = run};
    call.x = (const uint32_t *)(const void *)((char *)run->scratch + s->x_at);
    call.w = (const uint32_t *)(const void *)((char *)run->scratch + s->w_at);
    call.bias = bias ? bias->data : NULL;
    int64_t k = shape->ic * shape->kernel_volume, filters = shape->groups * shape->oc;
    ct_run_parallel(run, shape->batch * shape->groups * shape->ic, (double)shape->in_plane,
                    widen_x, &call);
    ct_run_parallel(run, filters, (double)k, widen_w, &call);
    ct_run_parallel(run, shape->batch * filters, (double)k * (double)shape->out_plane * 0.5,
                    run_planes, &call);
    return CORTEN_OK;
}

static ct_status take(struct ct_prepare *prepare, size_t count, size_t *at)
{
    size_t bytes;
    *at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    if (!ct_mul_size(count, sizeof(uint32_t), &bytes) ||
        !ct_add_size(*at, bytes, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    return CORTEN_OK;
}

static ct_status prepare_conv(struct ct_prepare *prepare, const struct places *at)
{
    struct conv_integer *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a convolution");
    s->at = at;
    CT_TRY(ct_conv_shape_read(prepare, at->x, at->w, &s->shape));
    CT_TRY(take(prepare, ct_count(prepare->in[at->x]), &s->x_at));
    CT_TRY(take(prepare, ct_count(prepare->in[at->w]), &s->w_at));
    CT_TRY(take(prepare, (size_t)s->shape.out_plane * (size_t)prepare->threads, &s->y_at));
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_integer(struct ct_prepare *prepare)
{
    return prepare_conv(prepare, &integer_places);
}

static ct_status prepare_qlinear(struct ct_prepare *prepare)
{
    return prepare_conv(prepare, &qlinear_places);
}

/* One number, or (when by_filter) one for each filter. */
static ct_status check_parameter(const struct ct_infer *infer, int i, int w, bool by_filter)
{
    const struct ct_fact *p = i < 0 ? NULL : ct_infer_in(infer, i), *weight = ct_infer_in(infer, w);
    CT_TRY(i < 0 ? CORTEN_OK : ct_infer_check_rank(infer, i, 0, 1));
    if (!p || p->rank < 1 || !ct_dim_known(p->dims[0]) || p->dims[0] == 1)
        return CORTEN_OK;
    bool fits = by_filter && (weight->rank < 1 || !ct_dim_known(weight->dims[0]) ||
                              weight->dims[0] == p->dims[0]);
    return fits ? CORTEN_OK
                : ct_infer_fail(infer, "input %d has %lld elements, expected 1%s", i,
                                (long long)p->dims[0], by_filter ? " or one for each filter" : "");
}

static ct_status infer_conv(struct ct_infer *infer, const struct places *at, ct_dtype dtype)
{
    CT_TRY(ct_infer_check_dtype(infer, at->w, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_conv_infer(infer, at->x, at->w, at->bias, dtype));
    CT_TRY(ct_infer_check_same_dtype(infer, at->x, at->x_zero));
    CT_TRY(ct_infer_check_same_dtype(infer, at->w, at->w_zero));
    CT_TRY(check_parameter(infer, at->x_zero, at->w, false));
    CT_TRY(check_parameter(infer, at->x_scale, at->w, false));
    CT_TRY(check_parameter(infer, at->y_scale, at->w, false));
    CT_TRY(check_parameter(infer, at->y_zero, at->w, false));
    CT_TRY(check_parameter(infer, at->w_zero, at->w, true));
    return check_parameter(infer, at->w_scale, at->w, true);
}

static ct_status infer_integer(struct ct_infer *infer)
{
    return infer_conv(infer, &integer_places, CORTEN_I32);
}

static ct_status infer_qlinear(struct ct_infer *infer)
{
    for (int i = 0; i < 8; i++)
        if (!ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d must be present", i);
    for (int i = 1; i < 7; i += i == 4 ? 2 : 3)
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, 7, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_infer_check_dtype(infer, 8, CT_BIT(I32)));
    return infer_conv(infer, &qlinear_places, ct_infer_in(infer, 7)->dtype);
}

const struct ct_op ct_op_conv_integer = {
    .infer = infer_integer,
    .prepare = prepare_integer,
    .run = run_conv,
    .cost = ct_conv_cost,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
};

const struct ct_op ct_op_qlinear_conv = {
    .infer = infer_qlinear,
    .prepare = prepare_qlinear,
    .run = run_conv,
    .min_in = 8,
    .max_in = 9,
    .min_out = 1,
};
