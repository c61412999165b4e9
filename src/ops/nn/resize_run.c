/* Running Resize: the nearest mode moves elements of any type; the others are computed one axis
 * after the other, since their filters are products of one for each axis. */
#include "ops/nn/resize.h"
#include "ops/widen.h"

#include <math.h>
#include <string.h>

struct element16 {
    uint64_t half[2];
};

#define T uint8_t
#define FN copy_1
#include "ops/nn/resize_nearest_tmpl.h"
#define T uint16_t
#define FN copy_2
#include "ops/nn/resize_nearest_tmpl.h"
#define T uint32_t
#define FN copy_4
#include "ops/nn/resize_nearest_tmpl.h"
#define T uint64_t
#define FN copy_8
#include "ops/nn/resize_nearest_tmpl.h"
#define T struct element16
#define FN copy_16
#include "ops/nn/resize_nearest_tmpl.h"

#define T float
#define FN weigh_f32
#include "ops/nn/resize_linear_tmpl.h"
#define T double
#define FN weigh_f64
#include "ops/nn/resize_linear_tmpl.h"

struct pass {
    struct ct_resize_table table;
    int64_t outer, in, out, inner;
};

struct resize {
    struct ct_resize spec;
    struct ct_resize_table tables[CT_MAX_RANK]; /* nearest: of every axis */
    struct pass passes[CT_MAX_RANK];            /* else: of the axes that change */
    int n_passes;
    bool round;            /* the elements are whole numbers */
    int64_t complex_parts; /* 2 for complex numbers, which are pairs of elements */
    size_t elem_bytes;
    struct ct_widen widen;
    size_t buffer_at[2];
    uint8_t extrapolation[16]; /* as an element */
};

/* ------------------------------------------------------------------ nearest */

struct rows {
    const struct resize *state;
    const char *x;
    char *y;
};

static void copy_row(const struct resize *s, const char *x, char *y)
{
    int last = s->spec.rank - 1;
    const struct ct_resize_table *t = &s->tables[last];
    int64_t n = s->spec.axes[last].out;
    switch (s->elem_bytes) {
    case 1: copy_1(x, t->index, n, y); break;
    case 2: copy_2(x, t->index, n, y); break;
    case 4: copy_4(x, t->index, n, y); break;
    case 8: copy_8(x, t->index, n, y); break;
    default: copy_16(x, t->index, n, y);
    }
    for (int64_t i = 0; t->outside && i < n; i++)
        if (t->outside[i])
            memcpy(y + (size_t)i * s->elem_bytes, s->extrapolation, s->elem_bytes);
}

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct rows *rows = arg;
    const struct resize *s = rows->state;
    const struct ct_resize *r = &s->spec;
    int last = r->rank - 1;
    int64_t row_bytes = r->axes[last].out * (int64_t)s->elem_bytes, previous = -1;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        int64_t left = row, at = 0, scale = r->axes[last].in;
        bool outside = false;
        for (int i = last - 1; i >= 0; i--) {
            int64_t o = left % r->axes[i].out;
            left /= r->axes[i].out;
            at += s->tables[i].index[o] * scale;
            scale *= r->axes[i].in;
            outside |= s->tables[i].outside && s->tables[i].outside[o];
        }
        char *to = rows->y + row * row_bytes;
        if (outside) {
            for (int64_t i = 0; i < r->axes[last].out; i++)
                memcpy(to + (size_t)i * s->elem_bytes, s->extrapolation, s->elem_bytes);
            previous = -1;
        } else if (at == previous) {
            memcpy(to, to - row_bytes, (size_t)row_bytes);
        } else {
            copy_row(s, rows->x + at * (int64_t)s->elem_bytes, to);
            previous = at;
        }
    }
}

static ct_status run_nearest(const struct ct_run *run)
{
    const struct resize *s = run->state;
    const struct ct_resize *r = &s->spec;
    struct rows rows = {s, run->in[0]->data, run->out[0]->data};
    int64_t n = (int64_t)ct_count(run->out[0]), row = r->rank ? r->axes[r->rank - 1].out : 0;
    if (!r->rank)
        memcpy(rows.y, rows.x, s->elem_bytes);
    else if (n)
        ct_run_parallel(run, n / row, (double)row * 0.7 + 10, run_rows, &rows);
    return CORTEN_OK;
}

