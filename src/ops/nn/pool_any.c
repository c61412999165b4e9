/* Pools in double by plain loops: f64, indices, more than three axes, huge windows. */
#include "ops/nn/pool.h"
#include "ops/widen.h"

#include <math.h>

struct pool_any {
    struct ct_pool_shape shape;
    struct ct_widen widen;
};

struct call {
    const struct pool_any *state;
    const double *x;
    double *y;
    int64_t *indices;
};

/* Running result over the elements of one window. */
struct sum {
    double value;
    int64_t index; /* of the largest; -1: none yet */
};

static void add(const struct ct_pool_shape *s, struct sum *sum, double x, int64_t index)
{
    if (s->kind == CT_POOL_AVERAGE) {
        sum->value += x;
    } else if (s->kind == CT_POOL_LP) {
        sum->value += pow(fabs(x), s->p);
    } else if (sum->index < 0 || x > sum->value || (x != x && sum->value == sum->value)) {
        sum->value = x;
        sum->index = index;
    }
}

/* Walks the part of the window at `o` that lies inside the input. */
static void walk(const struct ct_pool_shape *s, const double *x, const int64_t *o, struct sum *sum)
{
    const struct ct_window *w = &s->window;
    int64_t first[CT_WINDOW_MAX_AXES], end[CT_WINDOW_MAX_AXES], k[CT_WINDOW_MAX_AXES];
    for (int i = 0; i < w->n; i++) {
        ct_window_range(w, i, o[i], &first[i], &end[i]);
        if (end[i] <= first[i])
            return;
        k[i] = first[i];
    }
    for (;;) {
        int64_t at = 0;
        for (int i = 0; i < w->n; i++)
            at = at * w->in[i] + o[i] * w->stride[i] - w->pad_begin[i] + k[i] * w->dilation[i];
        add(s, sum, x[at], at);
        int i = w->n - 1;
        while (i >= 0 && ++k[i] == end[i]) {
            k[i] = first[i];
            i--;
        }
        if (i < 0)
            return;
    }
}

static int64_t column_major(const struct ct_window *w, int64_t index)
{
    int64_t at = 0;
    for (int i = w->n - 1; i >= 0; i--) {
        int64_t scale = ct_dims_product(w->in, 0, i);
        at += index % w->in[i] * scale;
        index /= w->in[i];
    }
    return at;
}

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct ct_pool_shape *s = &call->state->shape;
    const struct ct_window *w = &s->window;
    (void)worker;
    for (int64_t plane = begin; plane < end; plane++) {
        int64_t o[CT_WINDOW_MAX_AXES] = {0};
        for (int64_t i = 0; i < s->out_plane; i++) {
            struct sum sum = {s->kind == CT_POOL_MAX ? (double)-INFINITY : 0, -1};
            walk(s, call->x + plane * s->in_plane, o, &sum);
            if (s->kind == CT_POOL_AVERAGE) {
                double count = ct_pool_count(s, o);
                sum.value = count > 0 ? sum.value / count : 0;
            } else if (s->kind == CT_POOL_LP) {
                sum.value = pow(sum.value, 1 / s->p);
            }
            int64_t at = plane * s->out_plane + i;
            call->y[at] = sum.value;
            if (call->indices) {
                int64_t index = sum.index < 0 ? 0 : sum.index;
                call->indices[at] =
                    plane * s->in_plane + (s->column_major ? column_major(w, index) : index);
            }
            for (int a = w->n - 1; a >= 0 && ++o[a] == w->out[a]; a--)
                o[a] = 0;
        }
    }
}

static ct_status run_any(const struct ct_run *run)
{
    const struct pool_any *s = run->state;
    const struct ct_window *w = &s->shape.window;
    struct call call = {.state = s, .x = ct_widen_in(&s->widen, run, 0)};
    call.y = ct_widen_out(&s->widen, run, 0);
    call.indices = run->n_out > 1 && run->out[1] ? run->out[1]->data : NULL;
    double volume = 1;
    for (int i = 0; i < w->n; i++)
        volume *= (double)w->kernel[i];
    ct_run_parallel(run, s->shape.planes, (double)s->shape.out_plane * (volume * 2 + 10),
                    run_planes, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

ct_status ct_pool_prepare_any(struct ct_prepare *prepare, const struct ct_pool_shape *shape)
{
    struct pool_any *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a pool");
    s->shape = *shape;
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F64, 1, 1));
    prepare->state = s;
    prepare->run = run_any;
    return CORTEN_OK;
}
