/* DeformConv: a convolution whose kernel reads at places that another input moves; between elements
 * it interpolates linearly along each axis. Computed in double, output position by position. */
#include "ops/nn/conv.h"
#include "ops/widen.h"

#include <math.h>

struct deform_conv {
    struct ct_conv_shape shape;
    int64_t offset_groups;
    struct ct_widen widen;
    size_t column_at; /* what the kernel reads, one column for each worker */
    int64_t column_elems;
};

struct call {
    const struct deform_conv *state;
    const double *x, *w, *offset, *bias, *mask;
    double *y, *columns;
};

static ct_status infer_deform(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *w = ct_infer_in(infer, 1);
    int64_t offset_groups = ct_attr_int(infer->node, "offset_group", 1);
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 2));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 3));
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 4));
    CT_TRY(ct_conv_infer(infer, 0, 1, 3, x ? x->dtype : CORTEN_DTYPE_NONE));
    if (offset_groups < 1 ||
        (x->rank > 1 && ct_dim_known(x->dims[1]) && x->dims[1] % offset_groups))
        return ct_infer_fail(infer, "offset_group: the channels do not split into %lld groups",
                             (long long)offset_groups);
    const struct ct_fact *y = infer->out[0];
    if (!y || y->rank < 0)
        return CORTEN_OK;
    /* offset and mask: [N, groups * kernel * axes (mask: 1), out…] */
    ct_dim volume = offset_groups;
    for (int i = 2; i < w->rank; i++)
        volume = ct_dim_mul(infer, volume, w->dims[i]);
    for (int in = 2; in < 5; in += 2) {
        const struct ct_fact *f = ct_infer_in(infer, in);
        ct_dim channels = in == 2 ? ct_dim_mul(infer, volume, x->rank - 2) : volume;
        if (!f || f->rank < 0)
            continue;
        CT_TRY(ct_infer_check_rank(infer, in, x->rank, x->rank));
        for (int i = 0; i < x->rank; i++) {
            ct_dim expected = i == 0 ? x->dims[0] : i == 1 ? channels : y->dims[i];
            if (ct_dim_known(f->dims[i]) && ct_dim_known(expected) && f->dims[i] != expected)
                return ct_infer_fail(infer, "input %d, axis %d: found %lld, expected %lld", in, i,
                                     (long long)f->dims[i], (long long)expected);
        }
    }
    return CORTEN_OK;
}

/* x between its elements; zero outside. */
static double sample(const struct ct_window *w, const double *x, const double *at)
{
    double sum = 0;
    double low[CT_WINDOW_MAX_AXES];
    for (int i = 0; i < w->n; i++) {
        low[i] = floor(at[i]);
        if (!(at[i] > -1 && at[i] < (double)w->in[i]))
            return 0;
    }
    for (unsigned corner = 0; corner < 1u << w->n; corner++) {
        double weight = 1;
        int64_t index = 0;
        for (int i = 0; i < w->n; i++) {
            int64_t high = corner >> i & 1, place = (int64_t)low[i] + high;
            weight *= high ? at[i] - low[i] : 1 - (at[i] - low[i]);
            if (place < 0 || place >= w->in[i])
                weight = 0;
            index = index * w->in[i] + place;
        }
        if (weight != 0)
            sum += weight * x[index];
    }
    return sum;
}

static void fill_column(const struct call *c, int64_t image, int64_t pixel, double *column)
{
    const struct deform_conv *s = c->state;
    const struct ct_conv_shape *shape = &s->shape;
    const struct ct_window *w = &shape->window;
    int64_t channels = shape->groups * shape->ic, per_group = channels / s->offset_groups;
    int64_t volume = shape->kernel_volume, plane = shape->out_plane;
    int64_t o[CT_WINDOW_MAX_AXES], left = pixel;
    for (int i = w->n - 1; i >= 0; left /= w->out[i], i--)
        o[i] = left % w->out[i];
    for (int64_t g = 0; g < s->offset_groups; g++)
        for (int64_t k = 0; k < volume; k++) {
            double at[CT_WINDOW_MAX_AXES];
            int64_t position = k, first = ((image * s->offset_groups + g) * volume + k);
            for (int i = w->n - 1; i >= 0; position /= w->kernel[i], i--)
                at[i] = (double)(o[i] * w->stride[i] - w->pad_begin[i] +
                                 position % w->kernel[i] * w->dilation[i]) +
                        c->offset[(first * w->n + i) * plane + pixel];
            double mask = c->mask ? c->mask[first * plane + pixel] : 1;
            for (int64_t j = g * per_group; j < (g + 1) * per_group; j++)
                column[j * volume + k] =
                    mask * sample(w, c->x + (image * channels + j) * shape->in_plane, at);
        }
}

static void run_pixels(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct deform_conv *s = c->state;
    const struct ct_conv_shape *shape = &s->shape;
    double *column = c->columns + worker * s->column_elems;
    int64_t k = shape->ic * shape->kernel_volume, filters = shape->groups * shape->oc;
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / shape->out_plane, pixel = i % shape->out_plane;
        fill_column(c, image, pixel, column);
        for (int64_t f = 0; f < filters; f++) {
            const double *in = column + f / shape->oc * k, *w = c->w + f * k;
            double sum = c->bias ? c->bias[f] : 0;
            for (int64_t j = 0; j < k; j++)
                sum += w[j] * in[j];
            c->y[(image * filters + f) * shape->out_plane + pixel] = sum;
        }
    }
}

static ct_status run_deform(const struct ct_run *run)
{
    const struct deform_conv *s = run->state;
    struct call call = {.state = s};
    call.x = ct_widen_in(&s->widen, run, 0);
    call.w = ct_widen_in(&s->widen, run, 1);
    call.offset = ct_widen_in(&s->widen, run, 2);
    call.bias = ct_widen_in(&s->widen, run, 3);
    call.mask = ct_widen_in(&s->widen, run, 4);
    call.y = ct_widen_out(&s->widen, run, 0);
    call.columns = (double *)(void *)((char *)run->scratch + s->column_at);
    double products = (double)s->column_elems * (10 + (double)s->shape.oc);
    ct_run_parallel(run, s->shape.batch * s->shape.out_plane, products, run_pixels, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

static ct_status prepare_deform(struct ct_prepare *prepare)
{
    struct deform_conv *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a convolution");
    CT_TRY(ct_conv_shape_read(prepare, 0, 1, &s->shape));
    s->offset_groups = ct_attr_int(prepare->node, "offset_group", 1);
    s->column_elems = s->shape.groups * s->shape.ic * s->shape.kernel_volume;
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F64, 0x1F, 1));
    s->column_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    prepare->scratch_bytes =
        s->column_at + (size_t)s->column_elems * sizeof(double) * (size_t)prepare->threads;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_deform_conv = {
    .infer = infer_deform,
    .prepare = prepare_deform,
    .run = run_deform,
    .cost = ct_conv_cost,
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
};