static ct_status prepare_nearest(struct ct_prepare *prepare, struct resize *s)
{
    for (int i = 0; i < s->spec.rank; i++)
        CT_TRY(ct_resize_table_init(prepare, &s->spec, &s->spec.axes[i], &s->tables[i]));
    s->elem_bytes = ct_dtype_elem_bytes(prepare->in[0]->dtype);
    ct_dtype dtype = prepare->in[0]->dtype;
    if (ct_dtype_in(dtype, CT_NUMBERS | CT_BIT(BOOL)))
        ct_convert(dtype, s->extrapolation, CORTEN_F64, &s->spec.extrapolation, 1, true);
    else if (ct_dtype_in(dtype, CT_COMPLEX))
        ct_convert(dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64, s->extrapolation, CORTEN_F64,
                   &s->spec.extrapolation, 1, true);
    prepare->run = run_nearest;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ weighted */

struct pass_call {
    const struct resize *state;
    const struct pass *pass;
    const char *x;
    char *y;
};

static void run_pass(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct pass_call *c = arg;
    const struct pass *p = c->pass;
    double value = c->state->spec.extrapolation;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t outer = i / p->out, o = i % p->out;
        int64_t from = outer * p->in * p->inner, to = outer * p->out * p->inner;
        if (c->state->widen.dtype == CORTEN_F64)
            weigh_f64(&p->table, value, p->inner, (const double *)c->x + from, (double *)c->y + to,
                      o);
        else
            weigh_f32(&p->table, value, p->inner, (const float *)c->x + from, (float *)c->y + to,
                      o);
    }
}

/* Whole numbers are rounded, and kept in the range of their type, before they are stored. */
static void round_values(const struct resize *s, const struct ct_tensor *y, void *data)
{
    size_t n = ct_count(y);
    double bits = (double)corten_dtype_bits(y->dtype);
    bool is_signed = ct_dtype_is_signed(y->dtype);
    double low = is_signed ? -ldexp(1, (int)bits - 1) : 0;
    double high = nextafter(ldexp(1, (int)bits - (is_signed ? 1 : 0)), 0);
    high = bits < 53 ? floor(high) : high;
    for (size_t i = 0; i < n; i++) {
        if (s->widen.dtype == CORTEN_F64) {
            double *v = (double *)data + i;
            *v = fmin(fmax(rint(*v), low), high);
        } else {
            float *v = (float *)data + i;
            *v = (float)fmin(fmax((double)rintf(*v), low), high);
        }
    }
}

static ct_status run_weighted(const struct ct_run *run)
{
    const struct resize *s = run->state;
    const char *x = s->complex_parts == 2 ? run->in[0]->data : ct_widen_in(&s->widen, run, 0);
    char *y = s->complex_parts == 2 ? run->out[0]->data : ct_widen_out(&s->widen, run, 0);
    size_t elem = s->widen.dtype == CORTEN_F64 ? 8 : 4;
    for (int i = 0; i < s->n_passes; i++) {
        const struct pass *p = &s->passes[i];
        bool last = i == s->n_passes - 1;
        char *to = last ? y : (char *)run->scratch + s->buffer_at[i % 2];
        struct pass_call call = {s, p, x, to};
        ct_run_parallel(run, p->outer * p->out, (double)(p->inner * p->table.n_taps) * 0.5 + 5,
                        run_pass, &call);
        x = to;
    }
    if (!s->n_passes)
        memcpy(y, x, ct_count(run->out[0]) * elem * (size_t)s->complex_parts);
    if (s->round)
        round_values(s, run->out[0], y);
    if (s->complex_parts == 1)
        ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

static ct_status prepare_weighted(struct ct_prepare *prepare, struct resize *s)
{
    const struct ct_resize *r = &s->spec;
    ct_dtype dtype = prepare->in[0]->dtype;
    size_t largest = 0, elem;
    s->complex_parts = ct_dtype_in(dtype, CT_COMPLEX) ? 2 : 1;
    s->round = ct_dtype_is_int(dtype);
    if (s->complex_parts == 2)
        s->widen.dtype = dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64;
    else
        CT_TRY(ct_widen_init(&s->widen, prepare, ct_widen_dtype(dtype), 1, 1));
    elem = s->widen.dtype == CORTEN_F64 ? 8 : 4;
    int64_t dims[CT_MAX_RANK];
    for (int i = 0; i < r->rank; i++)
        dims[i] = r->axes[i].in;
    for (int i = 0; i < r->rank; i++) {
        if (ct_resize_axis_is_copy(r, &r->axes[i]))
            continue;
        struct pass *p = &s->passes[s->n_passes++];
        CT_TRY(ct_resize_table_init(prepare, r, &r->axes[i], &p->table));
        p->outer = ct_dims_product(dims, 0, i);
        p->in = dims[i];
        dims[i] = p->out = r->axes[i].out;
        p->inner = ct_dims_product(dims, i + 1, r->rank) * s->complex_parts;
        size_t n;
        if (!ct_shape_count(r->rank, dims, &n) || n > SIZE_MAX / 64)
            return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
        largest = n > largest ? n : largest;
    }
    size_t bytes = ct_align_up(largest * elem * (size_t)s->complex_parts, CT_ALIGN);
    for (int i = 0; i < 2 && i + 1 < s->n_passes; i++) {
        s->buffer_at[i] = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
        if (!ct_add_size(s->buffer_at[i], bytes, &prepare->scratch_bytes))
            return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    }
    prepare->run = run_weighted;
    return CORTEN_OK;
}

ct_status ct_resize_prepare(struct ct_prepare *prepare, const struct ct_resize *resize)
{
    struct resize *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a Resize");
    s->spec = *resize;
    prepare->state = s;
    return resize->mode == CT_RESIZE_NEAREST ? prepare_nearest(prepare, s)
                                             : prepare_weighted(prepare, s);
}
